//! What one instance may touch while it runs.

use std::collections::HashSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32};

use slab::Slab;
use wasmtime::ResourceLimiter;

use super::bindings::ErrorCode;
use super::channels::Subscriptions;
use super::deferred::OwnJobs;
use super::queues::Pops;
use super::wasi::Wasi;
use crate::clock::Clock;
use crate::connection::Shared;
use crate::hub::Hub;
use crate::meter::{Charge, Meter};
use crate::plugin::Plugin;
use crate::reactor::{Address, Commands, ConnectionId};

/// The state of a sandbox on the host's side; it moves with its store.
pub struct HostState {
    /// The plugin this is an instance of.
    pub plugin: Arc<Plugin>,
    /// What surrounds it.
    pub home: Home,
    /// Where others reach it; nobody reaches an operation, nor an instance whose reactor does not run yet.
    pub address: Option<Address>,
    /// The connections it owns, by the number in its handles.
    pub sockets: Sockets,
    /// What it asked for in the running callback.
    pub commands: Commands,
    /// The connection that the running callback is about.
    pub subject: Option<ConnectionId>,
    /// Ids of timers that are set and not fired or cancelled.
    pub timers: HashSet<u32>,
    /// Ticks that wait.
    pub ticks: u32,
    pub(super) next_tick: u32,
    /// Whether the reactor runs, as the plugin sees it.
    pub running: bool,
    /// Whether it is a process.
    pub is_process: bool,
    /// Its subscriptions.
    pub subscriptions: Subscriptions,
    /// Its pops that wait.
    pub pops: Pops,
    /// What it filled last: while that is pressed, its connections are not read.
    fills: Option<Meter>,
    /// Its deferred jobs that have not ended.
    pub jobs: OwnJobs,
    /// Timers, jobs, subscriptions and pops have their ids from here.
    pub(super) ids: Ids,
    /// Its memory and tables.
    pub memory: MemoryMeter,
    /// How many more slices the running callback may have.
    pub slices_left: Arc<AtomicU32>,
    /// Made when a guest first asks for anything of WASI, which most never do.
    pub(super) wasi: Option<Box<Wasi>>,
}

impl HostState {
    /// The state of a new instance.
    pub fn new(plugin: Arc<Plugin>, home: Home) -> HostState {
        let limits = &plugin.config.limits;
        let memory = MemoryMeter::new(limits.memory, limits.tables, &plugin.tenant.memory);
        HostState {
            plugin,
            home,
            address: None,
            sockets: Sockets::default(),
            commands: Commands::default(),
            subject: None,
            timers: HashSet::new(),
            ticks: 0,
            next_tick: 0,
            running: false,
            is_process: false,
            subscriptions: Subscriptions::default(),
            pops: Pops::default(),
            fills: None,
            jobs: OwnJobs::default(),
            ids: Ids::default(),
            memory,
            slices_left: Arc::default(),
            wasi: None,
        }
    }
}

impl HostState {
    /// It has added to this sum.
    pub(super) fn fill(&mut self, meter: Option<Meter>) {
        if let Some(meter) = meter
            && !self.fills.as_ref().is_some_and(|known| known.is(&meter))
        {
            self.fills = Some(meter);
        }
    }

    /// Whether it should wait before it adds more.
    pub fn is_pressed(&self) -> bool {
        self.fills.as_ref().is_some_and(Meter::is_pressed)
    }

    /// Its address, for what only makes sense on a reactor that runs.
    pub(super) fn address_while_running(&self) -> Result<&Address, ErrorCode> {
        self.address.as_ref().filter(|_| self.running).ok_or(ErrorCode::Denied)
    }
}

/// What surrounds an instance: its reactor's time, and the rest of the host.
#[derive(Debug, Clone)]
pub struct Home {
    /// The reactor's clock.
    pub clock: Clock,
    /// Set when the reactor has begun to stop; the same for all its instances.
    pub stopping: Arc<AtomicBool>,
    /// What all share.
    pub hub: Arc<Hub>,
}

/// Numbers for what an instance asks for.
#[derive(Debug, Default)]
pub(super) struct Ids(u32);

impl Ids {
    /// The next number that is not taken; less is taken at once than there are numbers.
    pub(super) fn next(&mut self, is_taken: impl Fn(u32) -> bool) -> u32 {
        loop {
            self.0 = self.0.wrapping_add(1);
            if !is_taken(self.0) {
                return self.0;
            }
        }
    }
}

// The vocabulary has no functions.
impl super::bindings::types::Host for HostState {}

/// The connections of an instance, by the number that its `socket` handles carry.
///
/// A number is used again only when both sides are done with it: the reactor at `unbind`, and the guest when
/// it drops its handle. So a stale handle finds nothing, never another connection.
#[derive(Default)]
pub struct Sockets(Slab<Seat>);

struct Seat {
    connection: Option<(ConnectionId, Shared)>,
    held_by_guest: bool,
}

impl Sockets {
    /// Gives a connection a number, for a handle that goes to the guest.
    pub fn insert(&mut self, id: ConnectionId, connection: Shared) -> u32 {
        let seat = Seat { connection: Some((id, connection)), held_by_guest: true };
        u32::try_from(self.0.insert(seat)).expect("fewer than 2^32 connections in one process")
    }

    /// The connection behind a handle; none once it is unbound.
    pub fn get(&self, number: u32) -> Option<&(ConnectionId, Shared)> {
        self.0.get(number as usize)?.connection.as_ref()
    }

    /// This connection, if it is one of the instance's.
    pub(super) fn of(&self, id: ConnectionId) -> Option<&Shared> {
        self.bound().find(|(bound, _)| *bound == id).map(|(_, connection)| connection)
    }

    /// The connection of an instance that has no other.
    pub(super) fn only(&self) -> Option<&Shared> {
        let mut bound = self.bound();
        bound.next().filter(|_| bound.next().is_none()).map(|(_, connection)| connection)
    }

    fn bound(&self) -> impl Iterator<Item = &(ConnectionId, Shared)> {
        self.0.iter().filter_map(|(_, seat)| seat.connection.as_ref())
    }

    /// The connection is unbound.
    pub fn release(&mut self, number: u32) {
        if let Some(seat) = self.0.get_mut(number as usize) {
            seat.connection = None;
            self.forget_if_done(number as usize);
        }
    }

    /// The guest has dropped its handle.
    pub fn dropped_by_guest(&mut self, number: u32) {
        if let Some(seat) = self.0.get_mut(number as usize) {
            seat.held_by_guest = false;
            self.forget_if_done(number as usize);
        }
    }

    fn forget_if_done(&mut self, number: usize) {
        if self.0.get(number).is_some_and(|seat| seat.connection.is_none() && !seat.held_by_guest) {
            self.0.remove(number);
        }
    }
}

/// Counts the linear memory and tables of one instance against its limits.
#[derive(Debug)]
pub struct MemoryMeter {
    bytes: usize,
    bytes_max: usize,
    /// The same bytes in the tenant's account.
    of_tenant: Option<Charge>,
    elements: usize,
    elements_max: usize,
    /// What was refused last, for the log line of the trap that usually follows.
    pub refused: Option<Refused>,
}

/// A growth that a [`MemoryMeter`] refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refused {
    /// The limit `memory` of the plugin.
    Memory,
    /// The limit `memory` of the tenant.
    TenantMemory,
    /// The limit `tables`.
    Tables,
}

impl MemoryMeter {
    fn new(bytes_max: u64, elements_max: u32, tenant: &Meter) -> MemoryMeter {
        MemoryMeter {
            of_tenant: tenant.charge(0),
            bytes: 0,
            bytes_max: usize::try_from(bytes_max).unwrap_or(usize::MAX),
            elements: 0,
            elements_max: usize::try_from(elements_max).unwrap_or(usize::MAX),
            refused: None,
        }
    }
}

/// Counts the growth of one of several from `current` to `desired`, if their sum stays within `max`.
fn grow(sum: &mut usize, max: usize, current: usize, desired: usize) -> bool {
    let grown = sum.saturating_sub(current).saturating_add(desired);
    let fits = grown <= max;
    if fits {
        *sum = grown;
    }
    fits
}

impl ResourceLimiter for MemoryMeter {
    fn memory_growing(
        &mut self,
        current: usize,
        desired: usize,
        _maximum: Option<usize>,
    ) -> wasmtime::Result<bool> {
        let before = self.bytes;
        if !grow(&mut self.bytes, self.bytes_max, current, desired) {
            self.refused = Some(Refused::Memory);
            return Ok(false);
        }
        let more = u64::try_from(desired.saturating_sub(current)).unwrap_or(u64::MAX);
        let fits = self.of_tenant.as_mut().is_none_or(|charge| charge.grow(more));
        if !fits {
            self.bytes = before;
            self.refused = Some(Refused::TenantMemory);
        }
        Ok(fits)
    }

    fn table_growing(
        &mut self,
        current: usize,
        desired: usize,
        _maximum: Option<usize>,
    ) -> wasmtime::Result<bool> {
        let fits = grow(&mut self.elements, self.elements_max, current, desired);
        if !fits {
            self.refused = Some(Refused::Tables);
        }
        Ok(fits)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_meter_sums_over_memories_and_refuses_past_the_limit() {
        let tenant = Meter::new(150);
        let mut meter = MemoryMeter::new(100, 10, &tenant);
        assert!(meter.memory_growing(0, 60, None).unwrap());
        assert!(meter.memory_growing(0, 40, None).unwrap());
        assert!(!meter.memory_growing(60, 61, None).unwrap());
        assert_eq!(meter.refused, Some(Refused::Memory));
        let mut other = MemoryMeter::new(100, 10, &tenant);
        assert!(other.memory_growing(0, 50, None).unwrap());
        assert!(!other.memory_growing(50, 51, None).unwrap(), "150 are the tenant's");
        assert_eq!(other.refused, Some(Refused::TenantMemory));
        drop(meter);
        assert!(other.memory_growing(50, 51, None).unwrap(), "what has ended is given back");
        let mut meter = MemoryMeter::new(100, 10, &tenant);
        assert!(meter.table_growing(0, 10, None).unwrap());
        assert!(!meter.table_growing(0, 1, None).unwrap());
    }
}
