//! Slots with generations: a key outlives what it named without ever naming something else.

use mio::Token;
use slab::Slab;

/// Names one thing in an [`Arena`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Key {
    slot: u32,
    /// Never 0, so that the tokens of generation 0 are free for listeners and the waker.
    generation: u32,
}

/// Names a connection of one reactor.
pub type ConnectionId = Key;
/// Names an instance of one reactor.
pub type InstanceId = Key;

/// Things by key.
#[derive(Debug)]
pub struct Arena<T> {
    slots: Slab<(u32, T)>,
    generation: u32,
}

impl<T> Arena<T> {
    /// An empty arena.
    pub fn new() -> Arena<T> {
        Arena { slots: Slab::new(), generation: 0 }
    }

    /// The key that the next thing will have.
    pub fn next_key(&self) -> Key {
        let slot = u32::try_from(self.slots.vacant_key());
        let slot = slot.expect("fewer than 2^32 things in one reactor");
        // Half of the range keeps tokens positive; a slot is not reused two thousand million times while an
        // event for it is on its way.
        Key { slot, generation: self.generation % (u32::MAX / 2) + 1 }
    }

    /// Puts a thing in.
    pub fn insert(&mut self, thing: T) -> Key {
        let key = self.next_key();
        self.generation = key.generation;
        self.slots.insert((key.generation, thing));
        key
    }

    /// The thing, if it is still there.
    pub fn get(&self, key: Key) -> Option<&T> {
        let (generation, thing) = self.slots.get(key.slot as usize)?;
        (*generation == key.generation).then_some(thing)
    }

    /// The thing, if it is still there.
    pub fn get_mut(&mut self, key: Key) -> Option<&mut T> {
        let (generation, thing) = self.slots.get_mut(key.slot as usize)?;
        (*generation == key.generation).then_some(thing)
    }

    /// Takes the thing out, if it is still there.
    pub fn remove(&mut self, key: Key) -> Option<T> {
        self.get(key)?;
        Some(self.slots.remove(key.slot as usize).1)
    }

    /// Everything, in the order of the slots.
    pub fn iter(&self) -> impl Iterator<Item = (Key, &T)> {
        self.slots.iter().map(|(slot, (generation, thing))| {
            let slot = u32::try_from(slot).expect("checked when it was inserted");
            (Key { slot, generation: *generation }, thing)
        })
    }

    /// How many things there are.
    pub fn len(&self) -> usize {
        self.slots.len()
    }

    /// True when there is nothing.
    pub fn is_empty(&self) -> bool {
        self.slots.is_empty()
    }
}

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
            Source::Connection(key) => (key.generation, key.slot),
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
            (generation, slot) => Source::Connection(Key { slot, generation }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stale_key_finds_nothing() {
        let mut arena = Arena::new();
        let first = arena.insert("first");
        assert_eq!(arena.remove(first), Some("first"));
        let second = arena.insert("second");
        assert_eq!(first.slot, second.slot, "the slot is used again");
        assert_eq!(arena.get(first), None);
        assert_eq!(arena.remove(first), None);
        assert_eq!(arena.get(second), Some(&"second"));
        assert_eq!(arena.len(), 1);
    }

    #[test]
    fn tokens_go_there_and_back() {
        let check = |source: Source| assert_eq!(Source::from(Token::from(source)), source);
        check(Source::Waker);
        check(Source::Listener(0));
        check(Source::Listener(7));
        check(Source::Connection(Key { slot: 0, generation: 1 }));
        check(Source::Connection(Key { slot: u32::MAX, generation: u32::MAX / 2 }));
    }
}
