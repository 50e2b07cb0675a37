//! Connections that are lost anywhere: in the end the broker knows what was declared, and has what was published.

use std::collections::{BTreeMap, BTreeSet};

use sandloop_amqp::{Answer, ChannelId, Event, QueueName, Request, Session, Settings, Ticket};
use sandloop_testkit::{Noise, fuzz::rounds};

use crate::{
    ask,
    model::{Binding, Destination, Model, Queue},
    world::World,
};

const CHANNELS: u16 = 3;

/// A plugin that asks for things at random, and knows what they should come to.
struct Plugin {
    channels: Vec<ChannelId>,
    /// As if nothing ever went wrong. Queues are called by the plugin's own names.
    model: Model,
    prefetch: BTreeMap<u16, u16>,
    names: BTreeMap<String, QueueName>,
    /// What several channels use: their requests have no order, so it stays as it is.
    shared: BTreeSet<String>,
    asked: BTreeSet<Ticket>,
    published: BTreeMap<Ticket, Vec<u8>>,
    count: usize,
}

/// All of it.
struct Run<'a> {
    noise: &'a mut Noise,
    session: Session,
    world: World,
    plugin: Plugin,
    recovering: bool,
    /// What the broker had last heard when a connection was lost in a recovery.
    lost_after: BTreeSet<(u16, u16)>,
}

impl Plugin {
    fn new(session: &mut Session) -> Plugin {
        let channels: Vec<_> = (0..CHANNELS).map(|_| session.open_channel().unwrap()).collect();
        let ask = |channel: &ChannelId| session.request(*channel, Request::Confirm).unwrap();
        let asked = channels.iter().map(ask).collect();
        Plugin {
            channels,
            model: Model::default(),
            prefetch: BTreeMap::new(),
            names: BTreeMap::new(),
            shared: BTreeSet::new(),
            asked,
            published: BTreeMap::new(),
            count: 0,
        }
    }

    fn ask(&mut self, session: &mut Session, number: u16, request: Request) {
        let ticket = session.request(self.channels[usize::from(number - 1)], request).unwrap();
        self.asked.insert(ticket);
    }

    fn publish(&mut self, session: &mut Session, number: u16) {
        self.count += 1;
        let body = format!("{number}:{:06}", self.count).into_bytes();
        let id = self.channels[usize::from(number - 1)];
        let ticket = session.publish(id, ask::publish(&body)).unwrap();
        self.published.insert(ticket, body);
    }

    /// A name that begins with the number of its channel.
    fn name(&mut self, number: u16, kind: &str) -> String {
        self.count += 1;
        format!("{number}{kind}{}", self.count)
    }

    /// One of the things of a channel that nobody else uses.
    fn pick<'a>(
        &self,
        noise: &mut Noise,
        number: u16,
        of: impl Iterator<Item = &'a String>,
    ) -> Option<&'a String> {
        let is_own =
            |name: &&String| name.starts_with(&number.to_string()) && !self.shared.contains(*name);
        let own: Vec<_> = of.filter(is_own).collect();
        (!own.is_empty()).then(|| *noise.pick(&own))
    }

    /// Something at random on a channel, with its own things.
    fn act(&mut self, session: &mut Session, noise: &mut Noise, number: u16) {
        let model = self.model.clone();
        let exchange = self.pick(noise, number, model.exchanges.keys());
        let other = self.pick(noise, number, model.exchanges.keys());
        let queue = self.pick(noise, number, model.queues.keys());
        match (noise.below(16), exchange, queue) {
            (0 | 1, ..) => self.declare_exchange(session, noise, number),
            (2 | 3, ..) => self.declare_queue(session, noise, number),
            (4 | 5, Some(exchange), Some(queue)) => self.bind(session, number, exchange, queue),
            (6, Some(exchange), _) if other.is_some_and(|other| other < exchange) => {
                // Always from a lesser name to a greater, so that there is no circle.
                let source = other.unwrap();
                let binding = ask::exchange_binding(source, exchange);
                self.ask(session, number, Request::BindExchange(binding));
                self.model.bind(source, Destination::Exchange(exchange.clone()));
            }
            (7 | 8, _, Some(queue)) => self.consume(session, number, queue),
            (9, Some(name), _) if noise.below(2) == 0 => {
                let name = name.clone();
                self.model.delete_exchange(&name);
                self.ask(session, number, Request::DeleteExchange { name, if_unused: false });
            }
            (10, _, Some(name)) if noise.below(2) == 0 => {
                let queue = self.names[name].clone();
                self.model.delete_queue(name);
                let request = Request::DeleteQueue { queue, if_unused: false, if_empty: false };
                self.ask(session, number, request);
            }
            (11, ..) => self.unbind(session, noise, number),
            (12, ..) => self.cancel(session, noise, number),
            (13, ..) => {
                let prefetch = 1 + noise.below(100) as u16;
                self.prefetch.insert(number, prefetch);
                self.ask(session, number, Request::Qos { prefetch, global: false });
            }
            _ => self.publish(session, number),
        }
    }

    fn declare_exchange(&mut self, session: &mut Session, noise: &mut Noise, number: u16) {
        let name = self.name(number, "x");
        let auto_delete = noise.below(3) == 0;
        let Request::DeclareExchange(mut exchange) = ask::exchange(&name, "fanout") else {
            unreachable!()
        };
        exchange.auto_delete = auto_delete;
        self.ask(session, number, Request::DeclareExchange(exchange));
        self.model.exchanges.insert(name, auto_delete);
    }

    fn declare_queue(&mut self, session: &mut Session, noise: &mut Noise, number: u16) {
        let name = self.name(number, "q");
        let queue_name = QueueName::new(if noise.below(3) == 0 { "" } else { &name });
        let queue = Queue { exclusive: noise.below(3) == 0, auto_delete: noise.below(3) == 0 };
        let Request::DeclareQueue(mut declare) = ask::declare(&queue_name) else { unreachable!() };
        (declare.exclusive, declare.auto_delete) = (queue.exclusive, queue.auto_delete);
        // Nobody knows the name that the broker had given if it gives another.
        declare.exclusive |= queue_name.is_by_broker();
        let queue = Queue { exclusive: declare.exclusive, ..queue };
        self.ask(session, number, Request::DeclareQueue(declare));
        self.names.insert(name.clone(), queue_name);
        self.model.queues.insert(name, queue);
    }

    fn bind(&mut self, session: &mut Session, number: u16, exchange: &str, queue: &str) {
        self.ask(session, number, ask::bind(&self.names[queue].clone(), exchange, ""));
        self.model.bind(exchange, Destination::Queue(queue.to_owned()));
    }

    fn consume(&mut self, session: &mut Session, number: u16, queue: &str) {
        let tag = session.consumer_tag();
        self.ask(session, number, ask::consume(&self.names[queue].clone(), &tag));
        self.model.consumers.insert((number, tag), queue.to_owned());
    }

    fn unbind(&mut self, session: &mut Session, noise: &mut Noise, number: u16) {
        let is_own = |binding: &&Binding| {
            let (Destination::Exchange(name) | Destination::Queue(name)) = &binding.destination;
            let used = self.shared.contains(name) || self.shared.contains(&binding.source);
            binding.source.starts_with(&number.to_string()) && !used
        };
        let own: Vec<_> = self.model.bindings.iter().filter(is_own).cloned().collect();
        if own.is_empty() {
            return;
        }
        let Binding { source, destination } = noise.pick(&own).clone();
        let request = match &destination {
            Destination::Exchange(name) => {
                Request::UnbindExchange(ask::exchange_binding(&source, name))
            }
            Destination::Queue(name) => {
                Request::UnbindQueue(ask::queue_binding(&self.names[name], &source, ""))
            }
        };
        self.ask(session, number, request);
        self.model.unbind(&source, destination);
    }

    fn cancel(&mut self, session: &mut Session, noise: &mut Noise, number: u16) {
        let is_own = |((channel, _), queue): &(&(u16, String), &String)| {
            *channel == number && !self.shared.contains(*queue)
        };
        let own: Vec<_> =
            self.model.consumers.iter().filter(is_own).map(|(key, _)| key.1.clone()).collect();
        if own.is_empty() {
            return;
        }
        let tag = noise.pick(&own).clone();
        self.model.cancel(number, &tag);
        self.ask(session, number, Request::Cancel(tag));
    }

    /// Something with what another channel has declared, which stays from now on.
    fn share(&mut self, session: &mut Session, noise: &mut Noise) {
        let number = 1 + noise.below(usize::from(CHANNELS)) as u16;
        let model = self.model.clone();
        let lasting = model.exchanges.iter().filter(|(_, auto_delete)| !**auto_delete);
        let exchanges: Vec<_> = lasting.map(|(name, _)| name).collect();
        let lasting = model.queues.iter().filter(|(_, queue)| !queue.auto_delete);
        let queues: Vec<_> = lasting.map(|(name, _)| name).collect();
        if exchanges.is_empty() || queues.is_empty() {
            return;
        }
        let (exchange, queue) = (*noise.pick(&exchanges), *noise.pick(&queues));
        self.shared.extend([exchange.clone(), queue.clone()]);
        self.bind(session, number, exchange, queue);
        self.consume(session, number, queue);
    }

    /// What the broker should know, with the names that it has given.
    fn expected(&self) -> Model {
        let called = |name: &String| self.names[name].get().unwrap().to_string();
        let mut model = self.model.clone();
        model.queues = model.queues.iter().map(|(name, queue)| (called(name), *queue)).collect();
        model.consumers.values_mut().for_each(|queue| *queue = called(queue));
        let renamed = |Binding { source, destination }: &Binding| Binding {
            source: source.clone(),
            destination: match destination {
                Destination::Queue(name) => Destination::Queue(called(name)),
                exchange => exchange.clone(),
            },
        };
        model.bindings = model.bindings.iter().map(renamed).collect();
        model
    }
}

impl Run<'_> {
    /// Bytes go to the broker, or it works, or it answers.
    fn step(&mut self) -> bool {
        let first = self.noise.below(3);
        (0..3).any(|next| match (first + next) % 3 {
            0 => {
                let length = self.session.output().len().min(1 + self.noise.below(200));
                let piece = self.session.output()[..length].to_vec();
                self.session.consume(length);
                self.world.hear(&piece);
                0 < length
            }
            1 => self.world.work(),
            _ => match self.world.say(self.noise) {
                Some(reply) => {
                    self.session.receive(&reply);
                    self.look();
                    true
                }
                None => false,
            },
        })
    }

    /// Looks at what has happened.
    fn look(&mut self) {
        while let Some(event) = self.session.next_event() {
            match event {
                Event::Answered(ticket, Ok(Answer::Done))
                    if !self.plugin.asked.contains(&ticket) =>
                {
                    let body = self.plugin.published.remove(&ticket).expect("answered once");
                    assert!(self.world.has(&body), "confirmed, and not there");
                }
                Event::Answered(ticket, Ok(_)) => {
                    assert!(self.plugin.asked.remove(&ticket), "answered once");
                }
                // If it was lost before it was ever open, there is nothing to recover.
                Event::Opened | Event::Recovered => self.recovering = false,
                Event::Cancelled(..) => {}
                other => panic!("{other:?}"),
            }
        }
    }

    fn lose(&mut self) {
        if self.recovering {
            self.lost_after.insert(self.world.last);
        }
        self.session.disconnected("it broke");
        self.look();
        self.world.connection(self.noise.below(3) == 0);
        self.session.connected();
        self.recovering = true;
    }

    /// Until everything is answered; every so often the connection is lost.
    fn settle(&mut self, losses: usize) {
        // The broker may take its time with a confirm, but not for ever.
        const PATIENCE: usize = 1000;
        let (mut left, mut idle) = (losses, 0);
        while idle < PATIENCE {
            if 0 < left && self.noise.below(40) == 0 {
                self.lose();
                left -= 1;
            }
            idle = if self.step() { 0 } else { idle + 1 };
        }
        assert!(!self.recovering, "stuck after {:?}", self.world.last);
        assert!(self.plugin.asked.is_empty(), "stuck with {:?}", self.plugin.asked);
        assert!(self.plugin.published.is_empty(), "stuck with {:?}", self.plugin.published);
    }

    fn check(&self) {
        assert_eq!(self.world.model, self.plugin.expected());
        for number in 1..=CHANNELS {
            let channel = &self.world.channels[&number];
            assert!(channel.confirms);
            assert_eq!(channel.prefetch.as_ref(), self.plugin.prefetch.get(&number));
            // The bodies of a channel are in order of the alphabet.
            let prefix = format!("{number}:").into_bytes();
            let of_it = |body: &&Vec<u8>| body.starts_with(&prefix);
            assert!(self.world.arrived.iter().filter(of_it).is_sorted());
        }
        assert_eq!(self.session.buffered(), 0);
    }
}

fn run(noise: &mut Noise) -> BTreeSet<(u16, u16)> {
    let mut session = Session::new(Settings { heartbeat: 0, ..Settings::default() });
    session.connected();
    let plugin = Plugin::new(&mut session);
    let (world, lost_after) = (World::default(), BTreeSet::new());
    let mut run = Run { noise, session, world, plugin, recovering: false, lost_after };
    for _ in 0..3 {
        for _ in 0..run.noise.below(60) {
            let number = 1 + run.noise.below(usize::from(CHANNELS)) as u16;
            run.plugin.act(&mut run.session, run.noise, number);
            for _ in 0..run.noise.below(6) {
                run.step();
            }
            if run.noise.below(20) == 0 {
                run.lose();
            }
        }
        let losses = run.noise.below(6);
        run.settle(losses);
        run.check();
        run.plugin.share(&mut run.session, run.noise);
        run.settle(losses);
        run.check();
    }
    run.lost_after
}

#[test]
fn whatever_connections_are_lost_the_broker_knows_and_has_everything_in_the_end() {
    let mut lost_after = BTreeSet::new();
    let count = rounds(100, |noise| {
        lost_after.extend(run(noise));
    });
    // The handshake, channels, modes, exchanges, queues, bindings, consumers: each was interrupted.
    let methods = [
        (10, 11),
        (10, 40),
        (20, 10),
        (60, 10),
        (85, 10),
        (40, 10),
        (50, 10),
        (40, 30),
        (50, 20),
        (60, 20),
    ];
    if 50 < count {
        assert!(methods.iter().all(|method| lost_after.contains(method)), "{lost_after:?}");
    }
}
