//! A message out of its frames: a method, a header, bodies.

use amq_protocol::{frame::AMQPContentHeader, protocol::basic};

use crate::{
    error::Violation,
    message::{Delivery, DeliveryTag, Properties, Returned},
};

/// What the message is for.
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
    properties: Option<Properties>,
    missing: u64,
    body: Vec<u8>,
}

/// A message that is whole.
#[derive(Debug)]
pub(crate) enum Assembled {
    Delivery(Box<Delivery>),
    Got(Box<Delivery>, u32),
    Returned(Box<Returned>),
}

/// Room made for a body before any of it has come: what is said of its size is not believed.
const FIRST: u64 = 64 * 1024;

impl Assembly {
    pub fn new(purpose: Purpose) -> Assembly {
        Assembly { purpose, properties: None, missing: 0, body: Vec::new() }
    }

    /// The header has come.
    pub fn header(&mut self, header: &AMQPContentHeader, max: u64) -> Result<(), Violation> {
        const BASIC: u16 = 60;
        if self.properties.is_some() {
            return Err(Violation::unexpected("a second header of a message"));
        }
        if header.class_id != BASIC {
            return Err(Violation::frame("a header of another class"));
        }
        if max < header.body_size {
            let size = header.body_size;
            return Err(Violation::too_large(format!(
                "a message of {size} bytes, more than {max}"
            )));
        }
        self.properties = Some(Properties::from_wire(&header.properties));
        self.missing = header.body_size;
        self.body.reserve_exact(self.missing.min(FIRST) as usize);
        Ok(())
    }

    /// A part of the body has come.
    pub fn body(&mut self, piece: &[u8]) -> Result<(), Violation> {
        if self.properties.is_none() {
            return Err(Violation::unexpected("a body without its header"));
        }
        let length = piece.len() as u64;
        if self.missing < length {
            return Err(Violation::frame("a body that is longer than its header says"));
        }
        self.missing -= length;
        self.body.extend_from_slice(piece);
        Ok(())
    }

    pub fn is_whole(&self) -> bool {
        self.properties.is_some() && self.missing == 0
    }

    /// The message, if it is whole; else as much of it as came.
    pub fn finish(self, tag: impl Fn(u64) -> DeliveryTag) -> Assembled {
        let properties = self.properties.unwrap_or_default();
        match self.purpose {
            Purpose::Deliver(method) => Assembled::Delivery(Box::new(Delivery {
                tag: tag(method.delivery_tag),
                consumer: method.consumer_tag.to_string(),
                redelivered: method.redelivered,
                exchange: method.exchange.to_string(),
                routing_key: method.routing_key.to_string(),
                properties,
                body: self.body,
            })),
            Purpose::Get(method) => {
                let delivery = Delivery {
                    tag: tag(method.delivery_tag),
                    consumer: String::new(),
                    redelivered: method.redelivered,
                    exchange: method.exchange.to_string(),
                    routing_key: method.routing_key.to_string(),
                    properties,
                    body: self.body,
                };
                Assembled::Got(Box::new(delivery), method.message_count)
            }
            Purpose::Return(method) => Assembled::Returned(Box::new(Returned {
                code: method.reply_code,
                text: method.reply_text.to_string(),
                exchange: method.exchange.to_string(),
                routing_key: method.routing_key.to_string(),
                properties,
                body: self.body,
            })),
        }
    }
}
