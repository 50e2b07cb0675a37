//! Exchanges, to which messages are published.

use std::{fmt, rc::Rc};

use sandloop_amqp::{
    Failure, Request, Table,
    request::{self, ExchangeBinding},
};

use super::{
    handle::ChannelHandle,
    message::Message,
    operation::{Operation, ask, settle},
};
use crate::deferrable::{DefaultDeferrable, Deferrable};

/// How an exchange is declared.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ExchangeOptions {
    /// Only checks that it exists.
    pub passive: bool,
    /// It survives a restart of the broker.
    pub durable: bool,
    /// It is deleted when its last binding is removed.
    pub auto_delete: bool,
    /// Only other exchanges publish to it.
    pub internal: bool,
    /// Such as `alternate-exchange`.
    pub arguments: Table,
}

impl ExchangeOptions {
    /// An exchange that survives a restart of the broker.
    #[must_use]
    pub fn durable() -> ExchangeOptions {
        ExchangeOptions { durable: true, ..ExchangeOptions::default() }
    }
}

/// An exchange on a channel. It succeeds once it is declared. Clones are the same one.
#[derive(Clone)]
pub struct Exchange(Rc<State>);

struct State {
    channel: ChannelHandle,
    name: String,
    declared: Operation,
}

impl Exchange {
    pub(super) fn declare(
        channel: &ChannelHandle,
        kind: &str,
        name: &str,
        options: ExchangeOptions,
    ) -> Exchange {
        let ExchangeOptions { passive, durable, auto_delete, internal, arguments } = options;
        let request = Request::DeclareExchange(request::Exchange {
            name: name.to_owned(),
            kind: kind.to_owned(),
            passive,
            durable,
            auto_delete,
            internal,
            arguments,
        });
        Exchange::over(channel, name, ask(channel, request, drop))
    }

    /// One that is always there.
    pub(super) fn predefined(channel: &ChannelHandle, name: &str) -> Exchange {
        Exchange::over(channel, name, Operation::succeeded(()))
    }

    fn over(channel: &ChannelHandle, name: &str, declared: Operation) -> Exchange {
        Exchange(Rc::new(State { channel: channel.clone(), name: name.to_owned(), declared }))
    }

    /// Its name; empty for the default exchange.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.0.name
    }

    /// Publishes a message: a text, bytes, or a [`Message`] with key and properties.
    ///
    /// On a channel with [`confirm`](super::Channel::confirm) the operation succeeds when the broker confirms the
    /// message, and fails if it refuses it; without, it succeeds when the message is sent. When the buffer is full, it
    /// fails with [`Refusal::Full`](super::Refusal::Full); [`try_publish`](Self::try_publish) returns that at once.
    pub fn publish(&self, message: impl Into<Message>) -> Operation {
        let operation = Operation::new();
        let State { channel, name, .. } = &*self.0;
        let publish = message.into().to(name);
        let asked = channel.id().and_then(|id| channel.link.publish(id, publish));
        settle(&channel.link, asked, &operation, drop);
        operation
    }

    /// As [`publish`](Self::publish).
    ///
    /// # Errors
    /// [`Refusal::Full`](super::Refusal::Full): [`Settings::buffer`](super::Settings::buffer) is full;
    /// [`Connection::on_writable`](super::Connection::on_writable) tells when there is room. Other refusals, and
    /// [`Failure::Closed`].
    pub fn try_publish(&self, message: impl Into<Message>) -> Result<Operation, Failure> {
        let State { channel, name, .. } = &*self.0;
        let publish = message.into().to(name);
        let ticket = channel.link.publish(channel.id()?, publish)?;
        let operation = Operation::new();
        settle(&channel.link, Ok(ticket), &operation, drop);
        Ok(operation)
    }

    /// Binds this exchange to `source`: it gets the messages published there with this key.
    pub fn bind(&self, source: &Exchange, routing_key: &str) -> Operation {
        self.bind_with(source, routing_key, Table::new())
    }

    /// As [`bind`](Self::bind), with the arguments that a headers exchange matches.
    pub fn bind_with(&self, source: &Exchange, routing_key: &str, arguments: Table) -> Operation {
        let binding = self.binding(source, routing_key, arguments);
        ask(&self.0.channel, Request::BindExchange(binding), drop)
    }

    /// Removes the binding with this source and key.
    pub fn unbind(&self, source: &Exchange, routing_key: &str) -> Operation {
        self.unbind_with(source, routing_key, Table::new())
    }

    /// As [`unbind`](Self::unbind), for a binding with arguments.
    pub fn unbind_with(&self, source: &Exchange, routing_key: &str, arguments: Table) -> Operation {
        let binding = self.binding(source, routing_key, arguments);
        ask(&self.0.channel, Request::UnbindExchange(binding), drop)
    }

    /// Deletes it; with `if_unused` only if nothing is bound to it.
    pub fn delete(&self, if_unused: bool) -> Operation {
        let request = Request::DeleteExchange { name: self.0.name.clone(), if_unused };
        ask(&self.0.channel, request, drop)
    }

    fn binding(&self, source: &Exchange, routing_key: &str, arguments: Table) -> ExchangeBinding {
        ExchangeBinding {
            destination: self.0.name.clone(),
            source: source.0.name.clone(),
            routing_key: routing_key.to_owned(),
            arguments,
        }
    }
}

impl Deferrable for Exchange {
    type Value = ();
    type Error = Failure;

    fn deferrable(&self) -> &DefaultDeferrable<(), Failure> {
        &self.0.declared
    }
}

impl fmt::Debug for Exchange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Exchange").field(&self.0.name).finish()
    }
}
