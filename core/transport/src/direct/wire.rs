//! What goes over a connection: the handshake, and frames in sealed pieces. The bytes are described in the module above.

use super::queue::{Next, Outbox, lock};
use super::times::Times;
use snow::params::DHChoice;
use snow::resolvers::{CryptoResolver as _, DefaultResolver};
use snow::{Builder, HandshakeState, StatelessTransportState};
use std::io::{self, Read as _, Write as _};
use std::net::{Shutdown, TcpStream};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant, SystemTime};
use thicket_types::limits::FRAME_LEN_MAX;

const PATTERN: &str = "Noise_NK_25519_ChaChaPoly_BLAKE2s";
const PROLOGUE: &[u8] = b"thicket.direct.v1";

/// Bytes of either handshake message: an ephemeral key and the tag of an empty payload (Noise §7.4, NK).
const HANDSHAKE_LEN: usize = 48;
/// Bytes of a Noise message (Noise §3).
const MESSAGE_LEN_MAX: usize = 65_535;
/// Bytes that sealing adds.
const TAG_LEN: usize = 16;
/// Bytes of a frame in one message.
pub(super) const PIECE_LEN_MAX: usize = MESSAGE_LEN_MAX - TAG_LEN - 1;

/// A message that says: still here.
pub(super) const PING: u8 = 0;
/// A message with a piece of a frame that goes on.
pub(super) const PART: u8 = 1;
/// A message with the last piece of a frame.
pub(super) const LAST: u8 = 2;

/// The public half of a relay's static key: the KEY of its address.
pub fn static_key(secret: &[u8; 32]) -> [u8; 32] {
    let mut pair = DefaultResolver.resolve_dh(&DHChoice::Curve25519).expect("snow is built with Curve25519");
    pair.set(secret);
    let mut key = [0; 32];
    key.copy_from_slice(pair.pubkey());
    key
}

/// When something came last over a connection. By the world's clock, for the monotonic one stands while the machine sleeps, and what
/// is on the way may have forgotten the connection meanwhile.
pub(super) struct Heard(Mutex<SystemTime>);

impl Heard {
    fn now() -> Arc<Heard> {
        Arc::new(Heard(Mutex::new(SystemTime::now())))
    }

    fn again(&self) {
        *lock(&self.0) = SystemTime::now();
    }

    /// How long ago that was; not at all, if the clock was set back.
    pub(super) fn ago(&self) -> Duration {
        SystemTime::now().duration_since(*lock(&self.0)).unwrap_or_default()
    }
}

/// The receiving half of a connection.
pub(super) struct Reader {
    heard: Arc<Heard>,
    stream: Arc<TcpStream>,
    noise: Arc<StatelessTransportState>,
    nonce: u64,
    times: Times,
}

/// The sending half of a connection.
pub(super) struct Writer {
    stream: Arc<TcpStream>,
    noise: Arc<StatelessTransportState>,
    nonce: u64,
    times: Times,
}

/// The client's side of the handshake. **Errors:** too late, cut off, or the other end does not have the key.
pub(super) fn initiate(stream: Arc<TcpStream>, key: &[u8; 32], times: Times) -> io::Result<(Reader, Writer)> {
    let deadline = Instant::now() + times.handshake_for;
    // snow draws the ephemeral key from the operating system and not from our Entropy: it lives as long as the connection
    // and reaches neither journal nor vault, so no replay needs it again.
    let mut noise = initiator(key).map_err(malformed_by)?;
    stream.set_nodelay(true)?;
    let mut message = [0; HANDSHAKE_LEN];
    noise.write_message(&[], &mut message).map_err(malformed_by)?;
    write_whole(&stream, &message, deadline)?;
    read_whole(&stream, &mut message, deadline)?;
    noise.read_message(&message, &mut []).map_err(malformed_by)?;
    halves(stream, noise, times)
}

/// The relay's side of the handshake. **Errors:** too late, cut off, or the other end means another key.
pub(super) fn respond(stream: Arc<TcpStream>, secret: &[u8; 32], times: Times) -> io::Result<(Reader, Writer)> {
    let deadline = Instant::now() + times.handshake_for;
    let mut noise = responder(secret).map_err(malformed_by)?;
    stream.set_nodelay(true)?;
    let mut message = [0; HANDSHAKE_LEN];
    read_whole(&stream, &mut message, deadline)?;
    noise.read_message(&message, &mut []).map_err(malformed_by)?;
    noise.write_message(&[], &mut message).map_err(malformed_by)?;
    write_whole(&stream, &message, deadline)?;
    halves(stream, noise, times)
}

fn initiator(key: &[u8; 32]) -> Result<HandshakeState, snow::Error> {
    Builder::new(PATTERN.parse()?).prologue(PROLOGUE)?.remote_public_key(key)?.build_initiator()
}

fn responder(secret: &[u8; 32]) -> Result<HandshakeState, snow::Error> {
    Builder::new(PATTERN.parse()?).prologue(PROLOGUE)?.local_private_key(secret)?.build_responder()
}

/// Stateless, so that one thread seals while another opens; each half counts its own nonces and ends with its first error.
fn halves(stream: Arc<TcpStream>, noise: HandshakeState, times: Times) -> io::Result<(Reader, Writer)> {
    let noise = Arc::new(noise.into_stateless_transport_mode().map_err(malformed_by)?);
    let reader = Reader { heard: Heard::now(), stream: stream.clone(), noise: noise.clone(), nonce: 0, times };
    Ok((reader, Writer { stream, noise, nonce: 0, times }))
}

impl Reader {
    /// Waits for the next frame. **Errors:** the connection is over; nothing more can be read from it.
    pub(super) fn frame(&mut self) -> io::Result<Vec<u8>> {
        let mut frame = Vec::new();
        let mut due = None;
        loop {
            let message = self.message(&mut due)?;
            let (kind, piece) = message.split_first().ok_or_else(malformed)?;
            if frame.len() + piece.len() > FRAME_LEN_MAX {
                return Err(malformed());
            }
            match *kind {
                PING if frame.is_empty() && piece.is_empty() => due = None,
                PART if piece.len() == PIECE_LEN_MAX => frame.extend_from_slice(piece),
                LAST => {
                    frame.extend_from_slice(piece);
                    return Ok(frame);
                }
                _ => return Err(malformed()),
            }
        }
    }

    /// Reads one message. `due` is when the frame that it belongs to must be whole, once its first byte is there.
    fn message(&mut self, due: &mut Option<Instant>) -> io::Result<Vec<u8>> {
        let quiet = Instant::now() + self.times.quiet_max;
        let mut prefix = [0; 2];
        self.fill(&mut prefix, quiet, due)?;
        let len = usize::from(u16::from_be_bytes(prefix));
        if len <= TAG_LEN {
            return Err(malformed());
        }
        let mut sealed = vec![0; len];
        self.fill(&mut sealed, quiet, due)?;
        let mut message = vec![0; len - TAG_LEN];
        self.noise.read_message(self.nonce, &sealed, &mut message).map_err(malformed_by)?;
        self.nonce += 1;
        self.heard.again();
        Ok(message)
    }

    /// When something came last.
    pub(super) fn heard(&self) -> Arc<Heard> {
        self.heard.clone()
    }

    /// Fills the buffer. A wait that ends early loses nothing: what came is in the buffer, and the wait goes on.
    fn fill(&self, out: &mut [u8], quiet: Instant, due: &mut Option<Instant>) -> io::Result<()> {
        let mut filled = 0;
        while filled < out.len() {
            filled += read_some(&self.stream, &mut out[filled..], due.unwrap_or(quiet))?;
            due.get_or_insert_with(|| Instant::now() + self.times.frame_for);
        }
        Ok(())
    }
}

impl Writer {
    /// Writes a frame whole. **Limits:** [`FRAME_LEN_MAX`], which the caller sees to. **Errors:** the connection is over.
    pub(super) fn frame(&mut self, frame: &[u8]) -> io::Result<()> {
        let mut sealed = Vec::with_capacity(frame.len() + 64);
        let mut rest = frame;
        while rest.len() > PIECE_LEN_MAX {
            let (piece, after) = rest.split_at(PIECE_LEN_MAX);
            self.seal(PART, piece, &mut sealed)?;
            rest = after;
        }
        self.seal(LAST, rest, &mut sealed)?;
        write_whole(&self.stream, &sealed, Instant::now() + self.times.frame_for)
    }

    /// Writes one message of any kind; the tests send wrong ones.
    pub(super) fn message(&mut self, kind: u8, piece: &[u8]) -> io::Result<()> {
        let mut sealed = Vec::new();
        self.seal(kind, piece, &mut sealed)?;
        write_whole(&self.stream, &sealed, Instant::now() + self.times.frame_for)
    }

    fn seal(&mut self, kind: u8, piece: &[u8], out: &mut Vec<u8>) -> io::Result<()> {
        let mut message = Vec::with_capacity(1 + piece.len());
        message.push(kind);
        message.extend_from_slice(piece);
        let len = message.len() + TAG_LEN;
        let prefix = u16::try_from(len).map_err(|_| malformed())?;
        out.extend_from_slice(&prefix.to_be_bytes());
        let at = out.len();
        out.resize(at + len, 0);
        self.noise.write_message(self.nonce, &message, &mut out[at..]).map_err(malformed_by)?;
        self.nonce += 1;
        Ok(())
    }
}

/// Writes what the outbox holds, and a ping whenever it holds nothing for long, until it is closed or the connection is over.
/// Then cuts the connection, so that its reader ends too.
pub(super) fn drain(mut writer: Writer, outbox: &Outbox) {
    loop {
        let written = match outbox.next(writer.times.ping_every) {
            Next::Frame(frame) => writer.frame(&frame),
            Next::Nothing => writer.message(PING, &[]),
            Next::Closed => break,
        };
        if written.is_err() {
            break;
        }
    }
    cut(&writer.stream);
}

/// Ends a connection both ways: whoever reads or writes it is woken with an error. One that is over already stays so.
pub(super) fn cut(stream: &TcpStream) {
    let _ = stream.shutdown(Shutdown::Both);
}

fn read_whole(stream: &TcpStream, out: &mut [u8], deadline: Instant) -> io::Result<()> {
    let mut filled = 0;
    while filled < out.len() {
        filled += read_some(stream, &mut out[filled..], deadline)?;
    }
    Ok(())
}

/// Reads at least one byte into a buffer that is not empty.
fn read_some(mut stream: &TcpStream, out: &mut [u8], deadline: Instant) -> io::Result<usize> {
    loop {
        stream.set_read_timeout(Some(left(deadline)?))?;
        match stream.read(out) {
            Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
            Ok(count) => return Ok(count),
            Err(error) if is_early(&error) => {}
            Err(error) => return Err(error),
        }
    }
}

fn write_whole(mut stream: &TcpStream, mut bytes: &[u8], deadline: Instant) -> io::Result<()> {
    while !bytes.is_empty() {
        stream.set_write_timeout(Some(left(deadline)?))?;
        match stream.write(bytes) {
            Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
            Ok(count) => bytes = &bytes[count..],
            Err(error) if is_early(&error) => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

/// The time that is left, never none: a timeout of zero means none at all to the system. **Errors:** the deadline has passed.
fn left(deadline: Instant) -> io::Result<Duration> {
    let left = deadline.saturating_duration_since(Instant::now());
    if left.is_zero() { Err(io::ErrorKind::TimedOut.into()) } else { Ok(left) }
}

/// A wait that ended before anything happened; systems name a timeout differently.
fn is_early(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::Interrupted | io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut)
}

fn malformed() -> io::Error {
    io::ErrorKind::InvalidData.into()
}

fn malformed_by(_: snow::Error) -> io::Error {
    malformed()
}
