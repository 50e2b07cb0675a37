//! Where things happen in order.

use std::{fmt, rc::Rc};

use sandloop_amqp::{ChannelId, Failure, Request, Returned};

use super::{
    exchange::{Exchange, ExchangeOptions},
    handle::ChannelHandle,
    link::Link,
    operation::{Operation, ask, fail_later},
    queue::{Queue, QueueOptions},
};
use crate::deferrable::Deferrable as _;

/// A channel of a connection. What is asked for on it is done in that order. An error of the broker ends the channel:
/// whatever is not done fails with it, and the other channels go on. Clones are the same one.
#[derive(Clone)]
pub struct Channel(ChannelHandle);

impl Channel {
    pub(super) fn open(link: &Rc<Link>) -> Channel {
        Channel(ChannelHandle::open(link))
    }

    pub(super) fn id(&self) -> Result<ChannelId, Failure> {
        self.0.id()
    }

    /// An exchange that sends a message to each queue bound with exactly its key, declared if it is not there.
    pub fn direct(&self, name: &str) -> Exchange {
        self.exchange("direct", name, ExchangeOptions::default())
    }

    /// An exchange that sends a message to every queue that is bound to it.
    pub fn fanout(&self, name: &str) -> Exchange {
        self.exchange("fanout", name, ExchangeOptions::default())
    }

    /// An exchange that sends a message to each queue bound with a key like its own: `stock.*`, `#`.
    pub fn topic(&self, name: &str) -> Exchange {
        self.exchange("topic", name, ExchangeOptions::default())
    }

    /// An exchange that looks at the headers of a message.
    pub fn headers(&self, name: &str) -> Exchange {
        self.exchange("headers", name, ExchangeOptions::default())
    }

    /// An exchange of any type, with options.
    pub fn exchange(&self, kind: &str, name: &str, options: ExchangeOptions) -> Exchange {
        Exchange::declare(&self.0, kind, name, options)
    }

    /// The exchange that has a route to every queue by its name.
    #[must_use]
    pub fn default_exchange(&self) -> Exchange {
        Exchange::predefined(&self.0, "")
    }

    /// An exchange that is there without being declared, such as `amq.fanout`.
    #[must_use]
    pub fn predefined_exchange(&self, name: &str) -> Exchange {
        Exchange::predefined(&self.0, name)
    }

    /// A queue, declared if it is not there; with an empty name, the broker gives it one.
    pub fn queue(&self, name: &str, options: QueueOptions) -> Queue {
        Queue::declare(&self.0, name, options)
    }

    /// The prefetch count of each consumer created from now on: how many messages it gets unacknowledged. 0: no limit.
    pub fn prefetch(&self, count: u16) -> Operation {
        self.qos(count, false)
    }

    /// As [`prefetch`](Self::prefetch), with `global` for all consumers of the channel together.
    pub fn qos(&self, prefetch: u16, global: bool) -> Operation {
        ask(&self.0, Request::Qos { prefetch, global }, drop)
    }

    /// Messages that are published from now on succeed when the broker has confirmed them.
    pub fn confirm(&self) -> Operation {
        ask(&self.0, Request::Confirm, drop)
    }

    /// Messages that are published and acknowledged from now on wait for a [commit](Self::tx_commit).
    pub fn tx_select(&self) -> Operation {
        ask(&self.0, Request::SelectTx, drop)
    }

    /// Makes everything since the last commit happen. Fails if the connection was lost meanwhile: the broker has
    /// forgotten it, or may have.
    pub fn tx_commit(&self) -> Operation {
        ask(&self.0, Request::Commit, drop)
    }

    /// Forgets everything since the last commit.
    pub fn tx_rollback(&self) -> Operation {
        ask(&self.0, Request::Rollback, drop)
    }

    /// Makes the broker redeliver unacknowledged messages; with `requeue` to any consumer. RabbitMQ supports only that.
    pub fn recover(&self, requeue: bool) -> Operation {
        ask(&self.0, Request::Recover { requeue }, drop)
    }

    /// Asks the broker to stop delivering, or to continue. RabbitMQ supports only the latter.
    pub fn flow(&self, active: bool) -> Operation {
        ask(&self.0, Request::Flow(active), drop)
    }

    /// Closes it after everything that was asked for on it.
    pub fn close(&self) -> Operation {
        ask(&self.0, Request::Close, drop)
    }

    /// Calls `action` when the channel has ended, by an error of the broker or with the connection.
    pub fn on_error(&self, action: impl FnOnce(&Failure) + 'static) -> &Channel {
        match self.0.id() {
            Ok(id) => self.0.link.on_channel_error(id, Box::new(action)),
            Err(failure) => {
                let operation: Operation = Operation::new();
                fail_later(&operation, failure);
                operation.errback(action);
            }
        }
        self
    }

    /// Calls `action` with each mandatory message that no queue wanted.
    pub fn on_return(&self, action: impl FnMut(&Returned) + 'static) -> &Channel {
        if let Ok(id) = self.0.id() {
            self.0.link.on_return(id, Box::new(action));
        }
        self
    }
}

impl fmt::Debug for Channel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Channel").field(&self.0.id()).finish()
    }
}
