//! Names, identities and key packages.

use crate::{Done, Scope, failed};
use alloc::string::String;
use prost::Message as _;
use thicket_types::error::Code;
use thicket_types::ids::{Fingerprint, MailboxId};
use thicket_types::limits::{CERTIFICATE_LEN_MAX, CHALLENGE_FOR, KEY_PACKAGE_LEN_MAX, KEY_PACKAGES};
use thicket_types::name::{Name, NameKey};
use thicket_types::ports::{Account, OpenChallenge, VerifyError};
use thicket_types::time::Stamp;
use thicket_types::wire::context;
use thicket_types::wire::relay::answer::Said;
use thicket_types::wire::relay::{
    Challenge, ChallengeAsk, Entry, KeyPackage, KeyPackageAsk, LoggedIn, Login, Lookup, MailboxKey, MailboxKeyStatement, Proof,
    PublishKeyPackages, Published, Register, Registered,
};

fn name(text: &str) -> Result<Name, Code> {
    Name::parse(text).map_err(|_| Code::MalformedName)
}

pub(crate) fn challenge(scope: &mut Scope<'_>, ask: &ChallengeAsk) -> Done {
    let name = name(&ask.name)?.key();
    let mut nonce = [0_u8; 32];
    scope.entropy.fill(&mut nonce);
    let until = scope.now.after(CHALLENGE_FOR);
    scope.store.put_challenge(nonce, &OpenChallenge { name, tag: scope.tag, until }).map_err(failed)?;
    let said = Challenge { nonce: nonce.to_vec(), relay_key: scope.relay.0.to_vec(), until_ms: until.0 };
    Ok(Said::Challenge(said).into())
}

/// Takes the challenge that a proof answers, and checks all that can be checked without a key. It can't be answered again.
fn answered(scope: &mut Scope<'_>, proof: &[u8]) -> Result<Name, Code> {
    let Proof { relay_key, nonce, name: text, until_ms } = Proof::decode(proof).map_err(|_| Code::MalformedRequest)?;
    let name = name(&text)?;
    let nonce = <[u8; 32]>::try_from(nonce.as_slice()).map_err(|_| Code::MalformedRequest)?;
    if relay_key != scope.relay.0 {
        return Err(Code::BadSignature);
    }
    let challenge = scope.store.take_challenge(nonce).map_err(failed)?.ok_or(Code::ChallengeUnknown)?;
    if challenge.tag != scope.tag || challenge.name != name.key() || challenge.until != Stamp(until_ms) {
        return Err(Code::ChallengeUnknown);
    }
    if scope.now > challenge.until {
        return Err(Code::ChallengeExpired);
    }
    Ok(name)
}

fn verified(scope: &Scope<'_>, certificate: &[u8], context: &str, text: &[u8], signature: &[u8]) -> Result<(), Code> {
    scope.verify.signature(certificate, context, text, signature).map_err(|error| match error {
        VerifyError::Certificate => Code::BadCertificate,
        VerifyError::Signature => Code::BadSignature,
    })
}

pub(crate) fn register(scope: &mut Scope<'_>, register: &Register) -> Done {
    let name = answered(scope, &register.proof)?;
    if register.certificate.len() > CERTIFICATE_LEN_MAX {
        return Err(Code::BadCertificate);
    }
    let facts = scope.verify.certificate(&register.certificate).map_err(|_| Code::BadCertificate)?;
    if facts.name != name.text() {
        return Err(Code::BadCertificate);
    }
    verified(scope, &register.certificate, context::REGISTER, &register.proof, &register.signature)?;
    let mailbox_key = register.mailbox_key.as_ref().ok_or(Code::MalformedRequest)?;
    mailbox_key_of(scope, &register.certificate, facts.fingerprint, mailbox_key)?;
    let key = name.key();
    let mailbox = match scope.store.account(&key).map_err(failed)? {
        Some(account) if account.fingerprint != facts.fingerprint => return Err(Code::NameTaken),
        // The same identity again: a restart on the way. It keeps its mailbox.
        Some(account) => account.mailbox,
        None => {
            let mut mailbox = [0_u8; MailboxId::LEN];
            scope.entropy.fill(&mut mailbox);
            MailboxId(mailbox)
        }
    };
    let account = Account {
        name: String::from(name.text()),
        fingerprint: facts.fingerprint,
        certificate: register.certificate.clone(),
        mailbox,
        mailbox_key_statement: mailbox_key.statement.clone(),
        mailbox_key_signature: mailbox_key.signature.clone(),
    };
    scope.store.put_account(&key, &account).map_err(failed)?;
    scope.store.bind_lane(scope.tag, &key).map_err(failed)?;
    Ok(Said::Registered(Registered { mailbox: mailbox.0.to_vec() }).into())
}

/// The mailbox key's statement must be the identity's own, and well-formed: who looks it up relies on it.
fn mailbox_key_of(scope: &Scope<'_>, certificate: &[u8], owner: Fingerprint, mailbox_key: &MailboxKey) -> Result<(), Code> {
    verified(scope, certificate, context::MAILBOX_KEY, &mailbox_key.statement, &mailbox_key.signature)?;
    let statement = MailboxKeyStatement::decode(mailbox_key.statement.as_slice()).map_err(|_| Code::MalformedRequest)?;
    if statement.fingerprint == owner.0 && statement.key.len() == 32 { Ok(()) } else { Err(Code::MalformedRequest) }
}

pub(crate) fn login(scope: &mut Scope<'_>, login: &Login) -> Done {
    let key = answered(scope, &login.proof)?.key();
    let account = scope.store.account(&key).map_err(failed)?.ok_or(Code::UnknownName)?;
    verified(scope, &account.certificate, context::LOGIN, &login.proof, &login.signature)?;
    scope.store.bind_lane(scope.tag, &key).map_err(failed)?;
    let (key_packages, last_resort) = scope.store.key_packages(&key).map_err(failed)?;
    Ok(Said::LoggedIn(LoggedIn { mailbox: account.mailbox.0.to_vec(), key_packages, last_resort }).into())
}

/// The name that this lane is logged in under.
pub(crate) fn logged_in(scope: &mut Scope<'_>) -> Result<NameKey, Code> {
    scope.store.lane(scope.tag).map_err(failed)?.ok_or(Code::NotLoggedIn)
}

pub(crate) fn publish(scope: &mut Scope<'_>, publish: &PublishKeyPackages) -> Done {
    let key = logged_in(scope)?;
    let PublishKeyPackages { one_time, last_resort } = publish;
    let fits = |package: &[u8]| (1..=KEY_PACKAGE_LEN_MAX).contains(&package.len());
    let (stock, _) = scope.store.key_packages(&key).map_err(failed)?;
    let room = KEY_PACKAGES.saturating_mul(2).saturating_sub(stock);
    if u32::try_from(one_time.len()).map_or(true, |count| count > room) || !one_time.iter().all(|package| fits(package)) {
        return Err(Code::TooLarge);
    }
    if !last_resort.is_empty() && !fits(last_resort) {
        return Err(Code::TooLarge);
    }
    let last_resort = (!last_resort.is_empty()).then_some(last_resort.as_slice());
    scope.store.add_key_packages(&key, one_time, last_resort).map_err(failed)?;
    let (key_packages, _) = scope.store.key_packages(&key).map_err(failed)?;
    Ok(Said::Published(Published { key_packages }).into())
}

pub(crate) fn lookup(scope: &mut Scope<'_>, lookup: &Lookup) -> Done {
    let account = scope.store.account(&name(&lookup.name)?.key()).map_err(failed)?.ok_or(Code::UnknownName)?;
    let mailbox_key = MailboxKey { statement: account.mailbox_key_statement, signature: account.mailbox_key_signature };
    let entry =
        Entry { name: account.name, certificate: account.certificate, mailbox: account.mailbox.0.to_vec(), mailbox_key: Some(mailbox_key) };
    Ok(Said::Entry(entry).into())
}

pub(crate) fn key_package(scope: &mut Scope<'_>, ask: &KeyPackageAsk) -> Done {
    let key = name(&ask.name)?.key();
    scope.store.account(&key).map_err(failed)?.ok_or(Code::UnknownName)?;
    let (key_package, last_resort) = scope.store.take_key_package(&key).map_err(failed)?.ok_or(Code::NoKeyPackage)?;
    Ok(Said::KeyPackage(KeyPackage { key_package, last_resort }).into())
}
