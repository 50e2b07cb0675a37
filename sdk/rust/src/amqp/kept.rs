//! A channel that is made again when the broker has ended it, or a consumer on it.

use std::{
    cell::{Cell, RefCell},
    rc::Rc,
    time::Duration,
};

use sandloop_amqp::{ChannelId, Failure, QueueName, Request, Session};

use super::{channel::Channel, link::Link};
use crate::timers::{Timer, try_add_timer};

/// How a channel is set up, and how often it was in vain.
pub(super) struct Kept {
    set_up: RefCell<SetUp>,
    /// How often in a row it did not last.
    failures: Cell<u32>,
    /// Runs until it counts as lasting.
    lasting: Cell<Option<Timer>>,
    /// Queues of an earlier channel that only that one knew.
    left: RefCell<Vec<QueueName>>,
}

/// Declares, binds and consumes on a new channel.
pub(super) type SetUp = Box<dyn FnMut(&Channel)>;

impl Kept {
    pub(crate) fn new(set_up: SetUp) -> Rc<Kept> {
        Rc::new(Kept {
            set_up: RefCell::new(set_up),
            failures: Cell::new(0),
            lasting: Cell::new(None),
            left: RefCell::default(),
        })
    }

    /// Opens a channel and sets it up.
    pub(crate) fn begin(self: &Rc<Self>, link: &Rc<Link>) {
        let channel = Channel::open(link);
        let id = match channel.id() {
            Ok(id) => id,
            // The connection is over, or the plugin has closed it.
            Err(Failure::Closed) => return,
            Err(failure) => return self.again(link, &failure.to_string()),
        };
        link.keep(id, self.clone());
        for queue in self.left.take() {
            // Where it fails, the queue goes with the connection.
            let delete = Request::DeleteQueue { queue, if_unused: true, if_empty: false };
            let _ = link.request(id, delete);
        }
        let me = Rc::downgrade(self);
        let timer = try_add_timer(link.backoff_max(), move || {
            if let Some(me) = me.upgrade() {
                me.lasting.set(None);
                me.failures.set(0);
            }
        });
        self.lasting.set(timer.ok());
        (self.set_up.borrow_mut())(&channel);
    }

    /// The broker has ended it, or a consumer on it.
    pub(crate) fn ended(self: &Rc<Self>, link: &Rc<Link>, id: ChannelId, reason: &str) {
        let left = link.with(|session: &mut Session| session.forget_channel(id));
        self.left.borrow_mut().extend(left);
        self.again(link, reason);
    }

    /// Sets it up again, after a while.
    fn again(self: &Rc<Self>, link: &Rc<Link>, reason: &str) {
        if let Some(timer) = self.lasting.take() {
            timer.cancel();
        }
        let pause: Duration = link.pause_after(&self.failures);
        crate::error!("{reason}; again in {pause:?}");
        let (me, link) = (self.clone(), link.clone());
        if let Err(error) = try_add_timer(pause, move || me.begin(&link)) {
            crate::error!("no timer to begin again: {error}");
        }
    }
}
