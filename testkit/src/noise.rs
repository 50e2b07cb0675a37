//! Random numbers that a seed repeats, and changes that a fuzzer makes.

/// xorshift64: not for secrets, but the same on every machine.
#[derive(Clone, Debug)]
pub struct Noise(u64);

impl Noise {
    /// The same numbers for the same seed.
    #[must_use]
    pub fn new(seed: u64) -> Noise {
        Noise(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1)
    }

    /// The next number.
    #[allow(clippy::should_implement_trait, reason = "it never ends, so callers would unwrap")]
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

    /// One of them.
    ///
    /// # Panics
    /// If there are none.
    pub fn pick<'a, T>(&mut self, of: &'a [T]) -> &'a T {
        &of[self.below(of.len())]
    }

    /// Arbitrary bytes.
    pub fn bytes(&mut self, length: usize) -> Vec<u8> {
        (0..length).map(|_| self.next() as u8).collect()
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

    /// Makes up to five changes: bytes go, come, double or flip; `words`, which mean something to the protocol, are put
    /// in; the rest is another input's.
    ///
    /// # Panics
    /// If there are no `words` or no `others`.
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_repeats_its_numbers() {
        let numbers = |seed: u64| {
            let mut noise = Noise::new(seed);
            [noise.next(), noise.next(), noise.next()]
        };
        assert_eq!(numbers(7), numbers(7));
        assert_ne!(numbers(7), numbers(8));
        assert_ne!(numbers(0), [0; 3]);
    }

    #[test]
    fn pieces_are_the_whole() {
        let mut noise = Noise::new(1);
        for length in [0, 1, 7, 5000] {
            let bytes = noise.bytes(length);
            assert_eq!(noise.pieces(&bytes).concat(), bytes);
        }
    }
}
