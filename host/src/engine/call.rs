//! The only way to enter a guest: a seat and an event are passed in, and returned when the guest has returned or was ended.
//!
//! A call runs from start to end on the calling thread, on that thread's stack. The caller owns the sandbox meanwhile, so
//! that nobody can enter the guest twice, and its [`Pace`] decides what happens when the guest exceeds a slice or waits.
//! Other threads may end the call by the instance's cancel token.

use std::sync::Arc;
use std::time::Duration;

use crate::base::allocations::Record;
use crate::base::cancel::CancelToken;
use crate::base::panics;
use crate::base::panics::Panicked;
use crate::config::limits;
use crate::config::limits::Limits;
use crate::engine::event::{Event, Outcome};
use crate::engine::sandbox::Sandbox;
use crate::engine::template::Template;
use crate::engine::ticker::Activity;
use crate::engine::trapped::{Stage, Trapped};
use crate::engine::working_set::WorkingSet;
use crate::host_api::call::{Budget, Counts, Pace};
use crate::host_api::state::HostState;
use crate::log::text::GuestText;
use crate::plugin::Plugin;

/// A sandbox, or what is needed to create it for its first event.
pub enum Seat {
    /// Created.
    Ready(Box<Sandbox>),
    /// To be created.
    Empty(Arc<Template>, Box<HostState>),
}

/// A call that has ended.
pub struct Finished {
    /// The sandbox; none if the guest has trapped or could not be created.
    pub sandbox: Option<Box<Sandbox>>,
    /// The event, with its buffer.
    pub event: Event,
    /// The result of the call.
    pub result: Result<Outcome, Trapped>,
    /// The CPU time used after its first slice.
    pub used: Duration,
}

/// Delivers one event to a guest; returns when the guest does. The guest occupies the thread until then.
///
/// A panic of the engine or of the host's side of a call ends only this guest.
pub(crate) fn enter(
    seat: Seat,
    mut event: Event,
    budget: Budget,
    pace: Arc<dyn Pace>,
    activity: &Activity,
) -> Finished {
    let _entered = activity.enter();
    let mut record = None;
    let mut sandbox = match seat {
        Seat::Ready(sandbox) => sandbox,
        Seat::Empty(template, mut state) => {
            state.call.begin(budget, pace.clone());
            let by_panic =
                |panicked| Err(Trapped::by_panic(&template.plugin, &panicked, Stage::Make));
            record = state.is_looked_ahead_for.then(Record::begin);
            let made = panics::catch(|| Sandbox::new(&template, *state)).unwrap_or_else(by_panic);
            match made {
                Ok(sandbox) => Box::new(sandbox),
                Err(trapped) => return Finished::without_sandbox(event, trapped, Duration::ZERO),
            }
        }
    };
    sandbox.store.data_mut().call.begin(budget, pace);
    let performed = panics::catch(|| sandbox.perform(&mut event));
    let used = sandbox.store.data_mut().call.end();
    let trapped = match performed {
        Ok(Ok(outcome)) => {
            match record.map(Record::end) {
                Some(blocks) => sandbox.working_set = Some(WorkingSet::of(&blocks)),
                None => sandbox.find_memory(),
            }
            return Finished { sandbox: Some(sandbox), event, result: Ok(outcome), used };
        }
        Ok(Err(error)) => {
            sandbox.store.data_mut().http_trapped();
            sandbox.trapped(error)
        }
        Err(panicked) => Trapped::by_panic(sandbox.plugin(), &panicked, Stage::Run),
    };
    // Its resources are released on this thread. After a panic they may be inconsistent, and panic again.
    if let Err(panicked) = panics::catch(|| drop(sandbox)) {
        panics::survive(&panicked);
    }
    Finished::without_sandbox(event, trapped, used)
}

impl Finished {
    fn without_sandbox(event: Event, trapped: Trapped, used: Duration) -> Finished {
        Finished { sandbox: None, event, result: Err(trapped), used }
    }
}

impl Trapped {
    fn by_panic(plugin: &Plugin, panicked: &Panicked, stage: Stage) -> Trapped {
        let Panicked { thread, cause } = panicked;
        let cause = GuestText::cause(cause);
        tracing::error!(
            plugin = plugin.name(),
            thread,
            cause = cause.as_str(),
            "a call panicked: its instance has ended"
        );
        panics::survive(panicked);
        let error = wasmtime::Error::msg(format!("the host panicked: {cause}"));
        Trapped { error, limit: None, stage, last_words: None }
    }
}

impl Seat {
    /// The plugin of the instance.
    pub fn plugin(&self) -> &Arc<Plugin> {
        match self {
            Seat::Ready(sandbox) => sandbox.plugin(),
            Seat::Empty(template, _) => &template.plugin,
        }
    }

    /// Whether releasing its resources takes long.
    pub fn is_heavy(&self) -> bool {
        match self {
            Seat::Ready(sandbox) => sandbox.store.data().is_heavy(),
            Seat::Empty(..) => false,
        }
    }

    /// The token that cancels the current call of this instance.
    pub fn cancel_token(&self) -> &CancelToken {
        match self {
            Seat::Ready(sandbox) => sandbox.store.data().call.cancel_token(),
            Seat::Empty(_, state) => state.call.cancel_token(),
        }
    }
}

/// The budget of one event.
pub(crate) fn event_budget(limits: &Limits) -> Budget {
    Budget {
        cpu: limits.cpu_per_event,
        cpu_limit: &limits::CPU_PER_EVENT,
        deadline: limits.event_deadline,
        deadline_limit: &limits::EVENT_DEADLINE,
        counts: Counts::ItsOwn,
    }
}

/// The budget of one deferred operation.
pub(crate) fn operation_budget(limits: &Limits) -> Budget {
    Budget {
        cpu: limits.cpu_per_operation,
        cpu_limit: &limits::CPU_PER_OPERATION,
        deadline: limits.operation_deadline,
        deadline_limit: &limits::OPERATION_DEADLINE,
        counts: Counts::Everything,
    }
}

impl std::fmt::Debug for Finished {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Finished").field("event", &self.event.name()).finish_non_exhaustive()
    }
}
