//! What an event of the poll is about, as the poll's token has it.

use mio::Token;

use crate::base::arena::{ConnectionId, Key};

/// What an event of the poll is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Source {
    /// Another thread sent something.
    Waker,
    /// A listener, by its place.
    Listener(usize),
    /// A connection, which may be gone.
    Connection(ConnectionId),
}

const WAKER_SLOT: u32 = u32::MAX;

impl From<Source> for Token {
    fn from(source: Source) -> Token {
        let (generation, slot) = match source {
            Source::Waker => (0, WAKER_SLOT),
            Source::Listener(place) => (0, u32::try_from(place).unwrap_or(WAKER_SLOT - 1)),
            Source::Connection(key) => {
                let (slot, generation) = key.parts();
                (generation, slot)
            }
        };
        Token((generation as usize) << 32 | slot as usize)
    }
}

impl From<Token> for Source {
    fn from(token: Token) -> Source {
        let generation = u32::try_from(token.0 >> 32).unwrap_or(0);
        let slot = u32::try_from(token.0 & 0xffff_ffff).unwrap_or(0);
        match (generation, slot) {
            (0, WAKER_SLOT) => Source::Waker,
            (0, place) => Source::Listener(place as usize),
            (generation, slot) => Source::Connection(Key::from_parts(slot, generation)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_go_there_and_back() {
        let check = |source: Source| assert_eq!(Source::from(Token::from(source)), source);
        check(Source::Waker);
        check(Source::Listener(0));
        check(Source::Listener(7));
        check(Source::Connection(Key::from_parts(0, 1)));
        check(Source::Connection(Key::from_parts(u32::MAX, u32::MAX / 2)));
    }
}
