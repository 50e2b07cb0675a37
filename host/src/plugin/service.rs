//! Whether a plugin gets what is new, and who has decided that.

use std::sync::atomic::{AtomicU8, Ordering};

/// What a plugin gets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum Service {
    /// Everything.
    Serving = 0,
    /// No new instances, because it has trapped too often.
    Quarantined = 1,
    /// No new instances, because its operator wants that.
    Parked = 2,
    /// No new connections either, because its operator wants to be rid of those that it has.
    Draining = 3,
}

impl Service {
    /// Each of them.
    pub const ALL: [Service; 4] =
        [Service::Serving, Service::Quarantined, Service::Parked, Service::Draining];

    /// Its name for whoever watches.
    pub fn name(self) -> &'static str {
        match self {
            Service::Serving => "serving",
            Service::Quarantined => "quarantined",
            Service::Parked => "parked",
            Service::Draining => "draining",
        }
    }
}

/// The [`Service`] of one plugin, which every thread may look at.
#[derive(Debug, Default)]
pub struct ServiceCell(AtomicU8);

impl ServiceCell {
    /// What it is now.
    pub fn get(&self) -> Service {
        let now = self.0.load(Ordering::Relaxed);
        Service::ALL.into_iter().find(|one| *one as u8 == now).unwrap_or(Service::Serving)
    }

    /// Whether it was another one; it is this from now on.
    pub fn set(&self, service: Service) -> bool {
        self.0.swap(service as u8, Ordering::Relaxed) != service as u8
    }

    /// Whether it was served; it is quarantined from now on. What the operator has decided stands.
    pub fn quarantine(&self) -> bool {
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
