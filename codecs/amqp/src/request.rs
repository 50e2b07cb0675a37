//! What can be asked for on a channel, and what is answered.

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

/// An exchange, as it is declared.
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
    /// It goes when the last thing is unbound from it.
    pub auto_delete: bool,
    /// Nobody publishes to it; only other exchanges do.
    pub internal: bool,
    /// Such as `alternate-exchange`.
    pub arguments: Table,
}

/// A queue, as it is declared.
#[derive(Clone, Debug, PartialEq)]
pub struct Queue {
    /// Its name.
    pub name: QueueName,
    /// Checks only whether it is there.
    pub passive: bool,
    /// It is there after a restart of the broker.
    pub durable: bool,
    /// It belongs to this connection, and goes with it.
    pub exclusive: bool,
    /// It goes with its last consumer.
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
    /// Of which queue.
    pub queue: QueueName,
    /// Its name on the channel, from [`Session::consumer_tag`](crate::Session::consumer_tag) or the author's own.
    pub tag: String,
    /// Without messages that this connection has published. RabbitMQ does not know it.
    pub no_local: bool,
    /// Messages count as taken when they are sent.
    pub no_ack: bool,
    /// It is the queue's only one.
    pub exclusive: bool,
    /// Such as `x-priority`.
    pub arguments: Table,
}

/// Something to be done on a channel, in order.
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
        /// How many messages may be delivered without an acknowledgement. 0: any number.
        prefetch: u16,
        /// For all consumers of the channel together.
        global: bool,
    },
    /// `basic.consume`
    Consume(Consumer),
    /// `basic.cancel`
    Cancel(String),
    /// `basic.get`, answered with [`Answer::Message`].
    Get {
        /// From which queue.
        queue: QueueName,
        /// It counts as taken when it is sent.
        no_ack: bool,
    },
    /// `basic.recover`: what was not acknowledged is delivered again.
    Recover {
        /// To anybody, and not just to this consumer again. RabbitMQ knows only this.
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
    /// `channel.flow`. RabbitMQ does not know it.
    Flow(bool),
    /// `channel.close`, after everything before it.
    Close,
}

/// How a request was answered.
#[derive(Clone, Debug, PartialEq)]
pub enum Answer {
    /// It is done; a message is confirmed.
    Done,
    /// The queue is there.
    Queue {
        /// Its name.
        name: String,
        /// Messages ready in it.
        messages: u32,
        /// Its consumers.
        consumers: u32,
    },
    /// The number of messages that were purged or deleted.
    Count(u32),
    /// The message, with how many are left in the queue; nothing if it was empty.
    Message(Option<(Box<Delivery>, u32)>),
}

impl Request {
    /// For the wire.
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

    /// The queue that must have a name before this can be sent.
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

    /// Reads what the broker answers; nothing if that is no answer to this. `basic.get-ok` is read elsewhere: a
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
