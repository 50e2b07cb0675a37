//! The threads that carry the reactors.

use std::sync::mpsc::Sender;

use crate::carrier::spares::{Departure, Spares};
use crate::config::model::HostConfig;
use crate::engine::ticker::Activity;
use crate::mail::post::Post;
use crate::reactor::Reactor;
use crate::run::error::StartError;
use crate::run::news::News;

/// The carriers' threads. They are started before the first port opens, so that a lack of threads is an error of the start.
pub(super) struct Crew(Spares);

impl Crew {
    pub(super) fn new(
        config: &HostConfig,
        activity: Activity,
        news: Sender<News>,
    ) -> Result<Crew, StartError> {
        let tell = move |end| {
            let news_of = match end {
                Departure::Ended(end) => News::Ended(end),
                Departure::Panicked(panicked) => News::Panicked(panicked),
            };
            // Fails only while the process is ending.
            let _ = news.send(news_of);
        };
        Spares::start(config.limits.reactors, config.limits.slice, activity, tell)
            .map(Crew)
            .map_err(StartError::thread("a reactor"))
    }

    /// Gives each reactor the mail of all, and to one of the threads.
    pub(super) fn carry_all(&self, reactors: Vec<Reactor>, posts: &[Post]) {
        for mut reactor in reactors {
            reactor.set_peers(posts.to_vec());
            self.0.carry(reactor);
        }
    }
}

impl Drop for Crew {
    fn drop(&mut self) {
        self.0.close();
    }
}
