//! What is past its window, and destroyed in the daily round.

use crate::mls::storage::MlsStore;
use crate::{BROKEN, Scope, Stop, conversation, epochs, group};
use thicket_types::event::Outcome;
use thicket_types::limits::REPLACED_KEYS_FOR;
use thicket_types::time::Stamp;

/// Destroys copies of past epochs, groups that send no more, what is left of strangers who were declined, replaced mailbox keys and
/// last-resort packages, offered packages, what groups with a log keep for a while, and the hashes of Welcomes that nothing could process
/// again.
pub(crate) fn tidy(scope: &Scope<'_>, now: Stamp) -> Result<Outcome, Stop> {
    epochs::tidy(scope, now)?;
    conversation::tidy(scope, now)?;
    conversation::tidy_strangers(scope, now)?;
    group::tidy(scope, now)?;
    let past = now.0.saturating_sub(REPLACED_KEYS_FOR.0);
    scope.conn.prepare_cached("DELETE FROM mailbox_key WHERE replaced < ?1")?.execute([past])?;
    let mut find = scope.conn.prepare_cached("SELECT address FROM last_resort WHERE replaced < ?1")?;
    let old: Vec<Vec<u8>> = find.query_map([past], |row| row.get(0)).and_then(Iterator::collect)?;
    for address in old {
        MlsStore::new(scope.conn).drop_key_package(&address).map_err(|_| BROKEN)?;
        scope.conn.prepare_cached("DELETE FROM last_resort WHERE address = ?1")?.execute([address])?;
    }
    let mut find = scope.conn.prepare_cached("SELECT address FROM offered WHERE at < ?1")?;
    let old: Vec<Vec<u8>> = find.query_map([past], |row| row.get(0)).and_then(Iterator::collect)?;
    for address in old {
        MlsStore::new(scope.conn).drop_key_package(&address).map_err(|_| BROKEN)?;
        scope.conn.prepare_cached("DELETE FROM offered WHERE address = ?1")?.execute([address])?;
    }
    MlsStore::new(scope.conn).tidy_shared().map_err(|_| BROKEN)?;
    // A Welcome's hash is needed as long as a key package could still open it: of a last-resort one, that window twice over.
    let past = past.saturating_sub(REPLACED_KEYS_FOR.0);
    scope.conn.prepare_cached("DELETE FROM welcome WHERE at < ?1")?.execute([past])?;
    Ok(Outcome::Done)
}
