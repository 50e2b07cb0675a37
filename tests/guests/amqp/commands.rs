//! The commands, one for each thing that can be asked of a broker.

use std::{
    cell::{Cell, RefCell},
    collections::BTreeMap,
    rc::Rc,
    time::Duration,
};

use sandloop::{
    Deferrable, Socket,
    amqp::{
        self, Channel, ConsumeOptions, Consumer, Delivery, Exchange, ExchangeOptions, Failure,
        Message, Operation, Properties, Queue, QueueInfo, QueueOptions, Settings, Unconfirmed,
    },
};

use super::words::Words;

/// Everything that was made, by its name.
pub struct Bench {
    peer: Peer,
    connection: Option<amqp::Connection>,
    channels: BTreeMap<String, Channel>,
    exchanges: BTreeMap<String, Exchange>,
    queues: BTreeMap<String, Queue>,
    consumers: BTreeMap<String, Consumer>,
    /// What was delivered and is not settled, by its number.
    deliveries: Rc<RefCell<BTreeMap<u32, Delivery>>>,
    last: Rc<Cell<u32>>,
}

/// Where the answers go.
#[derive(Clone)]
struct Peer(Socket);

impl Peer {
    fn say(&self, label: &str, words: impl AsRef<str>) {
        self.0.send_data(format!("{label} {}\n", words.as_ref().trim_end()));
    }

    /// Says how it ends.
    fn watch<D: Deferrable<Error = Failure>>(
        &self,
        label: &str,
        operation: &D,
        show: impl FnOnce(&D::Value) -> String + 'static,
    ) {
        let (ok, bad) = (self.clone(), self.clone());
        let (ok_label, bad_label) = (label.to_owned(), label.to_owned());
        operation
            .callback(move |value| ok.say(&ok_label, format!("ok {}", show(value))))
            .errback(move |failure| bad.fail(&bad_label, failure));
    }

    fn watch_done(&self, label: &str, operation: &Operation) {
        self.watch(label, operation, |()| String::new());
    }

    fn fail(&self, label: &str, failure: &Failure) {
        self.say(label, format!("failed {}", describe(failure)));
    }
}

/// The kind of failure, and what the broker said.
fn describe(failure: &Failure) -> String {
    match failure {
        Failure::Channel(close) => format!("channel {close}"),
        Failure::Connection(close) => format!("connection {close}"),
        Failure::Protocol(close) => format!("protocol {close}"),
        Failure::Authentication(text) => format!("authentication {text}"),
        Failure::Lost(text) => format!("lost {text}"),
        Failure::Closed => "closed".to_owned(),
        Failure::Nacked => "nacked".to_owned(),
        Failure::Refused(refusal) => format!("refused {refusal}"),
    }
}

impl Bench {
    pub fn new(socket: Socket) -> Bench {
        Bench {
            peer: Peer(socket),
            connection: None,
            channels: BTreeMap::new(),
            exchanges: BTreeMap::new(),
            queues: BTreeMap::new(),
            consumers: BTreeMap::new(),
            deliveries: Rc::default(),
            last: Rc::default(),
        }
    }

    /// Does what a line says.
    pub fn obey(&mut self, line: &str) {
        let mut words = line.split(' ');
        let (Some(label), Some(command)) = (words.next(), words.next()) else { return };
        let words = Words::of(words);
        match command {
            "connect" => self.connect(label, &words),
            "close" => self.peer.watch_done(label, &self.connection().close()),
            "channel" => self.channel(label, &words),
            "exchange" => self.exchange(label, &words),
            "queue" => self.queue(label, &words),
            "publish" => self.publish(label, &words),
            "consume" => self.consume(label, &words),
            "get" => self.get(label, &words),
            "ack" | "ack_all" | "reject" | "nack" | "nack_all" => self.settle(command, &words),
            "buffered" => self.peer.say(label, format!("ok {}", self.connection().buffered())),
            "queue_name" => {
                let name = self.the_queue(&words).name();
                self.peer.say(label, format!("ok {}", name.as_deref().unwrap_or("none")));
            }
            "bind" | "unbind" | "bind_exchange" | "unbind_exchange" => {
                self.binding(label, command, &words);
            }
            "purge" | "delete_queue" | "status" | "delete_exchange" | "cancel" => {
                self.end(label, command, &words);
            }
            other => self.on_channel(label, other, &words),
        }
    }

    fn connection(&self) -> &amqp::Connection {
        self.connection.as_ref().expect("a connection")
    }

    fn the_channel(&self, words: &Words<'_>, number: usize) -> &Channel {
        &self.channels[words.name(number)]
    }

    fn the_queue(&self, words: &Words<'_>) -> &Queue {
        &self.queues[words.name(0)]
    }

    fn connect(&mut self, label: &str, words: &Words<'_>) {
        let mut settings = match Settings::from_uri(words.name(0)) {
            Ok(settings) => settings,
            Err(error) => return self.peer.say(label, format!("bad {error}")),
        };
        if words.has("report") {
            settings.unconfirmed = Unconfirmed::Report;
        }
        settings.tls_profile = words.get("profile");
        settings.recovery = !words.has("once");
        settings.backoff = Duration::from_millis(words.number("backoff").unwrap_or(50));
        settings.buffer = words.number("buffer").unwrap_or(settings.buffer);
        settings.message_max = words.number("message_max").unwrap_or(settings.message_max);
        let connection = amqp::connect(settings);
        self.peer.watch_done(label, connection.deferrable());
        let say = |event: &'static str| {
            let (peer, label) = (self.peer.clone(), label.to_owned());
            move |words: &str| peer.say(&label, format!("{event} {words}"))
        };
        let (interrupted, recovered) = (say("interrupted"), say("recovered"));
        let (blocked, unblocked) = (say("blocked"), say("unblocked"));
        connection.on_interruption(move |reason, _| interrupted(reason));
        connection.on_recovery(move || recovered(""));
        connection.on_blocked(blocked);
        connection.on_unblocked(move || unblocked(""));
        let peer = self.peer.clone();
        let ended = label.to_owned();
        connection
            .closed()
            .errback(move |failure| peer.say(&ended, format!("over {}", describe(failure))));
        self.connection = Some(connection);
    }

    fn channel(&mut self, label: &str, words: &Words<'_>) {
        let channel = self.connection().channel();
        let (peer, name) = (self.peer.clone(), label.to_owned());
        channel.on_error(move |failure| {
            peer.say(&name, format!("channel_closed {}", describe(failure)));
        });
        let (peer, name) = (self.peer.clone(), label.to_owned());
        channel.on_return(move |returned| {
            let (code, text) = (returned.code, &returned.text);
            let body = String::from_utf8_lossy(&returned.body);
            peer.say(&name, format!("returned {code} {text} {} {body}", returned.routing_key));
        });
        self.channels.insert(words.name(0).to_owned(), channel);
    }

    fn exchange(&mut self, label: &str, words: &Words<'_>) {
        let channel = self.the_channel(words, 1);
        let name = words.get("name").unwrap_or_else(|| words.name(0).to_owned());
        let options = ExchangeOptions {
            passive: words.has("passive"),
            durable: words.has("durable"),
            auto_delete: words.has("auto_delete"),
            internal: words.has("internal"),
            arguments: words.table("arg"),
        };
        let exchange = match words.get("kind") {
            _ if words.has("default") => channel.default_exchange(),
            _ if words.has("predefined") => channel.predefined_exchange(&name),
            Some(kind) => channel.exchange(&kind, &name, options),
            None => channel.direct(&name),
        };
        self.peer.watch(label, &exchange, |()| String::new());
        self.exchanges.insert(words.name(0).to_owned(), exchange);
    }

    fn queue(&mut self, label: &str, words: &Words<'_>) {
        let options = QueueOptions {
            passive: words.has("passive"),
            durable: words.has("durable"),
            exclusive: words.has("exclusive"),
            auto_delete: words.has("auto_delete"),
            arguments: words.table("arg"),
        };
        let name = words.get("name").unwrap_or_else(|| words.name(0).to_owned());
        let queue = self.the_channel(words, 1).queue(&name, options);
        self.peer.watch(label, &queue, info);
        self.queues.insert(words.name(0).to_owned(), queue);
    }

    fn publish(&mut self, label: &str, words: &Words<'_>) {
        let exchange = &self.exchanges[words.name(0)];
        let mut message =
            Message::new(words.text("body").repeat(words.number("times").unwrap_or(1)))
                .key(words.text("key"))
                .properties(words.properties());
        message.mandatory = words.has("mandatory");
        if words.has("persistent") {
            message = message.persistent();
        }
        for _ in 0..words.number("count").unwrap_or(1) {
            self.peer.watch_done(label, &exchange.publish(message.clone()));
        }
        if words.has("then_writable") {
            let (peer, label) = (self.peer.clone(), label.to_owned());
            self.connection().on_writable(move || peer.say(&label, "writable"));
        }
    }

    fn consume(&mut self, label: &str, words: &Words<'_>) {
        let options = ConsumeOptions {
            no_ack: words.has("no_ack"),
            exclusive: words.has("exclusive"),
            no_local: false,
            tag: words.text("tag"),
            arguments: words.table("arg"),
        };
        let (peer, name) = (self.peer.clone(), label.to_owned());
        let keep = self.keeper();
        let consumer = self.the_queue(words).consume(options, move |delivery| {
            peer.say(&name, format!("delivered {}", keep(delivery)));
        });
        self.peer.watch(label, &consumer, |()| String::new());
        let (peer, name) = (self.peer.clone(), label.to_owned());
        consumer.on_cancel(move || peer.say(&name, "cancelled"));
        self.consumers.insert(label.to_owned(), consumer);
    }

    fn get(&mut self, label: &str, words: &Words<'_>) {
        let keep = self.keeper();
        let got = self.the_queue(words).get(words.has("no_ack"));
        self.peer.watch(label, &got, move |delivery| match delivery {
            Some(delivery) => keep(delivery.clone()),
            None => "nothing".to_owned(),
        });
    }

    /// Keeps a delivery under a number, and says what it is.
    fn keeper(&self) -> impl Fn(Delivery) -> String + 'static {
        let (deliveries, last) = (self.deliveries.clone(), self.last.clone());
        move |delivery| {
            last.set(last.get() + 1);
            let again = if delivery.redelivered { " again" } else { "" };
            let properties = show(&delivery.properties);
            let (exchange, key) = (&delivery.exchange, &delivery.routing_key);
            let number = last.get();
            let text = delivery.text();
            let body = if text.len() < 100 { text.into_owned() } else { text.len().to_string() };
            let shown = format!("{number}{again} {exchange}/{key} {body}{properties}");
            deliveries.borrow_mut().insert(number, delivery);
            shown
        }
    }

    fn settle(&mut self, command: &str, words: &Words<'_>) {
        let number: u32 = words.name(0).parse().expect("a number");
        let delivery = self.deliveries.borrow_mut().remove(&number).expect("a delivery");
        let requeue = words.has("requeue");
        match command {
            "ack" => delivery.ack(),
            "ack_all" => delivery.ack_all(),
            "reject" => delivery.reject(requeue),
            "nack" => delivery.nack(requeue),
            _ => delivery.nack_all(requeue),
        }
    }

    fn binding(&mut self, label: &str, command: &str, words: &Words<'_>) {
        let source = &self.exchanges[words.name(1)];
        let (key, arguments) = (words.text("key"), words.table("arg"));
        let operation = match command {
            "bind" => self.the_queue(words).bind_with(source, &key, arguments),
            "unbind" => self.the_queue(words).unbind_with(source, &key, arguments),
            _ => {
                let destination = &self.exchanges[words.name(0)];
                match command {
                    "bind_exchange" => destination.bind_with(source, &key, arguments),
                    _ => destination.unbind_with(source, &key, arguments),
                }
            }
        };
        self.peer.watch_done(label, &operation);
    }

    fn end(&mut self, label: &str, command: &str, words: &Words<'_>) {
        let (unused, empty) = (words.has("if_unused"), words.has("if_empty"));
        match command {
            "purge" => self.peer.watch(label, &self.the_queue(words).purge(), u32::to_string),
            "delete_queue" => {
                let deleted = self.the_queue(words).delete_if(unused, empty);
                self.peer.watch(label, &deleted, u32::to_string);
            }
            "status" => self.peer.watch(label, &self.the_queue(words).status(), info),
            "delete_exchange" => {
                self.peer.watch_done(label, &self.exchanges[words.name(0)].delete(unused));
            }
            _ => self.peer.watch_done(label, &self.consumers[words.name(0)].cancel()),
        }
    }

    fn on_channel(&mut self, label: &str, command: &str, words: &Words<'_>) {
        let channel = self.the_channel(words, 0);
        let operation = match command {
            "prefetch" => channel.qos(words.number("count").unwrap_or(0), words.has("global")),
            "confirm" => channel.confirm(),
            "tx_select" => channel.tx_select(),
            "tx_commit" => channel.tx_commit(),
            "tx_rollback" => channel.tx_rollback(),
            "recover" => channel.recover(words.has("requeue")),
            "flow" => channel.flow(words.has("active")),
            "close_channel" => channel.close(),
            other => panic!("no command {other}"),
        };
        self.peer.watch_done(label, &operation);
    }
}

fn info(info: &QueueInfo) -> String {
    format!("{} messages={} consumers={}", info.name, info.messages, info.consumers)
}

/// The properties that are there.
fn show(properties: &Properties) -> String {
    let Properties { headers, delivery_mode, priority, timestamp, .. } = properties;
    let texts = [
        ("content_type", &properties.content_type),
        ("content_encoding", &properties.content_encoding),
        ("correlation_id", &properties.correlation_id),
        ("reply_to", &properties.reply_to),
        ("expiration", &properties.expiration),
        ("message_id", &properties.message_id),
        ("type", &properties.kind),
        ("user_id", &properties.user_id),
        ("app_id", &properties.app_id),
    ];
    let mut shown = String::new();
    let mut add = |name: &str, value: String| shown += &format!(" {name}={value}");
    for (name, value) in texts {
        if let Some(value) = value {
            add(name, value.clone());
        }
    }
    if let Some(mode) = delivery_mode {
        add("delivery_mode", mode.to_string());
    }
    if let Some(priority) = priority {
        add("priority", priority.to_string());
    }
    if let Some(timestamp) = timestamp {
        add("timestamp", timestamp.to_string());
    }
    for (name, value) in headers.iter().flatten() {
        add(&format!("header:{name}"), format!("{value:?}"));
    }
    shown
}
