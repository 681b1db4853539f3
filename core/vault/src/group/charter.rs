//! The charter, as an extension of the group's context (RFC 9420 §13.4): what every commit carries on, and every member sees.

use openmls::prelude::{Extension, Extensions, GroupContext, UnknownExtension};
use prost::Message as _;
use thicket_types::group::{Charter, Officer, Role};
use thicket_types::ids::Fingerprint;
use thicket_types::name::Title;
use thicket_types::wire::{CHARTER_EXTENSION, peer};

pub(super) fn extension(charter: &Charter) -> Extension {
    let officers = charter.officers().iter();
    let officers = officers.map(|officer| peer::Officer { who: officer.who.0.to_vec(), owner: officer.role == Role::Owner }).collect();
    let charter = peer::CharterExtension { title: charter.title().text().to_owned(), public: charter.is_public(), officers };
    Extension::Unknown(CHARTER_EXTENSION, UnknownExtension(charter.encode_to_vec()))
}

/// The charter that a context holds; `None` if it has none, or one that does not keep to its limits.
pub(super) fn of(extensions: &Extensions<GroupContext>) -> Option<Charter> {
    let bytes = extensions.iter().find_map(|extension| match extension {
        Extension::Unknown(CHARTER_EXTENSION, UnknownExtension(bytes)) => Some(bytes),
        _ => None,
    })?;
    let peer::CharterExtension { title, public, officers } = peer::CharterExtension::decode(bytes.as_slice()).ok()?;
    let officer = |officer: &peer::Officer| {
        let role = if officer.owner { Role::Owner } else { Role::Admin };
        Some(Officer { who: Fingerprint::parse(&officer.who)?, role })
    };
    Charter::new(Title::parse(&title)?, public, officers.iter().map(officer).collect::<Option<_>>()?)
}
