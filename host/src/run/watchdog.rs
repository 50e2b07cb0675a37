//! The service manager's watchdog: it is told that the host lives only while every loop turns.
//!
//! Each loop is asked to turn; the host lives when all have done so since. A loop that hangs does not, whatever its other
//! threads do, and the manager starts the host again.

use std::time::Duration;

use crate::clock::Moment;
use crate::mail::post::Post;

/// The host is told alive this many times in the manager's time.
const TIMES: u32 = 2;
/// Looks at a loop that has not turned yet, in that time: it may have had to wait for a core.
const LOOKS: u32 = 16;

/// Asks the loops, for the manager's watchdog.
#[derive(Debug)]
pub(super) struct Watchdog {
    /// How long the host may be silent.
    patience: Duration,
    next: Moment,
    /// Since when there is no answer.
    asked: Moment,
    is_told: bool,
}

/// What a look has shown.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Pulse {
    /// Every loop has turned since it was asked.
    Alive,
    /// Some have not, but may still do so in time.
    Waiting,
    /// These loops, by their numbers, have not turned in the manager's time. It is said once.
    Stuck(Vec<usize>),
}

impl Watchdog {
    /// A watchdog that begins now.
    pub(super) fn new(patience: Duration, now: Moment, loops: &[Post]) -> Watchdog {
        loops.iter().for_each(Post::ask_to_turn);
        Watchdog { patience, next: now, asked: now, is_told: false }
    }

    /// When to look next.
    pub(super) fn next(&self) -> Moment {
        self.next
    }

    /// Looks, when it is time.
    pub(super) fn look(&mut self, now: Moment, loops: &[Post]) -> Pulse {
        let silent = (0..).zip(loops).filter(|(_, post)| !post.has_turned());
        let silent: Vec<usize> = silent.map(|(number, _)| number).collect();
        if silent.is_empty() {
            loops.iter().for_each(Post::ask_to_turn);
            (self.asked, self.is_told) = (now, false);
            self.next = now + self.patience / TIMES;
            return Pulse::Alive;
        }
        self.next = now + self.patience / LOOKS;
        let is_late = self.patience / TIMES < now.since(self.asked);
        if is_late && !std::mem::replace(&mut self.is_told, true) {
            return Pulse::Stuck(silent);
        }
        Pulse::Waiting
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::mpsc::channel;

    use mio::{Poll, Waker};

    use super::*;
    use crate::base::token::PollSource;
    use crate::mail::post::Bell;

    #[test]
    fn only_while_every_loop_turns_the_host_is_alive() {
        let poll = Poll::new().expect("a poll");
        let bell = || {
            let waker = Waker::new(poll.registry(), PollSource::Waker.into()).expect("a waker");
            Arc::new(Bell::new(waker))
        };
        let bells = [bell(), bell()];
        let post = |bell: &Arc<Bell>| Post::new(channel().0, channel().0, bell.clone());
        let posts: Vec<Post> = bells.iter().map(post).collect();
        let at = |milliseconds| Moment::from_start(Duration::from_millis(milliseconds));
        let mut watchdog = Watchdog::new(Duration::from_millis(1600), at(0), &posts);

        assert_eq!(watchdog.look(at(0), &posts), Pulse::Waiting);
        assert_eq!(watchdog.next(), at(100), "a loop may have to wait for a core");
        bells[0].hear();
        assert_eq!(watchdog.look(at(100), &posts), Pulse::Waiting, "the other has not turned");
        bells[1].hear();
        assert_eq!(watchdog.look(at(200), &posts), Pulse::Alive);
        assert_eq!(watchdog.next(), at(1000), "half of the time");

        bells[0].hear();
        assert_eq!(watchdog.look(at(1000), &posts), Pulse::Waiting);
        assert_eq!(watchdog.look(at(1001), &posts), Pulse::Stuck(vec![1]));
        assert_eq!(watchdog.look(at(1100), &posts), Pulse::Waiting, "it is said once");
        // Whoever rings besides is no sign of life.
        posts[1].ask_to_turn();
        assert_eq!(watchdog.look(at(1200), &posts), Pulse::Waiting);
        bells[1].hear();
        assert_eq!(watchdog.look(at(1300), &posts), Pulse::Alive);
    }
}
