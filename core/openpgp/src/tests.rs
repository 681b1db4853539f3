//! Tests of the crate, through its front door.

use thicket_types::ports::{Entropy, Verify, VerifyError};

use crate::{Certificate, Identity, OpenPgpError, Verifier};
use thicket_types::limits::{CERTIFICATE_LEN_MAX, USER_ID_LEN_MAX};

const CREATED_S: u64 = 1_700_000_000;
const CONTEXT: &str = "thicket test";

/// A repeatable stream (SplitMix64), fit for tests only.
struct Seeded(u64);

impl Entropy for Seeded {
    fn fill(&mut self, out: &mut [u8]) {
        for chunk in out.chunks_mut(8) {
            self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
            let mut word = self.0;
            word = (word ^ (word >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
            word = (word ^ (word >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
            word ^= word >> 31;
            chunk.copy_from_slice(&word.to_le_bytes()[..chunk.len()]);
        }
    }
}

fn identity(name: &str, seed: u64) -> Identity {
    Identity::generate(name, CREATED_S, &mut Seeded(seed)).expect("generates")
}

/// Gives `count` places spread evenly over a length, both ends among them.
fn sample(len: usize, count: usize) -> impl Iterator<Item = usize> {
    (0..count).map(move |i| i * (len - 1) / (count - 1))
}

#[test]
fn certificate_round_trip() {
    let alice = identity("alice", 1);
    let bytes = alice.certificate().to_bytes();
    let read = Certificate::parse(&bytes).expect("parses");
    assert_eq!(read.to_bytes(), bytes);
    assert_eq!(read.name(), "alice");
    assert_eq!(read.fingerprint().0, alice.certificate().fingerprint().0);
    assert!(read == alice.certificate());
    assert!(bytes.len() <= CERTIFICATE_LEN_MAX);
}

#[test]
fn secret_round_trip() {
    let alice = identity("alice", 1);
    let bytes = alice.to_bytes();
    let read = Identity::from_bytes(bytes.expose()).expect("reads");
    assert_eq!(read.to_bytes().expose(), bytes.expose());
    assert!(read.certificate() == alice.certificate());
    assert_eq!(read.sign(CONTEXT, b"m", CREATED_S).expect("signs"), alice.sign(CONTEXT, b"m", CREATED_S).expect("signs"),);
}

#[test]
fn names_are_kept_exactly() {
    let long = "n".repeat(USER_ID_LEN_MAX);
    for name in ["a", "Ünïcode ☘ <not@mail>", " spaces ", long.as_str()] {
        let certificate = identity(name, 7).certificate();
        let read = Certificate::parse(&certificate.to_bytes()).expect("parses");
        assert_eq!(read.name(), name);
    }
    for name in [String::new(), "n".repeat(USER_ID_LEN_MAX + 1)] {
        let made = Identity::generate(&name, CREATED_S, &mut Seeded(7));
        assert_eq!(made.err(), Some(OpenPgpError::Name));
    }
}

#[test]
fn generation_repeats() {
    let (one, two) = (identity("alice", 42), identity("alice", 42));
    assert_eq!(one.to_bytes().expose(), two.to_bytes().expose());
    let other = identity("alice", 43);
    assert_ne!(one.certificate().fingerprint().0, other.certificate().fingerprint().0,);
    let later = Identity::generate("alice", CREATED_S + 1, &mut Seeded(42)).expect("generates");
    assert_ne!(one.certificate().fingerprint().0, later.certificate().fingerprint().0,);
}

#[test]
fn times_out_of_range_are_refused() {
    let made = Identity::generate("alice", 1 << 32, &mut Seeded(1));
    assert_eq!(made.err(), Some(OpenPgpError::Time));
    let alice = identity("alice", 1);
    assert_eq!(alice.sign(CONTEXT, b"m", CREATED_S - 1), Err(OpenPgpError::Time),);
    assert_eq!(alice.sign(CONTEXT, b"m", 1 << 32), Err(OpenPgpError::Time));
}

#[test]
fn signatures_verify_in_their_context_only() {
    let alice = identity("alice", 1);
    let certificate = alice.certificate();
    let signature = alice.sign(CONTEXT, b"message", CREATED_S + 5).expect("signs");
    assert_eq!(certificate.verify(CONTEXT, b"message", &signature), Ok(()));

    let fails: Result<(), OpenPgpError> = Err(OpenPgpError::Signature);
    assert_eq!(certificate.verify("other", b"message", &signature), fails);
    assert_eq!(certificate.verify(CONTEXT, b"messages", &signature), fails);
    assert_eq!(certificate.verify(CONTEXT, b"message", &[]), fails);
    let bob = identity("bob", 2).certificate();
    assert_eq!(bob.verify(CONTEXT, b"message", &signature), fails);
    let twice = [signature.as_slice(), signature.as_slice()].concat();
    assert_eq!(certificate.verify(CONTEXT, b"message", &twice), fails);

    assert_eq!(alice.sign("a\0b", b"message", CREATED_S), Err(OpenPgpError::Context),);
    assert_eq!(certificate.verify("a\0b", b"message", &signature), Err(OpenPgpError::Context),);
}

#[test]
fn every_altered_signature_byte_is_noticed() {
    let alice = identity("alice", 1);
    let certificate = alice.certificate();
    let signature = alice.sign(CONTEXT, b"message", CREATED_S).expect("signs");
    for place in 0..signature.len() {
        let mut altered = signature.clone();
        altered[place] ^= 1;
        assert_eq!(certificate.verify(CONTEXT, b"message", &altered), Err(OpenPgpError::Signature), "byte {place}",);
    }
}

#[test]
fn altered_certificates_are_refused() {
    let bytes = identity("alice", 1).certificate().to_bytes();
    for place in sample(bytes.len(), 24) {
        for flip in [0x01, 0x80] {
            let mut altered = bytes.clone();
            altered[place] ^= flip;
            assert!(Certificate::parse(&altered).is_err(), "byte {place} ^ {flip:02x}",);
        }
    }
    for end in sample(bytes.len(), 20) {
        assert!(Certificate::parse(&bytes[..end]).is_err(), "cut at {end}");
    }
}

#[test]
fn other_shapes_have_their_own_errors() {
    let alice = identity("alice", 1);
    let bytes = alice.certificate().to_bytes();
    let refused = |bytes: &[u8]| Certificate::parse(bytes).err();

    assert_eq!(refused(&[]), Some(OpenPgpError::Packets));
    assert_eq!(refused(&[0; CERTIFICATE_LEN_MAX + 1]), Some(OpenPgpError::TooLarge),);
    assert_eq!(refused(b"not packets"), Some(OpenPgpError::Malformed));
    assert_eq!(refused(alice.to_bytes().expose()), Some(OpenPgpError::Packets),);
    let user = [&[0xcdu8, 3][..], b"bob"].concat();
    let two_users = [bytes.as_slice(), user.as_slice()].concat();
    assert_eq!(refused(&two_users), Some(OpenPgpError::UserIds));
    // One stray byte at the end looks like the start of a header that never comes.
    let stray = [bytes.as_slice(), &[0xcdu8][..]].concat();
    assert_eq!(refused(&stray), Some(OpenPgpError::NotCanonical));
    // The same user id under an old packet header.
    let at = bytes.windows(7).position(|window| window == b"\xcd\x05alice").expect("finds the user id");
    let mut old = bytes.clone();
    old[at] = 0xb4;
    assert_eq!(refused(&old), Some(OpenPgpError::NotCanonical));

    let mut mixed = bytes.clone();
    mixed[at + 2] = b'A';
    assert_eq!(refused(&mixed), Some(OpenPgpError::Certification));

    assert_eq!(Identity::from_bytes(&bytes).err(), Some(OpenPgpError::Packets),);
}

#[test]
fn export_and_import() {
    let alice = identity("alice", 1);
    let text = alice.export_armored(b"correct horse", &mut Seeded(9)).expect("exports");
    assert!(text.starts_with("-----BEGIN PGP PRIVATE KEY BLOCK-----\n"));

    let read = Identity::import_armored(&text, b"correct horse").expect("imports");
    assert_eq!(read.to_bytes().expose(), alice.to_bytes().expose());

    assert_eq!(Identity::import_armored(&text, b"battery staple").err(), Some(OpenPgpError::WrongPassphrase),);
    assert_eq!(alice.export_armored(b"", &mut Seeded(9)), Err(OpenPgpError::Passphrase),);
    let public = alice.certificate().armored().expect("armors");
    for text in [public.as_str(), "", "no armor"] {
        assert_eq!(Identity::import_armored(text, b"correct horse").err(), Some(OpenPgpError::Armor),);
    }
}

#[test]
fn verifier_answers_as_the_certificate_does() {
    let alice = identity("alice", 1);
    let bytes = alice.certificate().to_bytes();
    let signature = alice.sign(CONTEXT, b"message", CREATED_S).expect("signs");

    let facts = Verifier.certificate(&bytes).expect("parses");
    assert_eq!(facts.name, "alice");
    assert_eq!(facts.fingerprint.0, alice.certificate().fingerprint().0);
    assert!(matches!(Verifier.certificate(b"junk"), Err(VerifyError::Certificate)));

    assert_eq!(Verifier.signature(&bytes, CONTEXT, b"message", &signature), Ok(()),);
    assert_eq!(Verifier.signature(&bytes, CONTEXT, b"massage", &signature), Err(VerifyError::Signature),);
    assert_eq!(Verifier.signature(b"junk", CONTEXT, b"message", &signature), Err(VerifyError::Certificate),);
}

#[test]
fn debug_shows_no_name_and_no_secret() {
    let alice = identity("alice", 1);
    let shown = format!("{alice:?}");
    assert!(shown.starts_with("Identity(Certificate("));
    assert!(!shown.contains("alice"));
    assert!(shown.len() < 80);
}

#[cfg(unix)]
mod gnupg {
    //! GnuPG as the judge of what this crate writes.

    use std::ffi::OsStr;
    use std::fs;
    use std::os::unix::fs::DirBuilderExt;
    use std::path::PathBuf;
    use std::process::{Command, Output, Stdio};

    use super::{CONTEXT, CREATED_S, Seeded, identity};
    use crate::Identity;

    /// A home of GnuPG's own, which goes away with its agent.
    struct Home(PathBuf);

    impl Home {
        fn new() -> Home {
            let path = std::env::temp_dir().join(format!("thicket-gpg-{}", std::process::id()));
            fs::DirBuilder::new().mode(0o700).create(&path).expect("makes a directory");
            Home(path)
        }

        fn write(&self, name: &str, bytes: &[u8]) -> PathBuf {
            let path = self.0.join(name);
            fs::write(&path, bytes).expect("writes a file");
            path
        }

        fn gpg<I, S>(&self, args: I) -> Output
        where
            I: IntoIterator<Item = S>,
            S: AsRef<OsStr>,
        {
            let output = Command::new("gpg")
                .env("LC_ALL", "C.UTF-8")
                .arg("--homedir")
                .arg(&self.0)
                .args(["--batch", "--no-tty", "--pinentry-mode", "loopback"])
                .args(args)
                .stdin(Stdio::null())
                .output()
                .expect("runs gpg");
            assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr),);
            output
        }
    }

    impl Drop for Home {
        fn drop(&mut self) {
            let _ = Command::new("gpgconf").arg("--homedir").arg(&self.0).args(["--kill", "all"]).output();
            let _ = fs::remove_dir_all(&self.0);
        }
    }

    #[test]
    fn gpg_reads_keys_and_signatures() {
        if Command::new("gpg").arg("--version").output().is_err() {
            // Where everything is to be tried it is installed first; elsewhere what cannot be tried hinders nobody.
            assert!(std::env::var_os("CI").is_none(), "gpg is not on PATH");
            println!("not tried: gpg is not on PATH");
            return;
        }
        let alice = identity("alice", 1);
        let home = Home::new();

        let public = home.write("public.pgp", &alice.certificate().to_bytes());
        let listing = home.gpg([OsStr::new("--list-packets"), public.as_os_str()]);
        let listing = String::from_utf8_lossy(&listing.stdout).into_owned();
        assert!(listing.contains("version 4, algo 22"), "{listing}");
        assert!(listing.contains("version 4, algo 18"), "{listing}");
        assert!(listing.contains(":user ID packet: \"alice\""), "{listing}");
        home.gpg([OsStr::new("--import"), public.as_os_str()]);

        let signature = alice.sign(CONTEXT, b"message", CREATED_S + 5).expect("signs");
        let data = home.write("data", &[CONTEXT.as_bytes(), b"\0", b"message"].concat());
        let signature = home.write("data.sig", &signature);
        home.gpg([OsStr::new("--verify"), signature.as_os_str(), data.as_os_str()]);

        // Import the locked key, let GnuPG lock it its own way, and read that back.
        let passphrase = "correct horse";
        let secret = alice.export_armored(passphrase.as_bytes(), &mut Seeded(9)).expect("exports");
        let secret = home.write("secret.asc", secret.as_bytes());
        home.gpg([OsStr::new("--import"), secret.as_os_str()]);
        let fingerprint: String = alice.certificate().fingerprint().0.iter().map(|byte| format!("{byte:02X}")).collect();
        let exported = home.gpg(["--passphrase", passphrase, "--armor", "--export-secret-keys", fingerprint.as_str()]);
        let exported = String::from_utf8(exported.stdout).expect("is text");
        let read = Identity::import_armored(&exported, passphrase.as_bytes()).expect("imports");
        assert_eq!(read.to_bytes().expose(), alice.to_bytes().expose());
    }
}
