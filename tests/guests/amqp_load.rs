//! Publishes numbered, persistent messages with confirms, consumes and acknowledges them, and checks their number and their
//! order.
//!
//! Options: `uri`, `count` (1,000), `size` (bytes of each, 1,024), `window` (unconfirmed messages, 1,000), `prefetch`
//! (1,000). Prints `begin` when the queue is there, `confirmed N` for each tenth of them, and at the end
//! `done in MS ms: received=N again=N missing=N`.

use std::{
    cell::{Cell, RefCell},
    rc::Rc,
    time::Instant,
};

use sandloop::{
    Deferrable, Program,
    amqp::{
        self, ConsumeOptions, Delivery, Exchange, Failure, Message, QueueOptions, Refusal, Settings,
    },
    options,
};

struct AmqpLoad;

impl Program for AmqpLoad {
    fn start() -> sandloop::Result {
        let mut settings = Settings::from_uri(&options::get("uri").unwrap_or_default())?;
        settings.unconfirmed_max = options::parse("window")?.unwrap_or(1000);
        let count = options::parse("count")?.unwrap_or(1000);
        let size = options::parse("size")?.unwrap_or(1024);
        let connection = amqp::connect(settings);
        connection.closed().errback(fail);

        let publishes = connection.channel();
        publishes.on_error(fail);
        publishes.confirm();
        let exchange = publishes.default_exchange();
        let queue = publishes.queue("load", QueueOptions::durable());

        let consumes = connection.channel();
        consumes.on_error(fail);
        consumes.prefetch(options::parse("prefetch")?.unwrap_or(1000));
        let consumed = consumes.clone();
        queue.callback(move |_| {
            println!("begin");
            let work = Rc::new(Work {
                connection,
                count,
                size,
                begin: Instant::now(),
                next: Cell::new(0),
                confirmed: Cell::new(0),
                tally: RefCell::default(),
            });
            let queue = consumed.queue("load", QueueOptions::durable());
            let taking = work.clone();
            queue.consume(ConsumeOptions::default(), move |message| taking.take(&message));
            work.publish(exchange);
        });
        Ok(())
    }
}

fn fail(failure: &Failure) {
    println!("failed: {failure}");
}

struct Work {
    connection: amqp::Connection,
    count: u64,
    size: usize,
    begin: Instant,
    /// The number of the next message.
    next: Cell<u64>,
    confirmed: Cell<u64>,
    tally: RefCell<Tally>,
}

/// What came.
#[derive(Default)]
struct Tally {
    /// The number that must come next.
    next: u64,
    again: u64,
    missing: u64,
}

impl Work {
    /// Publishes as many as there is room for.
    fn publish(self: &Rc<Self>, exchange: Exchange) {
        while self.next.get() < self.count {
            match exchange.try_publish(self.message(self.next.get())) {
                Ok(published) => {
                    self.next.set(self.next.get() + 1);
                    let work = self.clone();
                    published.callback(move |()| work.confirm()).errback(fail);
                }
                Err(Failure::Refused(Refusal::Full)) => {
                    let work = self.clone();
                    return self.connection.on_writable(move || work.publish(exchange));
                }
                Err(failure) => return fail(&failure),
            }
        }
    }

    fn message(&self, number: u64) -> Message {
        let mut body = number.to_be_bytes().to_vec();
        body.resize(self.size.max(body.len()), b'x');
        Message::new(body).key("load").persistent()
    }

    fn confirm(&self) {
        self.confirmed.set(self.confirmed.get() + 1);
        let confirmed = self.confirmed.get();
        if confirmed.is_multiple_of((self.count / 10).max(1)) {
            println!("confirmed {confirmed}");
        }
        self.end_if_done();
    }

    fn take(&self, message: &Delivery) {
        let number = message.body.first_chunk().copied().map_or(0, u64::from_be_bytes);
        let mut tally = self.tally.borrow_mut();
        if number < tally.next {
            tally.again += 1;
        } else {
            tally.missing += number - tally.next;
            tally.next = number + 1;
        }
        drop(tally);
        message.ack();
        self.end_if_done();
    }

    fn end_if_done(&self) {
        let tally = self.tally.borrow();
        if tally.next == self.count && self.confirmed.get() == self.count {
            let time = self.begin.elapsed().as_millis();
            let Tally { next, again, missing } = *tally;
            println!("done in {time} ms: received={next} again={again} missing={missing}");
        }
    }
}

sandloop::plugin! { program: AmqpLoad }
