//! How a connection closes after its last answer: in stages (RFC 9112, 9.6).
//!
//! A socket that is closed while its peer is still sending is reset, and the reset takes along what the peer has not
//! read. So this side ends first, and goes on reading, and forgetting what comes, until the peer has ended too.

use std::{
    cell::{Cell, RefCell},
    rc::{Rc, Weak},
    time::Duration,
};

use crate::{
    timers::{Timer, try_add_timer},
    transport::Transport,
};

/// A connection that closes. It is to be cancelled at the connection's end.
pub(super) struct Closing(Rc<Watch>);

/// Looks now and then whether the peer still reads, as long as it does not end its side.
struct Watch {
    transport: Rc<dyn Transport>,
    linger: Duration,
    idle_timeout: Duration,
    /// The bytes that were unsent at the last check.
    left: Cell<usize>,
    /// How long that has not become less.
    still: Cell<Duration>,
    timer: RefCell<Option<Timer>>,
}

impl Closing {
    /// Ends this side once everything is sent. The peer has `linger` after that to end its own, and before it
    /// `idle_timeout` for each byte (zero: as long as it likes). None if the connection is closed without stages: the
    /// peer has ended already, or nobody is to wait for it.
    pub(crate) fn begin(
        transport: Rc<dyn Transport>,
        linger: Duration,
        idle_timeout: Duration,
    ) -> Option<Closing> {
        if linger.is_zero() || transport.peer_finished() {
            transport.close_after_writing();
            return None;
        }
        let (left, still) = (Cell::new(transport.outbound()), Cell::default());
        let timer = RefCell::default();
        let watch = Rc::new(Watch { transport, linger, idle_timeout, left, still, timer });
        if !watch.look_later() {
            watch.transport.close_after_writing();
            return None;
        }
        watch.transport.keep_half_open(false);
        watch.transport.half_close();
        Some(Closing(watch))
    }

    /// The connection is gone.
    pub(crate) fn cancel(&self) {
        if let Some(timer) = self.0.timer.take() {
            timer.cancel();
        }
    }
}

impl Watch {
    fn look_later(self: &Rc<Self>) -> bool {
        let watch = Rc::downgrade(self);
        let timer = try_add_timer(self.linger, move || look(&watch));
        self.timer.replace(timer.ok());
        self.timer.borrow().is_some()
    }

    /// Whether the peer has had its time, by the number of unsent bytes.
    fn is_over(&self) -> bool {
        let left = self.transport.outbound();
        let before = self.left.replace(left);
        if left < before {
            self.still.set(Duration::ZERO);
            return false;
        }
        self.still.set(self.still.get() + self.linger);
        left == 0 || (!self.idle_timeout.is_zero() && self.idle_timeout <= self.still.get())
    }
}

fn look(watch: &Weak<Watch>) {
    let Some(watch) = watch.upgrade() else { return };
    if watch.is_over() || !watch.look_later() {
        watch.transport.close();
    }
}
