//! The engine of a host: how guests are compiled and where their memory is allocated.

pub(crate) mod cache;
pub(crate) mod call;
mod capacity;
pub mod compile;
pub(crate) mod component_file;
pub(crate) mod components;
pub(crate) mod event;
pub(crate) mod fault;
pub(crate) mod fit;
pub(crate) mod footprint;
pub mod inspect;
pub(crate) mod load;
mod proposals;
mod remedies;
pub(crate) mod room;
pub(crate) mod sandbox;
pub mod settings;
pub mod source;
pub(crate) mod template;
pub mod ticker;
pub(crate) mod trapped;
pub(crate) mod working_set;

use wasmtime::{Enabled, Engine, InstanceAllocationStrategy, PoolingAllocationConfig};

use crate::config::error::ConfigError;
use crate::config::model::Config as HostConfig;
use crate::engine::capacity::Capacity;
use crate::engine::footprint::Footprint;
use crate::engine::room::{HostEngine, PoolRoom};
use crate::engine::settings::CodeSettings;
use crate::log::trap;

/// The address space that all memory slots together may reserve: half of that of a 47-bit process.
const RESERVED_BYTES_MAX: u64 = 1 << 46;
/// A slot this large needs no bounds checks, because a 32-bit address cannot leave it.
const UNCHECKED_SLOT_BYTES: u64 = 4 << 30;
/// The bytes of memory and tables that an unused slot keeps resident.
const KEPT_MEMORY_BYTES: usize = 256 << 10;
const KEPT_TABLE_BYTES: usize = 64 << 10;
/// The number of slots that are decommitted together: a slot is returned to the kernel without waiting for others. Larger
/// batches were not measurably faster.
const DECOMMIT_BATCH: usize = 1;
/// The maximum metadata of one instance; the largest Python component needs about a tenth.
const INSTANCE_BYTES_MAX: usize = 4 << 20;

/// Why creating the engine failed.
#[derive(Debug)]
pub enum EngineError {
    /// The configuration asks for more than the system has.
    Config(ConfigError),
    /// An error that no key of the configuration affects.
    Other(wasmtime::Error),
}

/// Creates the engine for plugins with these footprints, in their order.
///
/// It has as many slots as sandboxes may exist at once. If the system refuses the address space for slots without bounds
/// checks, they are as small as the limits allow.
///
/// # Errors
/// When the system does not have what the configuration asks for, or the engine refuses.
pub fn engine(config: &HostConfig, footprints: &[Footprint]) -> Result<HostEngine, EngineError> {
    let capacity = Capacity::new(config, footprints);
    capacity.check_mappings().map_err(EngineError::Config)?;
    capacity.check_slots(RESERVED_BYTES_MAX / UNCHECKED_SLOT_BYTES).map_err(EngineError::Config)?;
    let memory = config.plugins.iter().map(|plugin| plugin.limits.memory).max().unwrap_or(0);
    let make = |instances: u32, settings: CodeSettings| {
        let mut smaller = config.clone();
        smaller.host.limits.instances = instances;
        let is_unchecked = settings == CodeSettings::default();
        // A slot without bounds checks has the same size for all plugins.
        let memory = if is_unchecked { UNCHECKED_SLOT_BYTES } else { memory };
        let has_space = |memories| is_unchecked && fits_unchecked(memories);
        let room = PoolRoom::of(&smaller, footprints, memory, has_space);
        let mut engine = settings.config();
        engine.allocation_strategy(pool(&room));
        Engine::new(&engine).map(|engine| HostEngine { engine, settings, room })
    };
    let (wanted, checked) =
        (config.host.limits.instances, CodeSettings::checked(memory).with(&config.host));
    let mut refused = None;
    if fits_unchecked(capacity.memories()) {
        match make(wanted, CodeSettings::default().with(&config.host)) {
            Err(error) if is_refused(&error) => refused = Some(error),
            made => return made.map_err(EngineError::Other),
        }
    }
    match make(wanted, checked) {
        Ok(made) => {
            if let Some(error) = refused {
                let cause = trap::chain(&error);
                tracing::warn!(?cause, "no address space for memories of 4 GiB: guests run slower");
            }
            Ok(made)
        }
        Err(error) if is_refused(&error) => {
            let smaller = std::iter::successors(Some(wanted / 2), |tried| Some(tried / 2));
            let fitting =
                smaller.take_while(|tried| 0 < *tried).find(|tried| make(*tried, checked).is_ok());
            // Half of the address space is left for everything else.
            let possible = fitting.map(|fitting| (fitting / 2).max(1));
            let cause = trap::chain(&error);
            Err(EngineError::Config(capacity.refused(cause.as_str(), possible)))
        }
        Err(error) => Err(EngineError::Other(error)),
    }
}

/// Whether the system has refused memory or address space.
fn is_refused(error: &wasmtime::Error) -> bool {
    error.chain().any(|cause| cause.is::<rustix::io::Errno>() || cause.is::<std::io::Error>())
}

/// Whether `memories` slots without bounds checks fit into the address space.
fn fits_unchecked(memories: u64) -> bool {
    memories.saturating_mul(UNCHECKED_SLOT_BYTES) <= RESERVED_BYTES_MAX
}

fn pool(room: &PoolRoom) -> InstanceAllocationStrategy {
    // The engine accepts no pool of size 0.
    let count = |many: u64| u32::try_from(many).unwrap_or(u32::MAX).max(1);
    let mut pool = PoolingAllocationConfig::default();
    pool.total_component_instances(count(room.sandboxes))
        // They take no slot of the pool, and the limit `core_instances` of a component bounds them.
        .total_core_instances(u32::MAX)
        .total_memories(count(room.memories))
        .total_tables(count(room.tables))
        // Calls are made on the stacks of the threads that make them.
        .total_stacks(0)
        // When a slot is reused its dirty pages are overwritten instead of being returned to the kernel, which is cheaper than
        // faulting them in again. The memory is bounded by the number of unused slots that stay warm, 100.
        .linear_memory_keep_resident(KEPT_MEMORY_BYTES)
        .table_keep_resident(KEPT_TABLE_BYTES)
        .pagemap_scan(Enabled::Auto)
        .decommit_batch_size(DECOMMIT_BATCH)
        // The limits of each plugin were checked before.
        .max_memories_per_module(room.memory_count)
        .max_tables_per_module(room.table_count)
        .max_core_instances_per_component(room.core_instances)
        .max_component_instance_size(INSTANCE_BYTES_MAX)
        .max_core_instance_size(INSTANCE_BYTES_MAX)
        .table_elements(usize::try_from(room.table_elements).unwrap_or(usize::MAX))
        .max_memory_size(usize::try_from(room.memory).unwrap_or(usize::MAX));
    InstanceAllocationStrategy::Pooling(pool)
}
