//! The admin listener: an HTTP server on a thread of its own, outside the loops.
//!
//! It reads the counters of the loops directly. What only a loop knows it requests by mail, a page at a time.

pub mod client;
mod clients;
mod cluster_view;
mod commands;
mod exposition;
mod families;
mod guard;
mod health;
mod page;
mod process;
mod query;
mod reply;
mod routes;
mod server;
pub(in crate::run) mod start;
pub mod top;
mod views;
pub(in crate::run) mod watched;

use std::io;
use std::time::Duration;

use tokio::runtime::{Builder, Runtime};
use tokio::sync::oneshot;
use tokio::task::LocalSet;

use crate::base::thread::{Threads, lower_priority};
use crate::net::listener::admin::AdminListener;
use crate::run::admin::server::Server;
use crate::run::admin::watched::WatchedHost;

/// How long the end of the host waits for the thread.
const LONGEST_END: Duration = Duration::from_secs(1);

/// The most commands that wait for the main thread at once; further ones are queued.
const COMMANDS_AT_ONCE: usize = 2;

/// The runtime of the thread, made before anything is served.
#[derive(Debug)]
pub(in crate::run) struct AdminRuntime(Runtime);

/// The thread. Dropping it ends it.
#[derive(Debug)]
pub(in crate::run) struct AdminThread {
    threads: Option<Threads>,
    stop: Option<oneshot::Sender<()>>,
}

impl AdminRuntime {
    /// Makes the runtime.
    ///
    /// # Errors
    /// When the system has no file descriptors left.
    pub(in crate::run) fn new() -> io::Result<AdminRuntime> {
        let mut runtime = Builder::new_current_thread();
        // Commands that wait for the main thread block threads of their own and not the server.
        runtime.max_blocking_threads(COMMANDS_AT_ONCE).enable_io().enable_time();
        runtime.build().map(AdminRuntime)
    }

    /// Starts the thread.
    ///
    /// # Errors
    /// When the system has no more threads.
    pub(in crate::run) fn serve(
        self,
        listener: AdminListener,
        watched: WatchedHost,
    ) -> io::Result<AdminThread> {
        let AdminRuntime(runtime) = self;
        let (stop, stopped) = oneshot::channel();
        let mut threads = Threads::new();
        threads.spawn("admin".to_owned(), move || {
            // Frequent requests must not take CPU time from the loops.
            if let Err(error) = lower_priority() {
                tracing::debug!(%error, "the admin listener keeps its priority");
            }
            LocalSet::new().block_on(&runtime, async {
                let server = match Server::new(listener, watched) {
                    Ok(server) => server,
                    Err(error) => {
                        return tracing::error!(%error, "the admin listener is not served");
                    }
                };
                tokio::select! {
                    never = server.run() => match never {},
                    // A dropped sender stops the server too.
                    _ = stopped => {}
                }
            });
            // A command that the main thread no longer answers is abandoned.
            runtime.shutdown_background();
        })?;
        Ok(AdminThread { threads: Some(threads), stop: Some(stop) })
    }
}

impl Drop for AdminThread {
    fn drop(&mut self) {
        drop(self.stop.take());
        let ended = self.threads.take().is_none_or(|threads| threads.join_within(LONGEST_END));
        if !ended {
            tracing::warn!("the admin listener is still busy: left");
        }
    }
}
