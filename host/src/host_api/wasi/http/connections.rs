//! The connections of an instance that serves HTTP by `wasi:http`.

use rustc_hash::FxHashMap;
use wasmtime::component::Resource;

use super::resources::{AnswerSlot, IncomingRequest, ResponseOutparam};
use super::session::Session;
use crate::base::arena::ConnectionId;

/// The connections of one instance.
#[derive(Default)]
pub struct HttpServer {
    pub(super) sessions: FxHashMap<ConnectionId, Session>,
    /// What goes on with the next request of a connection.
    pub(super) ticks: FxHashMap<u32, ConnectionId>,
    /// Its instance has answered a request.
    pub(super) is_used: bool,
    /// The request that the guest is in.
    pub(super) current: Option<Current>,
}

pub(super) struct Current {
    pub(super) id: ConnectionId,
    pub(super) is_head: bool,
    pub(super) answer: AnswerSlot,
}

/// What a guest is called with.
pub struct HttpCall {
    /// The request.
    pub request: Resource<IncomingRequest>,
    /// Where it puts its answer.
    pub answer: Resource<ResponseOutparam>,
    /// Whether the guest's instance may have it as it is: a new one has to take its place otherwise.
    pub is_first: bool,
}
