//! The last program of the deck: prints what a fanout exchange of an AMQP broker gets, a line for each message.
//!
//! Options: `uri` is the broker's (`amqp://127.0.0.1`), `exchange` and `queue` are names (`test-xchange`, `test-queue`).
//! The broker must be allowed: `allow.connect = ["127.0.0.1:5672"]`; `stdout = "inherit"` prints the lines as they are.
//!
//! What the broker ends is begun again: the connection and the channel by the SDK, with a line in the log; all of it a
//! minute after the broker has said that it does not know the user or the virtual host.

use std::time::Duration;

use sandloop::{
    Deferrable, Program, add_timer,
    amqp::{self, Delivery, Failure, QueueOptions, Settings},
    options,
};

struct AmqpPrint;

impl Program for AmqpPrint {
    fn prepare() -> sandloop::Result {
        settings().map(drop)
    }

    fn start() -> sandloop::Result {
        print_all(settings()?);
        Ok(())
    }
}

/// How long to wait after the broker has turned the plugin away, until somebody has seen to it.
const TURNED_AWAY: Duration = Duration::from_secs(60);

fn print_all(settings: Settings) {
    let connection = amqp::connect(settings.clone());
    connection.closed().errback(move |failure| {
        complain(failure);
        add_timer(TURNED_AWAY, move || print_all(settings));
    });
    connection.keep_channel(|channel| {
        let exchange = channel.fanout(&option("exchange", "test-xchange"));
        let queue = channel.queue(&option("queue", "test-queue"), QueueOptions::durable());
        queue.bind(&exchange);
        queue.subscribe(print);
    });
}

/// The option's value stays unsaid: it may have a password.
fn settings() -> sandloop::Result<Settings> {
    let uri = option("uri", "amqp://127.0.0.1");
    Settings::from_uri(&uri).map_err(|error| format!("option `uri`: {error}").into())
}

fn option(key: &str, default: &str) -> String {
    options::get(key).unwrap_or_else(|| default.to_owned())
}

/// A line for each message, whatever is in it.
#[expect(clippy::needless_pass_by_value, reason = "a subscriber gets the message as its own")]
fn print(message: Delivery) {
    let mut line = String::new();
    for character in message.text().chars() {
        if character.is_control() {
            line.extend(character.escape_default());
        } else {
            line.push(character);
        }
    }
    println!("{line}");
}

fn complain(failure: &Failure) {
    sandloop::error!("nothing is printed any more: {failure}; again in {TURNED_AWAY:?}");
}

sandloop::plugin! { program: AmqpPrint }
