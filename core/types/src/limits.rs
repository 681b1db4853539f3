//! Every bound in one table. A bound that is reached is a named outcome, not a crash. docs/LIMITS.md explains each.

use crate::time::Duration;

/// Characters of a name.
pub const NAME_LEN_MAX: usize = 64;
/// Characters of a relay's address.
pub const RELAY_ADDRESS_LEN_MAX: usize = 255;
/// Bytes of an OpenPGP certificate.
pub const CERTIFICATE_LEN_MAX: usize = 8 * 1024;
/// Bytes of a message's body: the text a person writes.
pub const BODY_LEN_MAX: usize = 64 * 1024;
/// Sizes to which the inside of an envelope is padded, in bytes.
pub const PADDING_CLASSES: [usize; 7] = [1_536, 3_072, 6_144, 12_288, 24_576, 49_152, 98_304];
/// Bytes of one frame on any transport: the largest envelope, its seal and the request around it.
pub const FRAME_LEN_MAX: usize = 100_352;
/// Bytes of one MLS KeyPackage.
pub const KEY_PACKAGE_LEN_MAX: usize = 4 * 1024;

/// Bytes of one record's payload in the journal.
pub const RECORD_LEN_MAX: usize = 128 * 1024;
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
/// How long segments that a kept snapshot covers are kept for debugging.
pub const JOURNAL_KEPT_FOR: Duration = Duration::days(30);
/// Bytes of segments after which those that a kept snapshot covers go before their time.
pub const JOURNAL_KEPT_LEN: u64 = 256 * 1024 * 1024;
/// Segments after which those that a kept snapshot covers go before their time: each has a key in the keys file.
pub const SEGMENTS_KEPT_MAX: usize = 4_096;
/// Records between two snapshots.
pub const SNAPSHOT_EVERY: u64 = 4096;
/// Bytes of recent frames that the engine keeps in memory for resends; older ones are read from the journal.
pub const FRAME_CACHE_LEN_MAX: usize = 4 * 1024 * 1024;

/// Contacts of one account.
pub const CONTACTS_MAX: usize = 10_000;
/// Messages of one account that are not yet stored by the relay.
pub const OUTBOX_MAX: usize = 4_096;
/// Requests without an answer at one time, but for the few of the session itself. Past it, what is to be sent waits its turn.
pub const REQUESTS_MAX: usize = 1_024;
/// How soon what waits its turn is looked at again.
pub const TURN_AFTER: Duration = Duration::seconds(1);
/// FrameIds that the inbox remembers.
pub const SEEN_FRAMES_MAX: usize = 65_536;
/// How long the inbox remembers a FrameId: the relay's retention and a day.
pub const SEEN_FRAMES_FOR: Duration = Duration::days(46);
/// Early frames that wait for their conversation to begin, each contact.
pub const HELD_FRAMES_MAX: usize = 256;
/// Answers to Intents that are remembered for a repeat.
pub const ANSWERS_MAX: usize = 65_536;
/// How long an answer is remembered.
pub const ANSWERS_FOR: Duration = Duration::days(1);
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

/// Key packages in the pool.
pub const KEY_PACKAGES: u32 = 50;
/// The stock under which the pool is refilled.
pub const KEY_PACKAGES_LOW: u32 = 20;
/// Messages of one sender that may arrive out of order within an epoch.
pub const OUT_OF_ORDER_MAX: u32 = 1_000;
/// Messages of one sender that may be missing before one that is read.
pub const FORWARD_DISTANCE_MAX: u32 = 5_000;

/// Items that a relay keeps in one mailbox.
pub const MAILBOX_ITEMS_MAX: u64 = 10_000;
/// Items that one Fetch may bring.
pub const FETCH_ITEMS_MAX: u32 = 64;
/// How long a challenge can be answered, by the relay's clock.
pub const CHALLENGE_FOR: Duration = Duration::seconds(120);
/// Challenges open at one time at a relay.
pub const CHALLENGES_MAX: usize = 65_536;
/// How long a relay remembers its answer to a request, for a repeat.
pub const RELAY_ANSWERS_FOR: Duration = Duration::seconds(900);
/// Answers that a relay remembers.
pub const RELAY_ANSWERS_MAX: usize = 65_536;
/// How long a relay keeps mail.
pub const RETENTION: Duration = Duration::days(45);
/// Lanes logged in at one time.
pub const LANES_MAX: usize = 65_536;
/// Single-use reply paths that travel with one request on loopback.
pub const REPLY_PATHS: usize = 12;
/// Reply paths of one lane that a relay keeps; the oldest go first.
pub const REPLY_PATHS_MAX: usize = 64;
