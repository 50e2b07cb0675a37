//! What stands in the place of the host's functions: the contract's imports, each under its name.

use std::collections::{BTreeMap, VecDeque};

use super::LOOP;
use crate::{
    bindings::exports::sandloop::plugin::deferred_handler::Failure, log::Level,
    processes::ExitReason, types::ErrorCode,
};

/// The host's defaults.
const TIMERS_MAX: usize = 10_000;
const TICKS_MAX: usize = 10_000;
const JOBS_MAX: usize = 1_000;
const SUBSCRIPTIONS_MAX: usize = 1_000;
const POPS_MAX: usize = 1_000;
const PROCESSES_MAX: usize = 100;
const NAME_BYTES_MAX: usize = 255;

/// What a host keeps for its instances.
#[derive(Default)]
pub(super) struct Host {
    pub(super) options: BTreeMap<String, String>,
    pub(super) logged: Vec<(Level, String)>,
    /// The messages of each process.
    pub(super) processes: BTreeMap<u32, Vec<Vec<u8>>>,
    /// In the order in which they were made, with their channels.
    subscriptions: Vec<(u32, String)>,
    queues: BTreeMap<String, Queue>,
    jobs: usize,
}

#[derive(Default)]
struct Queue {
    items: VecDeque<Vec<u8>>,
    pops: VecDeque<u32>,
}

/// Events for a later turn.
pub(super) enum Mail {
    /// An operation to be done, and its job.
    Job {
        job: u32,
        operation: u32,
        argument: Vec<u8>,
    },
    Message {
        subscription: u32,
        message: Vec<u8>,
    },
    Popped {
        pop: u32,
        queue: String,
        item: Vec<u8>,
    },
    Exited(u32, ExitReason),
}

impl Mail {
    pub(super) fn deliver(self) {
        match self {
            Mail::Job { job, operation, argument } => {
                let outcome = crate::deferred::run_operation(operation, &argument);
                LOOP.with_borrow_mut(|all| all.host.jobs -= 1);
                crate::deferred::completed(job, outcome.map_err(Failure::Failed));
            }
            Mail::Message { subscription, message } => {
                crate::channels::message(subscription, &message);
            }
            Mail::Popped { pop, item, .. } => crate::queues::popped(pop, &item),
            Mail::Exited(process, reason) => crate::processes::exited(process, reason),
        }
    }
}

fn below(count: usize, max: usize) -> Result<(), ErrorCode> {
    if count < max { Ok(()) } else { Err(ErrorCode::Limit) }
}

fn check_name(name: &str) -> Result<(), ErrorCode> {
    let good = (1..=NAME_BYTES_MAX).contains(&name.len()) && !name.chars().any(char::is_control);
    if good { Ok(()) } else { Err(ErrorCode::InvalidArgument) }
}

pub(crate) mod timers {
    use super::{ErrorCode, LOOP, TIMERS_MAX, below};

    pub(crate) fn add_timer(milliseconds: u32) -> Result<u32, ErrorCode> {
        insert(milliseconds, None)
    }

    pub(crate) fn add_periodic_timer(milliseconds: u32) -> Result<u32, ErrorCode> {
        if milliseconds == 0 {
            return Err(ErrorCode::InvalidArgument);
        }
        insert(milliseconds, Some(milliseconds))
    }

    pub(crate) fn cancel_timer(id: u32) {
        LOOP.with_borrow_mut(|all| {
            all.timers.retain(|_, (known, _)| *known != id);
            all.running = all.running.filter(|running| *running != id);
        });
    }

    fn insert(milliseconds: u32, every: Option<u32>) -> Result<u32, ErrorCode> {
        LOOP.with_borrow_mut(|all| {
            below(all.timers.len(), TIMERS_MAX)?;
            let id = all.next();
            all.timers.insert((all.now + u64::from(milliseconds), id), (id, every));
            Ok(id)
        })
    }
}

pub(crate) mod reactor {
    use super::{ErrorCode, LOOP, TICKS_MAX, below};

    #[expect(clippy::unnecessary_wraps, reason = "the contract's signature")]
    pub(crate) fn stop() -> Result<(), ErrorCode> {
        LOOP.with_borrow_mut(|all| all.stopped = true);
        Ok(())
    }

    pub(crate) fn is_running() -> bool {
        true
    }

    pub(crate) fn next_tick() -> Result<u32, ErrorCode> {
        LOOP.with_borrow_mut(|all| {
            below(all.ticks.len(), TICKS_MAX)?;
            let id = all.next();
            all.ticks.push_back(id);
            Ok(id)
        })
    }
}

pub(crate) mod deferred {
    use super::{ErrorCode, JOBS_MAX, LOOP, Mail, below};

    pub(crate) fn defer(operation: u32, argument: &[u8]) -> Result<u32, ErrorCode> {
        LOOP.with_borrow_mut(|all| {
            below(all.host.jobs, JOBS_MAX)?;
            all.host.jobs += 1;
            let job = all.next();
            all.mail.push_back(Mail::Job { job, operation, argument: argument.to_vec() });
            Ok(job)
        })
    }
}

pub(crate) mod processes {
    use super::{ErrorCode, ExitReason, LOOP, PROCESSES_MAX, below};

    pub(crate) fn spawn(_: Option<&str>, _: &str, _: &[u8]) -> Result<u32, ErrorCode> {
        LOOP.with_borrow_mut(|all| {
            below(all.host.processes.len(), PROCESSES_MAX)?;
            let process = all.next();
            all.host.processes.insert(process, Vec::new());
            Ok(process)
        })
    }

    pub(crate) fn notify(process: u32, message: &[u8]) -> Result<(), ErrorCode> {
        LOOP.with_borrow_mut(|all| {
            let messages = all.host.processes.get_mut(&process).ok_or(ErrorCode::Closed)?;
            messages.push(message.to_vec());
            Ok(())
        })
    }

    pub(crate) fn kill(process: u32) {
        crate::testing::end_process(
            crate::processes::ProcessId::from_u32(process),
            ExitReason::Killed,
        );
    }

    /// The test is no process.
    pub(crate) fn exit() {}
}

pub(crate) mod channels {
    use super::{ErrorCode, LOOP, Mail, SUBSCRIPTIONS_MAX, below, check_name};

    pub(crate) fn subscribe(channel: &str) -> Result<u32, ErrorCode> {
        check_name(channel)?;
        LOOP.with_borrow_mut(|all| {
            below(all.host.subscriptions.len(), SUBSCRIPTIONS_MAX)?;
            let id = all.next();
            all.host.subscriptions.push((id, channel.to_owned()));
            Ok(id)
        })
    }

    pub(crate) fn unsubscribe(subscription: u32) {
        LOOP.with_borrow_mut(|all| all.host.subscriptions.retain(|(id, _)| *id != subscription));
    }

    pub(crate) fn push(
        channel: &str,
        message: &[u8],
        except: Option<u32>,
    ) -> Result<(), ErrorCode> {
        check_name(channel)?;
        LOOP.with_borrow_mut(|all| {
            let all = &mut *all;
            let subscribed = all.host.subscriptions.iter().filter(|(_, name)| name == channel);
            for (subscription, _) in subscribed.filter(|(id, _)| Some(*id) != except) {
                let (subscription, message) = (*subscription, message.to_vec());
                all.mail.push_back(Mail::Message { subscription, message });
            }
        });
        Ok(())
    }

    pub(crate) fn num_subscribers(channel: &str) -> u32 {
        let number = LOOP.with_borrow(|all| {
            all.host.subscriptions.iter().filter(|(_, name)| name == channel).count()
        });
        u32::try_from(number).unwrap_or(u32::MAX)
    }
}

pub(crate) mod queues {
    use super::{super::Loop, ErrorCode, LOOP, Mail, POPS_MAX, below, check_name};

    pub(crate) fn push(queue: &str, item: &[u8]) -> Result<(), ErrorCode> {
        check_name(queue)?;
        LOOP.with_borrow_mut(|all| {
            let items = &mut all.host.queues.entry(queue.to_owned()).or_default().items;
            items.push_back(item.to_vec());
            hand_out(all, queue);
        });
        Ok(())
    }

    pub(crate) fn pop(queue: &str) -> Result<u32, ErrorCode> {
        check_name(queue)?;
        LOOP.with_borrow_mut(|all| {
            below(all.host.queues.values().map(|queue| queue.pops.len()).sum(), POPS_MAX)?;
            let pop = all.next();
            all.host.queues.entry(queue.to_owned()).or_default().pops.push_back(pop);
            hand_out(all, queue);
            Ok(pop)
        })
    }

    pub(crate) fn cancel_pop(pop: u32) {
        LOOP.with_borrow_mut(|all| {
            for queue in all.host.queues.values_mut() {
                queue.pops.retain(|waiting| *waiting != pop);
            }
            // Its item may be on its way.
            let is_its = |mail: &Mail| matches!(mail, Mail::Popped { pop: its, .. } if *its == pop);
            let place = all.mail.iter().position(is_its);
            if let Some(Mail::Popped { queue, item, .. }) =
                place.and_then(|place| all.mail.remove(place))
            {
                all.host.queues.entry(queue.clone()).or_default().items.push_front(item);
                hand_out(all, &queue);
            }
        });
    }

    pub(crate) fn size(queue: &str) -> u32 {
        let size =
            LOOP.with_borrow(|all| all.host.queues.get(queue).map(|queue| queue.items.len()));
        u32::try_from(size.unwrap_or(0)).unwrap_or(u32::MAX)
    }

    pub(crate) fn num_waiting(queue: &str) -> u32 {
        let pops = LOOP.with_borrow(|all| all.host.queues.get(queue).map(|queue| queue.pops.len()));
        u32::try_from(pops.unwrap_or(0)).unwrap_or(u32::MAX)
    }

    fn hand_out(all: &mut Loop, name: &str) {
        let Some(queue) = all.host.queues.get_mut(name) else { return };
        while !queue.items.is_empty() {
            let Some(pop) = queue.pops.pop_front() else { return };
            let Some(item) = queue.items.pop_front() else { return };
            all.mail.push_back(Mail::Popped { pop, queue: name.to_owned(), item });
        }
    }
}

pub(crate) mod log {
    use super::{LOOP, Level};

    pub(crate) fn log(level: Level, message: &str) {
        LOOP.with_borrow_mut(|all| all.host.logged.push((level, message.to_owned())));
    }
}

pub(crate) mod options {
    use super::LOOP;

    pub(crate) fn get(key: &str) -> Option<String> {
        LOOP.with_borrow(|all| all.host.options.get(key).cloned())
    }

    pub(crate) fn all() -> Vec<(String, String)> {
        LOOP.with_borrow(|all| all.host.options.clone().into_iter().collect())
    }
}
