//! What a plugin can call: one module for each interface of the contract, with the same name.
//!
//! A host function never accesses the loop. It changes the state of a connection that its instance owns, or
//! queues a [`Command`], which the reactor applies when the guest has returned.

pub(crate) mod access;
mod alarm;
pub(crate) mod call;
mod channels;
mod cluster_processes;
pub(crate) mod command;
mod datagrams;
mod deferred;
mod files;
pub(crate) mod guest_output;
pub(crate) mod handles;
pub(crate) mod kept;
mod limits;
mod listeners;
mod log;
pub(crate) mod memory;
mod options;
pub(crate) mod owned;
mod processes;
mod proxying;
mod queues;
mod reactor;
mod socket_options;
mod sockets;
pub(crate) mod state;
mod stdio;
mod timers;
mod tls;
pub(crate) mod wasi;
mod watching;

use wasmtime::Engine;
use wasmtime::component::{HasSelf, Linker};

use crate::contract::bindings;
use crate::host_api::state::HostState;

/// Links every interface that a plugin may import.
pub(crate) fn link(engine: &Engine) -> wasmtime::Result<Linker<HostState>> {
    let mut linker = Linker::new(engine);
    wasi::link(&mut linker)?;
    bindings::AllImports::add_to_linker::<_, HasSelf<_>>(&mut linker, |state| state)?;
    sockets::link_send_data(&mut linker)?;
    Ok(linker)
}
