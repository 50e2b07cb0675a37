//! The tables of a reactor.

pub(super) mod acceptor;
pub(super) mod agenda;
pub(super) mod asked;
pub(super) mod backlog;
pub(crate) mod change;
pub(super) mod connection;
pub(super) mod deadline;
pub(super) mod drain;
pub(crate) mod guest_entry;
pub(super) mod held_back;
pub(super) mod instance;
pub(super) mod instance_queue;
pub(super) mod leaving;
pub(super) mod pending;
pub(super) mod poll_events;
pub(super) mod process;
pub(super) mod program;
pub(super) mod stop;
pub(super) mod turn;
pub(super) mod turn_part;
pub(super) mod turn_queue;
pub(super) mod watches;
