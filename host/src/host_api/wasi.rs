//! WASI 0.2 as far as it is granted: the folders and environment variables of the plugin's section, no sockets.
//! Standard output and standard error become log lines of the plugin.
//!
//! All of it is synchronous: a guest that waits parks the thread of its call in [`CallMeter::wait`], which
//! respects the call's deadline and returns when the call is cancelled. Calls into file systems run on file
//! threads (`plugin::file_calls`), so that a file system that hangs does not hold the guest's thread.

mod clock;
mod file_stream;
mod files;
pub(crate) mod http;
mod io;
mod no_sockets;
mod scripted;

use std::collections::HashMap;
use std::sync::Arc;

use wasmtime::component::{HasData, Linker, ResourceTable};
use wasmtime_wasi::cli::{WasiCli, WasiCliView};
use wasmtime_wasi::clocks::{WasiClocks, WasiClocksView};
use wasmtime_wasi::filesystem::{WasiFilesystem, WasiFilesystemView};
use wasmtime_wasi::p2::bindings;
use wasmtime_wasi::random::{WasiRandom, WasiRandomCtx};
use wasmtime_wasi::sockets::{WasiSockets, WasiSocketsView};
use wasmtime_wasi::{WasiCtx, WasiCtxView, WasiView};

use crate::clock::Clock;
use crate::config::bound::Bound;
use crate::config::limits;
use crate::host_api::call::{CallEnded, CallMeter};
use crate::host_api::guest_output::GuestOutput;
use crate::host_api::kept::HandlesAllowed;
use crate::host_api::state::{Env, HostState};
use crate::host_api::stdio::Lines;
use crate::host_api::wasi::http::bindings::wasi::http::{outgoing_handler, types as http_types};
use crate::plugin::Plugin;
use crate::plugin::shared::HostShared;
use crate::quota::semaphore::Permit;

/// The most random bytes of one call: generating them takes about a slice and cannot be interrupted.
const RANDOM_BYTES_MAX: u64 = 1 << 20;

/// The WASI side of one instance.
pub(crate) struct Wasi {
    context: WasiCtx,
    table: ResourceTable,
    /// The number of the guest's handles; none if WASI was called since they were counted.
    handles: Option<usize>,
    /// The most handles that it may have.
    allowed: HandlesAllowed,
    /// The permits of open descriptors, by handle.
    descriptors: HashMap<u32, Arc<Permit>>,
}

/// The state that blocking functions need.
pub(super) struct WaitingView<'a> {
    table: &'a mut ResourceTable,
    descriptors: &'a mut HashMap<u32, Arc<Permit>>,
    call: &'a mut CallMeter,
    clock: &'a Clock,
    host: &'a Arc<HostShared>,
    plugin: &'a Arc<Plugin>,
}

/// The engine's accessor of [`WaitingView`].
struct HasWaitingView;

impl HasData for HasWaitingView {
    type Data<'a> = WaitingView<'a>;
}

/// Links WASI. Functions that do not block are wasmtime's; sockets are refused.
pub(super) fn link(linker: &mut Linker<HostState>) -> wasmtime::Result<()> {
    let (stable, waiting) = (http_types::LinkOptions::default(), HostState::waiting);
    http_types::add_to_linker::<_, HasWaitingView>(linker, &stable, waiting)?;
    outgoing_handler::add_to_linker::<_, HasWaitingView>(linker, waiting)?;
    link_what_waits(linker)?;
    link_what_does_not(linker)
}

fn link_what_waits(linker: &mut Linker<HostState>) -> wasmtime::Result<()> {
    use bindings::sync::filesystem::types;
    use bindings::sync::io::{poll, streams};
    use bindings::sync::sockets::udp_create_socket;
    let waiting = HostState::waiting;
    wasmtime_wasi_io::bindings::wasi::io::error::add_to_linker::<_, HasTable>(linker, |state| {
        state.ctx().table
    })?;
    poll::add_to_linker::<_, HasWaitingView>(linker, waiting)?;
    streams::add_to_linker::<_, HasWaitingView>(linker, waiting)?;
    types::add_to_linker::<_, HasWaitingView>(linker, waiting)?;
    bindings::clocks::monotonic_clock::add_to_linker::<_, HasWaitingView>(linker, waiting)?;
    bindings::sockets::tcp_create_socket::add_to_linker::<_, HasWaitingView>(linker, waiting)?;
    bindings::sockets::ip_name_lookup::add_to_linker::<_, HasWaitingView>(linker, waiting)?;
    udp_create_socket::add_to_linker::<_, HasWaitingView>(linker, waiting)
}

fn link_what_does_not(linker: &mut Linker<HostState>) -> wasmtime::Result<()> {
    use bindings::{cli, clocks, filesystem, random, sockets};
    let l = linker;
    clocks::wall_clock::add_to_linker::<_, WasiClocks>(l, HostState::clocks)?;
    filesystem::preopens::add_to_linker::<_, WasiFilesystem>(l, HostState::filesystem)?;
    random::random::add_to_linker::<_, WasiRandom>(l, HostState::random)?;
    random::insecure::add_to_linker::<_, WasiRandom>(l, HostState::random)?;
    random::insecure_seed::add_to_linker::<_, WasiRandom>(l, HostState::random)?;
    cli::exit::add_to_linker::<_, WasiCli>(l, HostState::cli)?;
    cli::environment::add_to_linker::<_, WasiCli>(l, HostState::cli)?;
    cli::stdin::add_to_linker::<_, WasiCli>(l, HostState::cli)?;
    cli::stdout::add_to_linker::<_, WasiCli>(l, HostState::cli)?;
    cli::stderr::add_to_linker::<_, WasiCli>(l, HostState::cli)?;
    cli::terminal_input::add_to_linker::<_, WasiCli>(l, HostState::cli)?;
    cli::terminal_output::add_to_linker::<_, WasiCli>(l, HostState::cli)?;
    cli::terminal_stdin::add_to_linker::<_, WasiCli>(l, HostState::cli)?;
    cli::terminal_stdout::add_to_linker::<_, WasiCli>(l, HostState::cli)?;
    cli::terminal_stderr::add_to_linker::<_, WasiCli>(l, HostState::cli)?;
    // No guest gets a socket. Its methods are linked so that components link, and are never called.
    sockets::network::add_to_linker::<_, WasiSockets>(l, &Default::default(), HostState::sockets)?;
    sockets::instance_network::add_to_linker::<_, WasiSockets>(l, HostState::sockets)?;
    bindings::sync::sockets::tcp::add_to_linker::<_, WasiSockets>(l, HostState::sockets)?;
    bindings::sync::sockets::udp::add_to_linker::<_, WasiSockets>(l, HostState::sockets)
}

/// The engine's accessor of the table alone.
struct HasTable;

impl HasData for HasTable {
    type Data<'a> = &'a mut ResourceTable;
}

impl HostState {
    /// The WASI side of the instance, made at the first call, and the other state that a call needs.
    fn entered(&mut self) -> (&mut Wasi, &mut CallMeter, &Env, &Arc<Plugin>) {
        // Standard output and error need it.
        self.output();
        let output = &*self.output.get_or_insert_default();
        let (plugin, env, max) = (&self.plugin, &self.env, self.plugin.config.limits.handles);
        let wasi = self.wasi.get_or_insert_with(|| {
            let allowed = HandlesAllowed::beside(0, max, &self.counts, &self.kept);
            Box::new(Wasi::new(plugin, env, output, allowed))
        });
        wasi.handles = None;
        (wasi, &mut self.call, env, plugin)
    }

    fn waiting(&mut self) -> WaitingView<'_> {
        let (wasi, call, env, plugin) = self.entered();
        WaitingView {
            table: &mut wasi.table,
            descriptors: &mut wasi.descriptors,
            call,
            clock: &env.clock,
            host: &env.host,
            plugin,
        }
    }
}

impl HostState {
    fn random(&mut self) -> &mut WasiRandomCtx {
        self.ctx().ctx.random()
    }
}

impl HostState {
    /// The table of its WASI handles.
    fn table(&mut self) -> &mut ResourceTable {
        let (wasi, ..) = self.entered();
        &mut wasi.table
    }
}

impl WaitingView<'_> {
    /// Waits for a future that needs the table.
    fn wait<'a, T>(
        &'a mut self,
        begin: impl AsyncFnOnce(&'a mut ResourceTable) -> T,
    ) -> Result<T, CallEnded> {
        self.call.wait(begin(self.table))
    }
}

impl WasiView for HostState {
    fn ctx(&mut self) -> WasiCtxView<'_> {
        let (wasi, ..) = self.entered();
        WasiCtxView { ctx: &mut wasi.context, table: &mut wasi.table }
    }
}

impl HostState {
    /// The bound that sets the most WASI handles.
    pub(crate) fn bound_of_handles(&self) -> &'static Bound {
        self.wasi.as_ref().map_or(&limits::HANDLES, |wasi| wasi.allowed.bound)
    }
}

impl Wasi {
    /// The number of the guest's handles. The table does not keep it, so it is counted again after calls of WASI only.
    pub(super) fn handles(&mut self) -> usize {
        let table = &mut self.table;
        *self.handles.get_or_insert_with(|| table.iter_mut().count())
    }

    /// Sets the most handles that the guest may have.
    pub(super) fn allow_handles(&mut self, allowed: HandlesAllowed) {
        self.table.set_max_capacity(allowed.number);
        self.allowed = allowed;
    }

    fn new(plugin: &Arc<Plugin>, env: &Env, output: &GuestOutput, allowed: HandlesAllowed) -> Wasi {
        let mut builder = WasiCtx::builder();
        builder
            .stdout(Lines::stdout(plugin, &env.clock, output))
            .stderr(Lines::stderr(plugin, &env.clock, output))
            .envs(&plugin.config.environment)
            .max_random_size(RANDOM_BYTES_MAX);
        scripted::settle(&mut builder, &env.clock, &env.host.network);
        let mut context = builder.build();
        *context.filesystem() = plugin.folders.0.clone();
        let mut table = ResourceTable::new();
        table.set_max_capacity(allowed.number);
        Wasi { context, table, handles: None, allowed, descriptors: HashMap::new() }
    }
}
