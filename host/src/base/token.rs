//! The source of an event, encoded in the token of the poll.

use mio::Token;

use crate::base::arena::{ConnectionId, Key};

/// The source of an event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PollSource {
    /// Another thread has sent mail.
    Waker,
    /// The listener with this index.
    Listener(usize),
    /// The watcher of files.
    Watches,
    /// A connection, which may have ended.
    Connection(ConnectionId),
}

const WAKER_SLOT: u32 = u32::MAX;
const WATCHES_SLOT: u32 = u32::MAX - 1;

impl From<PollSource> for Token {
    fn from(source: PollSource) -> Token {
        let (generation, slot) = match source {
            PollSource::Waker => (0, WAKER_SLOT),
            PollSource::Watches => (0, WATCHES_SLOT),
            PollSource::Listener(place) => (0, u32::try_from(place).unwrap_or(WATCHES_SLOT - 1)),
            PollSource::Connection(key) => {
                let (slot, generation) = key.parts();
                (generation, slot)
            }
        };
        Token((generation as usize) << 32 | slot as usize)
    }
}

impl From<Token> for PollSource {
    fn from(token: Token) -> PollSource {
        let generation = u32::try_from(token.0 >> 32).unwrap_or(0);
        let slot = u32::try_from(token.0 & 0xffff_ffff).unwrap_or(0);
        match (generation, slot) {
            (0, WAKER_SLOT) => PollSource::Waker,
            (0, WATCHES_SLOT) => PollSource::Watches,
            (0, place) => PollSource::Listener(place as usize),
            (generation, slot) => PollSource::Connection(Key::from_parts(slot, generation)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_go_there_and_back() {
        let check = |source: PollSource| assert_eq!(PollSource::from(Token::from(source)), source);
        check(PollSource::Waker);
        check(PollSource::Watches);
        check(PollSource::Listener(0));
        check(PollSource::Listener(7));
        check(PollSource::Connection(Key::from_parts(0, 1)));
        check(PollSource::Connection(Key::from_parts(u32::MAX, u32::MAX / 2)));
    }
}
