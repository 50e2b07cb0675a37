//! Limits on the linear memory and tables of one instance.

use wasmtime::ResourceLimiter;

use crate::quota::budget::{ByteBudget, Reservation};

/// Counts the linear memory and tables of one instance against its limits.
#[derive(Debug)]
pub struct MemoryMeter {
    bytes: usize,
    bytes_max: usize,
    /// The same bytes, reserved of the tenant's budget.
    of_tenant: Option<Reservation>,
    /// Bytes that were reserved before the instance was made and are not in use yet.
    ahead: u64,
    elements: usize,
    elements_max: usize,
    /// The last growth that was refused, for the log line of the trap that usually follows.
    pub refused: Option<Refused>,
}

/// The limit by which a [`MemoryMeter`] refused a growth.
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
    pub(super) fn new(bytes_max: u64, elements_max: u32, tenant: &ByteBudget) -> MemoryMeter {
        MemoryMeter {
            of_tenant: tenant.reserve(0),
            ahead: 0,
            bytes: 0,
            bytes_max: usize::try_from(bytes_max).unwrap_or(usize::MAX),
            elements: 0,
            elements_max: usize::try_from(elements_max).unwrap_or(usize::MAX),
            refused: None,
        }
    }

    /// Reserves the initial memory of an instance of the tenant's budget, so that instantiation cannot fail for lack of it.
    /// False if the budget has less.
    pub fn reserve(&mut self, bytes: u64) -> bool {
        let fits = self.of_tenant.as_mut().is_none_or(|reservation| reservation.grow(bytes));
        if fits {
            self.ahead += bytes;
        }
        fits
    }

    /// Takes bytes, first those that were reserved ahead, then of the tenant's budget.
    fn take(&mut self, bytes: u64) -> bool {
        let reserved = bytes.min(self.ahead);
        let more = bytes - reserved;
        let fits = self.of_tenant.as_mut().is_none_or(|reservation| reservation.grow(more));
        if fits {
            self.ahead -= reserved;
        }
        fits
    }
}

impl MemoryMeter {
    /// A new instance replaces this one, which has ended; its initial memory has `least` bytes.
    pub fn begin_anew(&mut self, least: u64) {
        let held = u64::try_from(self.bytes).unwrap_or(u64::MAX).saturating_add(self.ahead);
        self.ahead = least.min(held);
        if let Some(reservation) = &mut self.of_tenant {
            reservation.set(self.ahead);
        }
        (self.bytes, self.elements, self.refused) = (0, 0, None);
    }

    /// Its linear memory in bytes.
    pub fn bytes(&self) -> usize {
        self.bytes
    }
}

/// Counts the growth of one memory or table from `current` to `desired`, if the sum of all stays within `max`.
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
        let fits = self.take(more);
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
        let tenant = ByteBudget::new(150);
        let mut budget = MemoryMeter::new(100, 10, &tenant);
        assert!(budget.memory_growing(0, 60, None).unwrap());
        assert!(budget.memory_growing(0, 40, None).unwrap());
        assert!(!budget.memory_growing(60, 61, None).unwrap());
        assert_eq!(budget.refused, Some(Refused::Memory));
        let mut other = MemoryMeter::new(100, 10, &tenant);
        assert!(other.memory_growing(0, 50, None).unwrap());
        assert!(!other.memory_growing(50, 51, None).unwrap(), "150 are the tenant's");
        assert_eq!(other.refused, Some(Refused::TenantMemory));
        drop(budget);
        assert!(other.memory_growing(50, 51, None).unwrap(), "what has ended is given back");
        let tenant = ByteBudget::new(150);
        let mut budget = MemoryMeter::new(100, 10, &tenant);
        assert!(!budget.reserve(151) && budget.reserve(90));
        assert!(
            budget.memory_growing(0, 60, None).unwrap()
                && budget.memory_growing(0, 40, None).unwrap()
        );
        assert!(
            tenant.has_room(50 - 1) && !tenant.has_room(51),
            "what was reserved is counted once"
        );
        assert!(budget.table_growing(0, 10, None).unwrap());
        budget.begin_anew(60);
        assert!(tenant.has_room(90) && !tenant.has_room(91), "what it begins with stays its own");
        assert!(budget.memory_growing(0, 60, None).unwrap() && tenant.has_room(90));
        assert!(budget.table_growing(0, 10, None).unwrap());
        let mut budget = MemoryMeter::new(100, 10, &tenant);
        assert!(budget.table_growing(0, 10, None).unwrap());
        assert!(!budget.table_growing(0, 1, None).unwrap());
    }
}
