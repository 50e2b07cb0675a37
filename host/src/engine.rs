//! The one engine of a host: how guests are compiled and where their memory comes from.

pub(crate) mod call;
mod footprint;
pub mod inspect;
pub(crate) mod load;
pub(crate) mod sandbox;
pub(crate) mod task;
pub(crate) mod template;
pub mod ticker;

use std::path::PathBuf;

use wasmtime::{
    Cache, CacheConfig, Config, Enabled, Engine, InstanceAllocationStrategy,
    PoolingAllocationConfig,
};

use crate::config::limits::GUEST_STACK_BYTES;
use crate::config::model::{CompileCache, Config as HostConfig};
use crate::engine::footprint::Footprint;

/// Address space that all memory slots together may reserve: half of what a 47-bit process has.
const RESERVED_BYTES_MAX: u64 = 1 << 46;
/// A slot this large needs no bounds checks, because a 32-bit address cannot leave it.
const UNCHECKED_SLOT_BYTES: u64 = 4 << 30;
/// Guard behind a slot that has bounds checks anyway.
const CHECKED_GUARD_BYTES: u64 = 64 << 10;
/// Most core instances that one component is made of: 38 were counted for Python.
const CORE_INSTANCES_PER_COMPONENT: u32 = 64;
/// Memory and tables that an unused slot keeps.
const KEPT_MEMORY_BYTES: usize = 256 << 10;
const KEPT_TABLE_BYTES: usize = 64 << 10;
/// Slots that are given back to the kernel at once: what a guest has filled does not wait for others to end. Larger
/// batches were not measurably faster.
const DECOMMIT_BATCH: usize = 1;
/// Metadata of one instance; the largest Python component needs about a tenth.
const INSTANCE_BYTES_MAX: usize = 4 << 20;

/// Makes the engine.
pub fn engine(config: &HostConfig) -> wasmtime::Result<Engine> {
    let mut engine = Config::new();
    engine
        .wasm_component_model(true)
        // Nothing here is concurrent inside one store, and the bookkeeping for it doubles the price of a call.
        .concurrency_support(false)
        .epoch_interruption(true)
        .max_wasm_stack(GUEST_STACK_BYTES)
        .cache(cache(&config.host.compile_cache)?);
    let memory = config.plugins.iter().map(|plugin| plugin.limits.memory).max().unwrap_or(0);
    let tables = config.plugins.iter().map(|plugin| plugin.limits.tables).max().unwrap_or(0);
    let each = config
        .plugins
        .iter()
        .map(|plugin| Footprint::of_file(&plugin.component))
        .reduce(Footprint::max)
        .unwrap_or(Footprint { memories: 1, tables: 1 });
    // Each worker may keep one besides those of the reactors.
    let workers = u32::try_from(config.host.workers).unwrap_or(u32::MAX);
    let sandboxes = config.host.instances.saturating_add(workers);
    let memories = sandboxes.saturating_mul(each.memories);
    if !fits_unchecked(memories) {
        engine.memory_reservation(memory.next_multiple_of(CHECKED_GUARD_BYTES));
        engine.memory_guard_size(CHECKED_GUARD_BYTES);
    }
    engine.allocation_strategy(pool(sandboxes, each, memory, tables));
    Engine::new(&engine)
}

/// Whether this many slots of the size that needs no bounds checks fit into the address space.
fn fits_unchecked(memories: u32) -> bool {
    u64::from(memories) * UNCHECKED_SLOT_BYTES <= RESERVED_BYTES_MAX
}

fn pool(instances: u32, each: Footprint, memory: u64, tables: u32) -> InstanceAllocationStrategy {
    let mut pool = PoolingAllocationConfig::default();
    pool.total_component_instances(instances)
        .total_core_instances(instances.saturating_mul(CORE_INSTANCES_PER_COMPONENT))
        .total_memories(instances.saturating_mul(each.memories))
        .total_tables(instances.saturating_mul(each.tables))
        // Calls are made on the stacks of the threads that make them.
        .total_stacks(0)
        // What a guest has written to is put back page by page when its slot is used again: cheaper than giving
        // the pages to the kernel and faulting them in once more. What is kept is bounded by the number of
        // unused slots that stay warm, 100.
        .linear_memory_keep_resident(KEPT_MEMORY_BYTES)
        .table_keep_resident(KEPT_TABLE_BYTES)
        .pagemap_scan(Enabled::Auto)
        .decommit_batch_size(DECOMMIT_BATCH)
        .max_core_instances_per_component(CORE_INSTANCES_PER_COMPONENT)
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
