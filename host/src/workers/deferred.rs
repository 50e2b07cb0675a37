//! The workers: threads that run deferred jobs.

use std::collections::BTreeSet;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use wasmtime::Trap;

use crate::base::thread::{Threads, lower_priority};
use crate::clock::Clock;
use crate::config::bound::Limit;
use crate::config::limits;
use crate::contract::outcome::Failure;
use crate::engine::call::{Finished, Seat, enter, operation_budget};
use crate::engine::event::{Event, Outcome};
use crate::engine::sandbox::Sandbox;
use crate::engine::template::Versions;
use crate::engine::ticker::Activity;
use crate::engine::trapped::{Stage, Trapped};
use crate::host_api::call::{CallEnded, Pace};
use crate::host_api::state::{Env, HostState};
use crate::log::trap;
use crate::mail::message::Message;
use crate::mail::post::{Deferred, Mail, NoResult};
use crate::plugin::Plugin;
use crate::plugin::jobs::{Job, Jobs};
use crate::plugin::report::Ended;
use crate::plugin::roster::Roster;
use crate::quota::fair_queue::Taken;
use crate::workers::LONGEST_END;
use crate::workers::cpu_account::CpuAccount;

/// How long an idle worker keeps its sandbox for the next job of the same plugin.
const KEPT_FOR: Duration = Duration::from_secs(1);

/// The threads. Dropping it drops the jobs that wait, cancels those in progress and waits up to [`LONGEST_END`] for the
/// threads.
#[derive(Debug)]
pub struct Workers {
    jobs: Arc<Jobs>,
    threads: Threads,
}

impl Workers {
    /// Starts `count` threads.
    ///
    /// # Errors
    /// When the operating system has no more threads.
    pub fn spawn(
        count: usize,
        env: &Env,
        versions: &Versions,
        activity: &Activity,
    ) -> io::Result<Workers> {
        let jobs = env.host.jobs.clone();
        jobs.set_share(share(count, &env.host.roster()));
        let mut workers = Workers { jobs, threads: Threads::new() };
        for index in 0..count {
            let worker = Worker {
                env: env.clone(),
                versions: versions.clone(),
                activity: activity.clone(),
                kept: None,
            };
            workers.threads.spawn(format!("worker-{index}"), move || worker.work())?;
        }
        Ok(workers)
    }
}

/// The most workers of one tenant: all, if no other tenant has deferred work.
pub(crate) fn share(workers: usize, roster: &Roster) -> usize {
    let deferring = roster.plugins().filter(|plugin| plugin.exports.has_operations());
    let tenants: BTreeSet<usize> = deferring.map(|plugin| plugin.tenant.index).collect();
    if tenants.len() < 2 { workers } else { workers.saturating_sub(1).max(1) }
}

impl Drop for Workers {
    fn drop(&mut self) {
        self.jobs.close();
        if !std::mem::take(&mut self.threads).join_within(LONGEST_END) {
            tracing::warn!("a worker is still busy: left");
        }
    }
}

/// The state of one thread.
struct Worker {
    env: Env,
    versions: Versions,
    activity: Activity,
    /// The sandbox of the last job, for the next job of the same plugin. It is never used for another plugin, so that
    /// nothing leaks between tenants.
    kept: Option<Box<Sandbox>>,
}

/// The hooks of a worker's call: it only charges CPU time.
struct Pays {
    plugin: Arc<Plugin>,
    clock: Clock,
    cpu: CpuAccount,
}

impl Pace for Pays {
    fn slice_over(&self, _: Duration) {
        self.cpu.pay(&self.plugin, self.clock.now());
    }

    fn wait_begins(&self) {}

    fn wait_ends(&self) {}
}

impl Worker {
    fn work(mut self) {
        if let Err(error) = lower_priority() {
            tracing::warn!(%error, "a worker keeps the priority of the reactors");
        }
        loop {
            // The time-out is only for dropping the kept sandbox.
            match self.env.host.jobs.take(self.kept.is_some().then_some(KEPT_FOR)) {
                Taken::Item(job) => {
                    let tenant = job.plugin.tenant.index;
                    self.do_job(job);
                    self.env.host.jobs.done(tenant);
                }
                Taken::Nothing => self.kept = None,
                Taken::Closed => return,
            }
        }
    }

    fn do_job(&mut self, job: Job) {
        let Job { plugin, operation, argument, id, asker, alive, permits, fencing } = job;
        if alive.strong_count() == 0 {
            return;
        }
        let answer = |outcome| {
            let (instance, permits) = (asker.instance, Some(permits));
            let deferred = Deferred { instance, job: id, outcome, permits };
            asker.post.send(Mail::Deferred(Box::new(deferred)));
        };
        let Some(seat) = self.seat(&plugin, fencing) else {
            plugin.at_limit(self.env.clock.now(), &limits::TENANT_MEMORY, || None);
            return answer(Err(Failure::Unavailable.into()));
        };
        let event = Event::Operation { operation, argument };
        let cancel = seat.cancel_token().clone();
        let jobs = &self.env.host.jobs;
        if !jobs.begins(&alive, &cancel) {
            return;
        }
        let budget = operation_budget(&plugin.config.limits);
        let pays = Arc::new(Pays {
            plugin: plugin.clone(),
            clock: self.env.clock.clone(),
            cpu: CpuAccount::default(),
        });
        pays.cpu.begin();
        let mut finished = enter(seat, event, budget, pays.clone(), &self.activity);
        pays.slice_over(Duration::ZERO);
        jobs.ends(&cancel);
        if cancel.is_cancelled() {
            // The call was cancelled, so the sandbox cannot be reused.
            finished.sandbox = None;
            return;
        }
        answer(self.outcome(&plugin, operation, finished));
    }

    /// A sandbox for a job, or what is needed to make one; none if its tenant has no memory left.
    fn seat(&mut self, plugin: &Arc<Plugin>, fencing: Option<u64>) -> Option<Seat> {
        match self.kept.take() {
            Some(mut kept) if Arc::ptr_eq(kept.plugin(), plugin) => {
                kept.store.data_mut().fencing = fencing;
                Some(Seat::Ready(kept))
            }
            other => {
                // Dropped first: its memory may be needed for the new one.
                drop(other);
                let mut state = HostState::new(plugin.clone(), self.env.clone());
                state.fencing = fencing;
                let fits = state.memory.reserve(plugin.least_memory);
                // The instance that has deferred the job exists, and so does its template.
                let template = self.versions.of(plugin).filter(|_| fits)?;
                Some(Seat::Empty(template, Box::new(state)))
            }
        }
    }

    fn ended(&self, plugin: &Plugin, operation: u32, trapped: &Trapped) {
        plugin.ended(
            self.env.clock.now(),
            &Ended {
                what: "a deferred operation was ended",
                event: "operation",
                subject: None,
                operation: Some(operation),
                limit: trapped.limit,
                cause: Some(trap::cause(&trapped.error)),
                last_words: trapped.last_words.clone(),
                backtrace: Some(trap::backtrace(&trapped.error)),
            },
        );
    }

    fn outcome(
        &mut self,
        plugin: &Plugin,
        operation: u32,
        finished: Finished,
    ) -> Result<Message, NoResult> {
        let Finished { sandbox, result, .. } = finished;
        self.kept = sandbox;
        match result {
            Ok(Outcome::Result(Ok(data))) => {
                let max = usize::try_from(plugin.config.limits.message).unwrap_or(usize::MAX);
                let fits = data.len() <= max;
                let message = Message::new(data, &plugin.tenant.messages, None);
                message.ok().filter(|_| fits).ok_or(Failure::TooLarge.into())
            }
            Ok(Outcome::Result(Err(text))) => {
                let messages = &plugin.tenant.messages;
                Err(NoResult::failed(text, plugin.config.limits.message, messages))
            }
            Ok(_) => Err(Failure::Unavailable.into()),
            Err(trapped) if trapped.stage == Stage::Room => {
                let limit = trapped.limit.unwrap_or(Limit::Of(&limits::INSTANCES));
                let value = plugin.shown(limit).unwrap_or_default();
                let cause = trap::cause(&trapped.error);
                plugin.found_no_room(self.env.clock.now(), limit, &value, &cause, None);
                Err(Failure::Unavailable.into())
            }
            Err(trapped) => {
                self.ended(plugin, operation, &trapped);
                let is_out_of_cpu = matches!(trapped.error.downcast_ref(), Some(Trap::Interrupt));
                let took_too_long = is_out_of_cpu || trapped.error.is::<CallEnded>();
                Err(NoResult::from(match trapped.stage {
                    _ if took_too_long => Failure::TooLong,
                    Stage::Run => Failure::Trapped,
                    Stage::Room | Stage::Make | Stage::Fit => Failure::Unavailable,
                }))
            }
        }
    }
}
