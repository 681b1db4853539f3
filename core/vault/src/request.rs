//! Requests to the relay: made here, so that every frame is a ledgered reply and a resend has the same bytes.

use crate::mls::{credential, group};
use crate::{Scope, Stop};
use openmls::prelude::tls_codec::Serialize as _;
use prost::Message as _;
use thicket_journal_format::digest;
use thicket_types::bytes::Bytes;
use thicket_types::error::Code;
use thicket_types::event::Outcome;
use thicket_types::ids::FrameId;
use thicket_types::limits::{FRAME_LEN_MAX, KEY_PACKAGES};
use thicket_types::vault_op::{Ask, Challenge};
use thicket_types::wire::relay::{self as wire, request};
use thicket_types::wire::{VERSION, context};

/// Wraps an ask into a request with a nonce of its own.
pub(crate) fn framed(scope: &Scope<'_>, ask: request::Ask) -> Result<Outcome, Stop> {
    let nonce = scope.random::<16>()?.to_vec();
    let bytes = wire::Request { version: VERSION, nonce, ask: Some(ask) }.encode_to_vec();
    if bytes.len() > FRAME_LEN_MAX {
        return Err(Stop::Refused(Code::TooLarge));
    }
    let frame = FrameId(digest(&[&bytes]).0);
    Ok(Outcome::Framed { frame, bytes: Bytes(bytes) })
}

pub(crate) fn compose(scope: &Scope<'_>, ask: &Ask) -> Result<Outcome, Stop> {
    let ask = match ask {
        Ask::Challenge => request::Ask::Challenge(wire::ChallengeAsk { name: scope.account.certificate.name().to_owned() }),
        Ask::Lookup(name) => request::Ask::Lookup(wire::Lookup { name: name.text().to_owned() }),
        Ask::KeyPackage(name) => request::Ask::KeyPackage(wire::KeyPackageAsk { name: name.text().to_owned() }),
        Ask::Fetch { items_max } => request::Ask::Fetch(wire::Fetch { items_max: *items_max }),
        Ask::Acknowledge { cursors } => request::Ask::Acknowledge(wire::Acknowledge { cursors: cursors.clone() }),
    };
    framed(scope, ask)
}

fn proof(scope: &Scope<'_>, challenge: &Challenge) -> Vec<u8> {
    wire::Proof {
        relay_key: challenge.relay.0.to_vec(),
        nonce: challenge.nonce.to_vec(),
        name: scope.account.certificate.name().to_owned(),
        until_ms: challenge.until_ms,
    }
    .encode_to_vec()
}

fn sign(scope: &Scope<'_>, context: &str, text: &[u8]) -> Result<Vec<u8>, Stop> {
    scope.account.identity.sign(context, text, scope.account.created_s).map_err(|_| Stop::Broken(Code::Inconsistent))
}

pub(crate) fn sign_registration(scope: &Scope<'_>, challenge: &Challenge) -> Result<Outcome, Stop> {
    let proof = proof(scope, challenge);
    let statement = wire::MailboxKeyStatement {
        fingerprint: scope.account.certificate.fingerprint().0.to_vec(),
        key: scope.account.mailbox_key.to_vec(),
        from_ms: scope.account.created_s.saturating_mul(1000),
    }
    .encode_to_vec();
    let mailbox_key = wire::MailboxKey { signature: sign(scope, context::MAILBOX_KEY, &statement)?, statement };
    let register = wire::Register {
        signature: sign(scope, context::REGISTER, &proof)?,
        proof,
        certificate: scope.account.certificate_bytes.clone(),
        mailbox_key: Some(mailbox_key),
    };
    framed(scope, request::Ask::Register(register))
}

pub(crate) fn sign_login(scope: &Scope<'_>, challenge: &Challenge) -> Result<Outcome, Stop> {
    let proof = proof(scope, challenge);
    let login = wire::Login { signature: sign(scope, context::LOGIN, &proof)?, proof };
    framed(scope, request::Ask::Login(login))
}

pub(crate) fn make_key_packages(scope: &Scope<'_>, count: u32, last_resort: bool) -> Result<Outcome, Stop> {
    let provider = scope.provider();
    let make = |last_resort: bool| -> Result<Vec<u8>, Stop> {
        let with_key = credential::with_key(&scope.account.credential, &scope.account.leaf_key);
        let bundle = group::key_package(&provider, &scope.account.signer, with_key, last_resort).map_err(Stop::Broken)?;
        bundle.key_package().tls_serialize_detached().map_err(|_| Stop::Broken(Code::Inconsistent))
    };
    let one_time = (0..count.min(KEY_PACKAGES)).map(|_| make(false)).collect::<Result<Vec<_>, _>>()?;
    let last_resort = if last_resort { make(true)? } else { Vec::new() };
    framed(scope, request::Ask::Publish(wire::PublishKeyPackages { one_time, last_resort }))
}
