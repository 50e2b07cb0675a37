//! `datagrams`: UDP sockets are bound and written to here; the reactor reads them.

use std::net::SocketAddr;
use std::sync::Arc;

use wasmtime::component::Resource;

use crate::config::address::ListenAddress;
use crate::config::listen_rule::ListenPlace;
use crate::config::model::Policy;
use crate::contract::bindings::listeners::ListenError;
use crate::contract::bindings::{Endpoint, ErrorCode, datagrams};
use crate::contract::socket::SocketHandle;
use crate::host_api::command::Command;
use crate::host_api::listeners::{endpoint, local};
use crate::host_api::state::HostState;
use crate::net::connection::SendError;
use crate::net::connection::stream::Stream;
use crate::net::datagram::port::{DatagramPort, MaySend};
use crate::net::listener::own;
use crate::plugin::shared::OwnPlace;

impl datagrams::Host for HostState {
    fn open_datagram_socket(
        &mut self,
        address: Endpoint,
        token: u32,
    ) -> Result<Endpoint, ListenError> {
        let address = local(&address).ok_or(ListenError::InvalidAddress)?;
        let place = ListenPlace::Udp(address);
        let admission = self.admit_socket("datagrams.open-datagram-socket", &place, 0)?;
        let (socket, address) = own::bind_datagrams(&self.env.host.network, address)?;
        let factor = self.plugin.config.limits.datagram_answers as usize;
        let (plugin, host) = (self.plugin.clone(), Arc::downgrade(&self.env.host));
        let may_send: MaySend = Box::new(move |to| {
            let is_own =
                host.upgrade().is_some_and(|host| host.own_listeners.take_datagrams_at(to));
            plugin.config.allow.reach(None, to, is_own).is_ok()
        });
        let listed = OwnPlace::new(&self.env.host, ListenAddress::Udp(address));
        let port = DatagramPort::new(socket, address, factor, may_send).with(listed);
        let stream = Box::new(Stream::Port(Box::new(port)));
        self.commands.push(Command::OpenDatagrams { admission, stream, token });
        Ok(endpoint(address))
    }

    fn send_datagram(
        &mut self,
        on: Resource<SocketHandle>,
        data: Vec<u8>,
        to: Endpoint,
    ) -> Result<(), ErrorCode> {
        let to = local(&to).filter(|to| to.port() != 0).ok_or(ErrorCode::InvalidArgument)?;
        let is_granted = self.may_send_to(to);
        let (_, connection) = self.sockets.get(on.rep()).ok_or(ErrorCode::Closed)?;
        let connection = connection.clone();
        let now = self.env.clock.turn();
        let send = |is_granted| {
            let sent = connection.lock().send_datagram_to(&data, to, is_granted, now);
            sent.ok_or(ErrorCode::Unsupported)
        };
        let sent = match send(is_granted)? {
            Err(SendError::NotGranted) => {
                // If the policy only audits, the datagram is sent as if it were granted.
                self.grant_datagram(to)?;
                send(self.plugin.config.policy == Policy::Audit)?
            }
            sent => sent,
        };
        sent.map_err(ErrorCode::from)
    }
}

impl HostState {
    /// Whether `allow.connect` grants datagrams to this address.
    fn may_send_to(&self, to: SocketAddr) -> bool {
        let is_own = self.env.host.own_listeners.take_datagrams_at(to);
        self.plugin.config.allow.reach(None, to, is_own).is_ok()
    }
}
