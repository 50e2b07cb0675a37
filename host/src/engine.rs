//! The one engine of a host: how guests are compiled and where their memory comes from.

pub mod cache;
pub(crate) mod call;
pub mod compile;
mod footprint;
pub mod inspect;
pub(crate) mod load;
pub(crate) mod sandbox;
pub mod settings;
pub(crate) mod task;
pub(crate) mod template;
pub mod ticker;

use wasmtime::{Enabled, Engine, InstanceAllocationStrategy, PoolingAllocationConfig};

use crate::config::model::Config as HostConfig;
use crate::engine::footprint::Footprint;
use crate::engine::settings::CodeSettings;

/// Address space that all memory slots together may reserve: half of what a 47-bit process has.
const RESERVED_BYTES_MAX: u64 = 1 << 46;
/// A slot this large needs no bounds checks, because a 32-bit address cannot leave it.
const UNCHECKED_SLOT_BYTES: u64 = 4 << 30;
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

/// Makes the engine, and tells what decides the code that it runs.
pub fn engine(config: &HostConfig) -> wasmtime::Result<(Engine, CodeSettings)> {
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
    let settings = if fits_unchecked(memories) {
        CodeSettings::default()
    } else {
        CodeSettings::checked(memory)
    };
    let mut engine = settings.config();
    engine.allocation_strategy(pool(sandboxes, each, memory, tables));
    Ok((Engine::new(&engine)?, settings))
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
