//! The connections of the admin listener, bounded in number and in idle time.

use std::cell::RefCell;
use std::rc::Rc;
use std::time::Duration;

use slab::Slab;
use tokio::sync::Notify;
use tokio::task::AbortHandle;
use tokio::time::sleep;

use crate::clock::{Clock, Moment};

/// All connections.
#[derive(Debug)]
pub(super) struct Clients {
    most: usize,
    clock: Clock,
    state: RefCell<ClientTable>,
    /// Notified when a connection has closed or was answered.
    changed: Notify,
}

#[derive(Debug, Default)]
struct ClientTable {
    clients: Slab<ClientState>,
    /// A logical clock, to find the connection that has been idle longest.
    happened: u64,
}

#[derive(Debug)]
struct ClientState {
    phase: RequestPhase,
    /// When its last request was answered, or when it came.
    since: Moment,
    order: u64,
    task: Option<AbortHandle>,
}

/// How far a client's request is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum RequestPhase {
    /// There is none, or its head has not come whole.
    Awaited,
    /// Its body has not come. Whoever sends it slowly waits as those do who send nothing.
    Coming,
    /// It is being done.
    UnderWay,
}

/// One of them, while it is there.
#[derive(Debug)]
pub(super) struct Client {
    all: Rc<Clients>,
    place: usize,
}

impl Clients {
    /// Room for `most` connections.
    pub(super) fn new(most: u32, clock: Clock) -> Rc<Clients> {
        let state = RefCell::default();
        Rc::new(Clients { most: most as usize, clock, state, changed: Notify::new() })
    }

    /// Waits until there is a place for one that has come: whoever has waited longest for a request has to go.
    pub(super) async fn room(&self) {
        while self.most <= self.state.borrow().clients.len() {
            self.send_one_away();
            self.changed.notified().await;
        }
    }

    fn send_one_away(&self) {
        let state = self.state.borrow();
        let silent =
            state.clients.iter().filter(|(_, client)| client.phase != RequestPhase::UnderWay);
        let longest = silent.min_by_key(|(_, client)| client.order);
        if let Some(task) = longest.and_then(|(_, client)| client.task.as_ref()) {
            task.abort();
        }
    }

    pub(super) fn add(self: &Rc<Clients>) -> Client {
        let since = self.clock.now();
        let mut state = self.state.borrow_mut();
        state.happened += 1;
        let order = state.happened;
        let client = ClientState { phase: RequestPhase::Awaited, since, order, task: None };
        Client { all: self.clone(), place: state.clients.insert(client) }
    }

    /// Sets the task of a connection, which is aborted to close it.
    pub(super) fn set_task(&self, place: usize, task: AbortHandle) {
        if let Some(client) = self.state.borrow_mut().clients.get_mut(place) {
            client.task = Some(task);
        }
    }
}

impl Client {
    /// Its index among all connections.
    pub(super) fn place(&self) -> usize {
        self.place
    }

    /// Its request is so far; the next one is awaited when it has been given the answer.
    pub(super) fn has_come_to(&self, phase: RequestPhase) {
        let now = self.all.clock.now();
        let mut state = self.all.state.borrow_mut();
        state.happened += 1;
        let order = state.happened;
        if let Some(client) = state.clients.get_mut(self.place) {
            client.phase = phase;
            if phase == RequestPhase::Awaited {
                (client.since, client.order) = (now, order);
            }
        }
        drop(state);
        if phase == RequestPhase::Awaited {
            self.all.changed.notify_one();
        }
    }

    /// Waits until it has been idle for `longest`.
    pub(super) async fn silent_for(&self, longest: Duration) {
        loop {
            let left = {
                let state = self.all.state.borrow();
                let Some(client) = state.clients.get(self.place) else { return };
                if client.phase == RequestPhase::Awaited {
                    longest.saturating_sub(self.all.clock.now().since(client.since))
                } else {
                    longest
                }
            };
            if left.is_zero() {
                return;
            }
            sleep(left).await;
        }
    }
}

impl Drop for Client {
    fn drop(&mut self) {
        self.all.state.borrow_mut().clients.try_remove(self.place);
        self.all.changed.notify_one();
    }
}
