//! A relay's address on this transport.

use std::fmt;
use std::io;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, ToSocketAddrs as _};
use thicket_types::limits::{DIRECT_HOST_LEN_MAX, DIRECT_PLACES_MAX};

/// What every address of this transport begins with.
const SCHEME: &str = "direct:";

/// `direct:KEY@HOST:PORT`: where a relay listens, and the key that it proves there.
///
/// **Shape:** KEY is 64 lower-case hex digits, HOST a name, an IPv4 address or an IPv6 address in brackets, PORT 1 to 65535.
/// Is not the relay's identity, which clients pin apart from it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Address {
    key: [u8; 32],
    host: Host,
    port: u16,
}

#[derive(Clone, PartialEq, Eq, Debug)]
enum Host {
    Name(String),
    V4(Ipv4Addr),
    V6(Ipv6Addr),
}

/// What is wrong with an address; the caller's fault each time.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum AddressError {
    /// It does not begin with `direct:`.
    Scheme,
    /// No 64 lower-case hex digits before an `@`.
    Key,
    /// Neither a name, nor an IPv4 address, nor an IPv6 address in brackets.
    Host,
    /// No number from 1 to 65535 behind the last `:`.
    Port,
}

impl fmt::Display for AddressError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            AddressError::Scheme => "an address that does not begin with direct:",
            AddressError::Key => "an address without a key of 64 lower-case hex digits",
            AddressError::Host => "an address without a host",
            AddressError::Port => "an address without a port from 1 to 65535",
        })
    }
}

impl std::error::Error for AddressError {}

impl Address {
    /// Reads an address.
    pub fn parse(text: &str) -> Result<Address, AddressError> {
        let rest = text.strip_prefix(SCHEME).ok_or(AddressError::Scheme)?;
        let (key, place) = rest.split_once('@').ok_or(AddressError::Key)?;
        let (host, port) = place.rsplit_once(':').ok_or(AddressError::Port)?;
        Ok(Address { key: parse_key(key)?, host: parse_host(host)?, port: parse_port(port)? })
    }

    /// The address of a relay that has this static key and listens there.
    pub fn at(key: [u8; 32], place: SocketAddr) -> Address {
        let host = match place {
            SocketAddr::V4(place) => Host::V4(*place.ip()),
            SocketAddr::V6(place) => Host::V6(*place.ip()),
        };
        Address { key, host, port: place.port() }
    }

    /// The relay's static key.
    pub fn key(&self) -> &[u8; 32] {
        &self.key
    }

    /// Where to knock, best first. Asks the system's resolver about a name, and waits as long as that takes.
    pub(super) fn places(&self) -> io::Result<Vec<SocketAddr>> {
        Ok(match &self.host {
            Host::Name(name) => first((name.as_str(), self.port).to_socket_addrs()?),
            Host::V4(ip) => vec![SocketAddr::from((*ip, self.port))],
            Host::V6(ip) => vec![SocketAddr::from((*ip, self.port))],
        })
    }
}

/// As many places as are tried.
pub(super) fn first(places: impl Iterator<Item = SocketAddr>) -> Vec<SocketAddr> {
    places.take(DIRECT_PLACES_MAX).collect()
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(SCHEME)?;
        for byte in self.key {
            write!(f, "{byte:02x}")?;
        }
        match &self.host {
            Host::Name(name) => write!(f, "@{name}:{}", self.port),
            Host::V4(ip) => write!(f, "@{ip}:{}", self.port),
            Host::V6(ip) => write!(f, "@[{ip}]:{}", self.port),
        }
    }
}

fn parse_key(text: &str) -> Result<[u8; 32], AddressError> {
    let mut key = [0; 32];
    if text.len() != key.len() * 2 {
        return Err(AddressError::Key);
    }
    for (byte, digits) in key.iter_mut().zip(text.as_bytes().chunks_exact(2)) {
        *byte = digits.iter().try_fold(0_u8, |byte, digit| Some((byte << 4) | parse_digit(*digit)?)).ok_or(AddressError::Key)?;
    }
    Ok(key)
}

fn parse_digit(digit: u8) -> Option<u8> {
    match digit {
        b'0'..=b'9' => Some(digit - b'0'),
        b'a'..=b'f' => Some(digit - b'a' + 10),
        _ => None,
    }
}

fn parse_host(text: &str) -> Result<Host, AddressError> {
    if let Some(bracketed) = text.strip_prefix('[') {
        let ip = bracketed.strip_suffix(']').ok_or(AddressError::Host)?;
        return ip.parse().map(Host::V6).map_err(|_| AddressError::Host);
    }
    if let Ok(ip) = text.parse() {
        return Ok(Host::V4(ip));
    }
    let label = |label: &str| !label.is_empty() && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'));
    // A resolver would read digits in the last place as an IPv4 address in one of its old spellings.
    let numeric = text.rsplit('.').next().is_some_and(|last| last.bytes().all(|byte| byte.is_ascii_digit()));
    if text.len() > DIRECT_HOST_LEN_MAX || numeric || !text.split('.').all(label) {
        return Err(AddressError::Host);
    }
    Ok(Host::Name(text.to_owned()))
}

fn parse_port(text: &str) -> Result<u16, AddressError> {
    // `parse` alone would take a sign and leading zeros: two spellings of one port.
    if text.starts_with('0') || !text.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(AddressError::Port);
    }
    text.parse().map_err(|_| AddressError::Port)
}
