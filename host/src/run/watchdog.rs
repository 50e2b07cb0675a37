//! The service manager's watchdog, which is kept alive only while every loop turns.
//!
//! Each loop is asked to turn; the host is alive if all have done so. If a loop hangs, whatever the other threads do, the
//! manager restarts the host.

use std::time::Duration;

use crate::clock::Moment;
use crate::mail::post::Post;

/// How many notifications are sent within the time-out.
const TIMES: u32 = 2;
/// How many checks of a late loop are made in that time, since it may only wait for a core.
const LOOKS: u32 = 16;

/// The watchdog.
#[derive(Debug)]
pub(super) struct Watchdog {
    /// The time-out.
    patience: Duration,
    next: Moment,
    /// The time of the current question.
    asked: Moment,
    is_told: bool,
}

/// The result of a check.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Pulse {
    /// Every loop has turned.
    Alive,
    /// Some loops have not turned yet.
    Waiting,
    /// These loops have not turned within the time-out. Reported once.
    Stuck(Vec<usize>),
}

impl Watchdog {
    /// Starts a watchdog.
    pub(super) fn new(patience: Duration, now: Moment, loops: &[Post]) -> Watchdog {
        loops.iter().for_each(Post::ask_to_turn);
        Watchdog { patience, next: now, asked: now, is_told: false }
    }

    /// The time of the next check.
    pub(super) fn next(&self) -> Moment {
        self.next
    }

    /// Does a check, if it is due.
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
        // Another ring of the bell is no sign of life.
        posts[1].ask_to_turn();
        assert_eq!(watchdog.look(at(1200), &posts), Pulse::Waiting);
        bells[1].hear();
        assert_eq!(watchdog.look(at(1300), &posts), Pulse::Alive);
    }
}
