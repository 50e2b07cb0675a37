//! `listeners`: sockets are bound here; the reactor accepts from them.

use std::net::{IpAddr, SocketAddr};
use std::sync::atomic::Ordering;

use crate::base::host_port::in_brackets;
use crate::config::address::ListenAddress;
use crate::config::limits;
use crate::config::listen_rule::ListenPlace;
use crate::contract::bindings::listeners::{ListenAddress as Place, ListenError, Listener};
use crate::contract::bindings::{Endpoint, listeners};
use crate::host_api::command::Command;
use crate::host_api::state::HostState;
use crate::net::listener::error::BindFault;
use crate::net::listener::own;
use crate::quota::host_memory::{Admission, CONNECTION_BYTES, OPTION_BYTES, length};

/// Bytes of a handler's name and of the options, together with what each of these takes besides: each connection is given a copy.
const TEXT_BYTES_MAX: u64 = 64 << 10;
/// The longest path of a Unix socket on Linux.
const PATH_BYTES_MAX: usize = 107;

impl listeners::Host for HostState {
    fn start_server(
        &mut self,
        address: Place,
        handler: String,
        options: Vec<(String, String)>,
    ) -> Result<Listener, ListenError> {
        let place = place(address).ok_or(ListenError::InvalidAddress)?;
        let text = options.iter().map(|(key, value)| OPTION_BYTES + length(key) + length(value));
        let text = text.fold(length(&handler), u64::saturating_add);
        if TEXT_BYTES_MAX < text {
            return Err(ListenError::TooLarge);
        }
        let admission = self.admit_socket("listeners.start-server", &place, text)?;
        let listener =
            own::open(&self.env.host.network, &place, self.plugin.index, handler, options)?;
        let address = served(&listener.endpoint.address);
        let id = self.ids.next(|id| self.listeners.contains(&id));
        self.listeners.insert(id);
        self.commands.push(Command::Listen { admission, id, listener: Box::new(listener) });
        Ok(Listener { id, address })
    }

    fn stop_server(&mut self, id: u32) {
        if self.listeners.remove(&id) {
            self.commands.push(Command::Unlisten { id });
        }
    }
}

impl HostState {
    /// Admits one more socket at a place, with `bytes` of host memory besides the price of each. `call` is the call's name in
    /// the contract.
    pub(super) fn admit_socket(
        &self,
        call: &'static str,
        place: &ListenPlace,
        bytes: u64,
    ) -> Result<Admission, ListenError> {
        if !self.running || self.env.stopping.load(Ordering::Relaxed) {
            return Err(ListenError::Denied);
        }
        self.grant_listen(call, place).map_err(|_| ListenError::Denied)?;
        let permit = self.permit(&limits::LISTENERS, &self.plugin.usage.listeners);
        let permit = permit.map_err(|_| ListenError::Limit)?;
        let admission = self.admit(permit, CONNECTION_BYTES.saturating_add(bytes));
        admission.map_err(|_| ListenError::Limit)
    }
}

/// Parses an IP address; an IPv4-mapped IPv6 address becomes IPv4.
pub(super) fn local(endpoint: &Endpoint) -> Option<SocketAddr> {
    let host = &*endpoint.host;
    let ip: IpAddr = in_brackets(host).unwrap_or(host).parse().ok()?;
    Some(SocketAddr::new(ip.to_canonical(), endpoint.port))
}

/// An address in the contract's type.
pub(super) fn endpoint(address: SocketAddr) -> Endpoint {
    Endpoint { host: address.ip().to_string(), port: address.port() }
}

fn place(address: Place) -> Option<ListenPlace> {
    match address {
        Place::Tcp(endpoint) => local(&endpoint).map(ListenPlace::Tcp),
        Place::Udp(endpoint) => local(&endpoint).map(ListenPlace::Udp),
        Place::Unix(path) => {
            let is_path = path.starts_with('/') && path.len() <= PATH_BYTES_MAX;
            (is_path && !path.contains('\0')).then_some(ListenPlace::Unix(path))
        }
    }
}

fn served(address: &ListenAddress) -> Place {
    match address {
        ListenAddress::Tcp(address) | ListenAddress::Tls(address) => Place::Tcp(endpoint(*address)),
        ListenAddress::Udp(address) => Place::Udp(endpoint(*address)),
        ListenAddress::Unix(path) => Place::Unix(path.to_string_lossy().into_owned()),
        ListenAddress::Inherited(name) => Place::Unix(name.clone()),
    }
}

impl From<BindFault> for ListenError {
    fn from(fault: BindFault) -> ListenError {
        tracing::debug!(?fault, "a plugin's socket was not bound");
        match fault {
            BindFault::InUse
            | BindFault::LiveServer
            | BindFault::NotASocket
            | BindFault::FolderBusy => ListenError::InUse,
            BindFault::Forbidden | BindFault::ReadOnly => ListenError::Forbidden,
            BindFault::NoFolder(_) | BindFault::NotHere | BindFault::NoFamily => {
                ListenError::Unavailable
            }
            BindFault::NotInherited(_)
            | BindFault::NotAListener(_)
            | BindFault::NoStream
            | BindFault::Owner(_)
            | BindFault::Mode(_)
            | BindFault::Other(_) => ListenError::Failed,
        }
    }
}
