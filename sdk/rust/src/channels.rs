//! Channels: what one pushes, everyone who is subscribed gets, in every instance of the tenant.
//!
//! ```
//! use sandloop::Channel;
//!
//! let room = Channel::new("room");
//! let member = room.subscribe(|message| println!("{}", String::from_utf8_lossy(message)));
//! room.push("to everyone");
//! member.push_to_others("to everyone but this one");
//! member.unsubscribe();
//! ```
//!
//! # At the bound
//! A channel holds what has not reached all its subscribers, up to the operator's limit `channel`. The host stops reading
//! the connections of whoever pushes well before that, so a slow subscriber slows the room down. A message that comes at
//! the bound all the same reaches nobody: [`Channel::push`] logs that, [`Channel::try_push`] says so.

use std::{
    cell::{Cell, RefCell},
    fmt,
    rc::Rc,
};

use crate::{
    callbacks::{Key, Table},
    host::channels as host,
    types::ErrorCode,
};

/// A channel, by its name. All instances of all plugins of a tenant mean the same one by the same name.
///
/// Every subscriber gets the messages in the same order, the order in which they were pushed, and never inside
/// another callback.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Channel(Rc<str>);

/// A subscription. Clones are the same one; dropping them does not end it.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Subscription {
    key: Key,
    channel: Channel,
}

impl Channel {
    /// The channel `name`: 1 to 255 bytes without control characters.
    #[must_use]
    pub fn new(name: &str) -> Self {
        Channel(name.into())
    }

    /// Its name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.0
    }

    /// Calls `action` with every message that is pushed from now on.
    ///
    /// # Panics
    /// At the limits of subscriptions or channels, and for a name that is none.
    pub fn subscribe(&self, action: impl FnMut(&[u8]) + 'static) -> Subscription {
        self.try_subscribe(action)
            .unwrap_or_else(|error| panic!("subscribe to {:?}: {error}", self.0))
    }

    /// As [`subscribe`](Self::subscribe).
    ///
    /// # Errors
    /// `limit` (subscriptions of this instance, channels of the tenant), `invalid-argument` (the name).
    pub fn try_subscribe(
        &self,
        action: impl FnMut(&[u8]) + 'static,
    ) -> Result<Subscription, ErrorCode> {
        let id = host::subscribe(&self.0)?;
        let key = TABLE.with_borrow_mut(|table| table.key(id));
        let stale = TABLE.with_borrow_mut(|table| table.insert(key, Box::new(action)));
        drop(stale);
        Ok(Subscription { key, channel: self.clone() })
    }

    /// Calls `action` with the next message, and with no other.
    ///
    /// # Panics
    /// As [`subscribe`](Self::subscribe).
    pub fn pop(&self, action: impl FnOnce(&[u8]) + 'static) -> Subscription {
        self.try_pop(action).unwrap_or_else(|error| panic!("pop from {:?}: {error}", self.0))
    }

    /// As [`pop`](Self::pop).
    ///
    /// # Errors
    /// As [`try_subscribe`](Self::try_subscribe).
    pub fn try_pop(&self, action: impl FnOnce(&[u8]) + 'static) -> Result<Subscription, ErrorCode> {
        let own = Rc::new(Cell::new(None::<Subscription>));
        let (same, mut action) = (own.clone(), Some(action));
        let subscription = self.try_subscribe(move |message| {
            if let Some(subscription) = same.take() {
                subscription.unsubscribe();
            }
            if let Some(action) = action.take() {
                action(message);
            }
        })?;
        own.set(Some(subscription.clone()));
        Ok(subscription)
    }

    /// Pushes a message to all subscribers; what is pushed to nobody is gone, as in EventMachine. It never fails: at
    /// the [bound](crate::channels#at-the-bound) the message is lost and the log says so.
    pub fn push(&self, message: impl AsRef<[u8]>) {
        self.log_lost(self.try_push(message));
    }

    /// As [`push`](Self::push).
    ///
    /// # Errors
    /// `limit` (too much is on its way, or the message is too large: try again in a later turn), `invalid-argument`
    /// (the name).
    pub fn try_push(&self, message: impl AsRef<[u8]>) -> Result<(), ErrorCode> {
        host::push(&self.0, message.as_ref(), None)
    }

    /// The number of subscriptions, in all instances.
    #[must_use]
    pub fn num_subscribers(&self) -> u32 {
        host::num_subscribers(&self.0)
    }

    fn log_lost(&self, pushed: Result<(), ErrorCode>) {
        if let Err(error) = pushed {
            crate::error!("channel {:?}: a message was lost: {error}", self.0);
        }
    }
}

impl Subscription {
    /// Ends it at once, also from its own callback: messages on their way to it are dropped.
    pub fn unsubscribe(&self) {
        // Removed here first: dropping the closure's captures may run any code.
        let known = TABLE.with_borrow_mut(|table| table.remove(self.key));
        if known.is_some() {
            host::unsubscribe(self.key.id);
        }
    }

    /// The channel.
    #[must_use]
    pub fn channel(&self) -> &Channel {
        &self.channel
    }

    /// Pushes a message to all other subscriptions: a member of a room speaks and does not hear itself. At the bound as
    /// [`Channel::push`].
    pub fn push_to_others(&self, message: impl AsRef<[u8]>) {
        self.channel.log_lost(self.try_push_to_others(message));
    }

    /// As [`push_to_others`](Self::push_to_others).
    ///
    /// # Errors
    /// As [`Channel::try_push`].
    pub fn try_push_to_others(&self, message: impl AsRef<[u8]>) -> Result<(), ErrorCode> {
        host::push(&self.channel.0, message.as_ref(), Some(self.key.id))
    }
}

impl fmt::Debug for Subscription {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Subscription")
            .field("id", &self.key.id)
            .field("channel", &self.channel.0)
            .finish()
    }
}

type Action = Box<dyn FnMut(&[u8])>;

thread_local! {
    /// The live subscriptions.
    static TABLE: RefCell<Table<Action>> = const { RefCell::new(Table::new()) };
}

/// A message for a subscription.
pub(crate) fn message(subscription: u32, message: &[u8]) {
    // Nothing is borrowed while the closure runs or is dropped: it may subscribe and unsubscribe.
    let lent = TABLE.with_borrow_mut(|table| table.lend(subscription));
    let Some((key, mut action)) = lent else { return };
    action(message);
    let ended = TABLE.with_borrow_mut(|table| table.put_back(key, action));
    drop(ended);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::turn;

    type Log = Rc<RefCell<Vec<String>>>;

    fn note(log: &Log, name: &'static str) -> impl Fn(&[u8]) + use<> {
        let log = log.clone();
        move |message: &[u8]| {
            log.borrow_mut().push(format!("{name} {}", String::from_utf8_lossy(message)));
        }
    }

    #[test]
    fn everyone_who_is_subscribed_gets_it() {
        let (log, room) = (Log::default(), Channel::new("room"));
        room.push("nobody");
        let first = room.subscribe(note(&log, "a"));
        room.subscribe(note(&log, "b"));
        Channel::new("another").subscribe(note(&log, "never"));
        assert_eq!(room.num_subscribers(), 2);
        room.push("1");
        assert!(log.borrow().is_empty(), "never inside this callback");
        turn();
        first.push_to_others("2");
        turn();
        assert_eq!(*log.borrow(), ["a 1", "b 1", "b 2"]);
    }

    /// EventMachine gives the second subscriber `x` before `1`.
    #[test]
    fn a_push_from_a_callback_comes_after() {
        let (log, room) = (Log::default(), Channel::new("room"));
        let (noted, same) = (note(&log, "a"), room.clone());
        room.subscribe(move |message| {
            noted(message);
            if message == b"1" {
                same.push("x");
            }
        });
        room.subscribe(note(&log, "b"));
        room.push("1");
        turn();
        turn();
        assert_eq!(*log.borrow(), ["a 1", "b 1", "a x", "b x"]);
    }

    #[test]
    fn a_subscription_may_end_itself() {
        let (log, room) = (Log::default(), Channel::new("room"));
        room.pop(note(&log, "pop"));
        let other = room.subscribe(note(&log, "other"));
        room.push("1");
        room.push("2");
        turn();
        assert_eq!(*log.borrow(), ["pop 1", "other 1", "other 2"]);
        assert_eq!(room.num_subscribers(), 1);
        room.push("3");
        other.unsubscribe();
        other.unsubscribe();
        turn();
        assert_eq!(log.borrow().len(), 3, "what was on its way is dropped");
    }

    #[test]
    fn a_name_that_is_none() {
        let nameless = Channel::new("");
        assert_eq!(nameless.try_subscribe(|_| {}), Err(ErrorCode::InvalidArgument));
        assert_eq!(nameless.try_push("x"), Err(ErrorCode::InvalidArgument));
        nameless.push("x");
        let (_, line) = crate::testing::logged().pop().unwrap();
        assert!(line.contains("a message was lost"), "{line}");
    }
}
