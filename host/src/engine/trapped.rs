//! How a guest was ended, how far it had come, and the limit that caused it.

use crate::config::bound::Limit;
use crate::config::limits;
use crate::host_api::call::CallEnded;
use crate::host_api::memory::Refused;
use crate::host_api::state::HostState;
use crate::log::text::GuestText;
use crate::log::trap;

/// How a guest was ended.
pub struct Trapped {
    /// The engine's error, with the guest's backtrace.
    pub error: wasmtime::Error,
    /// The limit that it has reached.
    pub limit: Option<Limit>,
    /// How far it had come.
    pub stage: Stage,
    /// The last line of its output.
    pub last_words: Option<GuestText>,
}

/// How far an instance had come when it failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stage {
    /// There was no room for it, which is not the guest's fault.
    Room,
    /// It could not be created.
    Make,
    /// It was created, and an export does not have the contract's type.
    Fit,
    /// It ran.
    Run,
}

/// Why an instance could not be created: its own start function, or a lack of room.
pub(super) fn unmade(state: &HostState, error: wasmtime::Error) -> Trapped {
    if state.memory.refused == Some(Refused::TenantMemory) {
        return Trapped {
            error,
            limit: Some(Limit::Of(&limits::TENANT_MEMORY)),
            stage: Stage::Room,
            last_words: None,
        };
    }
    if is_lack_of_room(&error) {
        return Trapped {
            error,
            limit: Some(Limit::Of(&limits::INSTANCES)),
            stage: Stage::Room,
            last_words: None,
        };
    }
    let limit = limit_behind(state, &error);
    Trapped { error, limit, stage: Stage::Make, last_words: state.last_words() }
}

/// Whether the engine's pool or the system was exhausted.
fn is_lack_of_room(error: &wasmtime::Error) -> bool {
    error.is::<wasmtime::PoolConcurrencyLimitError>()
        || error
            .chain()
            .any(|cause| cause.is::<rustix::io::Errno>() || cause.is::<std::io::Error>())
}

/// The limit that the guest had reached before it trapped.
pub(super) fn limit_behind(state: &HostState, error: &wasmtime::Error) -> Option<Limit> {
    if let Some(ended) = error.downcast_ref::<CallEnded>() {
        return ended.bound().map(Limit::Of);
    }
    match error.downcast_ref::<wasmtime::Trap>() {
        Some(wasmtime::Trap::Interrupt) => Some(state.call.cpu_limit().into()),
        Some(wasmtime::Trap::StackOverflow) => Some(Limit::Stack),
        _ => refused_memory(state).or_else(|| limit_of_call(state, error)),
    }
}

/// The limit of one host call that was reached.
fn limit_of_call(state: &HostState, error: &wasmtime::Error) -> Option<Limit> {
    use wasmtime::component::ResourceTableError;
    // The engine has no types for these errors; tests of the suite detect a change of their text.
    const TOO_MUCH: &str = "fuel allocated for hostcalls";
    const TOO_MANY: &str = "store handle limit exceeded";
    if let Some(ResourceTableError::Full) = error.downcast_ref() {
        return Some(Limit::Of(state.bound_of_handles()));
    }
    // Not the whole chain, which contains the backtrace with names of any length.
    let cause = trap::cause(error);
    let says = |words| cause.as_str().contains(words);
    if says(TOO_MANY) {
        return Some(Limit::Of(&limits::HANDLES));
    }
    says(TOO_MUCH).then_some(Limit::Of(&limits::CALL_BYTES))
}

/// The memory limit that has refused an allocation last.
pub(super) fn refused_memory(state: &HostState) -> Option<Limit> {
    let bound = match state.memory.refused? {
        Refused::Memory => &limits::MEMORY,
        Refused::TenantMemory => &limits::TENANT_MEMORY,
        Refused::Tables => &limits::TABLES,
    };
    Some(Limit::Of(bound))
}
