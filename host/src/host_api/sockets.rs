//! `sockets`: calls on a plugin's connections.

use std::net::SocketAddr;
use std::sync::atomic::Ordering;
use std::time::Duration;

use wasmtime::StoreContextMut;
use wasmtime::component::{Linker, Resource, WasmList};

use crate::config::limits;
use crate::contract;
use crate::contract::bindings::{Address, Endpoint, ErrorCode, sockets};
use crate::contract::socket::SocketHandle;
use crate::host_api::command::Command;
use crate::host_api::state::HostState;
use crate::net::connection::stream::SocketAddress;
use crate::net::connection::{CloseReason, Connection, Phase, SendError};
use crate::net::outbound::Target;
use crate::quota::host_memory::{Admission, CONNECTION_BYTES};
use crate::quota::semaphore::Permit;

pub(super) type Socket = Resource<SocketHandle>;

/// Links `send-data` by hand: generated code would copy the list, this borrows it from the guest's memory.
pub(super) fn link_send_data(linker: &mut Linker<HostState>) -> wasmtime::Result<()> {
    linker.allow_shadowing(true);
    linker.instance(&contract::interface("sockets"))?.func_wrap(
        "[method]socket.send-data",
        |mut store: StoreContextMut<'_, HostState>, (socket, data): (Socket, WasmList<u8>)| {
            let state = store.data();
            let Some((id, connection)) = state.sockets.get(socket.rep()) else {
                return Ok((Err(ErrorCode::Closed),));
            };
            let (id, now) = (*id, state.env.clock.turn());
            let (mut result, mut connection) = connection.send(data.as_le_slice(&store), now);
            // If all bytes were written at once the reactor has nothing to reconcile.
            let left = connection.has_output() || matches!(connection.phase(), Phase::Ended(_));
            let touched = left && connection.mark_dirty();
            let sent = connection.take_sent();
            drop(connection);
            let state = store.data_mut();
            state.sent = state.sent.saturating_add(sent);
            if touched {
                state.commands.push(Command::Reconcile { id });
            }
            let full = match result {
                Err(SendError::OutboxFull) => Some(&limits::OUTBOX_MAX),
                Err(SendError::OutboxesFull) => Some(&limits::OUTBOXES),
                _ => None,
            };
            if let Some(bound) = full {
                store.data().at_limit(bound);
            }
            if result == Err(SendError::NotGranted)
                && let Some((connection, to)) = store.data().let_answer_through(id)
            {
                let sent =
                    connection.lock().send_datagram_to(data.as_le_slice(&store), to, true, now);
                result = sent.unwrap_or(result);
            }
            Ok((result.map_err(ErrorCode::from),))
        },
    )?;
    linker.allow_shadowing(false);
    Ok(())
}

impl HostState {
    /// Changes a connection and has the reactor reconcile it. A stale handle is `Closed`.
    pub(super) fn change<T>(
        &mut self,
        socket: &Socket,
        change: impl FnOnce(&mut Connection) -> T,
    ) -> Option<T> {
        let (id, connection) = self.sockets.get(socket.rep())?;
        let mut connection = connection.lock();
        let result = change(&mut connection);
        if connection.mark_dirty() {
            self.commands.push(Command::Reconcile { id: *id });
        }
        Some(result)
    }

    /// Reads from a connection's state; none for a stale handle.
    pub(super) fn look<T>(
        &self,
        socket: &Socket,
        look: impl FnOnce(&mut Connection) -> T,
    ) -> Option<T> {
        let (_, connection) = self.sockets.get(socket.rep())?;
        Some(look(&mut connection.lock()))
    }
}

impl sockets::HostSocket for HostState {
    fn send_data(&mut self, _: Socket, _: Vec<u8>) -> Result<(), ErrorCode> {
        unreachable!("link_send_data has taken its place")
    }

    fn close_connection(&mut self, socket: Socket) {
        self.change(&socket, |connection| connection.end(CloseReason::Closed));
    }

    fn close_connection_after_writing(&mut self, socket: Socket) {
        self.change(&socket, |connection| connection.finish(CloseReason::Closed));
    }

    fn half_close(&mut self, socket: Socket) -> Result<(), ErrorCode> {
        let result = self.change(&socket, Connection::half_close);
        result.ok_or(ErrorCode::Closed)?.map_err(ErrorCode::from)
    }

    fn keep_half_open(&mut self, socket: Socket, keep: bool) {
        self.change(&socket, |connection| connection.keep_half_open = keep);
    }

    fn peer_finished(&mut self, socket: Socket) -> bool {
        self.look(&socket, |connection| connection.peer_finished()).unwrap_or(true)
    }

    fn pause(&mut self, socket: Socket) {
        self.change(&socket, |connection| connection.paused = true);
    }

    fn resume(&mut self, socket: Socket) {
        self.change(&socket, |connection| connection.paused = false);
    }

    fn is_paused(&mut self, socket: Socket) -> bool {
        self.look(&socket, |connection| connection.paused).unwrap_or(false)
    }

    fn peer_address(&mut self, socket: Socket) -> Option<Address> {
        self.look(&socket, |connection| connection.peer())?.map(Address::from)
    }

    fn local_address(&mut self, socket: Socket) -> Option<Address> {
        self.look(&socket, |connection| connection.local())?.map(Address::from)
    }

    fn set_comm_inactivity_timeout(&mut self, socket: Socket, milliseconds: u32) {
        let timeout = Duration::from_millis(milliseconds.into());
        self.change(&socket, |connection| connection.comm_inactivity_timeout = timeout);
    }

    fn comm_inactivity_timeout(&mut self, socket: Socket) -> u32 {
        self.look(&socket, |connection| whole(connection.comm_inactivity_timeout)).unwrap_or(0)
    }

    fn set_pending_connect_timeout(
        &mut self,
        socket: Socket,
        milliseconds: u32,
    ) -> Result<(), ErrorCode> {
        if milliseconds == 0 {
            return Err(ErrorCode::InvalidArgument);
        }
        let timeout = Duration::from_millis(milliseconds.into());
        self.change(&socket, |connection| connection.pending_connect_timeout = timeout);
        Ok(())
    }

    fn pending_connect_timeout(&mut self, socket: Socket) -> u32 {
        self.look(&socket, |connection| whole(connection.pending_connect_timeout)).unwrap_or(0)
    }

    fn outbound_data_size(&mut self, socket: Socket) -> u32 {
        let size = self.look(&socket, |connection| connection.outbound()).unwrap_or(0);
        u32::try_from(size).unwrap_or(u32::MAX)
    }

    fn idle_time(&mut self, socket: Socket) -> u32 {
        let now = self.env.clock.now();
        let idle = self.look(&socket, |connection| now.since(connection.last_activity()));
        whole(idle.unwrap_or_default())
    }

    fn id(&mut self, socket: Socket) -> u32 {
        self.look(&socket, |connection| connection.number).unwrap_or(0)
    }

    fn drop(&mut self, socket: Socket) -> wasmtime::Result<()> {
        self.sockets.dropped_by_guest(socket.rep());
        Ok(())
    }
}

impl sockets::Host for HostState {
    fn connect(&mut self, target: Address, token: u32) -> Result<(), ErrorCode> {
        self.begin_connect(target, token, None)
    }
}

impl HostState {
    /// Queues an outgoing connection, from `local` if the plugin has chosen an address.
    pub(super) fn begin_connect(
        &mut self,
        target: Address,
        token: u32,
        local: Option<SocketAddr>,
    ) -> Result<(), ErrorCode> {
        if !self.running || self.env.ending.load(Ordering::Relaxed) {
            return Err(ErrorCode::Denied);
        }
        let target = Target::try_from(target).map_err(|()| ErrorCode::InvalidArgument)?;
        self.grant_connect(&target)?;
        let usage = &self.plugin.usage;
        let permit = self.permit(&limits::OUTGOING, &usage.outgoing)?;
        let lookup = match target.immediate() {
            Some(_) => None,
            None => Some(self.permit(&limits::LOOKUPS, &usage.lookups)?),
        };
        let admission = self.admit(permit, CONNECTION_BYTES)?;
        self.commands.push(Command::Connect { admission, lookup, target, token, local });
        Ok(())
    }

    /// Admits one more socket: a file descriptor and `bytes` of host memory besides `permit`.
    pub(super) fn admit(&self, permit: Permit, bytes: u64) -> Result<Admission, ErrorCode> {
        let tenant = &self.plugin.tenant;
        let admission = Admission::of(permit, &tenant.host_memory, bytes);
        let admission = admission.ok_or_else(|| self.no_host_memory())?;
        let descriptor = self.env.host.descriptors.acquire(tenant.index);
        Ok(admission.with_descriptor(descriptor.ok_or_else(|| self.no_descriptor())?))
    }
}

/// A duration in milliseconds, the unit of the contract.
fn whole(duration: Duration) -> u32 {
    u32::try_from(duration.as_millis()).unwrap_or(u32::MAX)
}

impl From<SendError> for ErrorCode {
    fn from(error: SendError) -> ErrorCode {
        match error {
            SendError::Closed => ErrorCode::Closed,
            SendError::Closing => ErrorCode::Closing,
            SendError::OutboxFull | SendError::OutboxesFull | SendError::NotNow => {
                ErrorCode::OutboxFull
            }
            SendError::TooLong | SendError::NoPeer => ErrorCode::InvalidArgument,
            SendError::NotGranted => ErrorCode::Denied,
        }
    }
}

impl From<SocketAddress> for Address {
    fn from(end: SocketAddress) -> Address {
        match end {
            SocketAddress::Tcp(address) => {
                Address::Tcp(Endpoint { host: address.ip().to_string(), port: address.port() })
            }
            SocketAddress::Unix(path) => Address::Unix(path),
        }
    }
}
