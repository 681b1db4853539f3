use crate::desk::*;
use crate::sha256::hex;
use thicket_services::{Policy, stamp};
use thicket_types::error::Code;
use thicket_types::ids::{Digest, MailboxId, RelayKey};
use thicket_types::limits::{KEY_PACKAGES, REQUEST_BOX_ITEMS_MAX, RETENTION, STAMP_BITS, STAMP_BITS_MAX, STAMPS_SPENT_NAME_MAX};
use thicket_types::ports::Store as _;
use thicket_types::time::Duration;
use thicket_types::wire::relay::answer::Said;
use thicket_types::wire::relay::request::Ask;
use thicket_types::wire::relay::{KeyPackageAsk, Put, Stamp};

const BITS: u32 = 6;
const HOUR: Duration = Duration::seconds(3_600);
const ENVELOPE: &[u8] = &[5; 100];

/// Bob's mailbox at a desk that asks for stamps. The clock stands at the middle of an hour.
fn desk() -> (Desk, MailboxId) {
    let mut desk = Desk::with(Policy { stamp_bits: BITS, ..Policy::default() });
    desk.now.0 = desk.now.0 / HOUR.0 * HOUR.0 + HOUR.0 / 2;
    let mailbox = desk.account(LANE, "bob");
    (desk, mailbox)
}

fn stamped(mailbox: MailboxId, stamp: Stamp) -> Ask {
    Ask::Put(Put { stamp: Some(stamp), ..put(mailbox, ENVELOPE) })
}

#[test]
fn a_stamp_is_computed_as_the_protocol_says() {
    // Reckoned by another program: these bytes are what clients and relays agree on.
    let purpose = stamp::put_purpose(&Transparent, MailboxId([1; 16]), b"envelope");
    assert_eq!(hex(&purpose.0), "9a335145b4ee48cc82428a2bdc5889d2ee5d9499a1d643a7a66a12250d38f6f5");
    let purpose_of_ask = stamp::ask_purpose(&Transparent, &[2; 16], "Bob");
    assert_eq!(hex(&purpose_of_ask.0), "5dfb9294766a0c3a2fc16b193e302d939fac06682b4a0d6a11c50fde78df1236");
    let digest = |hour, counter| hex(&stamp::digest(&Transparent, RELAY, purpose, &Stamp { hour, counter }).0);
    assert_eq!(digest(497_222, 300), "9639fc417dbfe064560113e5ca4cb71c575d80ecb888ad937ad298b3062ce0f4");
    assert_eq!(digest(497_222, 0), "34ee959338c18a6e1cf4703fb959ad16c765ce71c6ce06ba43aafe6dd1430e6a", "a counter of zero is left out");
    assert_eq!(work(RELAY, purpose, 497_222, 12), Stamp { hour: 497_222, counter: 22_629 });
}

#[test]
fn zero_bits_are_counted_from_the_highest_bit_of_the_first_byte() {
    let digest = |first: u8, second: u8| {
        let mut digest = [0xff; 32];
        (digest[0], digest[1]) = (first, second);
        stamp::zero_bits(&thicket_types::ids::Digest(digest))
    };
    assert_eq!([digest(0x80, 0), digest(0x01, 0), digest(0, 0x80), digest(0, 0x10)], [0, 7, 8, 11]);
    assert_eq!(stamp::zero_bits(&thicket_types::ids::Digest([0; 32])), 256);
}

#[test]
fn a_stranger_is_told_how_much_work_is_asked_for_and_does_it() {
    let (mut desk, mailbox) = desk();
    assert_eq!(bits(desk.said(OTHER_LANE, Ask::Put(put(mailbox, ENVELOPE)))), BITS);
    assert_eq!(desk.fetched(LANE).waiting, 0);
    let stamp = desk.put_stamp(mailbox, ENVELOPE, BITS);
    assert!(matches!(desk.said(OTHER_LANE, stamped(mailbox, stamp)), Said::Stored(_)));
    assert_eq!(desk.fetched(LANE).waiting, 1);
}

#[test]
fn a_stamp_with_too_few_bits_is_refused_and_one_with_more_is_good() {
    let (mut desk, mailbox) = desk();
    for few in [0, BITS - 1] {
        let stamp = desk.put_stamp(mailbox, ENVELOPE, few);
        assert_eq!(bits(desk.said(OTHER_LANE, stamped(mailbox, stamp))), BITS, "{few}");
    }
    let stamp = desk.put_stamp(mailbox, ENVELOPE, BITS + 1);
    assert!(matches!(desk.said(OTHER_LANE, stamped(mailbox, stamp)), Said::Stored(_)));
}

#[test]
fn a_stamp_is_good_in_its_hour_and_the_next() {
    let (mut desk, mailbox) = desk();
    let stamp = desk.put_stamp(mailbox, ENVELOPE, BITS);
    let now = desk.now;
    for (hours, good) in [(-1, false), (0, true), (1, true), (2, false)] {
        desk.now.0 = now.0.checked_add_signed(hours * 3_600_000).expect("after the epoch");
        let said = desk.said(OTHER_LANE, stamped(mailbox, stamp));
        assert_eq!(matches!(said, Said::Stored(_)), good, "{hours} hours on");
        assert_eq!(desk.fetched(LANE).waiting, u32::from(good));
        // As if it had never come, for the next hour's try.
        desk.store.clean(desk.now.after(RETENTION).after(HOUR), RETENTION).expect("a store in memory");
        desk.store.commit().expect("a store in memory");
    }
    // Hours that no clock shows.
    for hour in [0, u64::MAX] {
        let purpose = stamp::put_purpose(&Transparent, mailbox, ENVELOPE);
        assert_eq!(bits(desk.said(OTHER_LANE, stamped(mailbox, work(RELAY, purpose, hour, BITS)))), BITS);
    }
}

#[test]
fn a_puts_stamp_is_bound_to_relay_mailbox_and_envelope() {
    let (mut desk, mailbox) = desk();
    let elsewhere = desk.account(OTHER_LANE, "carol");
    let hour = desk.hour();
    for (relay, to, envelope) in [(RelayKey([8; 32]), mailbox, ENVELOPE), (RELAY, elsewhere, ENVELOPE), (RELAY, mailbox, &ENVELOPE[1..])] {
        let purpose = stamp::put_purpose(&Transparent, to, envelope);
        // Of many that are good there, one that is not good here by luck.
        let stamp = (0..).map(|counter| Stamp { hour, counter }).find(|stamp| {
            let here = stamp::put_purpose(&Transparent, mailbox, ENVELOPE);
            let worth = |relay, purpose| stamp::zero_bits(&stamp::digest(&Transparent, relay, purpose, stamp));
            worth(relay, purpose) >= BITS && worth(RELAY, here) < BITS
        });
        assert_eq!(bits(desk.said(OTHER_LANE, stamped(mailbox, stamp.expect("there are many")))), BITS);
    }
    assert_eq!(desk.fetched(LANE).waiting, 0);
}

#[test]
fn what_is_stored_already_asks_for_no_stamp() {
    let (mut desk, mailbox) = desk();
    let stamp = desk.put_stamp(mailbox, ENVELOPE, BITS);
    let frame = desk.frame(stamped(mailbox, stamp));
    for lane in [OTHER_LANE, OTHER_LANE, LANE] {
        assert!(matches!(desk.answer_to(lane, &frame), Said::Stored(_)), "a repeat");
    }
    assert!(matches!(desk.said(OTHER_LANE, Ask::Put(put(mailbox, ENVELOPE))), Said::Stored(_)), "without a stamp");
    desk.now = desk.now.after(Duration(5 * HOUR.0));
    assert!(matches!(desk.answer_to(OTHER_LANE, &frame), Said::Stored(_)), "hours later");
    assert_eq!(desk.fetched(LANE).waiting, 1);
}

#[test]
fn a_put_that_was_refused_may_come_again_with_its_stamp() {
    let (mut desk, mailbox) = desk();
    let stamp = desk.put_stamp(mailbox, ENVELOPE, BITS);
    let frame = desk.frame(stamped(mailbox, stamp));
    desk.policy.mailbox_items_max = 0;
    assert_eq!(code(desk.answer_to(OTHER_LANE, &frame)), Code::MailboxFull);
    (desk.policy.mailbox_items_max, desk.policy.request_box_items_max) = (1, 0);
    assert_eq!(code(desk.answer_to(OTHER_LANE, &frame)), Code::RequestBoxFull);
    desk.policy.request_box_items_max = 1;
    assert!(matches!(desk.answer_to(OTHER_LANE, &frame), Said::Stored(_)), "nothing was spent");
}

#[test]
fn bits_rise_as_the_box_fills() {
    let (mut desk, mailbox) = desk();
    desk.policy.request_box_items_max = 16;
    let mut asked = Vec::new();
    for number in 0..16_u8 {
        let needed = bits(desk.said(OTHER_LANE, Ask::Put(put(mailbox, &[number]))));
        asked.push(needed);
        let stamp = Some(desk.put_stamp(mailbox, &[number], needed));
        assert!(matches!(desk.said(OTHER_LANE, Ask::Put(Put { stamp, ..put(mailbox, &[number]) })), Said::Stored(_)));
    }
    assert_eq!(asked, [6, 6, 7, 7, 8, 8, 9, 9, 10, 10, 11, 11, 12, 12, 13, 13]);
    assert_eq!(desk.code(OTHER_LANE, Ask::Put(put(mailbox, &[99]))), Code::RequestBoxFull);
    // A stamp that was enough before the box filled is not any more.
    let other = desk.account(OTHER_LANE, "carol");
    let early = Some(desk.put_stamp(other, ENVELOPE, BITS));
    for number in 0..2 {
        let needed = bits(desk.said(OTHER_LANE, Ask::Put(put(other, &[number]))));
        let stamp = Some(desk.put_stamp(other, &[number], needed));
        desk.said(OTHER_LANE, Ask::Put(Put { stamp, ..put(other, &[number]) }));
    }
    assert_eq!(bits(desk.said(OTHER_LANE, Ask::Put(Put { stamp: early, ..put(other, ENVELOPE) }))), BITS + 1);
}

#[test]
fn bits_stay_within_what_a_client_works_for_and_by_default_begin_at_the_tables() {
    let (mut desk, mailbox) = desk();
    desk.policy = Policy::default();
    assert_eq!(bits(desk.said(OTHER_LANE, Ask::Put(put(mailbox, ENVELOPE)))), STAMP_BITS);
    assert_eq!(desk.policy.request_box_items_max, REQUEST_BOX_ITEMS_MAX);
    desk.policy.stamp_bits = STAMP_BITS_MAX + 1;
    assert_eq!(bits(desk.said(OTHER_LANE, Ask::Put(put(mailbox, ENVELOPE)))), STAMP_BITS_MAX);
    desk.policy.stamp_bits = STAMP_BITS_MAX - 1;
    assert_eq!(bits(desk.said(OTHER_LANE, Ask::KeyPackage(key_package_ask("bob")))), STAMP_BITS_MAX);
}

#[test]
fn a_base_of_zero_switches_stamps_off() {
    let (mut desk, mailbox) = desk();
    desk.policy = Policy { stamp_bits: 0, request_box_items_max: 2, ..Policy::default() };
    desk.publish(LANE, 0, Some(9));
    for envelope in [1, 2] {
        assert!(matches!(desk.said(OTHER_LANE, Ask::Put(put(mailbox, &[envelope]))), Said::Stored(_)));
    }
    assert!(matches!(desk.said(OTHER_LANE, Ask::KeyPackage(key_package_ask("bob"))), Said::KeyPackage(_)));
}

/// An ask for bob's key package under a nonce, with a stamp of so many bits.
fn ask(desk: &Desk, nonce: &[u8], bits: u32) -> Vec<u8> {
    let stamp = Some(desk.ask_stamp(nonce, "bob", bits));
    frame_of(nonce, Ask::KeyPackage(KeyPackageAsk { stamp, ..key_package_ask("bob") }))
}

#[test]
fn a_key_package_costs_more_as_the_stock_shrinks() {
    let (mut desk, _) = desk();
    let needed = |desk: &mut Desk| bits(desk.said(OTHER_LANE, Ask::KeyPackage(key_package_ask("bob"))));
    let most = u8::try_from(KEY_PACKAGES).expect("small");
    desk.publish(LANE, most + 2, Some(9));
    let mut asked = Vec::new();
    for _ in 0..most + 2 {
        let bits = needed(&mut desk);
        asked.push(bits);
        let nonce = desk.nonce();
        let frame = ask(&desk, &nonce, bits);
        assert!(matches!(desk.answer_to(OTHER_LANE, &frame), Said::KeyPackage(package) if !package.last_resort));
    }
    assert!(asked.is_sorted() && asked[..3] == [BITS; 3], "{asked:?}");
    // 6 bits over 50 packages: one more for each 8 or 9 that are gone.
    assert_eq!([asked[2 + 8], asked[2 + 9], asked[2 + 25], asked[2 + 49]], [BITS, BITS + 1, BITS + 3, BITS + 5]);
    assert_eq!(needed(&mut desk), BITS + 6, "out of one-time packages");
    let nonce = desk.nonce();
    let frame = ask(&desk, &nonce, BITS + 6);
    assert!(matches!(desk.answer_to(OTHER_LANE, &frame), Said::KeyPackage(package) if package.last_resort));
}

#[test]
fn an_asks_stamp_is_spent_once_and_a_repeat_gets_its_answer() {
    let (mut desk, _) = desk();
    desk.publish(LANE, 2, None);
    let nonce = desk.nonce();
    let frame = ask(&desk, &nonce, BITS + 6);
    let first = desk.answer_to(OTHER_LANE, &frame);
    assert!(matches!(first, Said::KeyPackage(_)));
    assert_eq!(desk.answer_to(OTHER_LANE, &frame), first, "the same request on its lane");
    assert_eq!(bits(desk.answer_to(LANE, &frame)), BITS + 5, "on another lane it is spent");
    let stamp = Some(desk.ask_stamp(&nonce, "bob", BITS + 6));
    let other_suites = KeyPackageAsk { suites: vec![SUITE, 2], stamp, ..key_package_ask("bob") };
    let reworded = frame_of(&nonce, Ask::KeyPackage(other_suites));
    assert_eq!(bits(desk.answer_to(OTHER_LANE, &reworded)), BITS + 5, "and in other bytes");
    // Still spent at the end of the second hour.
    desk.now = desk.now.after(HOUR).after(Duration(HOUR.0 / 2 - 1));
    desk.store.clean(desk.now, RETENTION).expect("a store in memory");
    assert_eq!(bits(desk.answer_to(LANE, &frame)), BITS + 5);
    assert_eq!(desk.fetched(LANE).key_packages, 1);
}

#[test]
fn an_asks_stamp_is_bound_to_nonce_and_name() {
    let (mut desk, _) = desk();
    desk.publish(LANE, 50, None);
    desk.account(OTHER_LANE, "carol");
    let (nonce, other) = (desk.nonce(), desk.nonce());
    let hour = desk.hour();
    let here = stamp::ask_purpose(&Transparent, &nonce, "bob");
    for there in [stamp::ask_purpose(&Transparent, &other, "bob"), stamp::ask_purpose(&Transparent, &nonce, "carol")] {
        let stamp = (0..).map(|counter| Stamp { hour, counter }).find(|stamp| {
            let worth = |purpose| stamp::zero_bits(&stamp::digest(&Transparent, RELAY, purpose, stamp));
            worth(there) >= BITS && worth(here) < BITS
        });
        let frame = frame_of(&nonce, Ask::KeyPackage(KeyPackageAsk { stamp, ..key_package_ask("bob") }));
        assert_eq!(bits(desk.answer_to(OTHER_LANE, &frame)), BITS);
    }
    // The name as it stands in the ask, not as it is looked up.
    let stamp = Some(desk.ask_stamp(&nonce, "BOB", BITS));
    let frame = frame_of(&nonce, Ask::KeyPackage(KeyPackageAsk { stamp, ..key_package_ask("BOB") }));
    assert!(matches!(desk.answer_to(OTHER_LANE, &frame), Said::KeyPackage(_)));
}

#[test]
fn an_ask_that_finds_no_package_is_answered_so_again() {
    let (mut desk, _) = desk();
    assert_eq!(desk.code(OTHER_LANE, Ask::KeyPackage(key_package_ask("nobody"))), Code::UnknownName, "nobody works for that");
    let nonce = desk.nonce();
    let frame = ask(&desk, &nonce, BITS + 6);
    assert!(desk.hand(OTHER_LANE, &frame).refused);
    // Its stamp is spent, so that the repeat must not be asked for another.
    assert_eq!(code(desk.answer_to(OTHER_LANE, &frame)), Code::NoKeyPackage);
}

/// Has the store note a stamp as spent on somebody whom no test asks for.
fn spend(desk: &mut Desk, number: u64, on: u64) {
    let (mut digest, mut mailbox) = ([0; 32], [0; 16]);
    digest[..8].copy_from_slice(&number.to_be_bytes());
    mailbox[..8].copy_from_slice(&on.to_be_bytes());
    desk.store.spend(Digest(digest), MailboxId(mailbox), desk.now).expect("there is room");
}

#[test]
fn whoever_spends_stamps_on_one_name_makes_its_packages_dear_and_keeps_nobody_from_the_others() {
    let (mut desk, mailbox) = desk();
    desk.publish(LANE, 50, None);
    desk.account(OTHER_LANE, "carol");
    desk.publish(OTHER_LANE, 50, None);
    let needed = |desk: &mut Desk, name| bits(desk.said(OTHER_LANE, Ask::KeyPackage(key_package_ask(name))));
    for number in 0..STAMPS_SPENT_NAME_MAX {
        if number == STAMPS_SPENT_NAME_MAX / 2 {
            assert_eq!([needed(&mut desk, "bob"), needed(&mut desk, "carol")], [BITS + 5, BITS]);
        }
        let mut digest = [0; 32];
        digest[..8].copy_from_slice(&number.to_be_bytes());
        desk.store.spend(Digest(digest), mailbox, desk.now).expect("there is room");
    }
    let nonce = desk.nonce();
    let frame = ask(&desk, &nonce, BITS + 10);
    assert_eq!(code(desk.answer_to(OTHER_LANE, &frame)), Code::RelayBusy);
    assert_eq!(desk.fetched(LANE).key_packages, 50, "no package is lost by that");
    let nonce = desk.nonce();
    let stamp = Some(desk.ask_stamp(&nonce, "carol", BITS));
    let other = frame_of(&nonce, Ask::KeyPackage(KeyPackageAsk { stamp, ..key_package_ask("carol") }));
    assert!(matches!(desk.answer_to(OTHER_LANE, &other), Said::KeyPackage(_)), "another name's is given as ever");
    desk.store.clean(desk.now.after(Duration(1)), RETENTION).expect("a store in memory");
    assert!(matches!(desk.answer_to(OTHER_LANE, &frame), Said::KeyPackage(_)), "once there is room");
}

#[test]
fn a_key_package_costs_more_as_the_relay_remembers_more_stamps_as_spent() {
    let (mut desk, mailbox) = desk();
    desk.publish(LANE, 50, None);
    let most = u64::try_from(thicket_types::limits::STAMPS_SPENT_MAX).expect("small");
    let mut spent = 0;
    let mut needed_at = |desk: &mut Desk, count: u64| {
        for number in spent..count {
            spend(desk, number, number / STAMPS_SPENT_NAME_MAX);
        }
        spent = count;
        bits(desk.said(OTHER_LANE, Ask::KeyPackage(key_package_ask("bob"))))
    };
    assert_eq!(needed_at(&mut desk, 0), BITS);
    for tenths in 1..=10 {
        let reached = (most * tenths).div_ceil(10);
        let more = u32::try_from(tenths).expect("small");
        assert_eq!((needed_at(&mut desk, reached - 1), needed_at(&mut desk, reached)), (BITS + more - 1, BITS + more));
    }
    assert_eq!(bits(desk.said(OTHER_LANE, Ask::Put(put(mailbox, ENVELOPE)))), BITS, "a put is not dearer for it");
}

#[test]
fn a_relay_that_can_remember_no_further_stamp_is_busy_for_asks_alone() {
    let (mut desk, mailbox) = desk();
    desk.publish(LANE, 50, None);
    for number in 0..u64::try_from(thicket_types::limits::STAMPS_SPENT_MAX).expect("small") {
        spend(&mut desk, number, number / STAMPS_SPENT_NAME_MAX);
    }
    let nonce = desk.nonce();
    let frame = ask(&desk, &nonce, BITS + 10);
    assert_eq!(code(desk.answer_to(OTHER_LANE, &frame)), Code::RelayBusy);
    assert_eq!(desk.fetched(LANE).key_packages, 50, "no package is lost by that");
    let stamp = desk.put_stamp(mailbox, ENVELOPE, BITS);
    assert!(matches!(desk.said(OTHER_LANE, stamped(mailbox, stamp)), Said::Stored(_)));
    desk.store.clean(desk.now.after(Duration(1)), RETENTION).expect("a store in memory");
    assert!(matches!(desk.answer_to(OTHER_LANE, &frame), Said::KeyPackage(_)), "once there is room");
}
