//! `deferred`: jobs for the workers.

use std::collections::HashSet;
use std::sync::Arc;

use wasmtime::component::{ComponentType, Lower};

use super::HostState;
use super::bindings::{ErrorCode, deferred};
use crate::deferred::{Job, Jobs};
use crate::message::Message;

/// `deferred-handler.failure`: why there is no result.
#[derive(Debug, Clone, PartialEq, Eq, ComponentType, Lower)]
#[component(variant)]
pub enum Failure {
    /// The operation returned this error.
    #[component(name = "failed")]
    Failed(String),
    /// It trapped.
    #[component(name = "trapped")]
    Trapped,
    /// It used up its CPU time or its time.
    #[component(name = "too-long")]
    TooLong,
    /// The result is too large, or there is no room for it.
    #[component(name = "too-large")]
    TooLarge,
    /// No instance could be made for it.
    #[component(name = "unavailable")]
    Unavailable,
}

/// The jobs of one instance that have not ended. They are given up with it.
#[derive(Debug, Default)]
pub struct OwnJobs {
    ids: HashSet<u32>,
    /// Where they wait; known as soon as there is one.
    queue: Option<Arc<Jobs>>,
    /// Dropped with the instance, so that a worker sees that nobody waits any more.
    alive: Arc<()>,
}

impl OwnJobs {
    /// One has ended.
    pub fn remove(&mut self, job: u32) {
        self.ids.remove(&job);
    }
}

impl Drop for OwnJobs {
    fn drop(&mut self) {
        if let Some(queue) = self.queue.as_ref().filter(|_| !self.ids.is_empty()) {
            queue.give_up(&self.alive);
        }
    }
}

impl deferred::Host for HostState {
    fn defer(&mut self, operation: u32, argument: Vec<u8>) -> Result<u32, ErrorCode> {
        if !self.plugin.exports.has_operations() {
            return Err(ErrorCode::Unsupported);
        }
        let asker = self.address_while_running()?.clone();
        let argument = self.message(argument)?;
        let max = self.plugin.config.limits.deferred;
        let permit = self.plugin.usage.deferred.take(max);
        let permit = permit.ok_or_else(|| self.at_limit("deferred", max))?;
        let id = self.ids.next(|id| self.jobs.ids.contains(&id));
        self.jobs.ids.insert(id);
        let queue = self.jobs.queue.get_or_insert_with(|| self.home.hub.jobs.clone());
        queue.add(Job {
            plugin: self.plugin.clone(),
            operation,
            argument,
            id,
            asker,
            alive: Arc::downgrade(&self.jobs.alive),
            permit,
        });
        Ok(id)
    }
}

impl HostState {
    /// Bytes for another instance that wait in nothing but the tenant's account.
    pub(super) fn message(&self, data: Vec<u8>) -> Result<Message, ErrorCode> {
        self.check_size(&data)?;
        let message = Message::new(data, &self.plugin.tenant.messages, None);
        message.map_err(|_| {
            self.at_limit("messages", self.plugin.shown("messages").unwrap_or_default())
        })
    }

    /// No message is larger than the limit.
    pub(super) fn check_size(&self, data: &[u8]) -> Result<(), ErrorCode> {
        let max = self.plugin.config.limits.message;
        let fits = data.len() <= usize::try_from(max).unwrap_or(usize::MAX);
        if fits { Ok(()) } else { Err(self.at_limit("message", max)) }
    }
}
