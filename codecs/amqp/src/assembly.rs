//! A message out of its frames: a method, a header, bodies.

use amq_protocol::protocol::basic;

use crate::{
    error::Violation,
    frame::header::Header,
    message::{Delivery, DeliveryTag, Properties, Returned, Unreadable},
    undecoded::Undecoded,
};

/// The purpose of the message.
#[derive(Debug)]
pub(crate) enum Purpose {
    Deliver(basic::Deliver),
    Get(basic::GetOk),
    Return(basic::Return),
}

/// A message of which the method has come.
#[derive(Debug)]
pub(crate) struct Assembly {
    purpose: Purpose,
    /// Those texts of the message that are not UTF-8.
    undecoded: Undecoded,
    /// After the header: its properties, or why the message is refused.
    properties: Option<Result<Properties, Refused>>,
    missing: u64,
    body: Vec<u8>,
}

/// A message that is whole.
#[derive(Debug)]
pub(crate) enum Assembled {
    Delivery(Box<Delivery>),
    Got(Box<Delivery>, u32),
    Returned(Box<Returned>),
    /// What cannot be read, and its tag if it is to be refused.
    Unreadable(Box<Unreadable>, Option<DeliveryTag>),
    GotUnreadable(Box<Unreadable>, DeliveryTag),
}

/// The code and the words for a message that is not taken.
type Refused = (u16, String);

const TOO_LARGE: u16 = 311;
const UNREADABLE: u16 = 502;

/// Memory reserved for a body before any of it was received: its announced size is not trusted.
const FIRST: u64 = 64 * 1024;

impl Assembly {
    pub(crate) fn new(purpose: Purpose, undecoded: Undecoded) -> Assembly {
        Assembly { purpose, undecoded, properties: None, missing: 0, body: Vec::new() }
    }

    /// The header has come.
    pub(crate) fn header(&mut self, header: Header, max: u64) -> Result<(), Violation> {
        const BASIC: u16 = 60;
        let Header { class_id, body_size, properties } = header;
        if self.properties.is_some() {
            return Err(Violation::unexpected("a second header of a message"));
        }
        if class_id != BASIC {
            return Err(Violation::frame("a header of another class"));
        }
        self.missing = body_size;
        self.properties = Some(match properties {
            _ if max < body_size => {
                Err((TOO_LARGE, format!("a message of {body_size} bytes, more than {max}")))
            }
            Err(reason) => Err((UNREADABLE, reason.to_owned())),
            Ok((properties, undecoded)) => {
                self.undecoded.extend(undecoded);
                self.body.reserve_exact(body_size.min(FIRST) as usize);
                Ok(properties)
            }
        });
        Ok(())
    }

    /// A part of the body has come.
    pub(crate) fn body(&mut self, piece: &[u8]) -> Result<(), Violation> {
        let Some(properties) = &self.properties else {
            return Err(Violation::unexpected("a body without its header"));
        };
        let length = piece.len() as u64;
        if self.missing < length {
            return Err(Violation::frame("a body that is longer than its header says"));
        }
        self.missing -= length;
        if properties.is_ok() {
            self.body.extend_from_slice(piece);
        }
        Ok(())
    }

    pub(crate) fn is_whole(&self) -> bool {
        self.properties.is_some() && self.missing == 0
    }

    /// The message, if it is whole; else as much of it as came.
    pub(crate) fn finish(self, tag: impl Fn(u64) -> DeliveryTag) -> Assembled {
        let Assembly { purpose, undecoded, properties, body, .. } = self;
        let properties = match properties.unwrap_or_else(|| Ok(Properties::default())) {
            Ok(properties) => properties,
            Err(refused) => return unreadable(purpose, refused, tag),
        };
        match purpose {
            Purpose::Deliver(method) => Assembled::Delivery(Box::new(Delivery {
                tag: tag(method.delivery_tag),
                consumer: method.consumer_tag.to_string(),
                redelivered: method.redelivered,
                exchange: method.exchange.to_string(),
                routing_key: method.routing_key.to_string(),
                properties,
                body,
                undecoded,
            })),
            Purpose::Get(method) => {
                let delivery = Delivery {
                    tag: tag(method.delivery_tag),
                    consumer: String::new(),
                    redelivered: method.redelivered,
                    exchange: method.exchange.to_string(),
                    routing_key: method.routing_key.to_string(),
                    properties,
                    body,
                    undecoded,
                };
                Assembled::Got(Box::new(delivery), method.message_count)
            }
            Purpose::Return(method) => Assembled::Returned(Box::new(Returned {
                code: method.reply_code,
                text: method.reply_text.to_string(),
                exchange: method.exchange.to_string(),
                routing_key: method.routing_key.to_string(),
                properties,
                body,
                undecoded,
            })),
        }
    }
}

fn unreadable(
    purpose: Purpose,
    (code, reason): Refused,
    tag: impl Fn(u64) -> DeliveryTag,
) -> Assembled {
    let of = |consumer: String, exchange: String, routing_key: String| {
        Box::new(Unreadable { consumer, exchange, routing_key, code, reason })
    };
    match purpose {
        Purpose::Deliver(method) => {
            let (consumer, exchange) = (method.consumer_tag, method.exchange);
            let what =
                of(consumer.to_string(), exchange.to_string(), method.routing_key.to_string());
            Assembled::Unreadable(what, Some(tag(method.delivery_tag)))
        }
        Purpose::Get(method) => {
            let what =
                of(String::new(), method.exchange.to_string(), method.routing_key.to_string());
            Assembled::GotUnreadable(what, tag(method.delivery_tag))
        }
        Purpose::Return(method) => {
            let what =
                of(String::new(), method.exchange.to_string(), method.routing_key.to_string());
            Assembled::Unreadable(what, None)
        }
    }
}
