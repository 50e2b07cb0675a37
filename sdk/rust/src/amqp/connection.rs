//! A connection to a broker, as the author holds it.

use std::{fmt, rc::Rc, time::Duration};

use sandloop_amqp::{Failure, Settings};

use super::{channel::Channel, dialer::SocketDialer, kept::Kept, link::Link, operation::Operation};
use crate::deferrable::{DefaultDeferrable, Deferrable};

/// Connects to a broker. Requests made before the connection is open are executed once it is, in order.
///
/// It succeeds when the connection is open for the first time, and fails when it is over before that: because the
/// broker does not let the user in, or because there is to be no [recovery](Settings::recovery).
pub fn connect(settings: Settings) -> Connection {
    Connection(Link::start(settings, Box::new(SocketDialer)))
}

/// A connection to a broker, through as many sockets as it takes. Clones are the same one.
#[derive(Clone)]
pub struct Connection(pub(super) Rc<Link>);

impl Connection {
    /// A new channel of it.
    #[must_use]
    pub fn channel(&self) -> Channel {
        Channel::open(&self.0)
    }

    /// Calls `set_up` with a new channel of it, and again with another one each time that the broker has ended the
    /// channel (404, 406 …) or a consumer on it (its queue was deleted, its node is gone). The log has a line then.
    ///
    /// It is done again after [`Settings::backoff`], and while it does not last for [`Settings::backoff_max`], each
    /// time after twice as long, up to that. What was declared on the old channel is not made again by recovery, and
    /// queues on it to which the broker gave a name are deleted: `set_up` declares, binds and consumes everything.
    ///
    /// ```no_run
    /// # use sandloop::amqp::{self, QueueOptions, Settings};
    /// let connection = amqp::connect(Settings::default());
    /// connection.keep_channel(|channel| {
    ///     let queue = channel.queue("jobs", QueueOptions::durable());
    ///     queue.subscribe(|message| println!("{}", message.text()));
    /// });
    /// ```
    pub fn keep_channel(&self, set_up: impl FnMut(&Channel) + 'static) {
        Kept::new(Box::new(set_up)).begin(&self.0);
    }

    /// Whether requests are sent at once.
    #[must_use]
    pub fn is_open(&self) -> bool {
        self.0.with(|session| session.is_open())
    }

    /// Bytes of messages that wait to be sent, or are kept until they are confirmed.
    #[must_use]
    pub fn buffered(&self) -> usize {
        self.0.with(|session| session.buffered())
    }

    /// Ends it in order: everything that was asked for is done first. Succeeds when the broker has said so, or has neither
    /// answered the goodbye nor taken anything of what is before it for five seconds; fails if the connection ends before
    /// everything is done. What is asked for afterwards fails.
    pub fn close(&self) -> Operation {
        self.0.close()
    }

    /// When it is over, for whatever reason: succeeds after [`close`](Self::close) and when the host stops, else fails.
    #[must_use]
    pub fn closed(&self) -> Operation {
        self.0.closed()
    }

    /// Calls `action` each time the connection is lost, or cannot be made, with the reason and the time after which
    /// it is made again. Without it, the log has a line.
    pub fn on_interruption(&self, action: impl FnMut(&str, Duration) + 'static) -> &Connection {
        let replaced = self.0.hooks(|hooks| hooks.interrupted.replace(Box::new(action)));
        drop(replaced);
        self
    }

    /// Calls `action` each time a connection is open again and everything is there again.
    pub fn on_recovery(&self, action: impl FnMut() + 'static) -> &Connection {
        let replaced = self.0.hooks(|hooks| hooks.recovered.replace(Box::new(action)));
        drop(replaced);
        self
    }

    /// Calls `action` when the broker, short of memory or disk, takes no messages, with its words. They wait.
    pub fn on_blocked(&self, action: impl FnMut(&str) + 'static) -> &Connection {
        let replaced = self.0.hooks(|hooks| hooks.blocked.replace(Box::new(action)));
        drop(replaced);
        self
    }

    /// Calls `action` when the broker takes messages again.
    pub fn on_unblocked(&self, action: impl FnMut() + 'static) -> &Connection {
        let replaced = self.0.hooks(|hooks| hooks.unblocked.replace(Box::new(action)));
        drop(replaced);
        self
    }

    /// Calls `action` once, when there is room again after a refusal with
    /// [`Refusal::Full`](super::Refusal::Full). It is forgotten if the connection is over.
    pub fn on_writable(&self, action: impl FnOnce() + 'static) {
        self.0.hooks(|hooks| hooks.writable.push(Box::new(action)));
    }
}

impl Deferrable for Connection {
    type Value = ();
    type Error = Failure;

    fn deferrable(&self) -> &DefaultDeferrable<(), Failure> {
        self.0.opened()
    }
}

impl fmt::Debug for Connection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Connection").finish_non_exhaustive()
    }
}
