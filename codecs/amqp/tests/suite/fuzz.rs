//! Arbitrary changes and cuts: no panic, the same result however the bytes are cut, a clear end.

use std::collections::BTreeSet;

use amq_protocol::{
    frame::AMQPFrame,
    protocol::{AMQPClass, connection},
};
use sandloop_amqp::{Event, Failure};
use sandloop_testkit::{Noise, fuzz::rounds};

use crate::{
    broker::{PROTOCOL_HEADER, take_frame},
    recorded::{self, Outcome, Recorded},
};

/// What matters to the protocol.
pub const WORDS: &[&[u8]] = &[
    b"\xce",
    b"\0",
    b"\xff",
    b"\x01",
    b"\x02",
    b"\x03",
    b"\x08",
    b"\0\0\0\0",
    b"\xff\xff\xff\xff",
    b"\xff\xff\xff\xff\xff\xff\xff\xff",
    b"\x08\0\0\0\0\0\0\xce",
    b"\x03\0\x01\0\0\0\0\xce",
    b"AMQP\0\0\x09\x01",
    b"\x01tF\0\0\0\x03",
    b"\x01lA\0\0\0\x01V",
    b"\xc3",
];

/// The codes with which a session closes a connection.
const CODES: &[u16] = &[501, 502, 503, 504, 505];

/// Changes frames: their order, their number, and bytes in one of them, with its length set right or not.
fn mutate_frames(noise: &mut Noise, frames: &mut Vec<Vec<u8>>, others: &[Vec<u8>]) {
    for _ in 0..=noise.below(3) {
        let at = noise.below(frames.len());
        match noise.below(6) {
            0 => drop(frames.remove(at)),
            1 => frames.insert(at, frames[at].clone()),
            2 => {
                let other = noise.below(frames.len());
                frames.swap(at, other);
            }
            3 => frames.insert(at, noise.pick(others).clone()),
            4 => {
                let mut payload = frames[at].split_off(7);
                payload.pop();
                noise.mutate(&mut payload, WORDS, others);
                frames[at].splice(3.., (payload.len() as u32).to_be_bytes());
                frames[at].extend(payload);
                frames[at].push(206);
            }
            _ => frames[at][2] = noise.below(4) as u8,
        }
        if frames.is_empty() {
            return;
        }
    }
}

/// What a session says must be frames, and if it ended because of the broker, the last one closes the connection.
fn check_outcome(outcome: &Outcome) {
    let Some(output) = outcome.output.strip_prefix(PROTOCOL_HEADER) else { panic!("no header") };
    let mut rest = output.to_vec();
    let frames: Vec<_> = std::iter::from_fn(|| take_frame(&mut rest)).collect();
    assert!(rest.is_empty(), "{}", rest.escape_ascii());
    if let Some(Event::Closed(Some(Failure::Protocol(failure)))) = outcome.events.last() {
        assert!(CODES.contains(&failure.code), "{failure}");
        match frames.last() {
            Some(AMQPFrame::Method(
                0,
                AMQPClass::Connection(connection::AMQPMethod::Close(close)),
            )) => assert_eq!(close.reply_code, failure.code),
            // Before the client knows what the other side is, it says nothing.
            None => {}
            other => panic!("{other:?}"),
        }
    }
    let is_end = |event: &&Event| matches!(event, Event::Closed(_) | Event::Disconnect(_));
    assert!(outcome.events.iter().filter(is_end).count() <= 1);
}

/// Events that can be compared, which not-a-number cannot.
fn words(outcome: &Outcome) -> (Vec<String>, &[u8]) {
    (outcome.events.iter().map(|event| format!("{event:?}")).collect(), &outcome.output)
}

fn check_cuts(noise: &mut Noise, recorded: &Recorded, bytes: &[u8]) {
    let whole = recorded.play([bytes]);
    check_outcome(&whole);
    let cut = recorded.play(noise.pieces(bytes));
    assert_eq!(words(&whole), words(&cut), "{}", bytes.escape_ascii());
    let recovers = recorded.play_with_recovery(noise.pieces(bytes));
    check_outcome(&recovers);
    // With recovery, only what another connection would not cure ends it.
    if let Some(Event::Closed(Some(Failure::Protocol(close)))) = recovers.events.last()
        && !recorded.leaves
    {
        let words = ["version", "frames of at most"];
        assert!(words.iter().any(|word| close.text.contains(word)), "{close}");
    }
}

#[test]
fn changed_bytes_come_to_a_clear_end_however_they_are_cut() {
    let all = recorded::all();
    let others: Vec<_> = all.iter().map(Recorded::bytes).collect();
    rounds(2_000, |noise| {
        let recorded = noise.pick(&all);
        let mut bytes = recorded.bytes();
        noise.mutate(&mut bytes, WORDS, &others);
        check_cuts(noise, recorded, &bytes);
    });
}

#[test]
fn changed_frames_come_to_a_clear_end_however_they_are_cut() {
    let all = recorded::all();
    let others: Vec<_> = all.iter().flat_map(|recorded| recorded.frames.clone()).collect();
    let mut codes = BTreeSet::new();
    let count = rounds(2_000, |noise| {
        let recorded = noise.pick(&all);
        let mut frames = recorded.frames.clone();
        mutate_frames(noise, &mut frames, &others);
        check_cuts(noise, recorded, &frames.concat());
        let outcome = recorded.play([frames.concat().as_slice()]);
        if let Some(Event::Closed(Some(Failure::Protocol(close)))) = outcome.events.last() {
            codes.insert(close.code);
        }
    });
    if 1000 < count {
        assert!(CODES.iter().all(|code| codes.contains(code)), "{codes:?}");
    }
}
