//! However the bytes of a broker are cut, the same comes of them.

use sandloop_amqp::{Event, Failure};
use sandloop_testkit::{Noise, fuzz::rounds};

use crate::recorded::{self, Outcome, Recorded};

/// The outcome of the whole, which is what it should be.
fn whole(recorded: &Recorded) -> Outcome {
    let bytes = recorded.bytes();
    let outcome = recorded.play([bytes.as_slice()]);
    let last = outcome.events.last().unwrap();
    match recorded.name {
        "everything" => {
            let Event::Closed(Some(Failure::Connection(close))) = last else { panic!("{last:?}") };
            assert_eq!(close.code, 541);
            let delivered = |event: &&Event| matches!(event, Event::Delivered(..));
            assert_eq!(outcome.events.iter().filter(delivered).count(), 4);
            let answered = |event: &&Event| matches!(event, Event::Answered(..));
            assert_eq!(outcome.events.iter().filter(answered).count(), 15);
        }
        _ => assert_eq!(*last, Event::Closed(None)),
    }
    outcome
}

#[test]
fn a_session_is_the_same_when_it_is_cut_at_any_byte() {
    for recorded in recorded::all() {
        let (bytes, whole) = (recorded.bytes(), whole(&recorded));
        for cut in 0..=bytes.len() {
            let (one, two) = bytes.split_at(cut);
            let outcome = recorded.play([one, two]);
            outcome.assert_is(&whole, || format!("{} at {cut}", recorded.name));
        }
    }
}

#[test]
fn a_session_is_the_same_byte_by_byte() {
    for recorded in recorded::all() {
        let (bytes, whole) = (recorded.bytes(), whole(&recorded));
        let name = || recorded.name.to_owned();
        recorded.play(bytes.chunks(1)).assert_is(&whole, name);
        // Nothing at all changes nothing.
        let empty = bytes.chunks(1).flat_map(|byte| [&[][..], byte, &[]]);
        recorded.play(empty).assert_is(&whole, name);
    }
}

#[test]
fn a_session_is_the_same_in_random_pieces() {
    let all = recorded::all();
    let wholes: Vec<_> = all.iter().map(whole).collect();
    rounds(500, |noise: &mut Noise| {
        let index = noise.below(all.len());
        let bytes = all[index].bytes();
        let outcome = all[index].play(noise.pieces(&bytes));
        outcome.assert_is(&wholes[index], || all[index].name.to_owned());
    });
}

/// A stream that ends anywhere is no more than its beginning.
#[test]
fn a_beginning_comes_to_a_beginning() {
    for recorded in recorded::all() {
        let (bytes, whole) = (recorded.bytes(), whole(&recorded));
        for end in 0..bytes.len() {
            let begun = recorded.play([&bytes[..end]]);
            assert!(whole.events.starts_with(&begun.events), "{} to {end}", recorded.name);
            assert!(whole.output.starts_with(&begun.output), "{} to {end}", recorded.name);
        }
    }
}
