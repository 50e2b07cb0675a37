//! What a reactor owns.

pub(super) mod acceptor;
pub(super) mod connection;
pub(super) mod deadline;
pub(super) mod event;
pub(super) mod instance;
pub(super) mod pending;
pub(super) mod process;
pub(super) mod stop;
