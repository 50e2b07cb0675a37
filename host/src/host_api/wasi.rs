//! WASI 0.2 with what is granted: the folders and environment variables of the plugin's section, no sockets.
//! Standard output and standard error become lines of the plugin.
//!
//! What touches a file system runs on the threads of the runtime for WASI: the call is suspended meanwhile, as
//! it is while a guest sleeps, and the reactor goes on.

use std::sync::Arc;

use wasmtime::component::{Linker, ResourceTable};
use wasmtime_wasi::{WasiCtx, WasiCtxView, WasiView};

use crate::clock::Clock;
use crate::host_api::state::HostState;
use crate::host_api::stdio::Lines;
use crate::plugin::Plugin;

/// Most random bytes that one call brings: making them takes about a slice, during which nothing can interrupt it.
const RANDOM_BYTES_MAX: u64 = 1 << 20;

/// The WASI side of one instance.
pub struct Wasi {
    context: WasiCtx,
    table: ResourceTable,
}

/// Links WASI. The asynchronous form: a guest that sleeps suspends itself, not the loop.
pub(super) fn link(linker: &mut Linker<HostState>) -> wasmtime::Result<()> {
    wasmtime_wasi::p2::add_to_linker_async(linker)
}

impl WasiView for HostState {
    fn ctx(&mut self) -> WasiCtxView<'_> {
        let (plugin, clock) = (&self.plugin, &self.env.clock);
        let wasi = self.wasi.get_or_insert_with(|| Box::new(Wasi::new(plugin, clock)));
        WasiCtxView { ctx: &mut wasi.context, table: &mut wasi.table }
    }
}

impl Wasi {
    fn new(plugin: &Arc<Plugin>, clock: &Clock) -> Wasi {
        let mut context = WasiCtx::builder()
            .stdout(Lines::stdout(plugin, clock))
            .stderr(Lines::stderr(plugin, clock))
            .envs(&plugin.config.environment)
            .max_random_size(RANDOM_BYTES_MAX)
            .build();
        *context.filesystem() = plugin.folders.0.clone();
        let mut table = ResourceTable::new();
        table.set_max_capacity(plugin.config.limits.handles as usize);
        Wasi { context, table }
    }
}
