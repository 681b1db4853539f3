//! A group's beginning: its creator, alone, and a log at the relay.

use super::kept::{self, Group};
use super::roster::Members;
use super::secrets::{Secrets, hash};
use crate::mls::group as setup;
use crate::request::{framed, own_leaf};
use crate::{BROKEN, Scope, Stop};
use openmls::group::{GroupId as MlsId, MlsGroup};
use prost::Message as _;
use thicket_types::error::Code;
use thicket_types::event::Outcome;
use thicket_types::group::{Charter, Docket, Kept, Lineage, Officer, Past, Role};
use thicket_types::ids::{Digest, GroupId, Incarnation};
use thicket_types::limits::VOIDABLE_COMMITS_MAX;
use thicket_types::name::Title;
use thicket_types::secret::Secret;
use thicket_types::wire::relay::{Answer, CreateLog, LogLane, answer::Said, request::Ask};

/// Makes a group, alone in it as its owner, and the request that creates its log.
pub(crate) fn make(scope: &Scope<'_>, id: GroupId, title: &Title, public: bool) -> Result<Outcome, Stop> {
    if kept::is_taken(scope, id)? {
        return Err(Stop::Refused(Code::Repeated));
    }
    let provider = scope.provider();
    let owner = Officer { who: scope.account.certificate.fingerprint(), role: Role::Owner };
    let charter = Charter::new(title.clone(), public, vec![owner]).ok_or(BROKEN)?;
    let config = setup::create_log_config(super::charter::extension(&charter)).map_err(Stop::Broken)?;
    let mls = MlsGroup::new_with_group_id(&provider, &scope.account.signer, &config, MlsId::from_slice(&id.0), own_leaf(scope))
        .map_err(|_| BROKEN)?;
    let members = Members::of(mls.extensions(), mls.members()).ok_or(BROKEN)?;
    let (secrets, lane) = (Secrets::of(&provider, &mls)?, Secret::new(scope.random::<32>()?));
    let create = CreateLog {
        log: id.0.to_vec(),
        posting: hash(&secrets.posting).0.to_vec(),
        reading: hash(&secrets.reading).0.to_vec(),
        lanes: vec![LogLane { lane: hash(&lane).0.to_vec(), owner: true }],
        stamp: None,
    };
    kept::save_epoch(scope, id, 0, &members, &secrets)?;
    let first = Kept { commit: 0, at: 0, docket: Docket::default(), roster: members };
    let group = Group {
        id,
        lineage: Lineage::new(VOIDABLE_COMMITS_MAX, first, Past::default()),
        followed: 0,
        prefix: Digest([0; 32]),
        latest: 0,
        incarnation: None,
        reading: secrets.reading,
        lane: Some(lane),
        gone: false,
    };
    kept::save(scope, group)?;
    framed(scope, Ask::CreateLog(create))
}

/// Notes which life of the relay's store has the log.
pub(crate) fn created(scope: &Scope<'_>, id: GroupId, answer: &[u8]) -> Result<Outcome, Stop> {
    let Some(Said::LogCreated(said)) = Answer::decode(answer).ok().and_then(|answer| answer.said) else {
        return Err(Stop::Refused(Code::MalformedRequest));
    };
    let incarnation = Incarnation::parse(&said.incarnation).ok_or(Stop::Refused(Code::MalformedRequest))?;
    let group = kept::load(scope, id)?;
    kept::save(scope, Group { incarnation: Some(incarnation), ..group })?;
    Ok(Outcome::Done)
}
