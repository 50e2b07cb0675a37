//! Requests on a channel, and their answers.

use amq_protocol::{
    protocol::{
        AMQPClass,
        basic::{self, AMQPMethod as B},
        channel::{self, AMQPMethod as C},
        confirm::{self, AMQPMethod as F},
        exchange::{self, AMQPMethod as E},
        queue::{self, AMQPMethod as Q},
        tx::{self, AMQPMethod as T},
    },
    types::ShortString,
};

use crate::{
    error::Refusal,
    message::Delivery,
    queue_name::QueueName,
    table::{Table, short, to_wire},
};

/// The declaration of an exchange.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Exchange {
    /// Its name.
    pub name: String,
    /// `direct`, `fanout`, `topic`, `headers`, or what a plugin of the broker adds.
    pub kind: String,
    /// Checks only whether it is there.
    pub passive: bool,
    /// It is there after a restart of the broker.
    pub durable: bool,
    /// Whether it is deleted when the last binding is removed.
    pub auto_delete: bool,
    /// Whether only other exchanges may publish to it.
    pub internal: bool,
    /// Such as `alternate-exchange`.
    pub arguments: Table,
}

/// The declaration of a queue.
#[derive(Clone, Debug, PartialEq)]
pub struct Queue {
    /// Its name.
    pub name: QueueName,
    /// Checks only whether it is there.
    pub passive: bool,
    /// It is there after a restart of the broker.
    pub durable: bool,
    /// Whether it belongs to this connection and is deleted with it.
    pub exclusive: bool,
    /// Whether it is deleted with its last consumer.
    pub auto_delete: bool,
    /// Such as `x-max-length`.
    pub arguments: Table,
}

/// From an exchange to a queue.
#[derive(Clone, Debug, PartialEq)]
pub struct QueueBinding {
    /// To where.
    pub queue: QueueName,
    /// From where.
    pub exchange: String,
    /// What the exchange looks at.
    pub routing_key: String,
    /// What a headers exchange looks at.
    pub arguments: Table,
}

/// From an exchange to an exchange.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ExchangeBinding {
    /// To where.
    pub destination: String,
    /// From where.
    pub source: String,
    /// What the source looks at.
    pub routing_key: String,
    /// What a headers exchange looks at.
    pub arguments: Table,
}

/// A consumer.
#[derive(Clone, Debug, PartialEq)]
pub struct Consumer {
    /// The queue.
    pub queue: QueueName,
    /// Its tag, from [`Session::consumer_tag`](crate::Session::consumer_tag) or chosen by the author.
    pub tag: String,
    /// Whether messages of this connection are left out. RabbitMQ does not support it.
    pub no_local: bool,
    /// Whether messages count as acknowledged when they are sent.
    pub no_ack: bool,
    /// Whether it has to be the queue's only consumer.
    pub exclusive: bool,
    /// Such as `x-priority`.
    pub arguments: Table,
}

/// A request on a channel. Requests are executed in order.
#[derive(Clone, Debug, PartialEq)]
pub enum Request {
    /// `exchange.declare`
    DeclareExchange(Exchange),
    /// `exchange.delete`
    DeleteExchange {
        /// Its name.
        name: String,
        /// Only if nothing is bound to it.
        if_unused: bool,
    },
    /// `exchange.bind`
    BindExchange(ExchangeBinding),
    /// `exchange.unbind`
    UnbindExchange(ExchangeBinding),
    /// `queue.declare`, answered with [`Answer::Queue`].
    DeclareQueue(Queue),
    /// `queue.delete`, answered with [`Answer::Count`].
    DeleteQueue {
        /// Its name.
        queue: QueueName,
        /// Only if it has no consumers.
        if_unused: bool,
        /// Only if it has no messages.
        if_empty: bool,
    },
    /// `queue.purge`, answered with [`Answer::Count`].
    PurgeQueue(QueueName),
    /// `queue.bind`
    BindQueue(QueueBinding),
    /// `queue.unbind`
    UnbindQueue(QueueBinding),
    /// `basic.qos`
    Qos {
        /// The most messages that are delivered without an acknowledgement. 0: unlimited.
        prefetch: u16,
        /// Whether it applies to all consumers of the channel together.
        global: bool,
    },
    /// `basic.consume`
    Consume(Consumer),
    /// `basic.cancel`
    Cancel(String),
    /// `basic.get`, answered with [`Answer::Message`].
    Get {
        /// The queue.
        queue: QueueName,
        /// Whether it counts as acknowledged when it is sent.
        no_ack: bool,
    },
    /// `basic.recover`: unacknowledged messages are delivered again.
    Recover {
        /// Whether other consumers may get them. RabbitMQ supports only this.
        requeue: bool,
    },
    /// `confirm.select`: publishes on this channel are confirmed from now on.
    Confirm,
    /// `tx.select`: publishes and acknowledgements wait for a commit from now on.
    SelectTx,
    /// `tx.commit`
    Commit,
    /// `tx.rollback`
    Rollback,
    /// `channel.flow`. RabbitMQ does not support it.
    Flow(bool),
    /// `channel.close`, after everything before it.
    Close,
}

/// The answer to a request.
#[derive(Clone, Debug, PartialEq)]
pub enum Answer {
    /// The request is done, or the message is confirmed.
    Done,
    /// The queue exists.
    Queue {
        /// Its name.
        name: String,
        /// The number of ready messages.
        messages: u32,
        /// The number of consumers.
        consumers: u32,
    },
    /// The number of messages that were purged or deleted.
    Count(u32),
    /// The message, with the number of messages left in the queue; none if it was empty.
    Message(Option<(Box<Delivery>, u32)>),
}

impl Request {
    /// The method to send.
    pub(crate) fn to_method(&self) -> Result<AMQPClass, Refusal> {
        Ok(match self {
            Request::DeclareExchange(exchange) => {
                AMQPClass::Exchange(E::Declare(declare(exchange)?))
            }
            Request::DeleteExchange { name, if_unused } => {
                AMQPClass::Exchange(E::Delete(exchange::Delete {
                    exchange: short(name, EXCHANGE)?,
                    if_unused: *if_unused,
                    nowait: false,
                }))
            }
            Request::BindExchange(binding) => AMQPClass::Exchange(E::Bind(exchange::Bind {
                destination: short(&binding.destination, EXCHANGE)?,
                source: short(&binding.source, EXCHANGE)?,
                routing_key: short(&binding.routing_key, KEY)?,
                nowait: false,
                arguments: to_wire(&binding.arguments)?,
            })),
            Request::UnbindExchange(binding) => AMQPClass::Exchange(E::Unbind(exchange::Unbind {
                destination: short(&binding.destination, EXCHANGE)?,
                source: short(&binding.source, EXCHANGE)?,
                routing_key: short(&binding.routing_key, KEY)?,
                nowait: false,
                arguments: to_wire(&binding.arguments)?,
            })),
            Request::Confirm => AMQPClass::Confirm(F::Select(confirm::Select { nowait: false })),
            Request::SelectTx => AMQPClass::Tx(T::Select(tx::Select {})),
            Request::Commit => AMQPClass::Tx(T::Commit(tx::Commit {})),
            Request::Rollback => AMQPClass::Tx(T::Rollback(tx::Rollback {})),
            Request::Flow(active) => AMQPClass::Channel(C::Flow(channel::Flow { active: *active })),
            Request::Close => AMQPClass::Channel(C::Close(channel::Close {
                reply_code: amq_protocol::protocol::constants::REPLY_SUCCESS,
                reply_text: "OK".into(),
                class_id: 0,
                method_id: 0,
            })),
            Request::Qos { .. }
            | Request::Consume(_)
            | Request::Cancel(_)
            | Request::Get { .. }
            | Request::Recover { .. } => AMQPClass::Basic(self.to_basic()?),
            Request::DeclareQueue(_)
            | Request::DeleteQueue { .. }
            | Request::PurgeQueue(_)
            | Request::BindQueue(_)
            | Request::UnbindQueue(_) => AMQPClass::Queue(self.to_queue()?),
        })
    }

    fn to_basic(&self) -> Result<B, Refusal> {
        Ok(match self {
            Request::Consume(consumer) => B::Consume(basic::Consume {
                queue: queue_name(&consumer.queue)?,
                consumer_tag: short(&consumer.tag, "the consumer's tag")?,
                no_local: consumer.no_local,
                no_ack: consumer.no_ack,
                exclusive: consumer.exclusive,
                nowait: false,
                arguments: to_wire(&consumer.arguments)?,
            }),
            Request::Cancel(tag) => B::Cancel(basic::Cancel {
                consumer_tag: short(tag, "the consumer's tag")?,
                nowait: false,
            }),
            Request::Get { queue, no_ack } => {
                B::Get(basic::Get { queue: queue_name(queue)?, no_ack: *no_ack })
            }
            Request::Recover { requeue } => B::Recover(basic::Recover { requeue: *requeue }),
            Request::Qos { prefetch, global } => {
                B::Qos(basic::Qos { prefetch_count: *prefetch, global: *global })
            }
            other => unreachable!("{other:?} is of another class"),
        })
    }

    fn to_queue(&self) -> Result<Q, Refusal> {
        Ok(match self {
            Request::DeclareQueue(queue) => Q::Declare(queue::Declare {
                queue: declared_name(queue)?,
                passive: queue.passive,
                durable: queue.durable,
                exclusive: queue.exclusive,
                auto_delete: queue.auto_delete,
                nowait: false,
                arguments: to_wire(&queue.arguments)?,
            }),
            Request::DeleteQueue { queue, if_unused, if_empty } => Q::Delete(queue::Delete {
                queue: queue_name(queue)?,
                if_unused: *if_unused,
                if_empty: *if_empty,
                nowait: false,
            }),
            Request::PurgeQueue(queue) => {
                Q::Purge(queue::Purge { queue: queue_name(queue)?, nowait: false })
            }
            Request::BindQueue(binding) => Q::Bind(queue::Bind {
                queue: queue_name(&binding.queue)?,
                exchange: short(&binding.exchange, EXCHANGE)?,
                routing_key: short(&binding.routing_key, KEY)?,
                nowait: false,
                arguments: to_wire(&binding.arguments)?,
            }),
            Request::UnbindQueue(binding) => Q::Unbind(queue::Unbind {
                queue: queue_name(&binding.queue)?,
                exchange: short(&binding.exchange, EXCHANGE)?,
                routing_key: short(&binding.routing_key, KEY)?,
                arguments: to_wire(&binding.arguments)?,
            }),
            other => unreachable!("{other:?} is of another class"),
        })
    }

    /// The queue whose name must be known before this can be sent.
    pub(crate) fn needs(&self) -> Option<&QueueName> {
        match self {
            Request::DeleteQueue { queue, .. }
            | Request::PurgeQueue(queue)
            | Request::Get { queue, .. } => Some(queue),
            Request::BindQueue(binding) | Request::UnbindQueue(binding) => Some(&binding.queue),
            Request::Consume(consumer) => Some(&consumer.queue),
            Request::DeclareQueue(queue) if queue.passive => Some(&queue.name),
            _ => None,
        }
    }

    /// Converts the broker's answer; none if it does not answer this request. `basic.get-ok` is handled elsewhere, since a
    /// message follows.
    pub(crate) fn answer(&self, reply: &AMQPClass) -> Option<Answer> {
        use AMQPClass as A;
        match (self, reply) {
            (Request::DeclareQueue(_), A::Queue(Q::DeclareOk(ok))) => Some(Answer::Queue {
                name: ok.queue.to_string(),
                messages: ok.message_count,
                consumers: ok.consumer_count,
            }),
            (Request::DeleteQueue { .. }, A::Queue(Q::DeleteOk(ok))) => {
                Some(Answer::Count(ok.message_count))
            }
            (Request::PurgeQueue(_), A::Queue(Q::PurgeOk(ok))) => {
                Some(Answer::Count(ok.message_count))
            }
            (Request::Get { .. }, A::Basic(B::GetEmpty(_))) => Some(Answer::Message(None)),
            (Request::Consume(consumer), A::Basic(B::ConsumeOk(ok))) => {
                let is_it = consumer.tag.is_empty() || consumer.tag == ok.consumer_tag.as_str();
                is_it.then_some(Answer::Done)
            }
            (Request::Cancel(tag), A::Basic(B::CancelOk(ok))) => {
                (tag == ok.consumer_tag.as_str()).then_some(Answer::Done)
            }
            (Request::DeclareExchange(_), A::Exchange(E::DeclareOk(_)))
            | (Request::DeleteExchange { .. }, A::Exchange(E::DeleteOk(_)))
            | (Request::BindExchange(_), A::Exchange(E::BindOk(_)))
            | (Request::UnbindExchange(_), A::Exchange(E::UnbindOk(_)))
            | (Request::BindQueue(_), A::Queue(Q::BindOk(_)))
            | (Request::UnbindQueue(_), A::Queue(Q::UnbindOk(_)))
            | (Request::Qos { .. }, A::Basic(B::QosOk(_)))
            | (Request::Recover { .. }, A::Basic(B::RecoverOk(_)))
            | (Request::Confirm, A::Confirm(F::SelectOk(_)))
            | (Request::SelectTx, A::Tx(T::SelectOk(_)))
            | (Request::Commit, A::Tx(T::CommitOk(_)))
            | (Request::Rollback, A::Tx(T::RollbackOk(_)))
            | (Request::Flow(_), A::Channel(C::FlowOk(_)))
            | (Request::Close, A::Channel(C::CloseOk(_))) => Some(Answer::Done),
            _ => None,
        }
    }
}

const EXCHANGE: &str = "the exchange's name";
const QUEUE: &str = "the queue's name";
const KEY: &str = "the routing key";

fn declare(exchange: &Exchange) -> Result<exchange::Declare, Refusal> {
    Ok(exchange::Declare {
        exchange: short(&exchange.name, EXCHANGE)?,
        kind: short(&exchange.kind, "the exchange's type")?,
        passive: exchange.passive,
        durable: exchange.durable,
        auto_delete: exchange.auto_delete,
        internal: exchange.internal,
        nowait: false,
        arguments: to_wire(&exchange.arguments)?,
    })
}

/// To look at a queue takes the name it has; to declare it, the one it was asked for with.
fn declared_name(queue: &Queue) -> Result<ShortString, Refusal> {
    if queue.passive {
        return queue_name(&queue.name);
    }
    short(&queue.name.to_declare(), QUEUE)
}

fn queue_name(queue: &QueueName) -> Result<ShortString, Refusal> {
    short(&queue.get().ok_or(Refusal::Unnamed)?, QUEUE)
}
