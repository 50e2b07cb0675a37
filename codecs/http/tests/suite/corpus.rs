//! Every case of the corpus, in one piece and byte by byte.

use std::path::Path;

use sandloop_http::{Limits, Method};
use sandloop_testkit::cases::{self, Case};

use crate::transcript::{of_requests, of_responses};

/// The cases in a folder of the corpus.
pub fn read(folder: &str) -> Vec<Case> {
    cases::read(&Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/corpus").join(folder))
}

/// All at once, so that one run shows the whole work.
fn compare(complaints: &mut Vec<String>, name: &str, expected: &[String], lines: &[String]) {
    if expected != lines {
        complaints.push(format!("{name}\n  expected {expected:#?}\n  and not  {lines:#?}"));
    }
}

#[test]
fn requests() {
    let mut complaints = Vec::new();
    for case in read("requests") {
        for size in [case.bytes.len().max(1), 1] {
            let lines = of_requests(Limits::SERVER, case.bytes.chunks(size)).lines;
            compare(&mut complaints, &case.name, &case.expected, &lines);
        }
    }
    assert!(complaints.is_empty(), "{}", complaints.join("\n"));
}

#[test]
fn responses() {
    let mut complaints = Vec::new();
    for case in read("responses") {
        let method = match case.name.split_once(": ").map(|(file, _)| file) {
            Some("head") => Method::HEAD,
            Some("connect") => Method::CONNECT,
            _ => Method::GET,
        };
        for size in [case.bytes.len().max(1), 1] {
            let lines = of_responses(Limits::CLIENT, &method, case.bytes.chunks(size)).lines;
            compare(&mut complaints, &case.name, &case.expected, &lines);
        }
    }
    assert!(complaints.is_empty(), "{}", complaints.join("\n"));
}
