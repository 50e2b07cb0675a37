//! Channels: what one pushes, everyone who is subscribed gets, in every instance of the tenant.

use std::{cell::RefCell, collections::BTreeMap, rc::Rc};

use crate::{bindings::sandloop::plugin::channels as host, types::ErrorCode};

/// A channel, by its name. All instances of all plugins of a tenant mean the same one by the same name.
///
/// Every subscriber gets the messages in the same order, the order in which they were pushed, and never inside
/// another callback.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Channel(Rc<str>);

/// A subscription. Copies are the same; dropping one does not end it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Subscription {
    id: u32,
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
        TABLE.with_borrow_mut(|table| table.insert(id, Some(Box::new(action))));
        Ok(Subscription { id, channel: self.clone() })
    }

    /// Calls `action` with the next message, once.
    ///
    /// # Panics
    /// As [`subscribe`](Self::subscribe).
    pub fn pop(&self, action: impl FnOnce(&[u8]) + 'static) -> Subscription {
        let mut action = Some(action);
        let own = Rc::new(RefCell::new(None::<Subscription>));
        let same = own.clone();
        let subscription = self.subscribe(move |message| {
            if let Some(subscription) = same.take() {
                subscription.unsubscribe();
            }
            if let Some(action) = action.take() {
                action(message);
            }
        });
        own.replace(Some(subscription.clone()));
        subscription
    }

    /// Pushes a message to all subscribers. Where too much is on its way already nobody gets it, and the log says
    /// so; see [`try_push`](Self::try_push).
    pub fn push(&self, message: impl AsRef<[u8]>) {
        warn_if_lost(self, self.try_push(message));
    }

    /// As [`push`](Self::push).
    ///
    /// # Errors
    /// `limit` (too much is on its way, or the message is too large: try again in a later turn), `invalid-argument`
    /// (the name).
    pub fn try_push(&self, message: impl AsRef<[u8]>) -> Result<(), ErrorCode> {
        host::push(&self.0, message.as_ref(), None)
    }

    /// How many subscriptions it has, in all instances.
    #[must_use]
    pub fn num_subscribers(&self) -> u32 {
        host::num_subscribers(&self.0)
    }
}

impl Subscription {
    /// Ends it at once: messages on their way to it are dropped.
    pub fn unsubscribe(&self) {
        // Forgotten here first: what the closure owned may do anything when it is dropped.
        let action = TABLE.with_borrow_mut(|table| table.remove(&self.id));
        if action.is_some() {
            host::unsubscribe(self.id);
        }
    }

    /// Pushes a message to all others: a member of a room speaks and does not hear itself. Lost messages as with
    /// [`Channel::push`].
    pub fn push_to_others(&self, message: impl AsRef<[u8]>) {
        warn_if_lost(&self.channel, self.try_push_to_others(message));
    }

    /// As [`push_to_others`](Self::push_to_others).
    ///
    /// # Errors
    /// As [`Channel::try_push`].
    pub fn try_push_to_others(&self, message: impl AsRef<[u8]>) -> Result<(), ErrorCode> {
        host::push(&self.channel.0, message.as_ref(), Some(self.id))
    }
}

fn warn_if_lost(channel: &Channel, pushed: Result<(), ErrorCode>) {
    if let Err(error) = pushed {
        crate::error!("channel {:?}: a message was lost: {error}", channel.0);
    }
}

type Action = Box<dyn FnMut(&[u8])>;

thread_local! {
    /// The live subscriptions; none while its closure is out, being called.
    static TABLE: RefCell<BTreeMap<u32, Option<Action>>> = const { RefCell::new(BTreeMap::new()) };
}

/// A message for a subscription.
pub(crate) fn message(subscription: u32, message: &[u8]) {
    // Nothing is borrowed while the closure runs or is dropped.
    let action = TABLE.with_borrow_mut(|table| table.get_mut(&subscription)?.take());
    let Some(mut action) = action else { return };
    action(message);
    let cancelled = TABLE.with_borrow_mut(|table| match table.get_mut(&subscription) {
        Some(place @ None) => place.replace(action),
        _ => Some(action),
    });
    drop(cancelled);
}
