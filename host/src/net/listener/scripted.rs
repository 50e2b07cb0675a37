//! Listeners of the operator's where a script has the peers: at their addresses, and bound nowhere.

use std::sync::Arc;

use crate::config::model::Config;
use crate::net::listener::error::BindError;
use crate::net::listener::{Endpoint, ListenSocket, Listener};
use crate::net::network::ScriptedNetwork;

/// The listener of the section at this place. One with TLS has its sessions' bytes in plain, and one whose connections begin
/// with a header of the PROXY protocol has none.
///
/// # Errors
/// When the system has no more sockets.
pub(crate) fn listen(
    config: &Config,
    place: usize,
    network: &ScriptedNetwork,
) -> Result<Listener, BindError> {
    let section = &config.listeners[place];
    let error = |fault| BindError::new(config, place, fault);
    let (socket, address) =
        network.listen(&section.address).map_err(|fault| error(fault.into()))?;
    let mut endpoint =
        Endpoint::new(section, section.plugin, address, None, None).map_err(error)?;
    endpoint.proxy_protocol = None;
    Ok(Listener { endpoint: Arc::new(endpoint), socket: ListenSocket::StandIn(socket) })
}
