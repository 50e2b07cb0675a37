//! What a plugin can call: one module for each interface of the contract, with the same name.
//!
//! A host function never touches the loop. It changes the state of a connection that its instance owns, or
//! leaves a [`Command`] for the reactor, which acts when the guest has returned.

#[expect(missing_docs, reason = "generated; the contract in wit/ is the documentation")]
pub mod bindings;
mod channels;
mod deferred;
mod evidence;
mod grants;
mod log;
mod options;
mod processes;
mod queues;
mod reactor;
mod sockets;
mod state;
mod timers;
mod wasi;

use wasmtime::Engine;
use wasmtime::component::{HasSelf, Linker};

pub use self::deferred::Failure;
pub use self::grants::objection_text;
pub use self::processes::ExitReason;
pub use self::sockets::SocketHandle;
pub use self::state::{Home, HostState, MemoryMeter, Refused, Sockets};
pub use self::wasi::Folders;
pub use crate::reactor::Command;

/// Links every interface that a plugin may import.
pub fn link(engine: &Engine) -> wasmtime::Result<Linker<HostState>> {
    let mut linker = Linker::new(engine);
    wasi::link(&mut linker)?;
    bindings::Minimal::add_to_linker::<_, HasSelf<_>>(&mut linker, |state| state)?;
    sockets::link_send_data(&mut linker)?;
    Ok(linker)
}
