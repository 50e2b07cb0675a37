//! The methods of AMQP, short enough to be read in a script.

use amq_protocol::{
    protocol::{AMQPClass, basic, channel, confirm, connection, exchange, queue, tx},
    types::{AMQPValue, FieldTable},
};

/// `connection.start` of version 0-9, with a table as brokers have it.
pub fn start(mechanisms: &str) -> AMQPClass {
    start_of_version(0, 9, mechanisms)
}

pub fn start_of_version(major: u8, minor: u8, mechanisms: &str) -> AMQPClass {
    let mut capabilities = FieldTable::default();
    capabilities.insert("basic.nack".into(), AMQPValue::Boolean(true));
    let mut properties = FieldTable::default();
    properties.insert("product".into(), AMQPValue::LongString("a script".into()));
    properties.insert("capabilities".into(), AMQPValue::FieldTable(capabilities));
    AMQPClass::Connection(connection::AMQPMethod::Start(connection::Start {
        version_major: major,
        version_minor: minor,
        server_properties: properties,
        mechanisms: mechanisms.into(),
        locales: "en_US".into(),
    }))
}

pub fn secure() -> AMQPClass {
    let challenge = "what now".into();
    AMQPClass::Connection(connection::AMQPMethod::Secure(connection::Secure { challenge }))
}

pub fn tune(channel_max: u16, frame_max: u32, heartbeat: u16) -> AMQPClass {
    let tune = connection::Tune { channel_max, frame_max, heartbeat };
    AMQPClass::Connection(connection::AMQPMethod::Tune(tune))
}

pub fn tune_ok(channel_max: u16, frame_max: u32, heartbeat: u16) -> AMQPClass {
    let tune = connection::TuneOk { channel_max, frame_max, heartbeat };
    AMQPClass::Connection(connection::AMQPMethod::TuneOk(tune))
}

pub fn open(vhost: &str) -> AMQPClass {
    let virtual_host = vhost.into();
    AMQPClass::Connection(connection::AMQPMethod::Open(connection::Open { virtual_host }))
}

pub fn open_ok() -> AMQPClass {
    AMQPClass::Connection(connection::AMQPMethod::OpenOk(connection::OpenOk {}))
}

pub fn blocked(reason: &str) -> AMQPClass {
    let reason = reason.into();
    AMQPClass::Connection(connection::AMQPMethod::Blocked(connection::Blocked { reason }))
}

pub fn unblocked() -> AMQPClass {
    AMQPClass::Connection(connection::AMQPMethod::Unblocked(connection::Unblocked {}))
}

/// `connection.close` that is about no method.
pub fn close(code: u16, text: &str) -> AMQPClass {
    AMQPClass::Connection(connection::AMQPMethod::Close(connection::Close {
        reply_code: code,
        reply_text: text.into(),
        class_id: 0,
        method_id: 0,
    }))
}

pub fn close_ok() -> AMQPClass {
    AMQPClass::Connection(connection::AMQPMethod::CloseOk(connection::CloseOk {}))
}

pub fn channel_open() -> AMQPClass {
    AMQPClass::Channel(channel::AMQPMethod::Open(channel::Open {}))
}

pub fn channel_open_ok() -> AMQPClass {
    AMQPClass::Channel(channel::AMQPMethod::OpenOk(channel::OpenOk {}))
}

/// `channel.close` that is about a class and a method.
pub fn channel_close(code: u16, text: &str, (class_id, method_id): (u16, u16)) -> AMQPClass {
    let reply_text = text.into();
    let close = channel::Close { reply_code: code, reply_text, class_id, method_id };
    AMQPClass::Channel(channel::AMQPMethod::Close(close))
}

pub fn channel_close_ok() -> AMQPClass {
    AMQPClass::Channel(channel::AMQPMethod::CloseOk(channel::CloseOk {}))
}

pub fn flow(active: bool) -> AMQPClass {
    AMQPClass::Channel(channel::AMQPMethod::Flow(channel::Flow { active }))
}

pub fn flow_ok(active: bool) -> AMQPClass {
    AMQPClass::Channel(channel::AMQPMethod::FlowOk(channel::FlowOk { active }))
}

pub fn exchange_declare_ok() -> AMQPClass {
    AMQPClass::Exchange(exchange::AMQPMethod::DeclareOk(exchange::DeclareOk {}))
}

pub fn exchange_delete_ok() -> AMQPClass {
    AMQPClass::Exchange(exchange::AMQPMethod::DeleteOk(exchange::DeleteOk {}))
}

pub fn exchange_bind_ok() -> AMQPClass {
    AMQPClass::Exchange(exchange::AMQPMethod::BindOk(exchange::BindOk {}))
}

pub fn exchange_unbind_ok() -> AMQPClass {
    AMQPClass::Exchange(exchange::AMQPMethod::UnbindOk(exchange::UnbindOk {}))
}

pub fn queue_declare_ok(queue: &str, message_count: u32, consumer_count: u32) -> AMQPClass {
    let ok = queue::DeclareOk { queue: queue.into(), message_count, consumer_count };
    AMQPClass::Queue(queue::AMQPMethod::DeclareOk(ok))
}

pub fn queue_delete_ok(message_count: u32) -> AMQPClass {
    AMQPClass::Queue(queue::AMQPMethod::DeleteOk(queue::DeleteOk { message_count }))
}

pub fn queue_purge_ok(message_count: u32) -> AMQPClass {
    AMQPClass::Queue(queue::AMQPMethod::PurgeOk(queue::PurgeOk { message_count }))
}

pub fn queue_bind_ok() -> AMQPClass {
    AMQPClass::Queue(queue::AMQPMethod::BindOk(queue::BindOk {}))
}

pub fn queue_unbind_ok() -> AMQPClass {
    AMQPClass::Queue(queue::AMQPMethod::UnbindOk(queue::UnbindOk {}))
}

pub fn qos_ok() -> AMQPClass {
    AMQPClass::Basic(basic::AMQPMethod::QosOk(basic::QosOk {}))
}

pub fn consume_ok(tag: &str) -> AMQPClass {
    AMQPClass::Basic(basic::AMQPMethod::ConsumeOk(basic::ConsumeOk { consumer_tag: tag.into() }))
}

/// `basic.cancel`, as a broker and a client say it.
pub fn cancel(tag: &str, nowait: bool) -> AMQPClass {
    let cancel = basic::Cancel { consumer_tag: tag.into(), nowait };
    AMQPClass::Basic(basic::AMQPMethod::Cancel(cancel))
}

pub fn cancel_ok(tag: &str) -> AMQPClass {
    AMQPClass::Basic(basic::AMQPMethod::CancelOk(basic::CancelOk { consumer_tag: tag.into() }))
}

pub fn publish(exchange: &str, routing_key: &str, mandatory: bool) -> AMQPClass {
    let (exchange, routing_key) = (exchange.into(), routing_key.into());
    let publish = basic::Publish { exchange, routing_key, mandatory, immediate: false };
    AMQPClass::Basic(basic::AMQPMethod::Publish(publish))
}

/// `basic.return` of a message that no queue wanted.
pub fn returned(exchange: &str, routing_key: &str) -> AMQPClass {
    AMQPClass::Basic(basic::AMQPMethod::Return(basic::Return {
        reply_code: 312,
        reply_text: "NO_ROUTE".into(),
        exchange: exchange.into(),
        routing_key: routing_key.into(),
    }))
}

/// `basic.deliver` from the exchange `x` with the key `k`.
pub fn deliver(consumer: &str, delivery_tag: u64) -> AMQPClass {
    AMQPClass::Basic(basic::AMQPMethod::Deliver(basic::Deliver {
        consumer_tag: consumer.into(),
        delivery_tag,
        redelivered: false,
        exchange: "x".into(),
        routing_key: "k".into(),
    }))
}

pub fn get_ok(delivery_tag: u64, message_count: u32) -> AMQPClass {
    AMQPClass::Basic(basic::AMQPMethod::GetOk(basic::GetOk {
        delivery_tag,
        redelivered: false,
        exchange: "x".into(),
        routing_key: "k".into(),
        message_count,
    }))
}

pub fn get_empty() -> AMQPClass {
    AMQPClass::Basic(basic::AMQPMethod::GetEmpty(basic::GetEmpty {}))
}

/// `basic.ack`: of a delivery, or of a message that was published.
pub fn ack(delivery_tag: u64, multiple: bool) -> AMQPClass {
    AMQPClass::Basic(basic::AMQPMethod::Ack(basic::Ack { delivery_tag, multiple }))
}

pub fn nack(delivery_tag: u64, multiple: bool, requeue: bool) -> AMQPClass {
    AMQPClass::Basic(basic::AMQPMethod::Nack(basic::Nack { delivery_tag, multiple, requeue }))
}

pub fn reject(delivery_tag: u64, requeue: bool) -> AMQPClass {
    AMQPClass::Basic(basic::AMQPMethod::Reject(basic::Reject { delivery_tag, requeue }))
}

pub fn recover_ok() -> AMQPClass {
    AMQPClass::Basic(basic::AMQPMethod::RecoverOk(basic::RecoverOk {}))
}

pub fn confirm_select_ok() -> AMQPClass {
    AMQPClass::Confirm(confirm::AMQPMethod::SelectOk(confirm::SelectOk {}))
}

pub fn tx_select_ok() -> AMQPClass {
    AMQPClass::Tx(tx::AMQPMethod::SelectOk(tx::SelectOk {}))
}

pub fn commit_ok() -> AMQPClass {
    AMQPClass::Tx(tx::AMQPMethod::CommitOk(tx::CommitOk {}))
}

pub fn rollback_ok() -> AMQPClass {
    AMQPClass::Tx(tx::AMQPMethod::RollbackOk(tx::RollbackOk {}))
}
