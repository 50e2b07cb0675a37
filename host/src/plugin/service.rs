//! Whether a plugin gets new instances and connections.

use std::sync::atomic::{AtomicU8, Ordering};

/// The state of service of a plugin.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum Service {
    /// It gets new instances and connections.
    Serving = 0,
    /// It gets no new instances because it has trapped too often.
    Quarantined = 1,
    /// It gets no new instances, by a command of the operator.
    Parked = 2,
    /// It gets no new instances and connections, and open connections are drained, by a command of the operator.
    Draining = 3,
}

impl Service {
    /// All states.
    pub const ALL: [Service; 4] =
        [Service::Serving, Service::Quarantined, Service::Parked, Service::Draining];

    /// Its name in `[admin]`.
    pub fn name(self) -> &'static str {
        match self {
            Service::Serving => "serving",
            Service::Quarantined => "quarantined",
            Service::Parked => "parked",
            Service::Draining => "draining",
        }
    }
}

/// The [`Service`] of one plugin, shared by all threads.
#[derive(Debug, Default)]
pub(crate) struct ServiceCell(AtomicU8);

impl ServiceCell {
    pub(crate) fn get(&self) -> Service {
        let now = self.0.load(Ordering::Relaxed);
        Service::ALL.into_iter().find(|one| *one as u8 == now).unwrap_or(Service::Serving)
    }

    /// Sets it; true if it was another one.
    pub(crate) fn set(&self, service: Service) -> bool {
        self.0.swap(service as u8, Ordering::Relaxed) != service as u8
    }

    /// Quarantines it if it is served; true if so. A decision of the operator stays.
    pub(crate) fn quarantine(&self) -> bool {
        let (serving, quarantined) = (Service::Serving as u8, Service::Quarantined as u8);
        let changed =
            self.0.compare_exchange(serving, quarantined, Ordering::Relaxed, Ordering::Relaxed);
        changed.is_ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn traps_do_not_change_what_the_operator_has_decided() {
        for service in Service::ALL {
            let cell = ServiceCell::default();
            assert_eq!(cell.set(service), service != Service::Serving);
            assert_eq!(cell.get(), service);
            assert_eq!(cell.quarantine(), service == Service::Serving, "{service:?}");
            let kept = if service == Service::Serving { Service::Quarantined } else { service };
            assert_eq!(cell.get(), kept);
            assert!(!cell.set(kept) && cell.set(Service::Serving));
        }
    }
}
