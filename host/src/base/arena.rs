//! Slots with generations: a key stays unique after its value is removed.

use slab::Slab;

use crate::base::prefetch;

/// The key of a value in an [`Arena`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Key {
    slot: u32,
    /// Never 0, so that the tokens of generation 0 are free for listeners and the waker.
    generation: u32,
}

impl Key {
    /// Its slot and its generation, for a token of the poll.
    pub(super) fn parts(self) -> (u32, u32) {
        (self.slot, self.generation)
    }

    /// The key with these parts.
    pub(super) fn from_parts(slot: u32, generation: u32) -> Key {
        Key { slot, generation }
    }
}

/// The key of a connection of one reactor.
pub(crate) type ConnectionId = Key;
/// The key of an instance of one reactor.
pub(crate) type InstanceId = Key;

/// Values by key.
#[derive(Debug)]
pub(crate) struct Arena<T> {
    slots: Slab<(u32, T)>,
    generation: u32,
}

impl<T> Arena<T> {
    /// An empty arena.
    pub(crate) fn new() -> Arena<T> {
        Arena { slots: Slab::new(), generation: 0 }
    }

    /// The key of the next value.
    pub(crate) fn next_key(&self) -> Key {
        let slot = u32::try_from(self.slots.vacant_key());
        let slot = slot.expect("fewer than 2^32 things in one reactor");
        // Half of the range keeps tokens positive; a slot is not reused two thousand million times while an
        // event for it is on its way.
        Key { slot, generation: self.generation % (u32::MAX / 2) + 1 }
    }

    /// Inserts a value; returns its key.
    pub(crate) fn insert(&mut self, thing: T) -> Key {
        let key = self.next_key();
        self.generation = key.generation;
        self.slots.insert((key.generation, thing));
        key
    }

    /// The value, if it still exists.
    pub(crate) fn get(&self, key: Key) -> Option<&T> {
        let (generation, thing) = self.slots.get(key.slot as usize)?;
        (*generation == key.generation).then_some(thing)
    }

    /// The value, if it still exists.
    pub(crate) fn get_mut(&mut self, key: Key) -> Option<&mut T> {
        let (generation, thing) = self.slots.get_mut(key.slot as usize)?;
        (*generation == key.generation).then_some(thing)
    }

    /// Has the processor fetch the slot of a value.
    pub(crate) fn prefetch(&self, key: Key) {
        if let Some(slot) = self.slots.get(key.slot as usize) {
            prefetch::value(slot);
        }
    }

    /// Removes and returns the value, if it still exists.
    pub(crate) fn remove(&mut self, key: Key) -> Option<T> {
        self.get(key)?;
        Some(self.slots.remove(key.slot as usize).1)
    }

    /// All values, in the order of the slots.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (Key, &T)> {
        self.slots.iter().map(|(slot, (generation, thing))| {
            let slot = u32::try_from(slot).expect("checked when it was inserted");
            (Key { slot, generation: *generation }, thing)
        })
    }

    /// The keys of the values in at most `most` slots from this one on, and the slot after them if there are more.
    pub(crate) fn some_from(&self, slot: usize, most: usize) -> (Vec<Key>, Option<usize>) {
        let end = slot.saturating_add(most).min(self.slots.capacity());
        let key = |slot: usize| {
            let (generation, _) = self.slots.get(slot)?;
            Some(Key { slot: u32::try_from(slot).ok()?, generation: *generation })
        };
        let keys = (slot..end).filter_map(key).collect();
        (keys, (end < self.slots.capacity()).then_some(end))
    }

    /// The slots from this one on, each with its number and its value; none after the last slot that was ever used.
    pub(crate) fn slots_from(&self, first: u32) -> impl Iterator<Item = (u32, Option<&T>)> {
        let end = u32::try_from(self.slots.capacity()).unwrap_or(u32::MAX);
        (first..end).map(|slot| (slot, self.slots.get(slot as usize).map(|(_, thing)| thing)))
    }

    /// The number of values.
    pub(crate) fn len(&self) -> usize {
        self.slots.len()
    }

    /// True if there are no values.
    pub(crate) fn is_empty(&self) -> bool {
        self.slots.is_empty()
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
    fn everything_is_found_in_pieces() {
        let mut arena = Arena::new();
        let keys: Vec<Key> = (0..100).map(|number| arena.insert(number)).collect();
        keys.iter().step_by(3).for_each(|key| assert!(arena.remove(*key).is_some()));
        let (mut found, mut from) = (Vec::new(), Some(0));
        while let Some(slot) = from {
            let (some, next) = arena.some_from(slot, 7);
            assert!(some.len() <= 7);
            found.extend(some);
            from = next;
        }
        assert!(found.into_iter().eq(arena.iter().map(|(key, _)| key)));
    }
}
