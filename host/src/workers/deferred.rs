//! The threads that do deferred work.

use std::collections::BTreeSet;
use std::io;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use crate::base::thread::{Threads, lower_priority, thread_cpu_time, waker};
use crate::contract::outcome::Failure;
use crate::engine::sandbox;
use crate::engine::sandbox::{Finished, Sandbox, Seat, Stage, Trapped};
use crate::engine::task::{Outcome, Task};
use crate::engine::template::Templates;
use crate::engine::ticker::Activity;
use crate::host_api::state::{Env, HostState};
use crate::log::trap;
use crate::mail::message::Message;
use crate::mail::post::{Deferred, Mail, NoResult};
use crate::plugin::Plugin;
use crate::plugin::jobs::{Job, Jobs};
use crate::plugin::report::Ended;
use crate::quota::fair_queue::Taken;
use crate::workers::LONGEST_END;

/// How long an idle worker keeps its instance for the next job of the same plugin.
const KEPT_FOR: Duration = Duration::from_secs(1);

/// What the log calls the memory of a tenant.
const TENANT_MEMORY: &str = "tenant memory";

/// The threads. Dropping it gives up every job, ends what runs at its next slice and waits a little for the
/// threads to end.
#[derive(Debug)]
pub struct Workers {
    jobs: Arc<Jobs>,
    threads: Threads,
}

impl Workers {
    /// Starts so many threads. Guests that sleep through WASI wait on `runtime`.
    pub fn spawn(
        count: usize,
        env: &Env,
        templates: &Templates,
        activity: &Activity,
        runtime: &tokio::runtime::Handle,
    ) -> io::Result<Workers> {
        let jobs = env.host.jobs.clone();
        jobs.set_share(share(count, &env.host.plugins));
        let mut workers = Workers { jobs, threads: Threads::new() };
        for index in 0..count {
            let worker = Worker {
                env: env.clone(),
                templates: templates.clone(),
                activity: activity.clone(),
                kept: None,
            };
            let runtime = runtime.clone();
            workers.threads.spawn(format!("worker-{index}"), move || {
                let _guard = runtime.enter();
                worker.work();
            })?;
        }
        Ok(workers)
    }
}

/// How many of so many workers one tenant may have: all, if no other has work for them.
fn share(workers: usize, plugins: &[Arc<Plugin>]) -> usize {
    let deferring = plugins.iter().filter(|plugin| plugin.exports.has_operations());
    let tenants: BTreeSet<usize> = deferring.map(|plugin| plugin.tenant.index).collect();
    if tenants.len() < 2 { workers } else { workers.saturating_sub(1).max(1) }
}

impl Drop for Workers {
    fn drop(&mut self) {
        self.jobs.close();
        // A worker may sleep inside a guest's WASI call.
        self.threads.unpark();
        if !std::mem::take(&mut self.threads).join_within(LONGEST_END) {
            tracing::warn!("a worker is still busy: left");
        }
    }
}

/// One thread's own.
struct Worker {
    env: Env,
    templates: Templates,
    activity: Activity,
    /// The instance of the last job, for the next of the same plugin. It never serves another plugin, so
    /// nothing goes from one tenant to another.
    kept: Option<Box<Sandbox>>,
}

/// Why a call was left before it had ended.
enum GivenUp {
    /// It took too long.
    TooLong(&'static str),
    /// Nobody wants the result any more.
    Unwanted,
}

impl Worker {
    fn work(mut self) {
        if let Err(error) = lower_priority() {
            tracing::warn!(%error, "a worker keeps the priority of the reactors");
        }
        loop {
            // Whoever keeps nothing has nothing to give up.
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
        let Job { plugin, operation, argument, id, asker, alive, permit } = job;
        if alive.strong_count() == 0 {
            return;
        }
        let Some(seat) = self.seat(&plugin) else {
            let value = plugin.shown(TENANT_MEMORY).unwrap_or_default();
            plugin.at_limit(self.env.clock.now(), TENANT_MEMORY, &value, || None);
            let (instance, outcome) = (asker.instance, Err(Failure::Unavailable.into()));
            return asker.post.send(Mail::Deferred(Deferred {
                instance,
                job: id,
                outcome,
                permit,
            }));
        };
        let task = Task::Operation { operation, argument };
        let unwanted = || alive.strong_count() == 0 || self.env.host.jobs.is_closed();
        let outcome = match self.call(&plugin, seat, task, unwanted) {
            Ok(finished) => self.outcome(&plugin, operation, finished),
            Err(GivenUp::Unwanted) => return,
            Err(GivenUp::TooLong(limit)) => {
                self.ended(&plugin, operation, Some(limit), None);
                Err(Failure::TooLong.into())
            }
        };
        let instance = asker.instance;
        asker.post.send(Mail::Deferred(Deferred { instance, job: id, outcome, permit }));
    }

    /// A sandbox for a job, made or to be made; none when its tenant has no memory left for one.
    fn seat(&mut self, plugin: &Arc<Plugin>) -> Option<Seat> {
        match self.kept.take() {
            Some(kept) if Arc::ptr_eq(kept.plugin(), plugin) => Some(Seat::Ready(kept)),
            other => {
                // Its memory may be what the next one begins with.
                drop(other);
                let mut state = HostState::new(plugin.clone(), self.env.clone());
                let fits = state.memory.reserve(plugin.least_memory);
                fits.then(|| Seat::Empty(self.templates[plugin.index].clone(), Box::new(state)))
            }
        }
    }

    /// Runs one call to its end, or to the end of its budget.
    fn call(
        &self,
        plugin: &Plugin,
        seat: Seat,
        task: Task,
        unwanted: impl Fn() -> bool,
    ) -> Result<Finished, GivenUp> {
        let limits = &plugin.config.limits;
        let (clock, cpu) = (&self.env.clock, thread_cpu_time());
        let deadline = clock.now() + limits.operation_deadline;
        let waker = waker();
        let mut call = Box::pin(sandbox::run(seat, task));
        loop {
            let entered = self.activity.enter();
            let before = thread_cpu_time();
            let polled = call.as_mut().poll(&mut Context::from_waker(&waker));
            drop(entered);
            plugin.use_cpu(thread_cpu_time().saturating_sub(before), clock.now(), || None);
            if let Poll::Ready(finished) = polled {
                return Ok(finished);
            }
            if unwanted() {
                return Err(GivenUp::Unwanted);
            }
            if limits.cpu_per_operation <= thread_cpu_time().saturating_sub(cpu) {
                return Err(GivenUp::TooLong("cpu_per_operation"));
            }
            let left = deadline.since(clock.now());
            if left.is_zero() {
                return Err(GivenUp::TooLong("operation_deadline"));
            }
            // After a slice it is unparked already.
            std::thread::park_timeout(left);
        }
    }

    fn ended(
        &self,
        plugin: &Plugin,
        operation: u32,
        limit: Option<&'static str>,
        trapped: Option<&Trapped>,
    ) {
        plugin.ended(
            self.env.clock.now(),
            &Ended {
                what: "a deferred operation was ended",
                event: "operation",
                handler: None,
                connection: None,
                operation: Some(operation),
                limit,
                cause: trapped.map(|trapped| trap::cause(&trapped.error)),
                backtrace: trapped.map(|trapped| trap::backtrace(&trapped.error)),
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
                let limit = trapped.limit.unwrap_or("instances");
                let value = plugin.shown(limit).unwrap_or_default();
                let cause = trap::cause(&trapped.error);
                plugin.found_no_room(self.env.clock.now(), limit, &value, &cause, None);
                Err(Failure::Unavailable.into())
            }
            Err(trapped) => {
                self.ended(plugin, operation, trapped.limit, Some(&trapped));
                Err(NoResult::from(match trapped.stage {
                    Stage::Run => Failure::Trapped,
                    Stage::Room | Stage::Make | Stage::Fit => Failure::Unavailable,
                }))
            }
        }
    }
}
