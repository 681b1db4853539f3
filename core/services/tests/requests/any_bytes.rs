use crate::desk::*;
use prost::Message as _;
use thicket_services::Policy;
use thicket_types::error::Code;
use thicket_types::limits::FRAME_LEN_MAX;
use thicket_types::wire::relay::request::Ask;
use thicket_types::wire::relay::{Answer, KeyPackageAsk, Put, Request, SetCapabilities, Stamp};

#[test]
fn whatever_bytes_come_get_a_refusal() {
    let mut desk = Desk::new();
    let refused = |desk: &mut Desk, frame: &[u8]| {
        let handled = desk.hand(LANE, frame);
        assert!(handled.refused);
        code(Answer::decode(handled.answer.as_slice()).expect("an answer").said.expect("something said"))
    };
    assert_eq!(refused(&mut desk, &[]), Code::UnknownVersion);
    assert_eq!(refused(&mut desk, &[0xff; 100]), Code::MalformedRequest);
    assert_eq!(refused(&mut desk, &vec![0; FRAME_LEN_MAX + 1]), Code::TooLarge);
    let versioned = |version, nonce: usize, ask| Request { version, nonce: vec![0; nonce], ask }.encode_to_vec();
    let ask = || Some(lookup("bob"));
    assert_eq!(refused(&mut desk, &versioned(2, 16, ask())), Code::UnknownVersion);
    assert_eq!(refused(&mut desk, &versioned(1, 15, ask())), Code::MalformedRequest);
    assert_eq!(refused(&mut desk, &versioned(1, 16, None)), Code::MalformedRequest);
}

#[test]
fn bad_frames_cost_nobody_their_login_and_no_mail() {
    let mut desk = Desk::new();
    let mailbox = desk.account(LANE, "bob");
    desk.said(OTHER_LANE, Ask::Put(put_by(1, mailbox, &[1; 40])));
    desk.set_capabilities(LANE, &[1], &[]);
    desk.said(OTHER_LANE, Ask::Put(put_by(1, mailbox, &[2; 40])));
    let before = desk.fetched(LANE);
    assert!(before.waiting > 0);
    let good = desk.owner_frame(LANE, Own::Acknowledge(thicket_types::wire::relay::Acknowledge { cursors: vec![1, 2] }));
    for frame in [Vec::new(), vec![0xff; 100], good[..good.len() - 1].to_vec(), [good, vec![0; FRAME_LEN_MAX]].concat()] {
        for lane in [LANE, OTHER_LANE] {
            assert!(desk.hand(lane, &frame).refused);
        }
    }
    assert_eq!(desk.fetched(LANE), before, "on the same lane, without another login");
}

#[test]
fn every_prefix_and_every_flipped_byte_of_a_good_request_gets_an_answer() {
    let mut desk = Desk::with(Policy { stamp_bits: 2, ..Policy::default() });
    let mailbox = desk.account(LANE, "bob");
    desk.publish(LANE, 3, Some(9));
    let stamp = Some(Stamp { hour: desk.hour(), counter: u64::MAX });
    let (register, login) = (desk.proof(LANE, "alice"), desk.proof(LANE, "bob"));
    let mut goods = Vec::new();
    for ask in [
        crate::desk::register(&register, "alice"),
        crate::desk::login(&login, "bob"),
        Ask::Put(Put { stamp, ..put_by(1, mailbox, &[1; 40]) }),
        Ask::KeyPackage(KeyPackageAsk { stamp, ..key_package_ask("bob") }),
    ] {
        let frame = desk.frame(ask);
        goods.push(frame);
    }
    goods.push(desk.owner_frame(LANE, Own::Capabilities(SetCapabilities { add: vec![vec![1; 32]], remove: vec![vec![2; 32]] })));
    for good in goods {
        for len in 0..good.len() {
            desk.hand(LANE, &good[..len]);
        }
        for at in 0..good.len() {
            let mut flipped = good.clone();
            flipped[at] ^= 0x55;
            let handled = desk.hand(LANE, &flipped);
            assert!(Answer::decode(handled.answer.as_slice()).is_ok_and(|answer| answer.said.is_some()));
        }
    }
}
