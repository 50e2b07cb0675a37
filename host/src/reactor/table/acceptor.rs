//! A listener in the loop, and whether it has to wait.

use crate::clock::Moment;
use crate::net::listener::Listener;
use crate::timer::TimerKey;

/// A listener, and whether it has to wait.
pub struct Acceptor {
    pub listener: Listener,
    /// Set while it cannot accept: when it tries again if nothing ends before.
    pub again: Option<TimerKey>,
    /// When the operator was last told that it cannot.
    pub told: Option<Moment>,
}

impl Acceptor {
    pub fn new(listener: Listener) -> Acceptor {
        Acceptor { listener, again: None, told: None }
    }

    /// The plugin it serves.
    pub fn plugin(&self) -> usize {
        self.listener.endpoint.plugin
    }
}
