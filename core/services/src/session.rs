//! Who a lane belongs to: challenge, registration, login.

use crate::{Done, Refused, Scope, directory, failed};
use alloc::string::String;
use alloc::vec;
use prost::Message;
use thicket_types::error::Code;
use thicket_types::ids::{Fingerprint, FrameId, MailboxId};
use thicket_types::limits::{CERTIFICATE_LEN_MAX, CHALLENGE_FOR, GENERATIONS_MAX};
use thicket_types::name::{Name, NameKey};
use thicket_types::ports::{Account, DoneNumbers, OpenChallenge, Stock, VerifyError};
use thicket_types::time::Stamp;
use thicket_types::wire::relay::answer::Said;
use thicket_types::wire::relay::{
    Challenge, ChallengeAsk, LoggedIn, Login, LoginStatement, MailboxKey, MailboxKeyStatement, Owner, OwnerStatement, Proof, Register,
    RegisterStatement, Registered,
};
use thicket_types::wire::{VERSION, context};

/// Names one stretch of a profile's life, given by the device that lives it: two copies of a profile give two.
type Generation = [u8; 16];

pub(crate) fn name(text: &str) -> Result<Name, Code> {
    Name::parse(text).map_err(|_| Code::MalformedName)
}

/// Opens a challenge, in the place of the one that the lane has open. The same request again gets the same one: a reply that was
/// lost, or a frame that came twice, takes nothing from a client that is about to answer.
pub(crate) fn challenge(scope: &mut Scope<'_>, asked: FrameId, ask: &ChallengeAsk) -> Done {
    let name = name(&ask.name)?.key();
    let open = scope.store.challenge_of(scope.tag).map_err(failed)?;
    let (nonce, until) = match open.filter(|(_, open)| open.asked == asked && scope.now <= open.until) {
        Some((nonce, open)) => (nonce, open.until),
        None => {
            let mut nonce = [0_u8; 32];
            scope.entropy.fill(&mut nonce);
            let until = scope.now.after(CHALLENGE_FOR);
            scope.store.put_challenge(nonce, &OpenChallenge { name, tag: scope.tag, asked, until }).map_err(failed)?;
            (nonce, until)
        }
    };
    let said = Challenge { nonce: nonce.to_vec(), relay_key: scope.relay.0.to_vec(), until_ms: until.0, versions: vec![VERSION] };
    Ok(Said::Challenge(said).into())
}

/// Takes the challenge that a proof answers, and checks all that can be checked without a key. It can't be answered again.
/// Gives the name, and the challenge's nonce, which names the session from now on.
fn answered(scope: &mut Scope<'_>, proof: Option<&Proof>) -> Result<(Name, [u8; 32]), Code> {
    let Proof { relay_key, nonce, name: text, until_ms } = proof.ok_or(Code::MalformedRequest)?;
    let name = name(text)?;
    let nonce = <[u8; 32]>::try_from(nonce.as_slice()).map_err(|_| Code::MalformedRequest)?;
    if *relay_key != scope.relay.0 {
        return Err(Code::BadSignature);
    }
    let challenge = scope.store.take_challenge(nonce).map_err(failed)?.ok_or(Code::ChallengeUnknown)?;
    if challenge.tag != scope.tag || challenge.name != name.key() || challenge.until != Stamp(*until_ms) {
        return Err(Code::ChallengeUnknown);
    }
    if scope.now > challenge.until {
        return Err(Code::ChallengeExpired);
    }
    Ok((name, nonce))
}

/// A statement, as it was signed.
fn statement<T: Message + Default>(bytes: &[u8]) -> Result<T, Code> {
    T::decode(bytes).map_err(|_| Code::MalformedRequest)
}

fn verified(scope: &Scope<'_>, certificate: &[u8], context: &str, text: &[u8], signature: &[u8]) -> Result<(), Code> {
    scope.verify.signature(certificate, context, text, signature).map_err(|error| match error {
        VerifyError::Certificate => Code::BadCertificate,
        VerifyError::Signature => Code::BadSignature,
    })
}

pub(crate) fn generation(bytes: &[u8]) -> Result<Generation, Code> {
    Generation::try_from(bytes).map_err(|_| Code::MalformedRequest)
}

/// Registers a name, or takes the same identity's mailbox key again. What is refused changes nothing but the challenge.
pub(crate) fn register(scope: &mut Scope<'_>, register: &Register) -> Done {
    let RegisterStatement { proof, certificate, mailbox_key, token, generation: given } = statement(&register.statement)?;
    let (name, session) = answered(scope, proof.as_ref())?;
    if certificate.len() > CERTIFICATE_LEN_MAX {
        return Err(Code::BadCertificate.into());
    }
    let facts = scope.verify.certificate(&certificate).map_err(|_| Code::BadCertificate)?;
    if facts.name != name.text() {
        return Err(Code::BadCertificate.into());
    }
    verified(scope, &certificate, context::REGISTER, &register.statement, &register.signature)?;
    let MailboxKey { statement: mailbox_key_statement, signature: mailbox_key_signature } = mailbox_key
        .ok_or(Code::MalformedRequest)
        .and_then(|key| mailbox_key_of(scope, &certificate, facts.fingerprint, &key).map(|_| key))?;
    let generation = generation(&given)?;
    let key = name.key();
    let mailbox = match scope.store.account(&key).map_err(failed)? {
        Some(account) if account.fingerprint != facts.fingerprint => return Err(Code::NameTaken.into()),
        // The same identity again: a restart on the way. It keeps its mailbox, whatever the policy says by now.
        Some(account) => account.mailbox,
        None => new_mailbox(scope, &token)?,
    };
    let account = Account {
        name: String::from(name.text()),
        fingerprint: facts.fingerprint,
        certificate,
        mailbox,
        mailbox_key_statement,
        mailbox_key_signature,
    };
    scope.store.put_account(&key, &account).map_err(failed)?;
    scope.store.set_generation(&key, generation).map_err(failed)?;
    scope.store.bind_lane(scope.tag, &key, session).map_err(failed)?;
    Ok(Said::Registered(Registered { mailbox: mailbox.0.to_vec() }).into())
}

/// A mailbox for a further account, if the policy lets it in.
fn new_mailbox(scope: &mut Scope<'_>, token: &str) -> Result<MailboxId, Refused> {
    let accounts = scope.store.accounts().map_err(failed)?;
    scope.policy.admit(scope.verify, token, accounts)?;
    let mut mailbox = [0_u8; MailboxId::LEN];
    scope.entropy.fill(&mut mailbox);
    Ok(MailboxId(mailbox))
}

/// The mailbox key's statement must be the identity's own, and well-formed: who looks it up relies on it.
pub(crate) fn mailbox_key_of(scope: &Scope<'_>, certificate: &[u8], owner: Fingerprint, mailbox_key: &MailboxKey) -> Result<(), Code> {
    verified(scope, certificate, context::MAILBOX_KEY, &mailbox_key.statement, &mailbox_key.signature)?;
    let statement = MailboxKeyStatement::decode(mailbox_key.statement.as_slice()).map_err(|_| Code::MalformedRequest)?;
    if statement.fingerprint == owner.0 && statement.key.len() == 32 { Ok(()) } else { Err(Code::MalformedRequest) }
}

/// Logs a lane in, and swaps the device generation. A refusal leaves the lane that the name had, and its generation.
pub(crate) fn login(scope: &mut Scope<'_>, login: &Login) -> Done {
    let said: LoginStatement = statement(&login.statement)?;
    let (name, session) = answered(scope, said.proof.as_ref())?;
    let key = name.key();
    let account = scope.store.account(&key).map_err(failed)?.ok_or(Code::UnknownName)?;
    verified(scope, &account.certificate, context::LOGIN, &login.statement, &login.signature)?;
    let generation = next_generation(scope, &key, &said)?;
    scope.store.bind_lane(scope.tag, &key, session).map_err(failed)?;
    scope.store.set_generation(&key, generation).map_err(failed)?;
    let Stock { one_time, last_resort } = directory::stock(scope, &key)?;
    Ok(Said::LoggedIn(LoggedIn { mailbox: account.mailbox.0.to_vec(), key_packages: one_time, last_resort }).into())
}

/// The generation to keep from now on. A device that does not know the one there is stands behind another copy of its profile.
fn next_generation(scope: &mut Scope<'_>, key: &NameKey, login: &LoginStatement) -> Result<Generation, Refused> {
    if login.known.len() > GENERATIONS_MAX {
        return Err(Code::TooLarge.into());
    }
    let next = generation(&login.generation)?;
    let mut knows = login.takes_over;
    let kept = scope.store.generation(key).map_err(failed)?;
    for known in &login.known {
        knows |= Some(generation(known)?) == kept;
    }
    // The one to keep, kept already: the answer to an earlier try was lost.
    if knows || kept.is_none_or(|kept| kept == next) { Ok(next) } else { Err(Code::ProfileCopied.into()) }
}

/// Who asks as a name's owner.
pub(crate) struct Owned {
    pub(crate) key: NameKey,
    pub(crate) account: Account,
    /// What was done in the session before.
    pub(crate) done: DoneNumbers,
}

/// Checks that the owner of the name under which this lane is logged in signed a request, for this relay, session and nonce.
pub(crate) fn owner(scope: &mut Scope<'_>, nonce: &[u8], owner: &Owner, said: &OwnerStatement) -> Result<Owned, Code> {
    let key = scope.store.lane(scope.tag).map_err(failed)?.ok_or(Code::NotLoggedIn)?;
    // One that was signed before the last login came late; the owner asks again in this session.
    let session = scope.store.session(scope.tag).map_err(failed)?.ok_or(Code::NotLoggedIn)?;
    if said.session != session.nonce {
        return Err(Code::NotLoggedIn);
    }
    if said.relay_key != scope.relay.0 || said.nonce != nonce {
        return Err(Code::BadSignature);
    }
    let account = scope.store.account(&key).map_err(failed)?.ok_or(Code::UnknownName)?;
    verified(scope, &account.certificate, context::OWNER, &owner.statement, &owner.signature)?;
    Ok(Owned { key, account, done: session.done })
}
