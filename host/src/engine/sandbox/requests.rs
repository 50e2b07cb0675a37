//! The events of a component that serves HTTP by `wasi:http`: the host owns its connections, and the guest is called with one
//! request after the other.

use wasmtime::component::{Resource, TypedFunc};

use crate::base::arena::ConnectionId;
use crate::engine::event::{Event, Outcome};
use crate::engine::sandbox::{Guest, Sandbox};
use crate::host_api::state::HostState;
use crate::host_api::wasi::http::connections::HttpCall;
use crate::host_api::wasi::http::resources::{IncomingRequest, ResponseOutparam};

/// `incoming-handler.handle`.
pub(super) type HandleRequest =
    TypedFunc<(Resource<IncomingRequest>, Resource<ResponseOutparam>), ()>;

impl Sandbox {
    /// Delivers one event to the host's HTTP server, which calls the guest.
    pub(super) fn perform_http(
        &mut self,
        handle: HandleRequest,
        event: &mut Event,
    ) -> wasmtime::Result<Outcome> {
        let state = self.store.data_mut();
        match event {
            Event::Data { connection, buffer, length } => {
                self.serve(handle, *connection, &buffer[..*length])?;
            }
            Event::Tick(id) => {
                if let Some(connection) = state.http_tick(*id) {
                    state.subject = Some(connection);
                    self.serve(handle, connection, &[])?;
                }
            }
            Event::Open(opening) => {
                state.http_open(opening.connection, opening.shared.clone());
                opening.constructed = true;
            }
            Event::Draining { connection, .. } => {
                return Ok(Outcome::Drains(state.http_drain(*connection)));
            }
            Event::Unbind { connection, .. } => state.http_closed(*connection),
            // HTTP uses streams only.
            Event::Datagram { connection, .. } => state.http_close(*connection),
            Event::Start => state.running = true,
            Event::Stopped => state.running = false,
            // The component has no export for these.
            _ => {}
        }
        Ok(Outcome::Done)
    }

    /// Replaces the instance that has answered by a new one: a component may be written for a single request, as with
    /// `wasmtime serve` and in Spin. The host's state stays.
    fn renew(&mut self) -> wasmtime::Result<HandleRequest> {
        let state = self.store.data();
        let blank = HostState::new(state.plugin.clone(), state.env.clone());
        let mut store = Sandbox::store(&self.template, blank);
        std::mem::swap(store.data_mut(), self.store.data_mut());
        // The old instance releases its slot in the pool before the new one takes one.
        self.store = store;
        let state = self.store.data_mut();
        let least = state.plugin.least_memory;
        state.memory.begin_anew(least);
        let filled = Sandbox::fill(&self.template, &mut self.store);
        let (instance, guest) = filled.map_err(|trapped| trapped.error)?;
        let Guest::WasiHttp(handle) = guest else {
            return Err(wasmtime::Error::msg("a component has become another"));
        };
        (self.instance, self.guest) = (instance, guest);
        Ok(handle)
    }

    /// Has the guest answer the request that these bytes complete. Later requests have their own events.
    fn serve(
        &mut self,
        handle: HandleRequest,
        connection: ConnectionId,
        data: &[u8],
    ) -> wasmtime::Result<()> {
        let Some(call) = self.store.data_mut().http_receive(connection, data)? else {
            return Ok(());
        };
        let HttpCall { request, answer, is_first } = call;
        let handle = if is_first { handle } else { self.renew()? };
        handle.call(&mut self.store, (request, answer))?;
        self.store.data_mut().http_answered();
        Ok(())
    }
}
