//! AMQP 0-9-1 as bytes, by hand, so that a test's broker can send what no library would.

/// The first bytes of a client.
pub const PROTOCOL_HEADER: &[u8; 8] = b"AMQP\0\0\x09\x01";

/// The kinds of frames.
pub const METHOD: u8 = 1;
/// The header of a message's content.
pub const HEADER: u8 = 2;
/// A piece of a message's body.
pub const BODY: u8 = 3;
/// A heartbeat.
pub const HEARTBEAT: u8 = 8;
/// The last byte of every frame.
pub const END: u8 = 0xce;

/// A frame of a client.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Frame {
    /// [`METHOD`], [`HEADER`], [`BODY`] or [`HEARTBEAT`].
    pub kind: u8,
    /// The channel.
    pub channel: u16,
    /// The bytes between the size and the end.
    pub payload: Vec<u8>,
}

impl Frame {
    /// The class and the method, such as `(10, 11)`; none if the frame is not a method.
    pub fn method(&self) -> Option<(u16, u16)> {
        let [a, b, c, d, ..] = self.payload[..] else { return None };
        let method = (u16::from_be_bytes([a, b]), u16::from_be_bytes([c, d]));
        (self.kind == METHOD).then_some(method)
    }

    /// A method's arguments.
    pub fn arguments(&self) -> Reader<'_> {
        Reader(self.payload.get(4..).unwrap_or_default())
    }
}

/// Reads the arguments of a method one after the other. A client that sends too few fails the test.
#[derive(Clone, Copy, Debug)]
pub struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    /// A reader at the beginning of these bytes.
    pub fn new(bytes: &'a [u8]) -> Reader<'a> {
        Reader(bytes)
    }

    /// Takes this number of bytes.
    #[track_caller]
    pub fn take(&mut self, count: usize) -> &'a [u8] {
        let (taken, rest) = self.0.split_at_checked(count).expect("the client sends all arguments");
        self.0 = rest;
        taken
    }

    /// Takes a number of this many bytes.
    #[track_caller]
    pub fn number(&mut self, bytes: usize) -> u64 {
        self.take(bytes).iter().fold(0, |number, byte| number << 8 | u64::from(*byte))
    }

    /// Takes a short string.
    #[track_caller]
    pub fn shortstr(&mut self) -> String {
        let length = self.number(1);
        String::from_utf8(self.take(length as usize).to_vec()).expect("a client writes UTF-8")
    }

    /// Takes a long string, or the content of a table.
    #[track_caller]
    pub fn longstr(&mut self) -> Vec<u8> {
        let length = self.number(4);
        self.take(length as usize).to_vec()
    }
}

/// The arguments of a method, in order.
#[derive(Clone, Debug, Default)]
pub struct Arguments(Vec<u8>);

impl Arguments {
    /// No arguments.
    pub fn new() -> Arguments {
        Arguments::default()
    }

    /// The encoded bytes.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// Any bytes.
    pub fn bytes(mut self, bytes: &[u8]) -> Self {
        self.0.extend_from_slice(bytes);
        self
    }

    /// A byte, or up to eight bits.
    pub fn octet(self, number: u8) -> Self {
        self.bytes(&[number])
    }

    /// Two bytes.
    pub fn short(self, number: u16) -> Self {
        self.bytes(&number.to_be_bytes())
    }

    /// Four bytes.
    pub fn long(self, number: u32) -> Self {
        self.bytes(&number.to_be_bytes())
    }

    /// Eight bytes.
    pub fn longlong(self, number: u64) -> Self {
        self.bytes(&number.to_be_bytes())
    }

    /// A string of up to 255 bytes.
    pub fn shortstr(self, text: &str) -> Self {
        self.octet(u8::try_from(text.len()).expect("a short string is short"))
            .bytes(text.as_bytes())
    }

    /// A string of any length.
    pub fn longstr(self, text: &[u8]) -> Self {
        self.long(u32::try_from(text.len()).expect("less than 4 GiB")).bytes(text)
    }

    /// A table with the content of [`Arguments::field`].
    pub fn table(self, fields: &Arguments) -> Self {
        self.longstr(&fields.0)
    }

    /// A field of a table: its name, the letter of its type, its value as bytes.
    pub fn field(self, name: &str, kind: u8, value: &Arguments) -> Self {
        self.shortstr(name).octet(kind).bytes(&value.0)
    }
}

/// A frame of any kind.
pub fn frame(kind: u8, channel: u16, payload: &[u8]) -> Vec<u8> {
    let head = Arguments::new().octet(kind).short(channel);
    head.longstr(payload).octet(END).0
}

/// A method with its arguments.
pub fn method(channel: u16, (class, id): (u16, u16), arguments: &Arguments) -> Vec<u8> {
    frame(METHOD, channel, &Arguments::new().short(class).short(id).bytes(&arguments.0).0)
}

/// A heartbeat.
pub fn heartbeat() -> Vec<u8> {
    frame(HEARTBEAT, 0, b"")
}

/// `connection.start` with these mechanisms, such as `PLAIN EXTERNAL`, and the capabilities of RabbitMQ.
pub fn start(mechanisms: &str) -> Vec<u8> {
    let capabilities = [
        "publisher_confirms",
        "exchange_exchange_bindings",
        "basic.nack",
        "consumer_cancel_notify",
        "connection.blocked",
        "authentication_failure_close",
    ];
    let yes = Arguments::new().octet(1);
    let capabilities = { capabilities }
        .iter()
        .fold(Arguments::new(), |all, capability| all.field(capability, b't', &yes));
    let properties = Arguments::new()
        .field("capabilities", b'F', &Arguments::new().table(&capabilities))
        .field("product", b'S', &Arguments::new().longstr(b"a test"));
    let arguments = Arguments::new().octet(0).octet(9).table(&properties);
    method(0, (10, 10), &arguments.longstr(mechanisms.as_bytes()).longstr(b"en_US"))
}

/// `connection.secure` with a challenge.
pub fn secure(challenge: &[u8]) -> Vec<u8> {
    method(0, (10, 20), &Arguments::new().longstr(challenge))
}

/// `connection.tune`: zero means no limit, and no heartbeats.
pub fn tune(channel_max: u16, frame_max: u32, heartbeat: u16) -> Vec<u8> {
    method(0, (10, 30), &Arguments::new().short(channel_max).long(frame_max).short(heartbeat))
}

/// `connection.open-ok`.
pub fn open_ok() -> Vec<u8> {
    method(0, (10, 41), &Arguments::new().shortstr(""))
}

/// `connection.close`: the code, the text, and the method that caused it, or zeros.
pub fn close(code: u16, text: &str, (class, id): (u16, u16)) -> Vec<u8> {
    method(0, (10, 50), &Arguments::new().short(code).shortstr(text).short(class).short(id))
}

/// `connection.close-ok`.
pub fn close_ok() -> Vec<u8> {
    method(0, (10, 51), &Arguments::new())
}

/// `connection.blocked`.
pub fn blocked(reason: &str) -> Vec<u8> {
    method(0, (10, 60), &Arguments::new().shortstr(reason))
}

/// `connection.unblocked`.
pub fn unblocked() -> Vec<u8> {
    method(0, (10, 61), &Arguments::new())
}

/// `channel.open-ok`.
pub fn channel_open_ok(channel: u16) -> Vec<u8> {
    method(channel, (20, 11), &Arguments::new().longstr(b""))
}

/// `channel.close`, as [`close`].
pub fn channel_close(channel: u16, code: u16, text: &str, (class, id): (u16, u16)) -> Vec<u8> {
    let arguments = Arguments::new().short(code).shortstr(text).short(class).short(id);
    method(channel, (20, 40), &arguments)
}

/// `queue.declare-ok`.
pub fn queue_declare_ok(channel: u16, queue: &str, messages: u32, consumers: u32) -> Vec<u8> {
    method(channel, (50, 11), &Arguments::new().shortstr(queue).long(messages).long(consumers))
}

/// A method without arguments, as most answers are: `exchange.declare-ok` is `(40, 11)`, `queue.bind-ok` `(50, 21)`,
/// `basic.qos-ok` `(60, 11)`, `confirm.select-ok` `(85, 11)`.
pub fn plain(channel: u16, method_id: (u16, u16)) -> Vec<u8> {
    method(channel, method_id, &Arguments::new())
}

/// `basic.consume-ok`.
pub fn consume_ok(channel: u16, tag: &str) -> Vec<u8> {
    method(channel, (60, 21), &Arguments::new().shortstr(tag))
}

/// `basic.cancel`: the broker ends a consumer.
pub fn cancel(channel: u16, tag: &str) -> Vec<u8> {
    method(channel, (60, 30), &Arguments::new().shortstr(tag).octet(1))
}

/// `basic.ack` of a client's message.
pub fn ack(channel: u16, delivery: u64, multiple: bool) -> Vec<u8> {
    method(channel, (60, 80), &Arguments::new().longlong(delivery).octet(u8::from(multiple)))
}

/// `basic.nack` of a client's message.
pub fn nack(channel: u16, delivery: u64, multiple: bool) -> Vec<u8> {
    method(channel, (60, 120), &Arguments::new().longlong(delivery).octet(u8::from(multiple)))
}

/// `basic.deliver`, to be followed by [`content`].
pub fn deliver(channel: u16, tag: &str, delivery: u64, exchange: &str, key: &str) -> Vec<u8> {
    let arguments = Arguments::new().shortstr(tag).longlong(delivery).octet(0);
    method(channel, (60, 60), &arguments.shortstr(exchange).shortstr(key))
}

/// A message's header without properties, with the length of the body.
pub fn content_header(channel: u16, length: u64) -> Vec<u8> {
    frame(HEADER, channel, &Arguments::new().short(60).short(0).longlong(length).short(0).0)
}

/// A message's header and its body, in one frame.
pub fn content(channel: u16, body: &[u8]) -> Vec<u8> {
    let length = u64::try_from(body.len()).expect("a length");
    [content_header(channel, length), frame(BODY, channel, body)].concat()
}
