//! What comes in: an envelope is opened, and joined, decrypted, followed or kept, all in one op.

use crate::envelope::{self, Unsealed};
use crate::mls::provider::Provider;
use crate::mls::{credential, group};
use crate::{BROKEN, Scope, Stop, capability, contact, conversation, epochs, rows};
use openmls::group::{MlsGroup, StagedCommit};
use openmls::prelude::tls_codec::Deserialize as _;
use openmls::prelude::{ContentType, MlsMessageBodyIn, MlsMessageIn, ProcessedMessage, ProcessedMessageContent, ProtocolMessage, Sender};
use openmls_traits::OpenMlsProvider as _;
use prost::Message as _;
use rusqlite::{OptionalExtension as _, params};
use thicket_journal_format::digest;
use thicket_openpgp::Certificate;
use thicket_types::error::Code;
use thicket_types::event::{Opened, Outcome};
use thicket_types::ids::MessageId;
use thicket_types::limits::{BODY_LEN_MAX, RECEIPTS_MAX};
use thicket_types::name::Name;
use thicket_types::time::{ClaimedTime, Stamp};
use thicket_types::wire::context;
use thicket_types::wire::peer::content::What;
use thicket_types::wire::peer::envelope::Content as Inside;
use thicket_types::wire::peer::{Content, Offer, OfferStatement, Opening};

const MALFORMED: Stop = Stop::Refused(Code::MalformedEnvelope);

/// The claimed sender: their certificate, the name in it, and its bytes as they came.
struct Claimed<'a> {
    certificate: &'a Certificate,
    name: &'a Name,
    bytes: &'a [u8],
}

/// Reads an envelope: joins what it begins, decrypts, and keeps the row, all in this op.
pub(crate) fn open(scope: &Scope<'_>, sealed: &[u8], at: Stamp, last: bool) -> Result<Outcome, Stop> {
    let Unsealed { certificate, name, certificate_bytes, content } = envelope::open(scope.account, sealed).map_err(Stop::Refused)?;
    let contact = certificate.fingerprint();
    let from = Claimed { certificate: &certificate, name: &name, bytes: &certificate_bytes };
    // A refusal inside takes back what MLS did so far; then the row that says so is written.
    scope.conn.execute_batch("SAVEPOINT envelope")?;
    let read = match content {
        Inside::Opening(opening) => read_opening(scope, &from, &opening, at),
        Inside::MlsMessage(message) => read_message(scope, &from, &message, at, false),
        Inside::Offer(offer) => read_offer(scope, &from, &offer),
        Inside::GroupWelcome(welcome) => crate::group::invited(scope, &certificate, &name, &welcome),
    };
    let opened = match read {
        Ok(opened) => opened,
        Err(Stop::Broken(code)) => return Err(Stop::Broken(code)),
        Err(Stop::Refused(cause)) => {
            scope.conn.execute_batch("ROLLBACK TO envelope")?;
            if cause == Code::NoConversation && !last {
                Opened::Early { contact, name, len: u32::try_from(sealed.len()).unwrap_or(u32::MAX) }
            } else {
                rows::keep_unreadable(scope, contact, sealed, cause, at)?;
                Opened::Unreadable { contact, name, cause }
            }
        }
    };
    scope.conn.execute_batch("RELEASE envelope")?;
    Ok(Outcome::Opened(opened))
}

fn read_opening(scope: &Scope<'_>, from: &Claimed<'_>, opening: &Opening, at: Stamp) -> Result<Opened, Stop> {
    let hash = digest(&[&opening.welcome]).0;
    let known = scope.conn.prepare_cached("SELECT 1 FROM welcome WHERE hash = ?1")?.query_row([hash], |_| Ok(())).optional()?;
    if known.is_none() {
        let parsed = MlsMessageIn::tls_deserialize_exact(&opening.welcome).map_err(|_| MALFORMED)?;
        let MlsMessageBodyIn::Welcome(welcome) = parsed.extract() else {
            return Err(MALFORMED);
        };
        contact::keep(scope, from.certificate, from.bytes, None)?;
        conversation::join(scope, from.certificate, welcome, at)?;
        scope.conn.prepare_cached("INSERT INTO welcome (hash, at) VALUES (?1, ?2)")?.execute(params![hash, at.0])?;
    }
    read_message(scope, from, &opening.mls_message, at, known.is_none())
}

/// Reads an MLS message in the epoch that it names: now, or past; in the next one, if our own commit leads there.
fn read_message(scope: &Scope<'_>, from: &Claimed<'_>, message: &[u8], at: Stamp, begins: bool) -> Result<Opened, Stop> {
    let contact = from.certificate.fingerprint();
    let parsed = MlsMessageIn::tls_deserialize_exact(message).map_err(|_| MALFORMED)?;
    let message: ProtocolMessage = parsed.try_into_protocol_message().map_err(|_| MALFORMED)?;
    let id = message.group_id().as_slice().to_vec();
    let mut find = scope.conn.prepare_cached("SELECT contact, dead FROM mls_group WHERE id = ?1")?;
    let dead: bool = match find.query_row([&id], |row| Ok((row.get::<_, [u8; 20]>(0)?, row.get(1)?))).optional()? {
        None => return Err(Stop::Refused(Code::NoConversation)),
        Some((member, _)) if member != contact.0 => return Err(Stop::Refused(Code::ForgedSender)),
        Some((_, dead)) => dead,
    };
    let is_commit = match message.content_type() {
        ContentType::Application => false,
        ContentType::Commit => true,
        // Proposals travel within commits.
        ContentType::Proposal => return Err(Stop::Refused(Code::BadCommit)),
    };
    let provider = scope.provider();
    let mut mls = conversation::load(&provider, &id)?.ok_or(BROKEN)?;
    let (epoch, mut present) = (message.epoch().as_u64(), mls.epoch().as_u64());
    // One that is dead from its beginning moves nothing: nobody sends in it.
    let mut moved = begins && !dead;
    if epoch == present.saturating_add(1) && mls.pending_commit().is_some() {
        // They write in the epoch that our commit opens: they have followed it. If they have not, this op is taken back.
        epochs::merge_own(scope, &provider, &mut mls, at)?;
        present = epoch;
        moved = true;
    }
    if epoch > present {
        return Err(Stop::Refused(Code::NoConversation));
    }
    if is_commit {
        let committed = follow(scope, from, &provider, &mut mls, message, at)?;
        return Ok(Opened::Committed { contact, owed: committed.owed, moved: moved || committed.moved });
    }
    let processed = if epoch < present {
        let past = Provider::in_epoch(scope.conn, scope.entropy.clone(), epoch);
        let mut old = conversation::load(&past, &id)?.ok_or(Stop::Refused(Code::TooOld))?;
        processed(from, &past, &mut old, message)?
    } else {
        processed(from, &provider, &mut mls, message)?
    };
    heard(scope, &id, at)?;
    let ProcessedMessageContent::ApplicationMessage(plain) = processed.into_content() else {
        return Err(Stop::Refused(Code::Undecryptable));
    };
    read_content(scope, from, &plain.into_bytes(), at, moved)
}

/// Has openmls decrypt a message, and checks that its sender is the one who is claimed.
fn processed(from: &Claimed<'_>, provider: &Provider<'_>, mls: &mut MlsGroup, message: ProtocolMessage) -> Result<ProcessedMessage, Stop> {
    let processed = mls.process_message(provider, message).map_err(|error| Stop::Refused(group::cause(&error)))?;
    let Sender::Member(index) = processed.sender() else {
        return Err(Stop::Refused(Code::ForgedSender));
    };
    let signature_key = mls.member_at(*index).map(|member| member.signature_key).ok_or(Stop::Refused(Code::ForgedSender))?;
    credential::check(from.certificate, processed.credential(), &signature_key).map_err(|_| Stop::Refused(Code::ForgedSender))?;
    Ok(processed)
}

/// The contact was heard in a group: its Welcome need not travel any more.
fn heard(scope: &Scope<'_>, id: &[u8], at: Stamp) -> Result<(), Stop> {
    conversation::note_used(scope, id, at)?;
    scope.conn.prepare_cached("UPDATE mls_group SET welcome = NULL WHERE id = ?1 AND welcome IS NOT NULL")?.execute([id])?;
    Ok(())
}

struct Followed {
    owed: bool,
    moved: bool,
}

/// Follows a commit of the contact, at once. If both committed in one epoch, leaf 0's stands: leaf 1 drops its own.
fn follow(
    scope: &Scope<'_>,
    from: &Claimed<'_>,
    provider: &Provider<'_>,
    mls: &mut MlsGroup,
    message: ProtocolMessage,
    at: Stamp,
) -> Result<Followed, Stop> {
    if message.epoch() < mls.epoch() {
        // They have not heard that we are past it, or theirs lost to ours: a word from this epoch tells either.
        return Ok(Followed { owed: true, moved: false });
    }
    if mls.pending_commit().is_some() {
        if mls.own_leaf_index().u32() == 0 {
            return Ok(Followed { owed: false, moved: false });
        }
        mls.clear_pending_commit(provider.storage()).map_err(|_| BROKEN)?;
        epochs::forget_own(scope, mls)?;
    }
    let sender = processed(from, provider, mls, message)?;
    let Sender::Member(index) = *sender.sender() else {
        return Err(Stop::Refused(Code::ForgedSender));
    };
    let ProcessedMessageContent::StagedCommitMessage(staged) = sender.into_content() else {
        return Err(Stop::Refused(Code::Undecryptable));
    };
    if index == mls.own_leaf_index() || !is_key_update(mls, index, &staged) {
        return Err(Stop::Refused(Code::BadCommit));
    }
    heard(scope, mls.group_id().as_slice(), at)?;
    epochs::copy(scope, mls, at)?;
    mls.merge_staged_commit(provider, *staged).map_err(|_| BROKEN)?;
    Ok(Followed { owed: true, moved: true })
}

/// In a conversation of two a commit renews its sender's keys, and nothing else: same identity, same leaf key, no proposals.
fn is_key_update(mls: &MlsGroup, sender: openmls::prelude::LeafNodeIndex, staged: &StagedCommit) -> bool {
    let same = staged.update_path_leaf_node().zip(mls.member_at(sender)).is_some_and(|(leaf, member)| {
        leaf.credential() == &member.credential && leaf.signature_key().as_slice() == member.signature_key.as_slice()
    });
    same && staged.queued_proposals().next().is_none()
}

fn read_content(scope: &Scope<'_>, from: &Claimed<'_>, plain: &[u8], at: Stamp, moved: bool) -> Result<Opened, Stop> {
    let contact = from.certificate.fingerprint();
    let Content { message, claimed_ms, what, capability } = Content::decode(plain).map_err(|_| MALFORMED)?;
    if !capability.is_empty() {
        capability::keep_theirs(scope, contact, &capability)?;
    }
    match what.ok_or(MALFORMED)? {
        What::Text(text) => {
            let message = MessageId::parse(&message).ok_or(MALFORMED)?;
            if text.is_empty() || text.len() > BODY_LEN_MAX {
                return Err(MALFORMED);
            }
            if !rows::keep_received(scope, &contact.0, None, message, &text, at, claimed_ms)? {
                // It was sealed again, perhaps beside a Welcome or in a new epoch: that is kept, and its sender is told once more.
                return Ok(Opened::Known { contact, message, moved });
            }
            let conversation = conversation::conversation_id(contact, scope.account.certificate.fingerprint());
            Ok(Opened::Message { contact, name: from.name.clone(), conversation, message, claimed: ClaimedTime(claimed_ms), moved })
        }
        What::Receipt(receipt) => {
            let named = receipt.delivered.iter().take(RECEIPTS_MAX).filter_map(|message| MessageId::parse(message));
            Ok(Opened::Receipt { contact, delivered: rows::mark_delivered(scope, contact, named)?, moved })
        }
        What::ReadMark(mark) => {
            rows::mark_read(scope, contact, MessageId::parse(&mark.message).ok_or(MALFORMED)?)?;
            Ok(Opened::ReadMark { contact, moved })
        }
    }
}

/// Keeps the key package that a contact offers, signed for us and newer than their last.
fn read_offer(scope: &Scope<'_>, from: &Claimed<'_>, offer: &Offer) -> Result<Opened, Stop> {
    let bad = Stop::Refused(Code::BadOffer);
    let contact = from.certificate.fingerprint();
    from.certificate.verify(context::OFFER, &offer.statement, &offer.signature).map_err(|_| bad)?;
    let OfferStatement { to, key_package, anew, claimed_ms } = OfferStatement::decode(offer.statement.as_slice()).map_err(|_| bad)?;
    if to != scope.account.certificate.fingerprint().0 {
        return Err(bad);
    }
    let package = group::read_key_package(&scope.provider(), &key_package).map_err(|_| bad)?;
    let leaf = package.leaf_node();
    credential::check(from.certificate, leaf.credential(), leaf.signature_key().as_slice()).map_err(|_| bad)?;
    contact::keep(scope, from.certificate, from.bytes, None)?;
    let claimed = i64::try_from(claimed_ms).map_err(|_| bad)?;
    // One that is not answered yet may have said it too.
    let mut waits = scope.conn.prepare_cached("SELECT coalesce(hex(substr(offer, 1, 1)) = '01', 0) FROM contact WHERE fingerprint = ?1")?;
    let said: bool = waits.query_row([contact.0], |row| row.get(0))?;
    let kept = [&[u8::from(anew || said)], key_package.as_slice()].concat();
    let mut put =
        scope.conn.prepare_cached("UPDATE contact SET offer = ?2, offer_claimed = ?3 WHERE fingerprint = ?1 AND offer_claimed < ?3")?;
    if put.execute(params![contact.0, kept, claimed])? == 0 {
        return Err(Stop::Refused(Code::Repeated));
    }
    if anew {
        conversation::bury_before(scope, contact, claimed)?;
    }
    Ok(Opened::Offer { contact, name: from.name.clone(), anew })
}
