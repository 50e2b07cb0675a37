//! The host's functions, or in a unit test on the developer's own machine what stands in their place.

#[cfg(target_arch = "wasm32")]
pub(crate) use crate::bindings::sandloop::plugin::{
    channels, cluster_processes, deferred, log, options, processes, queues, reactor,
    socket_options, sockets, timers,
};
/// Functions of the host that take a socket, besides its methods.
#[cfg(target_arch = "wasm32")]
pub(crate) mod calls {
    pub(crate) use crate::bindings::sandloop::plugin::{
        datagrams::send_datagram,
        file_versions::send_version,
        files::send_file,
        proxying::{get_proxied_bytes, proxy_incoming_to, stop_proxying},
        tls::{end_of_stream, failure, peer_certificates, session, start_tls},
    };
}
#[cfg(not(target_arch = "wasm32"))]
pub(crate) use crate::testing::{
    absent as calls,
    absent::cluster_processes,
    host::{channels, deferred, log, options, processes, queues, reactor, timers},
    sockets,
    sockets::options as socket_options,
};
