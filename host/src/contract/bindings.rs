//! The contract in Rust: the only `bindgen!`.

// The world that a minimal plugin has, with every import; the optional exports are looked up one by one when a plugin
// is loaded.
wasmtime::component::bindgen!({
    path: "../wit",
    world: "all-imports",
    with: { "sandloop:plugin/sockets.socket": crate::contract::socket::SocketHandle },
});

pub use self::exports::sandloop::plugin::handler::{Accepted, Origin};
pub use self::sandloop::plugin::byte_counts::ByteCount;
pub use self::sandloop::plugin::cluster_processes::{ClusterProcess, Placement};
pub use self::sandloop::plugin::file_versions::FileVersion;
pub use self::sandloop::plugin::files::{FileError, FilePart};
pub use self::sandloop::plugin::log::Level;
pub use self::sandloop::plugin::proxying::{ProxyError, ProxyOptions};
pub use self::sandloop::plugin::tls::{
    FailureKind, HandshakeFailure, ProtocolVersion, Role, StreamEnd, TlsSession, Verification,
};
pub use self::sandloop::plugin::types::{Address, CloseReason, Endpoint, ErrorCode};
pub use self::sandloop::plugin::watching::WatchError;
pub use self::sandloop::plugin::{
    byte_counts, channels, cluster_processes, datagrams, deferred, file_versions, files, listeners,
    log, options, processes, proxying, queues, reactor, socket_options, sockets, timers, tls,
    types, watching,
};
