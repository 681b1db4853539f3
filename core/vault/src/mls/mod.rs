//! MLS (RFC 9420) through openmls: its store, its randomness, and the credential that ties a leaf to an identity.

pub(crate) mod credential;
pub(crate) mod group;
pub(crate) mod provider;
pub(crate) mod storage;
