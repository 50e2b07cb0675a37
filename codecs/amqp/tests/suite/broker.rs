//! A broker that is a script: it reads what a session says frame by frame, and says what the test wants.

use std::collections::VecDeque;

use amq_protocol::{
    frame::{AMQPContentHeader, AMQPFrame, gen_frame, parse_frame},
    protocol::{AMQPClass, BasicProperties},
};
use sandloop_amqp::{Answer, ChannelId, Event, Failure, Request, Session, Settings, Ticket};

use crate::say;

/// What every connection of a client begins with.
pub const PROTOCOL_HEADER: &[u8] = b"AMQP\0\0\x09\x01";

/// The other end of a session.
pub struct Broker {
    pub session: Session,
    /// What the session has said, and the script has not looked at.
    heard: VecDeque<AMQPFrame>,
    /// The beginning of a frame.
    rest: Vec<u8>,
    /// Every byte that was said to the session on this connection.
    pub said: Vec<u8>,
}

/// A frame as bytes.
pub fn bytes(frame: &AMQPFrame) -> Vec<u8> {
    gen_frame(frame)(Vec::new().into()).unwrap().into_inner().0
}

/// A method as bytes.
pub fn method(channel: u16, class: AMQPClass) -> Vec<u8> {
    bytes(&AMQPFrame::Method(channel, class))
}

/// The frames of a message, behind its method.
pub fn content(channel: u16, properties: BasicProperties, body: &[u8], piece: usize) -> Vec<u8> {
    const BASIC: u16 = 60;
    let header = AMQPContentHeader { class_id: BASIC, body_size: body.len() as u64, properties };
    let mut all = bytes(&AMQPFrame::Header(channel, BASIC, Box::new(header)));
    for piece in body.chunks(piece) {
        all.extend(bytes(&AMQPFrame::Body(channel, piece.to_vec())));
    }
    all
}

/// Takes the first frame of these bytes, if it is all there.
pub fn take_frame(bytes: &mut Vec<u8>) -> Option<AMQPFrame> {
    let (rest, frame) = parse_frame(bytes.as_slice()).ok()?;
    let length = bytes.len() - rest.len();
    bytes.drain(..length);
    Some(frame)
}

/// Takes everything that a session wants to send.
pub fn output(session: &mut Session) -> Vec<u8> {
    let mut all = Vec::new();
    loop {
        let piece = session.output();
        let length = piece.len();
        if length == 0 {
            return all;
        }
        all.extend_from_slice(piece);
        session.consume(length);
    }
}

impl Broker {
    /// Without a connection.
    pub fn new(settings: Settings) -> Broker {
        let session = Session::new(settings);
        Broker { session, heard: VecDeque::new(), rest: Vec::new(), said: Vec::new() }
    }

    /// With an open connection, of which nothing is left to look at.
    pub fn open() -> Broker {
        Broker::open_with(Settings::default())
    }

    pub fn open_with(settings: Settings) -> Broker {
        let mut broker = Broker::new(settings);
        broker.connect();
        broker.greet();
        assert_eq!(broker.events(), [Event::Opened]);
        broker
    }

    /// A connection is made; the client has to speak first.
    pub fn connect(&mut self) {
        self.heard.clear();
        self.rest.clear();
        self.said.clear();
        self.session.connected();
        let first = output(&mut self.session);
        assert_eq!(first, PROTOCOL_HEADER);
    }

    /// The handshake, whatever the client says of itself.
    pub fn greet(&mut self) {
        self.greet_with(say::tune(2047, 128 * 1024, 60));
    }

    pub fn greet_with(&mut self, tune: AMQPClass) {
        self.says(0, say::start("PLAIN AMQPLAIN EXTERNAL"));
        assert_eq!(self.hears_method(0), (10, 11), "connection.start-ok");
        self.says(0, tune);
        assert_eq!(self.hears_method(0), (10, 31), "connection.tune-ok");
        assert_eq!(self.hears_method(0), (10, 40), "connection.open");
        self.says(0, say::open_ok());
    }

    /// The connection breaks, and whatever was on its way with it.
    pub fn breaks(&mut self) {
        self.session.disconnected("it broke");
    }

    /// The connection breaks, and another one is greeted.
    pub fn again(&mut self) {
        self.breaks();
        self.connect();
        self.greet();
    }

    /// An open channel, of which the numbers are 1, 2, 3 …
    pub fn channel(&mut self) -> ChannelId {
        let id = self.session.open_channel().unwrap();
        let AMQPFrame::Method(number, open) = self.frame() else { panic!("no method") };
        assert_eq!(open, say::channel_open());
        self.says(number, say::channel_open_ok());
        id
    }

    /// Asks for something that is not refused.
    pub fn request(&mut self, channel: ChannelId, request: Request) -> Ticket {
        self.session.request(channel, request).unwrap()
    }

    /// Asks for something, hears it as this method, says this and has an answer.
    pub fn done(
        &mut self,
        channel: (ChannelId, u16),
        request: Request,
        reply: AMQPClass,
    ) -> Answer {
        let ticket = self.request(channel.0, request);
        assert!(matches!(self.frame(), AMQPFrame::Method(number, _) if number == channel.1));
        self.says(channel.1, reply);
        let events = self.events();
        let [Event::Answered(answered, Ok(answer))] = &events[..] else { panic!("{events:?}") };
        assert_eq!(*answered, ticket);
        answer.clone()
    }

    /// Says a method.
    pub fn says(&mut self, channel: u16, class: AMQPClass) {
        self.says_bytes(&method(channel, class));
    }

    /// Says a method with a message.
    pub fn says_message(&mut self, channel: u16, class: AMQPClass, body: &[u8]) {
        self.says(channel, class);
        self.says_bytes(&content(channel, BasicProperties::default(), body, 4088));
    }

    pub fn says_bytes(&mut self, bytes: &[u8]) {
        self.said.extend_from_slice(bytes);
        self.session.receive(bytes);
    }

    /// The next frame from the session.
    pub fn frame(&mut self) -> AMQPFrame {
        self.listen();
        self.heard.pop_front().expect("the session says nothing")
    }

    /// The next frame must be this method.
    #[track_caller]
    pub fn hears(&mut self, channel: u16, class: AMQPClass) {
        assert_eq!(self.frame(), AMQPFrame::Method(channel, class));
    }

    /// The next frame must be this method, and is answered.
    #[track_caller]
    pub fn hears_and_says(&mut self, channel: u16, class: AMQPClass, reply: AMQPClass) {
        self.hears(channel, class);
        self.says(channel, reply);
    }

    /// The next frame must be a method on this channel; its class and number.
    #[track_caller]
    pub fn hears_method(&mut self, channel: u16) -> (u16, u16) {
        match self.frame() {
            AMQPFrame::Method(number, class) if number == channel => {
                (class.get_amqp_class_id(), class.get_amqp_method_id())
            }
            other => panic!("{other:?}, and no method on channel {channel}"),
        }
    }

    /// The next frames must be this message.
    #[track_caller]
    pub fn hears_message(&mut self, channel: u16, class: AMQPClass, body: &[u8]) {
        self.hears(channel, class);
        let AMQPFrame::Header(number, 60, header) = self.frame() else { panic!("no header") };
        assert_eq!((number, header.body_size), (channel, body.len() as u64));
        let mut read = Vec::new();
        while read.len() < body.len() {
            let AMQPFrame::Body(number, piece) = self.frame() else { panic!("no body") };
            assert_eq!(number, channel);
            read.extend(piece);
        }
        assert_eq!(read, body);
    }

    /// The session has nothing to say.
    #[track_caller]
    pub fn hears_nothing(&mut self) {
        self.listen();
        assert!(self.heard.is_empty(), "{:?}", self.heard);
        assert!(self.rest.is_empty(), "a part of a frame");
    }

    /// What happened to the session, and was not looked at.
    pub fn events(&mut self) -> Vec<Event> {
        std::iter::from_fn(|| self.session.next_event()).collect()
    }

    /// The answers among what happened.
    pub fn answers(&mut self) -> Vec<(Ticket, Result<Answer, Failure>)> {
        let answer = |event| match event {
            Event::Answered(ticket, result) => Some((ticket, result)),
            _ => None,
        };
        self.events().into_iter().filter_map(answer).collect()
    }

    /// Reads what the session says into frames.
    fn listen(&mut self) {
        self.rest.extend(output(&mut self.session));
        self.heard.extend(std::iter::from_fn(|| take_frame(&mut self.rest)));
    }
}
