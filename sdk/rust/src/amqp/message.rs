//! Messages on their way out.

use std::rc::Rc;

use sandloop_amqp::{Properties, Publish, Table, Value};

/// A message and where it goes. A text or bytes are one by themselves.
///
/// ```
/// use sandloop::amqp::Message;
///
/// let message = Message::new("42").key("stock.nyse").persistent().content_type("text/plain");
/// assert_eq!(message.properties.delivery_mode, Some(2));
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct Message {
    /// The routing of the message.
    pub routing_key: String,
    /// Without a queue to go to it comes back to [`Channel::on_return`](super::Channel::on_return).
    pub mandatory: bool,
    /// Its properties.
    pub properties: Properties,
    /// The properties of the message.
    pub body: Rc<[u8]>,
}

impl Message {
    /// Nothing but a body.
    pub fn new(body: impl AsRef<[u8]>) -> Message {
        Message {
            routing_key: String::new(),
            mandatory: false,
            properties: Properties::default(),
            body: Rc::from(body.as_ref()),
        }
    }

    /// With this routing key.
    #[must_use]
    pub fn key(mut self, routing_key: impl Into<String>) -> Message {
        self.routing_key = routing_key.into();
        self
    }

    /// Comes back if no queue wants it.
    #[must_use]
    pub fn mandatory(mut self) -> Message {
        self.mandatory = true;
        self
    }

    /// Survives a restart of the broker in a durable queue.
    #[must_use]
    pub fn persistent(mut self) -> Message {
        self.properties.delivery_mode = Some(2);
        self
    }

    /// With these properties instead of those it has.
    #[must_use]
    pub fn properties(mut self, properties: Properties) -> Message {
        self.properties = properties;
        self
    }

    /// With one header more.
    #[must_use]
    pub fn header(mut self, name: impl Into<String>, value: impl Into<Value>) -> Message {
        self.properties.headers.get_or_insert_with(Table::new).insert(name.into(), value.into());
        self
    }

    /// Such as `application/json`.
    #[must_use]
    pub fn content_type(mut self, content_type: impl Into<String>) -> Message {
        self.properties.content_type = Some(content_type.into());
        self
    }

    /// Where an answer is expected.
    #[must_use]
    pub fn reply_to(mut self, queue: impl Into<String>) -> Message {
        self.properties.reply_to = Some(queue.into());
        self
    }

    /// What an answer belongs to.
    #[must_use]
    pub fn correlation_id(mut self, id: impl Into<String>) -> Message {
        self.properties.correlation_id = Some(id.into());
        self
    }

    /// The id of the message.
    #[must_use]
    pub fn message_id(mut self, id: impl Into<String>) -> Message {
        self.properties.message_id = Some(id.into());
        self
    }

    pub(super) fn to(self, exchange: &str) -> Publish {
        Publish {
            exchange: exchange.to_owned(),
            routing_key: self.routing_key,
            mandatory: self.mandatory,
            properties: self.properties,
            body: self.body,
        }
    }
}

impl<B: AsRef<[u8]>> From<B> for Message {
    fn from(body: B) -> Message {
        Message::new(body)
    }
}
