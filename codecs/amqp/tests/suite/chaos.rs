//! A plugin that asks for anything, a broker that does anything, and connections that are lost at any time: no
//! panic, everything is answered once, and nothing is ever stuck.

use std::collections::BTreeSet;

use sandloop_amqp::{
    Answer, ChannelId, DeliveryTag, Event, Failure, QueueName, Refusal, Request, Session, Settings,
    Ticket, Unconfirmed,
};
use sandloop_testkit::{Noise, fuzz::rounds};

use crate::{
    ask,
    fuzz::WORDS,
    moody::Moody,
    recorded::{self, Recorded},
};

const BUFFER: usize = 20_000;
const REQUESTS: usize = 50;
/// The largest body, and what it counts for besides.
const LARGEST: usize = 5000 + 256;

struct Chaos<'a> {
    noise: &'a mut Noise,
    session: Session,
    broker: Moody,
    channels: Vec<ChannelId>,
    names: Vec<QueueName>,
    tags: Vec<DeliveryTag>,
    asked: BTreeSet<Ticket>,
    /// Frames of other sessions.
    frames: &'a [Vec<u8>],
    is_over: bool,
    recovered: u64,
    answered: u64,
}

impl<'a> Chaos<'a> {
    fn new(noise: &'a mut Noise, frames: &'a [Vec<u8>]) -> Chaos<'a> {
        let unconfirmed = *noise.pick(&[Unconfirmed::Resend, Unconfirmed::Report]);
        let settings = Settings {
            buffer: BUFFER,
            requests: REQUESTS,
            unconfirmed_max: 5,
            unconfirmed,
            recovery: true,
            ..recorded::settings()
        };
        Chaos {
            noise,
            session: Session::new(settings),
            broker: Moody::default(),
            channels: Vec::new(),
            names: ["q", "r", "", ""].map(QueueName::new).to_vec(),
            tags: Vec::new(),
            asked: BTreeSet::new(),
            frames,
            is_over: false,
            recovered: 0,
            answered: 0,
        }
    }

    fn step(&mut self) {
        match self.noise.below(32) {
            0 => {
                if let Ok(channel) = self.session.open_channel() {
                    self.channels.push(channel);
                }
            }
            1..=6 => self.request(),
            7..=9 => self.publish(),
            10 | 11 => self.settle(),
            12 if self.noise.below(10) == 0 => self.session.beat(),
            13 if self.noise.below(10) == 0 => self.session.disconnected("it broke"),
            12..=14 => self.connect(),
            15 if self.noise.below(100) == 0 => self.session.close(),
            15 if self.noise.below(200) == 0 => self.session.abort(),
            15 if self.noise.below(50) == 0 => self.go_mad(),
            16..=18 => self.broker.interject(self.noise),
            19..=25 => drop(self.say()),
            _ => drop(self.hear()),
        }
        self.look();
        assert!(self.session.buffered() < BUFFER + LARGEST);
    }

    fn channel(&mut self) -> Option<ChannelId> {
        (!self.channels.is_empty()).then(|| *self.noise.pick(&self.channels))
    }

    fn request(&mut self) {
        let name = self.noise.pick(&self.names).clone();
        let tag = if self.noise.below(2) == 0 { "c" } else { "d" };
        let request = match self.noise.below(18) {
            0 => ask::exchange("x", "fanout"),
            1 => Request::BindExchange(ask::exchange_binding("x", "y")),
            2..=4 => ask::declare(&name),
            5 => ask::bind(&name, "x", "k"),
            6 => ask::consume(&name, tag),
            7 => Request::Cancel(tag.to_owned()),
            8 | 9 => Request::Get { queue: name, no_ack: false },
            10 => Request::Qos { prefetch: 1, global: false },
            11 => Request::Confirm,
            12 => Request::SelectTx,
            13 => Request::Commit,
            14 => Request::Rollback,
            15 if self.noise.below(4) == 0 => Request::Close,
            15 => Request::DeleteQueue { queue: name, if_unused: false, if_empty: false },
            16 => Request::Recover { requeue: true },
            _ => Request::PurgeQueue(name),
        };
        let Some(channel) = self.channel() else { return };
        match self.session.request(channel, request) {
            Ok(ticket) => assert!(self.asked.insert(ticket)),
            Err(Failure::Refused(Refusal::Full)) => assert!(REQUESTS <= self.asked.len()),
            Err(Failure::Closed | Failure::Refused(_)) => {}
            Err(other) => panic!("{other}"),
        }
    }

    fn publish(&mut self) {
        let length = *self.noise.pick(&[0, 1, 100, 5000]);
        let Some(channel) = self.channel() else { return };
        match self.session.publish(channel, ask::publish(&vec![7; length])) {
            Ok(ticket) => assert!(self.asked.insert(ticket)),
            Err(Failure::Refused(Refusal::Full)) => {
                assert!(BUFFER - LARGEST < self.session.buffered());
            }
            Err(Failure::Closed) => {}
            Err(other) => panic!("{other}"),
        }
    }

    fn settle(&mut self) {
        if self.tags.is_empty() {
            return;
        }
        let tag = *self.noise.pick(&self.tags);
        match self.noise.below(3) {
            0 => self.session.ack(tag, self.noise.below(2) == 0),
            1 => self.session.nack(tag, false, true),
            _ => self.session.reject(tag, false),
        }
    }

    fn connect(&mut self) {
        if self.session.is_idle() {
            self.broker = Moody::default();
            self.session.connected();
        }
    }

    /// Bytes go to the broker.
    fn hear(&mut self) -> bool {
        let length = self.session.output().len();
        assert!(length < 100 * 1024, "{length} bytes of output");
        let taken = if self.noise.below(2) == 0 { length } else { self.noise.below(length + 1) };
        let piece = self.session.output()[..taken].to_vec();
        self.session.consume(taken);
        self.broker.hear(&piece, self.noise);
        0 < length
    }

    /// Bytes come from the broker.
    fn say(&mut self) -> bool {
        let Some(bytes) = self.broker.say() else { return false };
        for piece in self.noise.pieces(&bytes) {
            self.session.receive(piece);
        }
        true
    }

    /// Something comes that no broker would say.
    fn go_mad(&mut self) {
        let mut bytes = self.noise.pick(self.frames).clone();
        if self.noise.below(2) == 0 {
            self.noise.mutate(&mut bytes, WORDS, self.frames);
        }
        self.session.receive(&bytes);
        self.look();
        // Whatever it was, and whatever the session says to it, this connection is not to be understood any more.
        self.session.disconnected("it was mad");
        self.broker = Moody::default();
    }

    fn look(&mut self) {
        while let Some(event) = self.session.next_event() {
            assert!(!self.is_over, "{event:?} after the end");
            match event {
                Event::Answered(ticket, result) => {
                    assert!(self.asked.remove(&ticket), "answered twice, or never asked");
                    self.answered += u64::from(result == Ok(Answer::Done));
                }
                Event::Delivered(_, delivery) => self.tags.push(delivery.tag),
                Event::ChannelClosed(id, _) => {
                    assert!(!self.session.has_channel(id));
                    self.channels.retain(|other| *other != id);
                }
                Event::Disconnect(_) => {
                    self.session.disconnected("as it should");
                    assert!(self.session.is_idle() || self.session.is_over());
                }
                Event::Recovered => self.recovered += 1,
                Event::Closed(_) => self.is_over = true,
                _ => {}
            }
        }
        assert_eq!(self.is_over, self.session.is_over());
    }

    /// With a broker that answers everything, and connections that last, everything comes to its end.
    fn calm_down(&mut self) {
        let mut idle = 0;
        while idle < 20 && !self.is_over {
            self.connect();
            self.broker.calm_down(self.noise);
            let (heard, said) = (self.hear(), self.say());
            self.look();
            idle = if heard || said { 0 } else { idle + 1 };
        }
        assert!(self.asked.is_empty(), "stuck: {:?} in {:?}", self.asked, self.session);
        assert_eq!(self.session.buffered(), 0);
    }

    /// Ends, after which nothing is open.
    fn end(&mut self) {
        if self.noise.below(2) == 0 {
            self.session.abort();
        } else {
            self.session.close();
            self.look();
            self.calm_down();
        }
        self.look();
        assert!(self.is_over);
        assert!(self.asked.is_empty(), "{:?}", self.asked);
        assert_eq!(self.session.buffered(), 0);
    }
}

#[test]
fn everything_is_answered_once_whatever_happens() {
    let all = recorded::all();
    let frames: Vec<_> =
        all.iter().flat_map(|recorded: &Recorded| recorded.frames.clone()).collect();
    let (mut recovered, mut answered) = (0, 0);
    let count = rounds(400, |noise| {
        let mut chaos = Chaos::new(noise, &frames);
        for _ in 0..3 {
            for _ in 0..chaos.noise.below(400) {
                chaos.step();
            }
            chaos.calm_down();
        }
        chaos.end();
        recovered += chaos.recovered;
        answered += chaos.answered;
    });
    // It is not all refused and lost.
    assert!(
        count < 100 || count < 2 * recovered && 10 * count < answered,
        "{recovered}, {answered}"
    );
}
