//! Messages between instances, within a reactor and across reactors.

pub(crate) mod channels;
pub(crate) mod cluster_process;
pub(crate) mod handout;
pub(crate) mod inquiry;
pub(crate) mod mailboxes;
pub(crate) mod message;
pub(crate) mod post;
pub(crate) mod process_service;
pub(crate) mod queue_relay;
pub(crate) mod queues;
pub(crate) mod relay;
pub(crate) mod watch;
