//! The main thread while the host serves: it waits for signals, requests and the ends of reactors.

use std::io;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender};
use std::time::Duration;

use crate::base::panics::Panicked;
use crate::clock::{Clock, Moment};
use crate::mail::post::{Notice, Post, StopManner};
use crate::plugin::Plugin;
use crate::plugin::readiness::Readiness;
use crate::plugin::shared::HostShared;
use crate::reactor::exit::Exit;
use crate::run::control::{ControlAnswer, ControlQuestion, ControlRefusal, Request};
use crate::run::news::News;
use crate::run::notify::ServiceManager;
use crate::run::signals::exit_code;
use crate::run::watchdog::{Pulse, Watchdog};
use crate::run::watches::{FileWatches, Reloaded};

/// How often the paths of Unix sockets, certificates and the configuration are checked for changes.
const LOOK_AT_FILES_EVERY: Duration = Duration::from_secs(5);

/// How often a notification is sent again to a service manager that had no room.
const TELL_AGAIN_EVERY: Duration = Duration::from_millis(100);

/// How much longer than the `stop_deadline` a reactor may take, since its last steps may be late on a busy machine.
const STOP_MARGIN: Duration = Duration::from_secs(2);

/// How the host has ended.
#[derive(Debug, PartialEq)]
pub(super) enum End {
    /// Every reactor has ended.
    Whole(ExitCode),
    /// Some threads still run and are abandoned.
    Cut(ExitCode),
}

impl End {
    /// Drops the host's threads, or leaves them to the end of the process if some of them hang.
    pub(super) fn leave<T>(self, threads: T) -> ExitCode {
        match self {
            End::Whole(code) => {
                drop(threads);
                code
            }
            End::Cut(code) => {
                std::mem::forget(threads);
                code
            }
        }
    }
}

/// The supervisor of a host.
pub(super) struct Supervisor<'a> {
    pub(super) news: &'a Receiver<News>,
    pub(super) host: &'a HostShared,
    pub(super) posts: &'a [Post],
    pub(super) clock: Clock,
    pub(super) stop_deadline: Duration,
    /// Files to check for changes.
    pub(super) watches: FileWatches,
    /// The thread that reloads.
    pub(super) reloader: Sender<ControlQuestion>,
    pub(super) manager: &'a ServiceManager,
}

/// The state of the supervision.
struct Course {
    running: usize,
    code: ExitCode,
    /// The time until which the reactors have to end, once the stop has begun.
    deadline: Option<Moment>,
    signalled: bool,
    /// The time of the next check of files.
    look: Moment,
    /// The service manager's watchdog, if there is one; none once the host stops, which has a deadline.
    watchdog: Option<Watchdog>,
}

impl Supervisor<'_> {
    /// Runs until every reactor has ended, or the stop has exceeded its deadline.
    pub(super) fn run(mut self) -> End {
        let running = self.posts.len();
        let code = ExitCode::SUCCESS;
        let now = self.clock.now();
        let mut course = Course {
            running,
            code,
            deadline: None,
            signalled: false,
            look: now + LOOK_AT_FILES_EVERY,
            watchdog: (self.manager.watchdog())
                .map(|patience| Watchdog::new(patience, now, self.posts)),
        };
        self.manager.ready(&self.status());
        while 0 < course.running {
            if let Some(news) = self.next(&course)
                && let Some(end) = self.take(news, &mut course)
            {
                return end;
            }
            let now = self.clock.now();
            self.look(now, &mut course);
            if course.deadline.is_some_and(|deadline| deadline <= now) {
                tracing::error!(
                    reactors = course.running,
                    "still running at the end of the stop: leaving at once"
                );
                return End::Cut(ExitCode::FAILURE);
            }
        }
        self.host.log_counters();
        tracing::info!("stopped");
        End::Whole(course.code)
    }

    /// Waits for the next event; none if periodic checks are due.
    fn next(&self, course: &Course) -> Option<News> {
        let now = self.clock.now();
        let files = (!self.watches.is_empty()).then_some(course.look);
        let again = self.manager.owes().then(|| now + TELL_AGAIN_EVERY);
        let watchdog = course.watchdog.as_ref().map(Watchdog::next);
        let Some(next) = [files, again, watchdog, course.deadline].into_iter().flatten().min()
        else {
            return self.news.recv().ok();
        };
        self.news.recv_timeout(next.since(now)).ok()
    }

    /// Does the periodic checks that are due.
    fn look(&mut self, now: Moment, course: &mut Course) {
        self.manager.tell_again();
        if let Some(watchdog) = course.watchdog.as_mut().filter(|it| it.next() <= now) {
            match watchdog.look(now, self.posts) {
                Pulse::Alive => self.manager.alive(),
                Pulse::Waiting => {}
                Pulse::Stuck(reactors) => tracing::error!(
                    ?reactors,
                    "do not turn: the service manager is not told that the host lives"
                ),
            }
        }
        if course.look <= now {
            course.look = now + LOOK_AT_FILES_EVERY;
            if self.watches.look() {
                tracing::info!("a file has changed: the configuration is read again");
                self.answer(ControlQuestion::unanswered(Request::Reload), course);
            }
        }
    }

    fn status(&self) -> String {
        format!(
            "serving: plugins: {}, reactors: {}",
            self.host.roster().plugins().count(),
            self.posts.len()
        )
    }

    fn take(&mut self, news: News, course: &mut Course) -> Option<End> {
        match news {
            News::Signal(signal) if course.signalled => {
                tracing::warn!(signal, "second signal: leaving at once");
                return Some(End::Cut(exit_code(signal).into()));
            }
            News::Signal(signal) => {
                tracing::info!(signal, "signal: stopping; a second one leaves at once");
                course.signalled = true;
                self.stop(course, StopManner::Drain);
            }
            News::Hangup => {
                tracing::info!(
                    "SIGHUP: every plugin that is held back goes on, the configuration is read again"
                );
                self.host.roster().plugins().for_each(|plugin| plugin.resume());
                self.tell_all(&Notice::Resumed);
                self.answer(ControlQuestion::unanswered(Request::Reload), course);
            }
            News::Asked(question) => self.answer(question, course),
            News::ReloadOver(reloaded) => {
                if let Some(Reloaded { watches, stop_deadline }) = reloaded {
                    self.watches.extend(watches);
                    self.stop_deadline = stop_deadline;
                    // Versions that were held back have been replaced.
                    self.tell_all(&Notice::Resumed);
                }
                if course.deadline.is_none() {
                    self.manager.ready(&self.status());
                }
            }
            News::Count => {
                let roster = self.host.roster();
                roster.plugins().for_each(|plugin| plugin.log_usage());
                roster.tenants().for_each(|tenant| tenant.log_usage());
                self.host.log_counters();
            }
            News::HandedOver(process) => {
                tracing::info!(process, "another process has taken the listeners over: stopping");
                self.manager.handed_over(process);
                self.stop(course, StopManner::HandOver);
            }
            News::NotRelieved(error) => {
                tracing::error!(%error, "this process has not taken over: leaving");
                course.code = ExitCode::FAILURE;
                self.stop(course, StopManner::HandOver);
            }
            News::Ended(end) => {
                course.running -= 1;
                self.ended(end, course);
            }
            News::Panicked(panicked) => {
                tell(&panicked);
                course.code = ExitCode::FAILURE;
                self.stop(course, StopManner::Close);
            }
        }
        None
    }

    /// Handles a request of the operator. A reload is passed on to its thread.
    fn answer(&self, question: ControlQuestion, course: &Course) {
        if course.deadline.is_some() {
            return question.answer(Err(ControlRefusal::Stopping));
        }
        let answer = match &question.request {
            Request::Reload => {
                self.manager.reloading();
                // If the thread has ended the answer's sender is dropped, which the requester notices.
                let _ = self.reloader.send(question);
                return;
            }
            Request::Park { plugin } => self.park(plugin),
            Request::Drain { plugin } => self.drain(plugin),
            Request::Resume { plugin } => self.resume(plugin),
        };
        question.answer(answer);
    }

    fn park(&self, plugin: &str) -> Result<ControlAnswer, ControlRefusal> {
        let plugin = self.plugin(plugin)?;
        plugin.park();
        self.tell_all(&Notice::Parked(plugin.index));
        Ok(ControlAnswer::Parked)
    }

    fn drain(&self, plugin: &str) -> Result<ControlAnswer, ControlRefusal> {
        let plugin = self.plugin(plugin)?;
        plugin.drain();
        self.tell_all(&Notice::DrainPlugin(plugin.index));
        Ok(ControlAnswer::Draining)
    }

    fn resume(&self, plugin: &str) -> Result<ControlAnswer, ControlRefusal> {
        self.plugin(plugin)?.resume();
        self.tell_all(&Notice::Resumed);
        Ok(ControlAnswer::Resumed)
    }

    fn plugin(&self, name: &str) -> Result<Arc<Plugin>, ControlRefusal> {
        self.host.plugin(name).ok_or_else(|| ControlRefusal::UnknownPlugin(name.to_owned()))
    }

    fn ended(&self, end: Result<io::Result<Exit>, Panicked>, course: &mut Course) {
        match end {
            Ok(Ok(Exit::Stopped)) => {}
            Ok(Ok(Exit::NothingLeft)) => course.code = ExitCode::FAILURE,
            Ok(Err(error)) => {
                tracing::error!(%error, "a reactor has failed: stopping");
                course.code = ExitCode::FAILURE;
            }
            Err(panicked) => {
                tell(&panicked);
                course.code = ExitCode::FAILURE;
            }
        }
        // One reactor has ended, so all have to.
        self.stop(course, StopManner::Close);
    }

    /// Stops every reactor, and sets the deadline.
    fn stop(&self, course: &mut Course, manner: StopManner) {
        if course.deadline.is_none() {
            self.host.readiness.reach(Readiness::Stopping);
            let longest = self.stop_deadline.saturating_add(STOP_MARGIN);
            course.deadline = Some(self.clock.now() + longest);
            course.watchdog = None;
            self.manager.stopping(longest);
        }
        self.tell_all(&Notice::Stop(manner));
    }

    fn tell_all(&self, notice: &Notice) {
        self.posts.iter().for_each(|post| post.tell(notice.clone()));
    }
}

fn tell(panicked: &Panicked) {
    let Panicked { thread, cause } = panicked;
    tracing::error!(thread, cause, "a thread of the host has panicked: stopping");
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::channel;

    use mio::{Poll, Waker};

    use super::*;
    use crate::base::panics;
    use crate::base::token::PollSource;
    use crate::mail::post::Bell;

    /// Supervises reactors that never answer, with these events; checks how it ends.
    #[track_caller]
    fn check(reactors: usize, deadline: Duration, news: Vec<News>, expected: &End) {
        let poll = Poll::new().expect("a poll");
        let waker = Waker::new(poll.registry(), PollSource::Waker.into()).expect("a waker");
        let bell = Arc::new(Bell::new(waker));
        // Kept open, so that notices can be sent.
        let (to_notices, notices) = channel();
        let posts = vec![Post::new(to_notices, channel().0, bell); reactors];
        let (sender, receiver) = channel();
        let shown = format!("{news:?}");
        news.into_iter().for_each(|one| sender.send(one).expect("it is listened to"));
        let supervisor = Supervisor {
            news: &receiver,
            host: &HostShared::default(),
            posts: &posts,
            clock: Clock::system(),
            stop_deadline: deadline,
            watches: FileWatches::default(),
            reloader: channel().0,
            manager: &ServiceManager::default(),
        };
        assert_eq!(supervisor.run(), *expected, "{shown}");
        let stops = notices.try_iter().filter(|notice| matches!(notice, Notice::Stop(_))).count();
        assert!(reactors <= stops, "{shown}: not every reactor was stopped");
    }

    fn panicked() -> Panicked {
        panics::catch(|| panic!("a test")).map(|()| "nothing").expect_err("it panics")
    }

    #[test]
    fn whatever_ends_a_thread_ends_the_host() {
        let long = Duration::from_secs(3600);
        let stopped = || News::Ended(Ok(Ok(Exit::Stopped)));
        let failure = End::Whole(ExitCode::FAILURE);
        check(1, long, vec![News::Ended(Err(panicked()))], &failure);
        check(2, long, vec![News::Ended(Err(panicked())), stopped()], &failure);
        check(2, long, vec![stopped(), News::Ended(Err(panicked()))], &failure);
        check(1, long, vec![News::Panicked(panicked()), stopped()], &failure);
        let error = io::Error::other("a test");
        check(2, long, vec![News::Ended(Ok(Err(error))), stopped()], &failure);
        check(2, long, vec![News::Ended(Ok(Ok(Exit::NothingLeft))), stopped()], &failure);
        check(2, long, vec![stopped(), stopped()], &End::Whole(ExitCode::SUCCESS));
    }

    #[test]
    fn the_first_signal_stops_and_the_second_leaves() {
        let long = Duration::from_secs(3600);
        let stopped = || News::Ended(Ok(Ok(Exit::Stopped)));
        check(1, long, vec![News::Signal(15), stopped()], &End::Whole(ExitCode::SUCCESS));
        check(1, long, vec![News::Signal(15), News::Signal(15)], &End::Cut(143.into()));
        check(2, long, vec![News::Signal(15), stopped(), News::Signal(2)], &End::Cut(130.into()));
    }

    #[test]
    fn a_reactor_that_does_not_stop_is_not_waited_for() {
        let cut = End::Cut(ExitCode::FAILURE);
        check(2, Duration::ZERO, vec![News::Signal(15)], &cut);
        check(2, Duration::ZERO, vec![News::Ended(Err(panicked()))], &cut);
    }
}
