//! `cargo xtask bench amqp`: messages through a RabbitMQ, by a plugin and by Python's pika.

fn main() -> std::process::ExitCode {
    sandloop_benches::amqp::main()
}
