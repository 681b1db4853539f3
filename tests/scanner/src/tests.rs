use super::*;

fn found(secret: &str, bytes: &[u8]) -> Vec<&'static str> {
    Scanner::new([secret]).scan(bytes).into_iter().map(|(_, form)| form).collect()
}

/// What RFC 4648's encoder gives, whole groups alone.
fn base64(bytes: &[u8], alphabet: &[u8; 64]) -> Vec<u8> {
    let groups = bytes.as_chunks::<3>().0.iter();
    let sextets = groups.flat_map(|[a, b, c]| [a >> 2, (a & 3) << 4 | b >> 4, (b & 15) << 2 | c >> 6, c & 63]);
    sextets.map(|sextet| alphabet[usize::from(sextet)]).collect()
}

#[test]
fn a_secret_is_found_in_each_form_whatever_stands_around_it() {
    for secret in ["alice", "a canary in the mine", "Grüße, ?>?>~~"] {
        for around in 0..6 {
            let edge = vec![b'?'; around];
            let whole = [edge.as_slice(), secret.as_bytes(), edge.as_slice(), b"??"].concat();
            let utf16: Vec<u16> = String::from_utf8(whole.clone()).expect("UTF-8").encode_utf16().collect();
            let hex: String = whole.iter().map(|byte| format!("{byte:02x}")).collect();
            assert_eq!(found(secret, &whole), ["UTF-8"]);
            assert!(found(secret, &utf16.iter().flat_map(|unit| unit.to_le_bytes()).collect::<Vec<_>>()).contains(&"UTF-16 LE"));
            assert!(found(secret, &utf16.iter().flat_map(|unit| unit.to_be_bytes()).collect::<Vec<_>>()).contains(&"UTF-16 BE"));
            assert_eq!(found(secret, hex.as_bytes()), ["hex"]);
            assert_eq!(found(secret, hex.to_ascii_uppercase().as_bytes()), ["hex"]);
            assert!(found(secret, &base64(&whole, STANDARD)).contains(&"base64"), "{secret} at {around}");
            assert!(found(secret, &base64(&whole, URL)).contains(&"base64url"), "{secret} at {around}");
        }
    }
}

#[test]
fn the_alphabets_differ_and_both_are_looked_for() {
    let secret = "~~~???>>>";
    let (standard, url) = (base64(secret.as_bytes(), STANDARD), base64(secret.as_bytes(), URL));
    assert_ne!(standard, url);
    assert_eq!((found(secret, &standard), found(secret, &url)), (vec!["base64"], vec!["base64url"]));
}

#[test]
fn a_key_is_found_forwards_and_backwards_in_each_form_and_told_of_by_its_name() {
    let key: Vec<u8> = (0..32).map(|at| 0x9d_u8.wrapping_mul(at).wrapping_add(0x3b)).collect();
    let backwards: Vec<u8> = key.iter().rev().copied().collect();
    let scanner = Scanner::of_keys([("a key", key.as_slice())]);
    for bytes in [&key, &backwards] {
        for around in 0..3 {
            let whole = [&vec![0xff; around], bytes.as_slice(), &[0xff; 4]].concat();
            let hex: String = whole.iter().map(|byte| format!("{byte:02x}")).collect();
            let found = |bytes: &[u8]| scanner.scan(bytes).into_iter().collect::<Vec<_>>();
            let told = |form| ("a key".to_owned(), form);
            assert_eq!(found(&whole), [told("bytes")]);
            assert_eq!(found(hex.as_bytes()), [told("hex")]);
            assert_eq!(found(hex.to_ascii_uppercase().as_bytes()), [told("hex")]);
            assert!(found(&base64(&whole, STANDARD)).contains(&told("base64")));
            assert!(found(&base64(&whole, URL)).contains(&told("base64url")));
        }
    }
    assert!(scanner.scan(&key[1..]).is_empty());
}

#[test]
fn a_short_secret_is_found_as_a_field_and_not_by_chance() {
    assert_eq!(found("bob", b"\x0a\x03bob"), ["field"]);
    assert_eq!(found("bob", b"\xcd\x03bob"), ["field"], "an OpenPGP user id");
    assert_eq!(found("bob", b"626F62"), ["hex"]);
    assert_eq!(found("bob", b"b\0o\0b\0"), ["UTF-16 LE"]);
    assert!(found("bob", b"..bob..").is_empty());
}

#[test]
fn what_is_not_there_is_not_found_and_files_are_named() {
    assert!(found("alice", b"alic e, YWxp and 616c6963").is_empty());
    let folder = std::env::temp_dir().join(format!("thicket-scanner-{}", std::process::id()));
    std::fs::create_dir_all(folder.join("in/side")).expect("room");
    std::fs::write(folder.join("in/side/file"), "616c696365").expect("room");
    let told = Scanner::new(["alice", "carol"]).scan_folder(&folder);
    std::fs::remove_dir_all(&folder).expect("ours");
    assert_eq!(told.len(), 1);
    assert!(told[0].starts_with("\"alice\" in ") && told[0].ends_with("file as hex"), "{told:?}");
}
