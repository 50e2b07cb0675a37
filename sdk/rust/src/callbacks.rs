//! A table of the plugin's closures by the host's ids, for each module that the host calls back.

use std::collections::BTreeMap;

/// Identifies a closure: the host's id, which may be reused, and a number that is not.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Key {
    pub(crate) id: u32,
    serial: u64,
}

/// Closures by the host's ids. Its methods return what they remove, so that no code of the plugin is called or dropped
/// while the table is borrowed: that code may use the table.
pub(crate) struct Table<A> {
    slots: BTreeMap<u32, Slot<A>>,
    last_serial: u64,
}

struct Slot<A> {
    serial: u64,
    /// None while it is lent, being called.
    action: Option<A>,
}

impl<A> Table<A> {
    pub(crate) const fn new() -> Self {
        Table { slots: BTreeMap::new(), last_serial: 0 }
    }

    /// Makes a key for an id that the host has just given.
    pub(crate) fn key(&mut self, id: u32) -> Key {
        self.last_serial += 1;
        Key { id, serial: self.last_serial }
    }

    /// Adds a closure. Returns the one that had the id before, if the host has forgotten it.
    pub(crate) fn insert(&mut self, key: Key, action: A) -> Option<A> {
        let slot = Slot { serial: key.serial, action: Some(action) };
        self.slots.insert(key.id, slot).and_then(|stale| stale.action)
    }

    /// Removes a closure. None if it is unknown; `Some(None)` while it is lent.
    pub(crate) fn remove(&mut self, key: Key) -> Option<Option<A>> {
        match self.slots.get(&key.id) {
            Some(slot) if slot.serial == key.serial => {
                self.slots.remove(&key.id).map(|slot| slot.action)
            }
            _ => None,
        }
    }

    /// Removes a closure, for its only call.
    pub(crate) fn take(&mut self, id: u32) -> Option<A> {
        self.slots.remove(&id).and_then(|slot| slot.action)
    }

    /// Lends a closure for one of its calls, until it is [put back](Self::put_back) or removed.
    pub(crate) fn lend(&mut self, id: u32) -> Option<(Key, A)> {
        let slot = self.slots.get_mut(&id)?;
        Some((Key { id, serial: slot.serial }, slot.action.take()?))
    }

    /// Puts a lent closure back for its next call, or returns it if it was removed meanwhile.
    pub(crate) fn put_back(&mut self, key: Key, action: A) -> Option<A> {
        match self.slots.get_mut(&key.id) {
            Some(slot) if slot.serial == key.serial => slot.action.replace(action),
            _ => Some(action),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn insert(table: &mut Table<&'static str>, id: u32, action: &'static str) -> Key {
        let key = table.key(id);
        assert_eq!(table.insert(key, action), None);
        key
    }

    #[test]
    fn what_is_taken_is_gone() {
        let mut table = Table::new();
        insert(&mut table, 3, "once");
        assert_eq!(table.take(3), Some("once"));
        assert_eq!(table.take(3), None);
        assert!(table.slots.is_empty());
    }

    #[test]
    fn what_is_lent_stays_until_it_is_removed() {
        let mut table = Table::new();
        let key = insert(&mut table, 3, "often");
        for _ in 0..2 {
            let (lent, action) = table.lend(3).unwrap();
            assert_eq!((lent, action, table.lend(3)), (key, "often", None), "lent once at a time");
            assert_eq!(table.put_back(lent, action), None);
        }
        assert_eq!(table.remove(key), Some(Some("often")));
        assert_eq!(table.lend(3), None);
    }

    #[test]
    fn what_is_removed_while_it_is_lent_does_not_come_back() {
        let mut table = Table::new();
        let key = insert(&mut table, 3, "often");
        let (lent, action) = table.lend(3).unwrap();
        assert_eq!(table.remove(key), Some(None), "known, and out");
        assert_eq!(table.put_back(lent, action), Some("often"));
        assert!(table.slots.is_empty());
    }

    #[test]
    fn an_id_used_again_belongs_to_the_new_one() {
        let mut table = Table::new();
        let old = insert(&mut table, 3, "old");
        let (lent, action) = table.lend(3).unwrap();
        assert_eq!(table.remove(old), Some(None));
        let new = insert(&mut table, 3, "new");
        assert_eq!(table.put_back(lent, action), Some("old"));
        assert_eq!(table.remove(old), None, "an old handle finds nothing");
        assert_eq!(table.remove(new), Some(Some("new")));
    }

    #[test]
    fn what_the_host_has_forgotten_is_handed_back() {
        let mut table = Table::new();
        insert(&mut table, 3, "old");
        let key = table.key(3);
        assert_eq!(table.insert(key, "new"), Some("old"));
    }
}
