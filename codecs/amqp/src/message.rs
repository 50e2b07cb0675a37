//! Messages: published, delivered and returned ones.

use std::rc::Rc;

use amq_protocol::{protocol::BasicProperties, types::ShortString};

use crate::{
    error::Refusal,
    ids::ChannelId,
    table::{self, Table, short},
    undecoded::Undecoded,
};

/// The properties of a message: all fourteen of AMQP except `cluster-id`, which is reserved.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Properties {
    /// Such as `text/plain`.
    pub content_type: Option<String>,
    /// Such as `gzip`.
    pub content_encoding: Option<String>,
    /// The headers, by which a headers exchange routes.
    pub headers: Option<Table>,
    /// 2: survives a restart of the broker in a durable queue. 1: does not.
    pub delivery_mode: Option<u8>,
    /// 0 to 9, for a queue with `x-max-priority`.
    pub priority: Option<u8>,
    /// Identifies the request of a reply.
    pub correlation_id: Option<String>,
    /// The queue for the reply.
    pub reply_to: Option<String>,
    /// The time to live in milliseconds, as text.
    pub expiration: Option<String>,
    /// The id of the message.
    pub message_id: Option<String>,
    /// Seconds since 1970.
    pub timestamp: Option<u64>,
    /// The kind of message, as the application names it.
    pub kind: Option<String>,
    /// The publishing user. RabbitMQ refuses another user's name.
    pub user_id: Option<String>,
    /// The publishing application.
    pub app_id: Option<String>,
}

impl Properties {
    pub(crate) fn to_wire(&self) -> Result<BasicProperties, Refusal> {
        let mut wire = BasicProperties::default();
        let mut text = |value: &Option<String>,
                        what: &'static str,
                        with: fn(BasicProperties, ShortString) -> BasicProperties|
         -> Result<(), Refusal> {
            if let Some(value) = value {
                wire = with(std::mem::take(&mut wire), short(value, what)?);
            }
            Ok(())
        };
        text(&self.content_type, "content-type", BasicProperties::with_content_type)?;
        text(&self.content_encoding, "content-encoding", BasicProperties::with_content_encoding)?;
        text(&self.correlation_id, "correlation-id", BasicProperties::with_correlation_id)?;
        text(&self.reply_to, "reply-to", BasicProperties::with_reply_to)?;
        text(&self.expiration, "expiration", BasicProperties::with_expiration)?;
        text(&self.message_id, "message-id", BasicProperties::with_message_id)?;
        text(&self.kind, "type", BasicProperties::with_type)?;
        text(&self.user_id, "user-id", BasicProperties::with_user_id)?;
        text(&self.app_id, "app-id", BasicProperties::with_app_id)?;
        if let Some(headers) = &self.headers {
            wire = wire.with_headers(table::to_wire(headers)?);
        }
        if let Some(mode) = self.delivery_mode {
            wire = wire.with_delivery_mode(mode);
        }
        if let Some(priority) = self.priority {
            wire = wire.with_priority(priority);
        }
        if let Some(timestamp) = self.timestamp {
            wire = wire.with_timestamp(timestamp);
        }
        Ok(wire)
    }
}

/// A message on its way to an exchange.
#[derive(Clone, Debug, PartialEq)]
pub struct Publish {
    /// The exchange; empty for the default one, which has a route to every queue by its name.
    pub exchange: String,
    /// The key by which the exchange routes.
    pub routing_key: String,
    /// Whether it is returned if no queue receives it.
    pub mandatory: bool,
    /// The properties of the message.
    pub properties: Properties,
    /// The body; shared, because it may be kept until it is confirmed.
    pub body: Rc<[u8]>,
}

/// A message from a queue.
#[derive(Clone, Debug, PartialEq)]
pub struct Delivery {
    /// For its acknowledgement.
    pub tag: DeliveryTag,
    /// The tag of its consumer; empty for the answer to `basic.get`.
    pub consumer: String,
    /// Whether it may have been delivered before.
    pub redelivered: bool,
    /// Where it was published.
    pub exchange: String,
    /// With which key.
    pub routing_key: String,
    /// The properties of the message.
    pub properties: Properties,
    /// The message.
    pub body: Vec<u8>,
    /// Of the texts above, those that are not UTF-8. What is not is replaced by U+FFFD above.
    pub undecoded: Undecoded,
}

/// Identifies a delivery for its acknowledgement. A tag of a lost connection has no effect: the broker delivers
/// that message again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DeliveryTag {
    pub(crate) channel: ChannelId,
    pub(crate) generation: u32,
    pub(crate) tag: u64,
}

impl DeliveryTag {
    /// The channel of the delivery.
    #[must_use]
    pub fn channel(self) -> ChannelId {
        self.channel
    }

    /// The broker's number for it.
    #[must_use]
    pub fn number(self) -> u64 {
        self.tag
    }
}

/// A mandatory message that no queue received.
#[derive(Clone, Debug, PartialEq)]
pub struct Returned {
    /// The reply code: 312, `NO_ROUTE`.
    pub code: u16,
    /// The reply text.
    pub text: String,
    /// Where it was published.
    pub exchange: String,
    /// With which key.
    pub routing_key: String,
    /// The properties of the message.
    pub properties: Properties,
    /// The message.
    pub body: Vec<u8>,
    /// Of the texts above, those that are not UTF-8. What is not is replaced by U+FFFD above.
    pub undecoded: Undecoded,
}

/// A message that cannot be decoded, because its publisher made it so or because it is larger than
/// [`Settings::message_max`](crate::Settings::message_max). It was rejected without being requeued, so the broker drops
/// it or passes it to the queue's dead letter exchange; one that counts as acknowledged when it is sent is lost. The answer
/// to `basic.get` is requeued, and the request fails.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unreadable {
    /// The tag of its consumer; empty for an answer to `basic.get` and for a returned message.
    pub consumer: String,
    /// Where it was published.
    pub exchange: String,
    /// With which key.
    pub routing_key: String,
    /// 502: it cannot be decoded. 311: it is too large.
    pub code: u16,
    /// The reason.
    pub reason: String,
}

#[cfg(test)]
mod tests {
    use amq_protocol::frame::{AMQPContentHeader, AMQPFrame, gen_frame};

    use super::*;
    use crate::{
        frame::{Frame, first},
        table::Value,
    };

    /// What a reader makes of what a writer has written.
    fn again(properties: &Properties) -> Properties {
        let properties = properties.to_wire().unwrap();
        let header = AMQPContentHeader { class_id: 60, body_size: 0, properties };
        let frame = AMQPFrame::Header(1, 60, Box::new(header));
        let bytes = gen_frame(&frame)(Vec::new().into()).unwrap().into_inner().0;
        match first(&bytes, 4096) {
            Ok(Some((Frame::Header(1, header), _))) => {
                let (properties, undecoded) = header.properties.unwrap();
                assert!(undecoded.is_empty());
                properties
            }
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn every_property_comes_back() {
        let text = |text: &str| Some(text.to_owned());
        let properties = Properties {
            content_type: text("text/plain"),
            content_encoding: text("gzip"),
            headers: Some(Table::from([("a".to_owned(), Value::I32(1))])),
            delivery_mode: Some(2),
            priority: Some(9),
            correlation_id: text("c"),
            reply_to: text("r"),
            expiration: text("60000"),
            message_id: text("m"),
            timestamp: Some(1_700_000_000),
            kind: text("k"),
            user_id: text("u"),
            app_id: text("a"),
        };
        assert_eq!(again(&properties), properties);
        let none = Properties::default();
        assert_eq!(again(&none), none);
    }

    #[test]
    fn a_long_property_is_refused() {
        let properties = Properties { reply_to: Some("r".repeat(256)), ..Properties::default() };
        assert_eq!(properties.to_wire(), Err(Refusal::TooLong("reply-to")));
    }
}
