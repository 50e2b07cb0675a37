//! The host's type behind the `socket` handles of a guest.

/// The type behind a plugin's `socket` handle; the handle's number is a key of `host_api::handles::Sockets`.
#[derive(Debug)]
pub enum SocketHandle {}
