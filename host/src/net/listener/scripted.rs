//! The operator's listeners in a scripted network: at their configured addresses, with no socket of the system bound.

use std::sync::Arc;

use crate::config::address::ListenAddress;
use crate::config::model::Config;
use crate::net::listener::error::BindError;
use crate::net::listener::{Endpoint, ListenSocket, Listener};
use crate::net::network::ScriptedNetwork;

/// The listener of the section with the index `place`, always without TLS and PROXY protocol headers.
///
/// # Errors
/// When the system has no file descriptors left.
pub(crate) fn listen(
    config: &Config,
    place: usize,
    network: &ScriptedNetwork,
) -> Result<Listener, BindError> {
    let section = &config.listeners[place];
    let error = |fault| BindError::new(config, place, fault);
    let refused = |fault: std::io::Error| error(fault.into());
    let (socket, address) = match &section.address {
        ListenAddress::Udp(address) => {
            let (socket, address) = network.bind(*address).map_err(refused)?;
            (ListenSocket::Udp(socket), ListenAddress::Udp(address))
        }
        address => {
            let (socket, address) = network.listen(address).map_err(refused)?;
            (ListenSocket::StandIn(socket), address)
        }
    };
    let mut endpoint =
        Endpoint::new(section, section.plugin, address, None, None).map_err(error)?;
    endpoint.proxy_protocol = None;
    Ok(Listener { endpoint: Arc::new(endpoint), socket })
}
