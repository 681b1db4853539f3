//! Mail: put by anybody who knows the mailbox, fetched and acknowledged by its owner.

use crate::{Done, Reply, Scope, directory, failed};
use alloc::vec::Vec;
use thicket_types::error::Code;
use thicket_types::ids::{FrameId, MailboxId};
use thicket_types::limits::{ACKNOWLEDGE_MAX, FETCH_ITEMS_MAX};
use thicket_types::ports::PutOutcome;
use thicket_types::wire::relay::answer::Said;
use thicket_types::wire::relay::{Acknowledge, Acknowledged, Fetch, Fetched, Put, Stored};

pub(crate) fn put(scope: &mut Scope<'_>, put: &Put) -> Done {
    let mailbox = MailboxId::parse(&put.mailbox).ok_or(Code::MalformedRequest)?;
    let frame = FrameId(scope.verify.digest(&put.envelope).0);
    let said = Said::Stored(Stored {});
    match scope.store.put_item(mailbox, frame, &put.envelope, scope.now).map_err(failed)? {
        PutOutcome::Stored(cursor) => Ok(Reply { said, items: Vec::new(), stored: Some((mailbox, cursor, put.envelope.clone())) }),
        PutOutcome::Repeated => Ok(said.into()),
        PutOutcome::Full => Err(Code::MailboxFull),
        PutOutcome::Unknown => Err(Code::UnknownMailbox),
    }
}

/// The mailbox that this lane may read.
fn own(scope: &mut Scope<'_>) -> Result<MailboxId, Code> {
    let key = directory::logged_in(scope)?;
    Ok(scope.store.account(&key).map_err(failed)?.ok_or(Code::UnknownName)?.mailbox)
}

pub(crate) fn fetch(scope: &mut Scope<'_>, fetch: &Fetch) -> Done {
    let mailbox = own(scope)?;
    let items = scope.store.items(mailbox, fetch.items_max.min(FETCH_ITEMS_MAX)).map_err(failed)?;
    let waiting = u32::try_from(scope.store.count(mailbox).map_err(failed)?).unwrap_or(u32::MAX);
    Ok(Reply { said: Said::Fetched(Fetched { waiting }), items, stored: None })
}

pub(crate) fn acknowledge(scope: &mut Scope<'_>, acknowledge: &Acknowledge) -> Done {
    let mailbox = own(scope)?;
    if acknowledge.cursors.len() > ACKNOWLEDGE_MAX {
        return Err(Code::TooLarge);
    }
    scope.store.remove_items(mailbox, &acknowledge.cursors).map_err(failed)?;
    Ok(Said::Acknowledged(Acknowledged {}).into())
}
