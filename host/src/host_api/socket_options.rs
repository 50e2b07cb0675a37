//! `socket-options`: socket options of a connection, and connecting from a local address.

use wasmtime::component::Resource;

use crate::config::listen_rule::ListenPlace;
use crate::contract::bindings::socket_options::Probes;
use crate::contract::bindings::{Address, Endpoint, ErrorCode, socket_options};
use crate::contract::socket::SocketHandle;
use crate::host_api::listeners::local;
use crate::host_api::state::HostState;
use crate::net::connection::tcp_options::{Keepalive, OptionError};

impl socket_options::Host for HostState {
    fn set_keepalive(
        &mut self,
        on: Resource<SocketHandle>,
        keepalive: Option<Probes>,
    ) -> Result<(), ErrorCode> {
        let keepalive =
            keepalive.map(|Probes { idle, interval, count }| Keepalive { idle, interval, count });
        let (_, connection) = self.sockets.get(on.rep()).ok_or(ErrorCode::Closed)?;
        Ok(connection.lock().set_keepalive(keepalive)?)
    }

    fn keepalive(&mut self, on: Resource<SocketHandle>) -> Option<Probes> {
        let (_, connection) = self.sockets.get(on.rep())?;
        let Keepalive { idle, interval, count } = connection.lock().keepalive()?;
        Some(Probes { idle, interval, count })
    }

    fn set_nodelay(&mut self, on: Resource<SocketHandle>, nodelay: bool) -> Result<(), ErrorCode> {
        let (_, connection) = self.sockets.get(on.rep()).ok_or(ErrorCode::Closed)?;
        Ok(connection.lock().set_nodelay(nodelay)?)
    }

    fn nodelay(&mut self, on: Resource<SocketHandle>) -> bool {
        self.sockets.get(on.rep()).is_none_or(|(_, connection)| connection.lock().nodelay())
    }

    fn connect_from(
        &mut self,
        from: Endpoint,
        target: Address,
        token: u32,
    ) -> Result<(), ErrorCode> {
        let from = local(&from).ok_or(ErrorCode::InvalidArgument)?;
        if matches!(target, Address::Unix(_)) {
            return Err(ErrorCode::InvalidArgument);
        }
        self.grant_listen("socket-options.connect-from", &ListenPlace::Tcp(from))?;
        self.begin_connect(target, token, Some(from))
    }

    fn connection_count(&mut self) -> u32 {
        let count = self.sockets.bound_count() + self.listeners.len();
        u32::try_from(count).unwrap_or(u32::MAX)
    }
}

impl From<OptionError> for ErrorCode {
    fn from(error: OptionError) -> ErrorCode {
        match error {
            OptionError::Closed => ErrorCode::Closed,
            OptionError::Unsupported => ErrorCode::Unsupported,
            OptionError::OutOfRange => ErrorCode::InvalidArgument,
        }
    }
}
