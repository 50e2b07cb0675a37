//! Who carries a reactor: it is asked what is next, and each guest is entered here, at the top of the thread's stack.

use std::io;

use crate::clock::Clock;
use crate::engine::ticker::Activity;
use crate::reactor::exit::Exit;
use crate::reactor::{Reactor, Step};

/// A reactor, and what its guests are entered with.
pub struct Carrier {
    reactor: Reactor,
    activity: Activity,
    clock: Clock,
}

impl Carrier {
    /// Carries this reactor from its next turn on.
    pub fn new(reactor: Reactor) -> Carrier {
        let (activity, clock) = reactor.entered_with();
        Carrier { reactor, activity, clock }
    }

    /// Turns until the reactor is stopped.
    ///
    /// # Errors
    /// When the poll fails.
    pub fn run(mut self) -> io::Result<Exit> {
        while self.turn()? {}
        Ok(self.reactor.how_it_ended())
    }

    /// One turn; false when it was the last.
    ///
    /// # Errors
    /// When the poll fails.
    pub fn turn(&mut self) -> io::Result<bool> {
        loop {
            match self.reactor.next_step()? {
                Step::Enter(entry) => {
                    let returned = entry.enter(&self.activity, &self.clock);
                    self.reactor.returned(returned);
                }
                Step::TurnIsOver { goes_on } => return Ok(goes_on),
            }
        }
    }
}
