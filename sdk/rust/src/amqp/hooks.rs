//! The plugin's closures that a link calls.

use std::{collections::BTreeMap, rc::Rc, time::Duration};

use sandloop_amqp::{ChannelId, Failure, Returned, Ticket};

use super::{consumer::Consumer, kept::Kept};

/// Called with the answer to a request.
pub(super) type Answerer = Box<dyn FnOnce(Result<sandloop_amqp::Answer, Failure>)>;

/// A closure, if one is set.
pub(super) type Hook<F> = Option<Box<F>>;

/// Called with the reason, and the time until the next connection.
pub(super) type Interrupted = dyn FnMut(&str, Duration);

/// All closures of a link. None is called or dropped while they are borrowed: see the methods of `link`.
#[derive(Default)]
pub(super) struct Hooks {
    pub answers: BTreeMap<Ticket, Answerer>,
    pub consumers: BTreeMap<(ChannelId, String), Consumer>,
    pub channels: BTreeMap<ChannelId, ChannelHooks>,
    pub interrupted: Hook<Interrupted>,
    pub recovered: Hook<dyn FnMut()>,
    pub blocked: Hook<dyn FnMut(&str)>,
    pub unblocked: Hook<dyn FnMut()>,
    pub writable: Vec<Box<dyn FnOnce()>>,
}

/// Those of one channel.
#[derive(Default)]
pub(super) struct ChannelHooks {
    pub error: Hook<dyn FnOnce(&Failure)>,
    pub returned: Hook<dyn FnMut(&Returned)>,
    /// It is to be made again.
    pub kept: Option<Rc<Kept>>,
}
