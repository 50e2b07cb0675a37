//! The one engine of a host: how guests are compiled and where their memory comes from.

mod capacity;
pub(crate) mod fit;
pub(crate) mod footprint;
pub mod inspect;
pub(crate) mod load;
mod proposals;
pub(crate) mod sandbox;
pub(crate) mod task;
pub(crate) mod template;
pub mod ticker;

use std::path::PathBuf;

use wasmtime::{
    Cache, CacheConfig, Config, Enabled, Engine, InstanceAllocationStrategy,
    PoolingAllocationConfig,
};

use crate::config::error::ConfigError;
use crate::config::limits::{GUEST_STACK_BYTES, Limits};
use crate::config::model::{CompileCache, Config as HostConfig};
use crate::engine::capacity::Capacity;
use crate::engine::footprint::Footprint;
use crate::log;

/// Address space that all memory slots together may reserve: half of what a 47-bit process has.
const RESERVED_BYTES_MAX: u64 = 1 << 46;
/// A slot this large needs no bounds checks, because a 32-bit address cannot leave it.
const UNCHECKED_SLOT_BYTES: u64 = 4 << 30;
/// Guard behind a slot that has bounds checks anyway.
const CHECKED_GUARD_BYTES: u64 = 64 << 10;
/// Stack of one fiber: the guest's and what host functions need on top of it.
const FIBER_STACK_BYTES: usize = 1 << 20;
/// Memory and tables that an unused slot keeps.
const KEPT_MEMORY_BYTES: usize = 256 << 10;
const KEPT_TABLE_BYTES: usize = 64 << 10;
/// Slots that are given back to the kernel at once: what a guest has filled does not wait for others to end. Larger
/// batches were not measurably faster.
const DECOMMIT_BATCH: usize = 1;
/// Metadata of one instance; the largest Python component needs about a tenth.
const INSTANCE_BYTES_MAX: usize = 4 << 20;

/// Why there is no engine.
#[derive(Debug)]
pub enum EngineError {
    /// The configuration asks for more than the system has.
    Config(ConfigError),
    /// Something that no key decides.
    Other(wasmtime::Error),
}

/// How far apart memories are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Slots {
    /// So far that no 32-bit address leaves its slot.
    Unchecked,
    /// As far as `limits.memory` says; each access is checked.
    Checked,
}

/// Makes the engine for plugins with these footprints, in their order.
///
/// Slots are as many as the sandboxes need at once. Where the system refuses the address space for slots without bounds
/// checks, they are as small as the limits allow.
///
/// # Errors
/// When the system does not have what the configuration asks for, or the engine refuses.
pub fn engine(config: &HostConfig, footprints: &[Footprint]) -> Result<Engine, EngineError> {
    let capacity = Capacity::new(config, footprints);
    capacity.check_mappings().map_err(EngineError::Config)?;
    capacity.check_slots(RESERVED_BYTES_MAX / UNCHECKED_SLOT_BYTES).map_err(EngineError::Config)?;
    let cache = cache(&config.host.compile_cache).map_err(EngineError::Other)?;
    let make = |instances: u32, slots| {
        let mut smaller = config.clone();
        smaller.host.instances = instances;
        let capacity = Capacity::new(&smaller, footprints);
        Engine::new(&settings(&capacity, &smaller, slots, cache.clone()))
    };
    let wanted = config.host.instances;
    let mut refused = None;
    if fits_unchecked(capacity.memories()) {
        match make(wanted, Slots::Unchecked) {
            Err(error) if is_refused(&error) => refused = Some(error),
            made => return made.map_err(EngineError::Other),
        }
    }
    match make(wanted, Slots::Checked) {
        Ok(engine) => {
            if let Some(error) = refused {
                let cause = log::chain(&error);
                tracing::warn!(cause, "no address space for memories of 4 GiB: guests run slower");
            }
            Ok(engine)
        }
        Err(error) if is_refused(&error) => {
            let smaller = std::iter::successors(Some(wanted / 2), |tried| Some(tried / 2));
            let fitting = smaller
                .take_while(|tried| 0 < *tried)
                .find(|tried| make(*tried, Slots::Checked).is_ok());
            // What the pool leaves must do for everything else.
            let possible = fitting.map(|fitting| (fitting / 2).max(1));
            Err(EngineError::Config(capacity.refused(&log::chain(&error), possible)))
        }
        Err(error) => Err(EngineError::Other(error)),
    }
}

/// Whether the system has refused memory or address space.
fn is_refused(error: &wasmtime::Error) -> bool {
    error.chain().any(|cause| cause.is::<rustix::io::Errno>() || cause.is::<std::io::Error>())
}

fn settings(
    capacity: &Capacity<'_>,
    config: &HostConfig,
    slots: Slots,
    cache: Option<Cache>,
) -> Config {
    let mut engine = Config::new();
    engine
        .wasm_component_model(true)
        // Nothing here is concurrent inside one store, and the bookkeeping for it doubles the price of a call.
        .concurrency_support(false)
        .epoch_interruption(true)
        .max_wasm_stack(GUEST_STACK_BYTES)
        .async_stack_size(FIBER_STACK_BYTES)
        .cache(cache);
    let memory = config.plugins.iter().map(|plugin| plugin.limits.memory).max().unwrap_or(0);
    if slots == Slots::Checked {
        engine.memory_reservation(memory.next_multiple_of(CHECKED_GUARD_BYTES));
        engine.memory_guard_size(CHECKED_GUARD_BYTES);
    }
    engine.allocation_strategy(pool(capacity, config, memory));
    engine
}

/// Whether this many slots of the size that needs no bounds checks fit into the address space.
fn fits_unchecked(memories: u64) -> bool {
    memories.saturating_mul(UNCHECKED_SLOT_BYTES) <= RESERVED_BYTES_MAX
}

fn pool(capacity: &Capacity<'_>, config: &HostConfig, memory: u64) -> InstanceAllocationStrategy {
    // The engine has no pool of nothing.
    let count = |many: u64| u32::try_from(many).unwrap_or(u32::MAX).max(1);
    let most = |of: fn(&Limits) -> u32| {
        config.plugins.iter().map(|plugin| of(&plugin.limits)).max().unwrap_or(1)
    };
    let (sandboxes, tables) = (count(capacity.sandboxes()), most(|limits| limits.tables));
    let mut pool = PoolingAllocationConfig::default();
    pool.total_component_instances(sandboxes)
        // They take nothing of the pool, and a component has no more than its `core_instances`.
        .total_core_instances(u32::MAX)
        .total_memories(count(capacity.memories()))
        .total_tables(count(capacity.tables()))
        .total_stacks(sandboxes)
        // What a guest has written to is put back page by page when its slot is used again: cheaper than giving
        // the pages to the kernel and faulting them in once more. What is kept is bounded by the number of
        // unused slots that stay warm, 100.
        .linear_memory_keep_resident(KEPT_MEMORY_BYTES)
        .table_keep_resident(KEPT_TABLE_BYTES)
        .pagemap_scan(Enabled::Auto)
        .decommit_batch_size(DECOMMIT_BATCH)
        // Each plugin's own bounds were looked at before.
        .max_memories_per_module(most(|limits| limits.memory_count))
        .max_tables_per_module(most(|limits| limits.table_count))
        .max_core_instances_per_component(most(|limits| limits.core_instances))
        .max_component_instance_size(INSTANCE_BYTES_MAX)
        .max_core_instance_size(INSTANCE_BYTES_MAX)
        .table_elements(usize::try_from(tables).unwrap_or(usize::MAX))
        .max_memory_size(usize::try_from(memory).unwrap_or(usize::MAX));
    InstanceAllocationStrategy::Pooling(pool)
}

fn cache(wanted: &CompileCache) -> wasmtime::Result<Option<Cache>> {
    let cache_in = |directory| {
        let mut cache = CacheConfig::new();
        cache.with_directory(directory);
        Cache::new(cache)
    };
    match (wanted, default_directory()) {
        (CompileCache::Off, _) | (CompileCache::Default, None) => Ok(None),
        (CompileCache::Dir(directory), _) => cache_in(directory.clone()).map(Some),
        // Nobody asked for this folder: without it every start compiles, and that is all.
        (CompileCache::Default, Some(directory)) => Ok(cache_in(directory)
            .inspect_err(|error| tracing::warn!(%error, "no compile cache"))
            .ok()),
    }
}

/// The user's cache folder, as the XDG base directory specification has it.
fn default_directory() -> Option<PathBuf> {
    let from = |name, tail: &str| {
        std::env::var_os(name)
            .map(PathBuf::from)
            .filter(|path| path.is_absolute())
            .map(|path| path.join(tail))
    };
    from("XDG_CACHE_HOME", "sandloop").or_else(|| from("HOME", ".cache/sandloop"))
}
