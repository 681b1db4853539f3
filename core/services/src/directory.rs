//! What is published under a name, and looked up: certificate, mailbox key, key packages.

use crate::session::{Owned, mailbox_key_of, name};
use crate::{Done, Refused, Reply, Scope, failed, refusal, stamp};
use thicket_types::error::Code;
use thicket_types::limits::{KEY_PACKAGE_FOR, KEY_PACKAGE_LEN_MAX, KEY_PACKAGES, SUITES_MAX};
use thicket_types::name::NameKey;
use thicket_types::ports::{Stock, StoredKeyPackage};
use thicket_types::time::Stamp;
use thicket_types::wire::relay::answer::Said;
use thicket_types::wire::relay::{
    Entry, KeyPackage, KeyPackageAsk, Lookup, MailboxKey, MailboxKeyPublished, PublishKeyPackages, PublishMailboxKey, Published,
};

/// Adds key packages to those there are, or puts them in the place of all.
pub(crate) fn publish(scope: &mut Scope<'_>, Owned { key, .. }: &Owned, publish: &PublishKeyPackages) -> Done {
    let PublishKeyPackages { one_time, last_resort, suite, replaces } = publish;
    if *suite == 0 {
        return Err(Code::MalformedRequest.into());
    }
    let fits = |package: &[u8]| (1..=KEY_PACKAGE_LEN_MAX).contains(&package.len());
    let left = if *replaces { 0 } else { stock(scope, key)?.one_time };
    let room = KEY_PACKAGES.saturating_mul(2).saturating_sub(left);
    if u32::try_from(one_time.len()).map_or(true, |count| count > room) || !one_time.iter().all(|package| fits(package)) {
        return Err(Code::TooLarge.into());
    }
    if !last_resort.is_empty() && !fits(last_resort) {
        return Err(Code::TooLarge.into());
    }
    if *replaces {
        scope.store.remove_key_packages(key).map_err(failed)?;
    }
    let last_resort = (!last_resort.is_empty()).then_some(last_resort.as_slice());
    scope.store.add_key_packages(key, *suite, one_time, last_resort, scope.now).map_err(failed)?;
    let key_packages = stock(scope, key)?.one_time;
    Ok(Said::Published(Published { key_packages }).into())
}

/// Takes a new mailbox key, whenever it says that it was made: after a take-over the clock may be another.
pub(crate) fn publish_mailbox_key(scope: &mut Scope<'_>, Owned { key, account, .. }: &Owned, publish: &PublishMailboxKey) -> Done {
    let mailbox_key = publish.mailbox_key.as_ref().ok_or(Code::MalformedRequest)?;
    mailbox_key_of(scope, &account.certificate, account.fingerprint, mailbox_key)?;
    scope.store.set_mailbox_key(key, &mailbox_key.statement, &mailbox_key.signature).map_err(failed)?;
    Ok(Said::MailboxKeyPublished(MailboxKeyPublished {}).into())
}

pub(crate) fn lookup(scope: &mut Scope<'_>, lookup: &Lookup) -> Done {
    let account = scope.store.account(&name(&lookup.name)?.key()).map_err(failed)?.ok_or(Code::UnknownName)?;
    let mailbox_key = MailboxKey { statement: account.mailbox_key_statement, signature: account.mailbox_key_signature };
    let entry =
        Entry { name: account.name, certificate: account.certificate, mailbox: account.mailbox.0.to_vec(), mailbox_key: Some(mailbox_key) };
    Ok(Said::Entry(entry).into())
}

/// What there is of a name's key packages that is fresh: what its owner is told, and what others are given.
pub(crate) fn stock(scope: &mut Scope<'_>, key: &NameKey) -> Result<Stock, Code> {
    scope.store.key_packages(key, fresh_from(scope.now)).map_err(failed)
}

/// When a key package that is fresh now came at the earliest, by this relay's clock: a package says nothing of its own age.
fn fresh_from(now: Stamp) -> Stamp {
    Stamp(now.0.saturating_sub(KEY_PACKAGE_FOR.0))
}

/// Gives a key package out for a stamp, whose bits rise as the one-time ones run out.
pub(crate) fn key_package(scope: &mut Scope<'_>, nonce: &[u8], ask: &KeyPackageAsk) -> Done {
    let KeyPackageAsk { name: text, suites, stamp: given } = ask;
    let key = name(text)?.key();
    if suites.is_empty() {
        return Err(Code::MalformedRequest.into());
    }
    if suites.len() > SUITES_MAX {
        return Err(Code::TooLarge.into());
    }
    let on = scope.store.account(&key).map_err(failed)?.ok_or(Code::UnknownName)?.mailbox;
    let (spent, spent_on) = (scope.store.stamps_spent().map_err(failed)?, scope.store.stamps_spent_on(on).map_err(failed)?);
    let bits = stamp::ask_bits(scope.policy, stock(scope, &key)?, spent, spent_on);
    let held = stamp::held(scope, given.as_ref(), || stamp::ask_purpose(scope.verify, nonce, text), bits)?;
    let paid = held.is_some();
    if let Some(held) = held
        && !scope.store.spend(held.digest, on, held.until).map_err(failed)?
    {
        return Err(stamp::needed(bits));
    }
    let said = match scope.store.take_key_package(&key, suites, fresh_from(scope.now)).map_err(failed)? {
        Some(StoredKeyPackage { suite, bytes, last_resort }) => Said::KeyPackage(KeyPackage { key_package: bytes, last_resort, suite }),
        // An answer, to be remembered as such: its stamp is spent, and a repeat must not be asked for another.
        None => refusal(Refused::from(Code::NoKeyPackage)),
    };
    Ok(Reply { paid, ..said.into() })
}
