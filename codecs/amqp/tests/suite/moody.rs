//! A broker that answers whatever it is asked, says things of its own, and now and then goes mad.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use amq_protocol::{
    frame::AMQPFrame,
    protocol::{AMQPClass, basic, channel, connection, exchange, queue, tx},
};
use sandloop_testkit::Noise;

use crate::{
    broker::{PROTOCOL_HEADER, bytes, content, method, take_frame},
    recorded::properties,
    say,
};

/// One connection of it.
#[derive(Default)]
pub struct Moody {
    heard: Vec<u8>,
    greeted: bool,
    pub is_open: bool,
    channels: BTreeMap<u16, Channel>,
    replies: VecDeque<(u16, Vec<u8>)>,
    blocked: bool,
    count: u64,
}

#[derive(Default)]
struct Channel {
    /// It has said that it closes, and waits for the word.
    closing: bool,
    consumers: BTreeSet<String>,
    confirms: bool,
    published: u64,
    confirmed: u64,
    /// Bytes of a message that are to come.
    missing: u64,
    stopped: bool,
}

impl Moody {
    /// Hears bytes, and answers what is whole.
    pub fn hear(&mut self, bytes: &[u8], noise: &mut Noise) {
        self.heard.extend_from_slice(bytes);
        if !self.greeted {
            if !self.heard.starts_with(PROTOCOL_HEADER) {
                return;
            }
            self.greeted = true;
            self.heard.drain(..PROTOCOL_HEADER.len());
            self.reply(0, say::start("PLAIN"));
        }
        while let Some(frame) = take_frame(&mut self.heard) {
            self.on_frame(frame, noise);
        }
        let kind = self.heard.first();
        assert!(kind.is_none_or(|kind| [1, 2, 3, 8].contains(kind)), "{kind:?}");
    }

    /// Something to say, if there is anything.
    pub fn say(&mut self) -> Option<Vec<u8>> {
        self.replies.pop_front().map(|(_, bytes)| bytes)
    }

    fn reply(&mut self, number: u16, class: AMQPClass) {
        self.replies.push_back((number, method(number, class)));
    }

    fn message(&mut self, number: u16, class: AMQPClass, noise: &mut Noise) {
        let body = vec![7; noise.below(300)];
        let piece = 1 + noise.below(300);
        let mut all = method(number, class);
        all.extend(content(number, properties(), &body, piece));
        self.replies.push_back((number, all));
    }

    fn on_frame(&mut self, frame: AMQPFrame, noise: &mut Noise) {
        match frame {
            AMQPFrame::Method(0, class) => self.on_connection(&class),
            AMQPFrame::Method(number, class) => self.on_method(number, class, noise),
            AMQPFrame::Header(number, _, header) => self.on_body(number, header.body_size, 0),
            AMQPFrame::Body(number, piece) => self.on_body(number, 0, piece.len() as u64),
            AMQPFrame::Heartbeat(0) => {}
            other => panic!("{other:?}"),
        }
    }

    fn on_connection(&mut self, class: &AMQPClass) {
        let AMQPClass::Connection(method) = class else { panic!("{class:?}") };
        match method {
            connection::AMQPMethod::StartOk(_) => self.reply(0, say::tune(3, 4096, 1)),
            connection::AMQPMethod::TuneOk(_) => {}
            connection::AMQPMethod::Open(_) => {
                self.is_open = true;
                self.reply(0, say::open_ok());
            }
            connection::AMQPMethod::Close(_) => {
                self.is_open = false;
                self.reply(0, say::close_ok());
            }
            connection::AMQPMethod::CloseOk(_) => self.is_open = false,
            other => panic!("{other:?}"),
        }
    }

    fn on_method(&mut self, number: u16, class: AMQPClass, noise: &mut Noise) {
        if class == say::channel_open() {
            assert!(self.channels.insert(number, Channel::default()).is_none(), "opened twice");
            return self.reply(number, say::channel_open_ok());
        }
        let channel = self.channels.get_mut(&number).expect("an open channel");
        if class == say::channel_close_ok() {
            assert!(channel.closing, "nobody has closed");
            self.channels.remove(&number);
            return;
        }
        // What a client has said before it hears that its channel is closed is not for anybody.
        if channel.closing && !matches!(class, AMQPClass::Channel(channel::AMQPMethod::Close(_))) {
            return;
        }
        assert_eq!(channel.missing, 0, "{class:?} in the midst of a message");
        match class {
            AMQPClass::Channel(channel::AMQPMethod::Close(_)) => self.on_close(number),
            AMQPClass::Channel(channel::AMQPMethod::FlowOk(_)) => {}
            AMQPClass::Basic(asked) => self.on_basic(number, asked, noise),
            AMQPClass::Queue(queue::AMQPMethod::Declare(declare)) => {
                let mut name = declare.queue.to_string();
                if name.is_empty() {
                    self.count += 1;
                    name = format!("amq.gen-{}", self.count);
                }
                self.reply(number, say::queue_declare_ok(&name, 0, 0));
            }
            other => {
                if matches!(other, AMQPClass::Confirm(_)) {
                    channel.confirms = true;
                }
                self.reply(number, answer(&other));
            }
        }
    }

    fn on_close(&mut self, number: u16) {
        let closing = self.channels[&number].closing;
        self.reply(number, say::channel_close_ok());
        // If both close, the client's word about ours is still to come.
        if !closing {
            self.channels.remove(&number);
        }
    }

    fn on_basic(&mut self, number: u16, asked: basic::AMQPMethod, noise: &mut Noise) {
        let channel = self.channels.get_mut(&number).expect("an open channel");
        match asked {
            basic::AMQPMethod::Consume(consume) => {
                let tag = consume.consumer_tag.to_string();
                self.reply(number, say::consume_ok(&tag));
                self.channels.get_mut(&number).unwrap().consumers.insert(tag);
            }
            basic::AMQPMethod::Cancel(cancel) => {
                channel.consumers.remove(cancel.consumer_tag.as_str());
                self.reply(number, say::cancel_ok(cancel.consumer_tag.as_str()));
            }
            basic::AMQPMethod::Get(_) if noise.below(2) == 0 => {
                self.reply(number, say::get_empty());
            }
            basic::AMQPMethod::Get(_) => self.message(number, say::get_ok(1, 0), noise),
            basic::AMQPMethod::Qos(_) => self.reply(number, say::qos_ok()),
            basic::AMQPMethod::Recover(_) => self.reply(number, say::recover_ok()),
            basic::AMQPMethod::Publish(_) => {
                // Until its header says how long it is.
                channel.missing = u64::MAX;
            }
            basic::AMQPMethod::Ack(_)
            | basic::AMQPMethod::Nack(_)
            | basic::AMQPMethod::Reject(_)
            | basic::AMQPMethod::CancelOk(_) => {}
            other => panic!("{other:?}"),
        }
    }

    fn on_body(&mut self, number: u16, size: u64, piece: u64) {
        let channel = self.channels.get_mut(&number).expect("an open channel");
        if channel.closing {
            return;
        }
        if piece == 0 {
            assert_eq!(channel.missing, u64::MAX, "a header of nothing");
            channel.missing = size;
        } else {
            channel.missing -= piece;
        }
        if channel.missing == 0 && channel.confirms {
            channel.published += 1;
        }
    }

    /// Says something that nobody has asked for.
    pub fn interject(&mut self, noise: &mut Noise) {
        if !self.is_open {
            return;
        }
        let open: Vec<u16> = self
            .channels
            .iter()
            .filter(|(_, channel)| !channel.closing)
            .map(|(number, _)| *number)
            .collect();
        match noise.below(10) {
            0 => self.block(!self.blocked),
            1 => self.replies.push_back((0, bytes(&AMQPFrame::Heartbeat(0)))),
            _ if open.is_empty() => {}
            2 => {
                let number = *noise.pick(&open);
                self.stop(number, noise.below(2) == 0);
            }
            3 => self.message(*noise.pick(&open), say::returned("x", "k"), noise),
            4 | 5 => self.deliver(*noise.pick(&open), noise),
            6 if noise.below(4) == 0 => {
                let number = *noise.pick(&open);
                self.close(number);
            }
            7 if noise.below(4) == 0 => self.cancel(*noise.pick(&open), noise),
            _ => self.confirm(*noise.pick(&open), noise),
        }
    }

    fn block(&mut self, blocked: bool) {
        self.blocked = blocked;
        self.reply(0, if blocked { say::blocked("memory") } else { say::unblocked() });
    }

    fn stop(&mut self, number: u16, stopped: bool) {
        let channel = self.channels.get_mut(&number).expect("an open channel");
        channel.stopped = stopped;
        self.reply(number, say::flow(!stopped));
    }

    fn close(&mut self, number: u16) {
        let channel = self.channels.get_mut(&number).expect("an open channel");
        // The rest of a message, if it is in one, is not for anybody either.
        (channel.closing, channel.missing) = (true, 0);
        self.reply(number, say::channel_close(404, "NOT_FOUND", (60, 20)));
    }

    fn deliver(&mut self, number: u16, noise: &mut Noise) {
        self.count += 1;
        let consumers: Vec<_> = self.channels[&number].consumers.iter().cloned().collect();
        if !consumers.is_empty() {
            let tag = noise.pick(&consumers);
            self.message(number, say::deliver(tag, self.count), noise);
        }
    }

    fn cancel(&mut self, number: u16, noise: &mut Noise) {
        let channel = self.channels.get_mut(&number).expect("an open channel");
        if let Some(tag) = channel.consumers.pop_first() {
            self.reply(number, say::cancel(&tag, noise.below(2) == 0));
        }
    }

    fn confirm(&mut self, number: u16, noise: &mut Noise) {
        let channel = self.channels.get_mut(&number).expect("an open channel");
        let missing = channel.published - channel.confirmed;
        if missing == 0 {
            return;
        }
        let count = 1 + noise.below(missing as usize) as u64;
        channel.confirmed += count;
        let last = channel.confirmed;
        let taken = noise.below(4) != 0;
        let class =
            if taken { say::ack(last, 1 < count) } else { say::nack(last, 1 < count, false) };
        self.reply(number, class);
    }

    /// Takes back what keeps a client waiting, and confirms everything.
    pub fn calm_down(&mut self, noise: &mut Noise) {
        if self.blocked {
            self.block(false);
        }
        let numbers: Vec<u16> = self.channels.keys().copied().collect();
        for number in numbers {
            if self.channels[&number].closing {
                continue;
            }
            if self.channels[&number].stopped {
                self.stop(number, false);
            }
            self.confirm(number, noise);
        }
    }
}

/// The answer to what is always answered in the same way.
fn answer(asked: &AMQPClass) -> AMQPClass {
    use exchange::AMQPMethod as E;
    use queue::AMQPMethod as Q;
    use tx::AMQPMethod as T;
    match asked {
        AMQPClass::Channel(channel::AMQPMethod::Flow(flow)) => say::flow_ok(flow.active),
        AMQPClass::Exchange(E::Declare(_)) => say::exchange_declare_ok(),
        AMQPClass::Exchange(E::Delete(_)) => say::exchange_delete_ok(),
        AMQPClass::Exchange(E::Bind(_)) => say::exchange_bind_ok(),
        AMQPClass::Exchange(E::Unbind(_)) => say::exchange_unbind_ok(),
        AMQPClass::Queue(Q::Bind(_)) => say::queue_bind_ok(),
        AMQPClass::Queue(Q::Unbind(_)) => say::queue_unbind_ok(),
        AMQPClass::Queue(Q::Purge(_)) => say::queue_purge_ok(0),
        AMQPClass::Queue(Q::Delete(_)) => say::queue_delete_ok(0),
        AMQPClass::Confirm(_) => say::confirm_select_ok(),
        AMQPClass::Tx(T::Select(_)) => say::tx_select_ok(),
        AMQPClass::Tx(T::Commit(_)) => say::commit_ok(),
        AMQPClass::Tx(T::Rollback(_)) => say::rollback_ok(),
        other => panic!("{other:?}"),
    }
}
