//! Mail: put by anybody who knows the mailbox, fetched and acknowledged by its owner.
//!
//! ```text
//!   capability that the owner gave out   → its own quota, and never more than there is room left for all
//!   none, or one that was taken back     → the request box: a small quota for all strangers, and a stamp
//! ```

use crate::session::Owned;
use crate::{Backlog, Done, NewMail, Refused, Reply, Scope, directory, failed, stamp};
use alloc::vec::Vec;
use thicket_types::error::Code;
use thicket_types::ids::{Digest, FrameId, MailboxId};
use thicket_types::limits::{ACKNOWLEDGE_MAX, CAPABILITIES_SET_MAX, FETCH_ITEMS_MAX};
use thicket_types::ports::{NewItem, PutOutcome, Quota, Stock};
use thicket_types::wire::relay::answer::Said;
use thicket_types::wire::relay::{Acknowledge, Acknowledged, CapabilitiesSet, Fetch, Fetched, Put, SetCapabilities, Stamp, Stored};

/// Stores an envelope once. One that is stored already is `Stored` again, without a stamp and whatever is full.
pub(crate) fn put(scope: &mut Scope<'_>, put: &Put) -> Done {
    let Put { mailbox, envelope, capability, stamp } = put;
    let mailbox = MailboxId::parse(mailbox).ok_or(Code::MalformedRequest)?;
    let quota = quota(scope, mailbox, capability)?;
    let room = scope.policy.mailbox_items_max.saturating_sub(scope.store.count(mailbox).map_err(failed)?);
    let item = NewItem {
        mailbox,
        quota,
        frame: FrameId(scope.verify.digest(envelope).0),
        envelope,
        at: scope.now,
        mailbox_max: scope.policy.mailbox_items_max,
        quota_max: match quota {
            Quota::Requests => scope.policy.request_box_items_max,
            // No more of one contact than there is room left for all (after the dynamic thresholds of Choudhury and Hahne, 1998): few
            // contacts who send without end leave the others room.
            Quota::Capability(_) => scope.policy.capability_items_max.min(room),
        },
    };
    let outcome = match quota {
        Quota::Capability(_) => scope.store.put_item(&item).map_err(failed)?,
        // A quota without room stores nothing new, so this asks what is known of the item before it is to be paid for.
        Quota::Requests => match scope.store.put_item(&NewItem { quota_max: 0, ..item }).map_err(failed)? {
            PutOutcome::QuotaFull => {
                paid(scope, &item, stamp.as_ref())?;
                scope.store.put_item(&item).map_err(failed)?
            }
            known => known,
        },
    };
    let said = Said::Stored(Stored {});
    match (outcome, quota) {
        (PutOutcome::Stored(cursor), _) => {
            let stored = Some(NewMail { mailbox, cursor, envelope: envelope.clone() });
            Ok(Reply { stored, paid: true, ..said.into() })
        }
        (PutOutcome::Repeated, _) => Ok(said.into()),
        (PutOutcome::Full, _) => Err(Code::MailboxFull.into()),
        (PutOutcome::QuotaFull, Quota::Requests) => Err(Code::RequestBoxFull.into()),
        (PutOutcome::QuotaFull, Quota::Capability(_)) => Err(Code::QuotaReached.into()),
        (PutOutcome::Unknown, _) => Err(Code::UnknownMailbox.into()),
    }
}

/// What a put counts against. A capability that the mailbox has not makes a stranger, as none does.
fn quota(scope: &mut Scope<'_>, mailbox: MailboxId, capability: &[u8]) -> Result<Quota, Code> {
    if capability.is_empty() {
        return Ok(Quota::Requests);
    }
    if capability.len() != 32 {
        return Err(Code::MalformedRequest);
    }
    let capability = scope.verify.digest(capability);
    let has = scope.store.capability(mailbox, capability).map_err(failed)?;
    Ok(if has { Quota::Capability(capability) } else { Quota::Requests })
}

/// Asks a stranger for the stamp of an item that is new. A full box refuses before it asks: nobody works for nothing.
fn paid(scope: &mut Scope<'_>, item: &NewItem<'_>, stamp: Option<&Stamp>) -> Result<(), Refused> {
    let requests = scope.store.count_of(item.mailbox, Quota::Requests).map_err(failed)?;
    if requests >= item.quota_max {
        return Err(Code::RequestBoxFull.into());
    }
    let purpose = || stamp::put_purpose(scope.verify, item.mailbox, item.envelope);
    stamp::held(scope, stamp, purpose, stamp::put_bits(scope.policy, requests)).map(|_| ())
}

/// Gives what waits, the oldest first. What else a fetch may bear was looked at before.
pub(crate) fn fetch(scope: &mut Scope<'_>, Owned { key, account, .. }: &Owned, fetch: &Fetch) -> Done {
    let mailbox = account.mailbox;
    let items = scope.store.items(mailbox, fetch.items_max.min(FETCH_ITEMS_MAX)).map_err(failed)?;
    let waiting = u32::try_from(scope.store.count(mailbox).map_err(failed)?).unwrap_or(u32::MAX);
    // The store gives those of contacts first.
    let requests = scope.store.count_of(mailbox, Quota::Requests).map_err(failed)?;
    let contacts = usize::try_from(u64::from(waiting).saturating_sub(requests)).unwrap_or(usize::MAX);
    let backlog = Backlog::Sent { of_contacts: items.len().min(contacts), all: items.len() >= contacts };
    let Stock { one_time, last_resort } = directory::stock(scope, key)?;
    Ok(Reply { items, backlog, ..Said::Fetched(Fetched { waiting, key_packages: one_time, last_resort }).into() })
}

pub(crate) fn acknowledge(scope: &mut Scope<'_>, Owned { account, .. }: &Owned, acknowledge: &Acknowledge) -> Done {
    if acknowledge.cursors.len() > ACKNOWLEDGE_MAX {
        return Err(Code::TooLarge.into());
    }
    scope.store.remove_items(account.mailbox, &acknowledge.cursors).map_err(failed)?;
    Ok(Said::Acknowledged(Acknowledged {}).into())
}

/// Gives out and takes back write capabilities. One that is in both lists stays. What was put by one that goes stays too.
pub(crate) fn set_capabilities(scope: &mut Scope<'_>, Owned { account, .. }: &Owned, set: &SetCapabilities) -> Done {
    let SetCapabilities { add, remove } = set;
    if add.len().saturating_add(remove.len()) > CAPABILITIES_SET_MAX {
        return Err(Code::TooLarge.into());
    }
    let digests = |given: &[Vec<u8>]| given.iter().map(|bytes| Digest::parse(bytes)).collect::<Option<Vec<Digest>>>();
    let (add, remove) = digests(add).zip(digests(remove)).ok_or(Code::MalformedRequest)?;
    scope.store.set_capabilities(account.mailbox, &add, &remove).map_err(failed)?;
    Ok(Said::CapabilitiesSet(CapabilitiesSet {}).into())
}
