//! What is watched: the host as others see it while it runs.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Mutex;
use tokio::sync::mpsc::unbounded_channel;
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

/// How long a reactor may take to answer. A turn takes milliseconds; a machine without a free core takes its time.
pub(super) const LONGEST_ANSWER: Duration = Duration::from_secs(5);

/// The host, for those who watch it.
pub(in crate::run) struct WatchedHost {
    /// Its plugins, its tenants and its loops.
    pub(in crate::run) host: Arc<HostShared>,
    /// The way to each reactor.
    pub(in crate::run) posts: Vec<Post>,
    /// The time.
    pub(in crate::run) clock: Clock,
    /// When it began.
    pub(in crate::run) begun: Moment,
    /// Its sandboxes.
    pub(in crate::run) quota: InstanceQuota,
    /// What it may use.
    pub(in crate::run) limits: HostLimits,
    /// The way to the main thread, for what changes something.
    pub(in crate::run) control: Control,
    /// Who may ask what.
    pub(in crate::run) config: AdminConfig,
    /// When the loops were last asked for a page.
    pub(in crate::run) pages: Pages,
    /// What the last look at the loops has found.
    pub(in crate::run) heartbeat: Heartbeat,
}

/// Keeps pages apart, so that whoever asks for many takes the loops no time worth mentioning.
#[derive(Debug, Default)]
pub(in crate::run) struct Pages(Mutex<Option<Moment>>);

/// When the loops were last asked whether they turn, and those that did not answer.
#[derive(Debug, Default)]
pub(in crate::run) struct Heartbeat(pub(super) Mutex<Option<(Moment, Vec<usize>)>>);

/// The least time between two pages.
const BETWEEN_PAGES: Duration = Duration::from_millis(50);

impl WatchedHost {
    /// Asks one reactor; none where it does not answer in time.
    pub(super) async fn ask(&self, reactor: usize, question: LoopQuestion) -> Option<LoopAnswer> {
        let post = self.posts.get(reactor)?;
        let (answer, mut answers) = unbounded_channel();
        post.tell(Notice::Asked(Inquiry { question, answer }));
        timeout(LONGEST_ANSWER, answers.recv()).await.ok()?
    }

    /// What is served at this moment.
    pub(super) fn roster(&self) -> Arc<Roster> {
        self.host.roster()
    }

    /// Asks one reactor for a page of what it has; whoever comes too soon waits.
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
