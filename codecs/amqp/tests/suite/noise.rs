//! Random numbers that are the same in every run, changes that a fuzzer would make, and rounds of both.
//!
//! A run of the tests looks at some thousands of inputs, the same in every run. `FUZZ_SECONDS=600 cargo test
//! --release -p sandloop-amqp fuzz` looks for as long as one likes, each time from another seed, which a failure
//! names and `FUZZ_SEED` brings back.

use std::time::{Duration, Instant, SystemTime};

/// xorshift64.
pub struct Noise(u64);

impl Noise {
    pub fn new(seed: u64) -> Noise {
        Noise(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1)
    }

    pub fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    /// Below `end`; 0 for 0.
    pub fn below(&mut self, end: usize) -> usize {
        (self.next() >> 11) as usize % end.max(1)
    }

    pub fn pick<'a, T>(&mut self, of: &'a [T]) -> &'a T {
        &of[self.below(of.len())]
    }

    /// Cuts bytes into pieces of any sizes, small ones mostly.
    pub fn pieces<'a>(&mut self, mut bytes: &'a [u8]) -> Vec<&'a [u8]> {
        let mut pieces = Vec::new();
        let largest = *self.pick(&[1, 3, 10, 100, 10_000]);
        while !bytes.is_empty() {
            let (piece, rest) = bytes.split_at((1 + self.below(largest)).min(bytes.len()));
            pieces.push(piece);
            bytes = rest;
        }
        pieces
    }
}

impl Noise {
    /// Changes bytes a little, with what matters to a protocol.
    pub fn mutate(&mut self, bytes: &mut Vec<u8>, words: &[&[u8]], others: &[Vec<u8>]) {
        for _ in 0..=self.below(4) {
            let at = self.below(bytes.len() + 1);
            let end = (at + self.below(16)).min(bytes.len());
            match self.below(8) {
                0 => drop(bytes.drain(at..end)),
                1 => bytes.truncate(at),
                2 => {
                    let word = *self.pick(words);
                    bytes.splice(at..at, word.iter().copied());
                }
                3 => {
                    let word = *self.pick(words);
                    bytes.splice(at..end, word.iter().copied());
                }
                4 => {
                    let again = bytes[at..end].to_vec();
                    bytes.splice(at..at, again);
                }
                5 => {
                    let other = self.pick(others).clone();
                    let from = self.below(other.len());
                    bytes.truncate(at);
                    bytes.extend(&other[from..]);
                }
                6 if at < bytes.len() => bytes[at] ^= 1 << self.below(8),
                _ => {
                    let byte = self.next() as u8;
                    bytes.insert(at, byte);
                }
            }
        }
    }
}

/// Calls `check` with noise of ever new seeds, `rounds` times or as long as `FUZZ_SECONDS` says.
pub fn rounds(rounds: u64, mut check: impl FnMut(&mut Noise)) {
    let variable =
        |name: &str| std::env::var(name).ok().and_then(|value| value.parse::<u64>().ok());
    let mut run = |seed: u64| {
        let _named = Named(seed);
        check(&mut Noise::new(seed));
    };
    if let Some(seed) = variable("FUZZ_SEED") {
        return run(seed);
    }
    let Some(seconds) = variable("FUZZ_SECONDS") else {
        return (0..rounds).for_each(run);
    };
    let first =
        SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap().as_micros() as u64;
    let begin = Instant::now();
    for seed in (first..).take_while(|_| begin.elapsed() < Duration::from_secs(seconds)) {
        run(seed);
    }
}

/// Names the seed of a round that fails.
struct Named(u64);

impl Drop for Named {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("FUZZ_SEED={}", self.0);
        }
    }
}
