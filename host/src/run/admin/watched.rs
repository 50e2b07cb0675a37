//! The view of a running host for the admin thread.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Mutex;
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};
use tokio::time::{sleep, timeout};

use crate::clock::{Clock, Moment};
use crate::config::admin::AdminConfig;
use crate::config::limits::HostLimits;
use crate::mail::inquiry::{Inquiry, LoopAnswer, LoopQuestion};
use crate::mail::post::{Notice, Post};
use crate::plugin::roster::Roster;
use crate::plugin::shared::HostShared;
use crate::quota::instances::InstanceQuota;
use crate::run::control::Control;
use crate::run::reload::Served;

/// How long a reactor may take to answer. A turn takes milliseconds, but the machine may be busy.
pub(super) const LONGEST_ANSWER: Duration = Duration::from_secs(5);

/// The host, for the admin thread.
pub(in crate::run) struct WatchedHost {
    /// The shared state.
    pub(in crate::run) host: Arc<HostShared>,
    /// The mail of each reactor.
    pub(in crate::run) posts: Vec<Post>,
    pub(in crate::run) clock: Clock,
    /// The time of the start.
    pub(in crate::run) begun: Moment,
    /// The instance quota.
    pub(in crate::run) quota: InstanceQuota,
    /// The limits of the host.
    pub(in crate::run) limits: HostLimits,
    /// Sends commands to the main thread.
    pub(in crate::run) control: Control,
    /// The section `[admin]`.
    pub(in crate::run) config: AdminConfig,
    pub(in crate::run) pages: Pages,
    pub(in crate::run) heartbeat: Heartbeat,
}

/// Limits the rate of pages, so that clients cannot load the loops.
#[derive(Debug, Default)]
pub(in crate::run) struct Pages(Mutex<Option<Moment>>);

/// The time of the last check whether the loops turn, and those that did not answer.
#[derive(Debug, Default)]
pub(in crate::run) struct Heartbeat(pub(super) Mutex<Option<(Moment, Vec<usize>)>>);

/// The shortest time between two pages.
const BETWEEN_PAGES: Duration = Duration::from_millis(50);

impl WatchedHost {
    /// The view that `[admin]` serves; none without that section.
    pub(in crate::run) fn of(
        served: &Served,
        posts: &[Post],
        control: &Control,
        begun: Moment,
    ) -> Option<WatchedHost> {
        let config = served.config.admin.clone()?;
        Some(WatchedHost {
            host: served.host.clone(),
            posts: posts.to_vec(),
            clock: served.clock.for_reactor(),
            begun,
            quota: served.quota.clone(),
            limits: served.config.host.limits.clone(),
            control: control.clone(),
            config,
            pages: Pages::default(),
            heartbeat: Heartbeat::default(),
        })
    }

    /// Sends an inquiry to a reactor; where its answer comes. None if there is no such reactor.
    pub(super) fn inquire(
        &self,
        reactor: usize,
        question: LoopQuestion,
    ) -> Option<UnboundedReceiver<LoopAnswer>> {
        let post = self.posts.get(reactor)?;
        let (answer, answers) = unbounded_channel();
        post.tell(Notice::Asked(Inquiry { question, answer }));
        Some(answers)
    }

    /// The answer of a reactor; none if it does not answer in time.
    async fn ask(&self, reactor: usize, question: LoopQuestion) -> Option<LoopAnswer> {
        let mut answers = self.inquire(reactor, question)?;
        timeout(LONGEST_ANSWER, answers.recv()).await.ok()?
    }

    /// The current roster.
    pub(super) fn roster(&self) -> Arc<Roster> {
        self.host.roster()
    }

    /// Requests a page from a reactor; waits if the last page was too recent.
    pub(super) async fn page(&self, reactor: usize, question: LoopQuestion) -> Option<LoopAnswer> {
        let mut last = self.pages.0.lock().await;
        let since = last.map_or(BETWEEN_PAGES, |last| self.clock.now().since(last));
        sleep(BETWEEN_PAGES.saturating_sub(since)).await;
        *last = Some(self.clock.now());
        self.ask(reactor, question).await
    }

    /// How long the host has run.
    pub(super) fn uptime(&self) -> Duration {
        self.clock.now().since(self.begun)
    }
}
