//! Between people with a TCP client or a WebSocket and an AMQP broker: each line becomes a message to an exchange, each
//! message of a queue a line to everybody.
//!
//! Two sections of `plugins.toml` share this component and a tenant. One with `isolation = "plugin"` and no listener
//! holds the connection to the broker (`broker`); one with listeners has the people, each in a sandbox of their own
//! (`people`). Between them are a queue, `amqp-bridge out`, and a channel, `amqp-bridge in`, of that tenant.

mod broker;
mod people;

sandloop::plugin! {
    handlers: ["lines" => people::Lines::new, "web" => people::Web],
    program: broker::Broker,
}
