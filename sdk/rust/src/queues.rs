//! Queues: what one pushes, one other gets, in whichever instance of the tenant it waits.

use std::{cell::RefCell, collections::BTreeMap, rc::Rc};

use crate::{bindings::sandloop::plugin::queues as host, types::ErrorCode};

/// A queue, by its name. All instances of all plugins of a tenant mean the same one by the same name.
///
/// Items wait for pops and pops for items, first come, first served on both sides.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Queue(Rc<str>);

/// A pop that waits for its item.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Pop(u32);

impl Queue {
    /// The queue `name`: 1 to 255 bytes without control characters.
    #[must_use]
    pub fn new(name: &str) -> Self {
        Queue(name.into())
    }

    /// Its name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.0
    }

    /// Adds an item at the end.
    ///
    /// # Panics
    /// When the queue is full, since an item that is not taken is lost; see [`try_push`](Self::try_push).
    pub fn push(&self, item: impl AsRef<[u8]>) {
        if let Err(error) = self.try_push(item) {
            panic!("push to {:?}: {error}", self.0);
        }
    }

    /// As [`push`](Self::push).
    ///
    /// # Errors
    /// `limit` (the queue is full, there are too many queues, or the item is too large: it was not taken),
    /// `invalid-argument` (the name).
    pub fn try_push(&self, item: impl AsRef<[u8]>) -> Result<(), ErrorCode> {
        host::push(&self.0, item.as_ref())
    }

    /// Calls `action` with one item, after this callback has returned, as soon as there is one.
    ///
    /// # Panics
    /// At the limits of pops or queues, and for a name that is none.
    pub fn pop(&self, action: impl FnOnce(&[u8]) + 'static) -> Pop {
        self.try_pop(action).unwrap_or_else(|error| panic!("pop from {:?}: {error}", self.0))
    }

    /// As [`pop`](Self::pop).
    ///
    /// # Errors
    /// `limit` (pops of this instance, queues of the tenant), `invalid-argument` (the name).
    pub fn try_pop(&self, action: impl FnOnce(&[u8]) + 'static) -> Result<Pop, ErrorCode> {
        let id = host::pop(&self.0)?;
        TABLE.with_borrow_mut(|table| table.insert(id, Box::new(action)));
        Ok(Pop(id))
    }

    /// Items that wait.
    #[must_use]
    pub fn size(&self) -> u32 {
        host::size(&self.0)
    }

    /// Whether none waits.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.size() == 0
    }

    /// Pops that wait, in all instances.
    #[must_use]
    pub fn num_waiting(&self) -> u32 {
        host::num_waiting(&self.0)
    }
}

impl Pop {
    /// Forgets it; an item that was on its way goes back to the front of the queue.
    pub fn cancel(self) {
        let action = TABLE.with_borrow_mut(|table| table.remove(&self.0));
        if action.is_some() {
            host::cancel_pop(self.0);
        }
    }
}

type Action = Box<dyn FnOnce(&[u8])>;

thread_local! {
    static TABLE: RefCell<BTreeMap<u32, Action>> = const { RefCell::new(BTreeMap::new()) };
}

/// An item for a pop.
pub(crate) fn popped(pop: u32, item: &[u8]) {
    let action = TABLE.with_borrow_mut(|table| table.remove(&pop));
    if let Some(action) = action {
        action(item);
    }
}
