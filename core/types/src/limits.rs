//! Every bound in one table. A bound that is reached is a named outcome, not a crash. docs/LIMITS.md explains each. A value changes
//! with an ADR that says why: others rely on it, some in bytes.

use crate::time::Duration;

/// Characters of a name.
pub const NAME_LEN_MAX: usize = 64;
/// Characters of a relay's address.
pub const RELAY_ADDRESS_LEN_MAX: usize = 255;
/// Characters of a registration token.
pub const REGISTRATION_TOKEN_LEN_MAX: usize = 128;
/// Bytes of an OpenPGP certificate.
pub const CERTIFICATE_LEN_MAX: usize = 8 * 1024;
/// Bytes of a message's body: the text a person writes.
pub const BODY_LEN_MAX: usize = 64 * 1024;
/// Sizes to which the inside of an envelope is padded, in bytes.
pub const PADDING_CLASSES: [usize; 7] = [1_536, 3_072, 6_144, 12_288, 24_576, 49_152, 98_304];
/// Bytes of one frame on any transport: the largest envelope, its seal and the request around it.
pub const FRAME_LEN_MAX: usize = 100_352;
/// Bytes of the name in a certificate's user id.
pub const USER_ID_LEN_MAX: usize = 1_024;
/// Bytes of a detached OpenPGP signature; ours take about 120.
pub const SIGNATURE_LEN_MAX: usize = 1_024;
/// Bytes of a binary OpenPGP secret key: a certificate's and room for the secrets.
pub const SECRET_KEY_LEN_MAX: usize = CERTIFICATE_LEN_MAX + 1_024;
/// Bytes of an armored OpenPGP secret key.
pub const SECRET_KEY_ARMORED_LEN_MAX: usize = 4 * SECRET_KEY_LEN_MAX;
/// Bytes of one MLS KeyPackage.
pub const KEY_PACKAGE_LEN_MAX: usize = 4 * 1024;

/// Bytes of one record's payload in the journal.
pub const RECORD_LEN_MAX: usize = 128 * 1024;
/// Bytes that may be made of one record's payload: a forged length makes no more.
pub const RECORD_MADE_MAX: usize = 4 * RECORD_LEN_MAX;
/// Bytes of a snapshot's payload.
pub const SNAPSHOT_LEN_MAX: usize = 256 * 1024 * 1024;
/// Records in one block: one group commit.
pub const BLOCK_RECORDS_MAX: usize = 512;
/// Bytes of records in one block; a block holds at least one record whatever its size.
pub const BLOCK_LEN_MAX: usize = 1024 * 1024;
/// Blocks in one segment, so that 96 random bits never repeat as a nonce under one key.
pub const SEGMENT_BLOCKS_MAX: u64 = 1 << 20;
/// Bytes of one segment; a further block begins the next.
pub const SEGMENT_LEN_MAX: u64 = 64 * 1024 * 1024;
/// Stretches of blocks, of 256 KiB and at most one block more, that are opened ahead of who folds them.
pub const STRETCHES_AHEAD_MAX: usize = 4;
/// How long segments that a kept snapshot covers are kept for debugging.
pub const JOURNAL_KEPT_FOR: Duration = Duration::days(30);
/// Bytes of segments after which those that a kept snapshot covers go before their time.
pub const JOURNAL_KEPT_LEN: u64 = 256 * 1024 * 1024;
/// Segments after which those that a kept snapshot covers go before their time: each has a key in the keys file.
pub const SEGMENTS_KEPT_MAX: usize = 4_096;
/// Bytes of a capsule, which is read whole: twice what a journal keeps, since lengths are rounded up (ADR 0033).
pub const CAPSULE_LEN_MAX: usize = 512 * 1024 * 1024;
/// Requests, effects and timers under way at any place of a capsule: more than an account with as many contacts as it can hold has.
pub const CAPSULE_UNDER_WAY_MAX: usize = 32_768;
/// Bytes of the state that a capsule begins with: of the largest that the rules come to, and room to spare. It is decoded before anything
/// in it can be counted.
pub const CAPSULE_STATE_LEN_MAX: usize = 32 * 1024 * 1024;
/// Bytes of a request or an effect under way, encoded, in the state that a capsule begins with: lists of 256 ids and their purpose have half.
pub const CAPSULE_ONE_LEN_MAX: usize = 32 * 1024;
/// Bytes of all of them.
pub const CAPSULE_ALL_LEN_MAX: usize = 16 * 1024 * 1024;
/// What folding a capsule may come to, in entries of the state that the rules go through.
pub const CAPSULE_STEPS_MAX: u64 = 1 << 34;
/// Bytes of frames that a snapshot carries, so that the segments that hold them can retire.
pub const CARRIED_LEN_MAX: usize = 64 * 1024 * 1024;
/// Segments and snapshots that one profile keeps keys for.
pub const PROFILE_KEYS_MAX: usize = 16_384;
/// How long a profile that another process writes is looked at, until one look finds it whole.
pub const PROFILE_LOOK_FOR: Duration = Duration::seconds(2);
/// Records between two snapshots.
pub const SNAPSHOT_EVERY: u64 = 4096;
/// The wait before a snapshot that failed is tried again. Nothing is lost meanwhile: the journal holds all.
pub const SNAPSHOT_AGAIN_AFTER: Duration = Duration::seconds(60);
/// Snapshots kept: the newest, and the one before it, which the vault's ledger relies on.
pub const SNAPSHOTS_KEPT: usize = 2;
/// Records between two states that a replay keeps to go to any place from.
pub const WAYPOINT_EVERY: u64 = 4096;
/// States that a replay keeps; of a longer journal each second one goes, and they lie twice as far apart.
pub const WAYPOINTS_MAX: usize = 128;
/// Entries of the maps and lists of all these states: of large ones fewer are kept. The first and the newest are, whatever their size.
pub const WAYPOINTS_ENTRIES_MAX: usize = 1 << 22;
/// Lines in which a replay says why something is where it is.
pub const WHY_LINES_MAX: usize = 12;
/// Bytes of recent frames that the engine keeps in memory for resends; older ones are read from the journal.
pub const FRAME_CACHE_LEN_MAX: usize = 4 * 1024 * 1024;

/// Contacts of one account.
pub const CONTACTS_MAX: usize = 10_000;
/// Messages of one account that are not yet stored by the relay.
pub const OUTBOX_MAX: usize = 4_096;
/// Requests without an answer at one time, but for the few of the session itself. Past it, what is to be sent waits its turn.
pub const REQUESTS_MAX: usize = 1_024;
/// Messages to one contact that are sealed and not stored: what a relay refuses for now comes after what it took meanwhile, and past
/// [`OUT_OF_ORDER_MAX`] of those its key is gone.
pub const SEALED_CONTACT_MAX: usize = 256;
/// How soon what waits its turn is looked at again.
pub const TURN_AFTER: Duration = Duration::seconds(1);
/// FrameIds that the inbox remembers.
pub const SEEN_FRAMES_MAX: usize = 65_536;
/// How long the inbox remembers a FrameId: the relay's retention and a day.
pub const SEEN_FRAMES_FOR: Duration = Duration::days(46);
/// Early frames that wait for their conversation to begin, each contact.
pub const HELD_FRAMES_MAX: usize = 256;
/// Bytes of early frames that wait, each contact.
pub const HELD_LEN_MAX: u64 = 1024 * 1024;
/// Bytes of early frames that wait, in all.
pub const HELD_LEN_ALL_MAX: u64 = 64 * 1024 * 1024;
/// How long an early frame waits: the relay's retention, after which what it waits for cannot come.
pub const HELD_FOR: Duration = Duration::days(45);
/// Answers to Intents that are remembered for a repeat.
pub const ANSWERS_MAX: usize = 65_536;
/// How long an answer is remembered.
pub const ANSWERS_FOR: Duration = Duration::days(1);
/// How long a lookup's mailbox is believed when the relay says, to a receipt, that it has none such.
pub const LOOKUP_BELIEVED_FOR: Duration = Duration::seconds(3_600);
/// How long an offer stands before another is made: whoever can provoke one can't provoke many.
pub const OFFER_EVERY: Duration = Duration::days(1);
/// How soon the daily round goes on where it stopped.
pub const TIDY_REST_AFTER: Duration = Duration::seconds(3_600);
/// Tries of a request of the session, after which the login is begun anew: its challenge is too old by then.
pub const SESSION_TRIES_MAX: u32 = 4;
/// Stamps that one request gets in a row before it waits: a relay that is never content is not worked for without end.
pub const STAMPS_IN_A_ROW_MAX: u32 = 3;
/// Frames that are judged by one state, before what they come to is folded.
pub const FRAMES_TURN_MAX: usize = 64;
/// What other threads ask of a profile's thread, and wakes, before it looks; who asks more waits, and further wakes say nothing new.
pub const ERRANDS_MAX: usize = 1_024;
/// How often a pump takes frames before what was asked meanwhile has its turn.
pub const TAKES_PUMP_MAX: usize = 16;
/// Bytes of one line that `listen` is given.
pub const LISTEN_LINE_LEN_MAX: usize = 8 * BODY_LEN_MAX;
/// Bytes of a file that a passphrase, a token or an armored key is read from.
pub const SECRET_FILE_LEN_MAX: usize = 64 * 1024;
/// Lines that `listen` and `chat` read ahead.
pub const LINES_AHEAD_MAX: usize = 64;
/// Seconds that a command can be told to wait for the relay: a year. No clock is asked for a time that it does not have.
pub const COMMAND_TIMEOUT_S_MAX: u64 = 31_536_000;
/// Messages that one search shows, the newest.
pub const SEARCH_FOUND_MAX: u32 = 100;
/// Changes kept for a frontend that does not look: older ones go. Views hold the truth.
pub const CHANGES_MAX: usize = 16_384;
/// Frames left at the relay that are told apart: more are not counted.
pub const LEFT_MAX: usize = 10_000;
/// How long the vault's write-ahead log may hold older pages: old ratchets, under the vault's key.
pub const VAULT_LOG_FOR: Duration = Duration::seconds(3_600);
/// When it is tried again to empty it, after a reader held it up.
pub const VAULT_LOG_AGAIN_AFTER: Duration = Duration::seconds(60);
/// Ops that one vault transaction takes.
pub const VAULT_BATCH_MAX: usize = 64;
/// The wait before a vault that failed is asked again.
pub const VAULT_RETRY_AFTER: Duration = Duration::seconds(1);
/// Receipts that wait for a contact to be accepted; past it the sender is not told.
pub const RECEIPTS_HELD_MAX: usize = 4_096;
/// How soon, after a login, what was under way before is asked for again: later than the login, so that the two lanes do
/// not begin at one moment.
pub const RESEND_AFTER: Duration = Duration(1_500);
/// Delivery receipts that travel in one message.
pub const RECEIPTS_MAX: usize = 256;
/// Cursors in one acknowledgement.
pub const ACKNOWLEDGE_MAX: usize = 256;

/// The first wait for an answer.
pub const RETRY_FIRST: Duration = Duration::seconds(4);
/// The longest wait between two tries.
pub const RETRY_MAX: Duration = Duration::seconds(300);
/// How long receipts gather before they are sent together.
pub const RECEIPTS_AFTER: Duration = Duration(150);
/// How long acknowledgements gather before they are sent together.
pub const ACKNOWLEDGE_AFTER: Duration = Duration(40);
/// After traffic, how soon a client asks for what a lost push left behind; doubled each time nothing was.
pub const FETCH_SOON: Duration = Duration::seconds(5);
/// The longest wait between two such questions.
pub const FETCH_EVERY: Duration = Duration::seconds(300);

/// How soon a connection of the named lane that broke is made anew.
pub const RECONNECT_AFTER: Duration = Duration::seconds(1);
/// Over how long such new connections are spread: a relay that comes back meets all its clients.
pub const RECONNECT_SPREAD: Duration = Duration::seconds(4);
/// How long a new connection must hold, so that the next wait is the first again.
pub const RECONNECT_CALM: Duration = Duration::seconds(60);
/// How often the wait is doubled, for a connection that breaks again and again.
pub const RECONNECT_DOUBLINGS_MAX: u32 = 5;
/// How far the world's time may run ahead of the monotonic one before the machine counts as one that slept.
pub const SLEPT_MIN: Duration = Duration::seconds(30);
/// How long a client waits at most before it looks whether the machine slept.
pub const SLEEP_LOOK_EVERY: Duration = Duration::seconds(15);

/// MLS groups with one contact: what it sends in, and others that are read.
pub const GROUPS_CONTACT_MAX: u32 = 64;
/// Key packages in the pool.
pub const KEY_PACKAGES: u32 = 50;
/// One-time key packages that were given out, perhaps, and not used: past it the whole stock is replaced.
pub const KEY_PACKAGES_LIVE_MAX: u32 = 1_024;
/// One-time key packages whose private keys are here, with those of a stock that was replaced: past it none are made.
pub const KEY_PACKAGES_KEPT_MAX: u32 = 4_096;
/// The stock under which the pool is refilled.
pub const KEY_PACKAGES_LOW: u32 = 20;
/// Messages of one sender that may arrive out of order within an epoch, the newest counted among them.
pub const OUT_OF_ORDER_MAX: u32 = 1_000;
/// Messages of one sender that may be missing before one that is read.
pub const FORWARD_DISTANCE_MAX: u32 = 5_000;
/// Past epochs of a conversation in which a late message is still read.
pub const PAST_EPOCHS_MAX: u64 = 20;
/// How long a past epoch is kept for late messages.
pub const PAST_EPOCHS_FOR: Duration = Duration::days(45);
/// How often our keys in a conversation are renewed.
pub const UPDATE_EVERY: Duration = Duration::days(7);
/// How often the key that mail is sealed to is renewed.
pub const MAILBOX_KEY_EVERY: Duration = Duration::days(7);
/// How long a replaced mailbox key or last-resort package still opens what was sealed to it: the relay's retention and a week.
pub const REPLACED_KEYS_FOR: Duration = Duration::days(52);
/// How often a contact's directory entry is looked up again, for their mailbox key.
pub const LOOKUP_EVERY: Duration = Duration::days(7);
/// How often a contact gets a new write capability.
pub const CAPABILITY_EVERY: Duration = Duration::days(30);
/// How often there is a look at what is due.
pub const TIDY_EVERY: Duration = Duration::days(1);
/// Conversations renewed in one such look; the rest waits for a further look an hour later.
pub const TIDY_CONTACTS_MAX: usize = 64;
/// How long capabilities to give and to take back gather.
pub const GRANT_AFTER: Duration = Duration(300);
/// Hashes of capabilities, given and taken back, in one request.
pub const CAPABILITIES_SET_MAX: usize = 256;
/// Contacts who get a capability by one request, and contacts whose go: a renewal adds one hash and takes one back, a contact
/// who goes takes two along.
pub const CAPABILITY_CONTACTS_MAX: usize = 64;
/// How long no key packages are published after the relay refused some: each publication makes new ones.
pub const REFILL_AFTER: Duration = Duration::seconds(3_600);
/// Device generations that a vault remembers having given.
pub const GENERATIONS_MAX: usize = 64;
/// After how long in a session the relay gets another generation with the next fetch.
pub const GENERATION_EVERY: Duration = Duration::seconds(3_600);
/// Bytes of envelopes of people who are not accepted that are journaled in one day; the rest stays at the relay.
pub const STRANGERS_LEN_MAX: u64 = 4 * 1024 * 1024;
/// Unreadable rows kept of one contact until one of their messages is read; of more the sender is dropped without a row.
pub const UNREADABLE_ROWS_MAX: u32 = 64;

/// Items that a relay keeps in one mailbox.
pub const MAILBOX_ITEMS_MAX: u64 = 10_000;
/// Items of one capability that a relay keeps in one mailbox.
pub const CAPABILITY_ITEMS_MAX: u64 = 2_000;
/// Items of strangers that a relay keeps in one mailbox.
pub const REQUEST_BOX_ITEMS_MAX: u64 = 64;
/// Capabilities of one mailbox.
pub const CAPABILITIES_MAX: u64 = 20_000;
/// Zero bits that a stranger's stamp begins with while the request box is empty, or the stock of key packages full.
pub const STAMP_BITS: u32 = 12;
/// Zero bits at most: what a client works for.
pub const STAMP_BITS_MAX: u32 = 22;
/// Zero bits that a client adds to what it was asked for: others write meanwhile, and each of their items raises the price.
pub const STAMP_BITS_AHEAD: u32 = 2;
/// Stamps that a relay remembers as spent, until their two hours are over.
pub const STAMPS_SPENT_MAX: usize = 262_144;
/// Of them, those that were spent on one name's key packages.
pub const STAMPS_SPENT_NAME_MAX: u64 = 4_096;
/// How long a relay gives a one-time key package out, and asks for no other last-resort one than it has.
pub const KEY_PACKAGE_FOR: Duration = Duration::days(90);
/// Suites of which an account has a last-resort key package.
pub const LAST_RESORTS_MAX: usize = 16;
/// Suites that one ask names.
pub const SUITES_MAX: usize = 16;
/// Registration tokens in one file.
pub const REGISTRATION_TOKENS_MAX: usize = 4_096;
/// Bytes of a file of registration tokens: twice what so many of the longest take, a line each.
pub const REGISTRATION_TOKENS_LEN_MAX: u64 = 1024 * 1024;
/// Bytes of a relay's configuration.
pub const RELAY_CONFIG_LEN_MAX: u64 = 64 * 1024;
/// Requests that one turn of a relay takes: one commit of the store serves them all.
pub const RELAY_TURN_MAX: u64 = 256;
/// Bytes of frames to leave after which one turn of a relay takes no further request: they wait in memory for its commit.
pub const RELAY_TURN_LEN_MAX: usize = 8 * 1024 * 1024;
/// The newest places of a mailbox whose FrameIds a relay knows, also when their items are gone. As many as a client remembers.
pub const MAILBOX_FRAMES_MAX: u64 = 65_536;
/// FrameIds that one cleaning of a relay's store removes, each with its item, and key packages: a turn never stalls for long.
pub const CLEAN_FRAMES_MAX: u32 = 1_000;
/// Items that one Fetch may bring.
pub const FETCH_ITEMS_MAX: u32 = 64;
/// Logs of groups that a relay keeps.
pub const LOGS_MAX: u64 = 100_000;
/// Entries that a relay keeps of one log; past it the oldest go.
pub const LOG_ENTRIES_MAX: u64 = 16_384;
/// Bytes of entries that a relay keeps of one log; past it the oldest go.
pub const LOG_LEN_MAX: u64 = 64 * 1024 * 1024;
/// Bytes of one entry: the largest padding class, its seal, and the head that says by which key it is sealed.
pub const LOG_ENTRY_LEN_MAX: usize = 98_304 + 64;
/// Entries of one page of a log.
pub const LOG_PAGE_ENTRIES_MAX: u32 = 64;
/// Bytes of the entries of one page of a log, but for the first.
pub const LOG_PAGE_LEN_MAX: usize = 64 * 1024;
/// How long a relay keeps a log to which nothing is posted.
pub const LOG_FOR: Duration = Duration::days(400);
/// Posting keys of a log that a relay takes: the newest, and the 15 before it.
pub const POSTING_KEYS_MAX: u64 = 16;
/// How long a relay takes a posting key after the next one was registered.
pub const POSTING_KEY_FOR: Duration = Duration::days(1);
/// Lanes of one log: one an officer.
pub const LOG_LANES_MAX: usize = OFFICERS_MAX;
/// Entries that all members together, or one lane, may post to a log at once.
pub const LOG_POSTS_MAX: u64 = 1_024;
/// How soon who posted so many may post one more.
pub const LOG_POST_EVERY: Duration = Duration(500);
/// How long a challenge can be answered, by the relay's clock.
pub const CHALLENGE_FOR: Duration = Duration::seconds(120);
/// Challenges open at one time at a relay, one a lane; past it the one that was opened first goes.
pub const CHALLENGES_MAX: usize = 65_536;
/// How long a relay remembers its answer to a request, for a repeat.
pub const RELAY_ANSWERS_FOR: Duration = Duration::seconds(900);
/// Requests that a lane may ask at once though nothing pays for them: all that a client may have open, and room to spare.
pub const LANE_REQUESTS_MAX: u64 = 8_192;
/// How soon a lane that asked so many may ask one more.
pub const LANE_REQUEST_EVERY: Duration = Duration(16);
/// Answers that a relay remembers; past it the one that was remembered first goes.
pub const RELAY_ANSWERS_MAX: usize = 65_536;
/// How long a relay keeps mail.
pub const RETENTION: Duration = Duration::days(45);
/// Lanes logged in at one time, and lanes whose requests are counted.
pub const LANES_MAX: usize = 65_536;
/// After how long a client takes another anonymous lane.
pub const LANE_EVERY: Duration = Duration::seconds(22 * 3_600);
/// How long it keeps one at the most, whatever it waits for.
pub const LANE_FOR_MAX: Duration = Duration::days(1);
/// How long after a login a client keeps its anonymous lane as it is: the new one must not begin at that moment.
pub const LANE_AWAY_FROM_LOGIN: Duration = Duration::seconds(600);
/// Single-use reply paths that travel with one request on loopback.
pub const REPLY_PATHS: usize = 12;
/// Reply paths of one lane that a relay keeps; the oldest go first.
pub const REPLY_PATHS_MAX: usize = 64;

/// Frames that wait at either end of a loopback.
pub const LOOPBACK_FRAMES_MAX: usize = 65_536;
/// Frames that may wait to leave by one connection of `direct`.
pub const DIRECT_OUTBOX_FRAMES_MAX: usize = 256;
/// Bytes of frames that may wait to leave by one connection.
pub const DIRECT_OUTBOX_LEN_MAX: usize = 4 * 1024 * 1024;
/// Bytes of frames that may wait to leave by all connections of a relay together.
pub const DIRECT_OUTBOXES_LEN_MAX: usize = 256 * 1024 * 1024;
/// Frames that wait to be polled by a client; readers wait when there are so many.
pub const DIRECT_CLIENT_INBOX_FRAMES_MAX: usize = 1_024;
/// Bytes of frames that wait to be polled by a client.
pub const DIRECT_CLIENT_INBOX_LEN_MAX: usize = 16 * 1024 * 1024;
/// Frames that wait to be polled by a relay; readers wait when there are so many.
pub const DIRECT_RELAY_INBOX_FRAMES_MAX: usize = 4_096;
/// Bytes of frames that wait to be polled by a relay.
pub const DIRECT_RELAY_INBOX_LEN_MAX: usize = 64 * 1024 * 1024;
/// Connections of a relay at one time; a newcomer beyond them is closed at once.
pub const DIRECT_CONNECTIONS_MAX: usize = 1_024;
/// Of them, those from one IPv4 address or one /64 of IPv6, unless an operator says otherwise. A client has two.
pub const DIRECT_CONNECTIONS_ADDRESS_MAX: usize = 64;
/// Frames of one connection whose reply paths are kept; the oldest go first. A relay polls up to 256 frames before it answers
/// the first of them, and all may come from one connection.
pub const DIRECT_BATCHES_MAX: usize = 512;
/// Places that one name may stand for; more are not tried.
pub const DIRECT_PLACES_MAX: usize = 8;
/// Characters of a host's name (RFC 1035 §2.3.4).
pub const DIRECT_HOST_LEN_MAX: usize = 253;
/// How long dropping a relay's end waits for its threads.
pub const DIRECT_STOP_FOR: Duration = Duration::seconds(5);
/// How long connecting may take, the resolver's time not counted. The places of a name share it.
pub const DIRECT_CONNECT_FOR: Duration = Duration::seconds(5);
/// What a place has of it at least, for the connect and for the handshake each, however many were silent before it.
pub const DIRECT_PLACE_MIN: Duration = Duration::seconds(1);
/// How long after a failed connect a lane is unreachable before it tries again.
pub const DIRECT_FAILED_FOR: Duration = Duration(500);
/// How long a handshake may take.
pub const DIRECT_HANDSHAKE_FOR: Duration = Duration::seconds(5);
/// How long a frame may be under way, from its first byte to its last.
pub const DIRECT_FRAME_FOR: Duration = Duration::seconds(30);
/// How long a writer is idle before it pings.
pub const DIRECT_PING_EVERY: Duration = Duration::seconds(20);
/// How long nothing may have come over an anonymous lane's connection, by the world's clock, for it to be sent on: longer than a ping
/// takes to come, and no longer than a sleep that is noticed.
pub const DIRECT_HEARD_WITHIN: Duration = SLEPT_MIN;
/// How long a connection may be silent before it counts as dead: three pings.
pub const DIRECT_QUIET_MAX: Duration = Duration::seconds(60);

/// Bytes of a group's title.
pub const GROUP_TITLE_LEN_MAX: usize = 128;
/// Members of a group.
pub const MEMBERS_MAX: usize = 4_096;
/// Owners and admins of a group.
pub const OFFICERS_MAX: usize = 64;
/// Orders of a group that were not carried out yet.
pub const ORDERS_MAX: usize = 64;
/// Commits that may follow one of a group that is voided, whatever came of them.
pub const VOIDABLE_COMMITS_MAX: u64 = 16;
/// Commits of a group that were taken back and are remembered as such.
pub const VOIDED_MAX: usize = 256;
