//! The connections of an instance that serves HTTP by `wasi:http`.

use rustc_hash::FxHashMap;
use wasmtime::component::Resource;

use super::resources::{AnswerSlot, IncomingRequest, ResponseOutparam};
use super::session::Session;
use crate::base::arena::ConnectionId;

/// The connections of one instance.
#[derive(Default)]
pub(crate) struct HttpServer {
    pub(super) sessions: FxHashMap<ConnectionId, Session>,
    /// Ticks that begin the next request of a connection.
    pub(super) ticks: FxHashMap<u32, ConnectionId>,
    /// Whether its instance has answered a request.
    pub(super) is_used: bool,
    /// The request that the guest is in.
    pub(super) current: Option<Current>,
}

pub(super) struct Current {
    pub(super) id: ConnectionId,
    pub(super) is_head: bool,
    pub(super) answer: AnswerSlot,
}

/// The arguments of one call of the guest.
pub struct HttpCall {
    pub request: Resource<IncomingRequest>,
    pub answer: Resource<ResponseOutparam>,
    /// Whether the instance can be called as it is; otherwise a new one has to replace it.
    pub is_first: bool,
}
