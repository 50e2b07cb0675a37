//! The readiness of the host, for probes.

use std::sync::atomic::{AtomicU8, Ordering};

/// The readiness of the host.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Readiness {
    /// Not everything is loaded and bound.
    Starting,
    /// It serves.
    Serving,
    /// It has begun to stop, and wants no new connections.
    Stopping,
}

/// The readiness of a host, which only moves forward.
#[derive(Debug, Default)]
pub struct ReadinessFlag(AtomicU8);

impl Readiness {
    /// Its name in answers.
    pub fn name(self) -> &'static str {
        match self {
            Readiness::Starting => "starting",
            Readiness::Serving => "serving",
            Readiness::Stopping => "stopping",
        }
    }
}

impl ReadinessFlag {
    /// Moves to `readiness`, unless that is passed already.
    pub fn reach(&self, readiness: Readiness) {
        self.0.fetch_max(readiness as u8, Ordering::Relaxed);
    }

    pub fn get(&self) -> Readiness {
        match self.0.load(Ordering::Relaxed) {
            0 => Readiness::Starting,
            1 => Readiness::Serving,
            _ => Readiness::Stopping,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_goes_forward_only() {
        let flag = ReadinessFlag::default();
        assert_eq!(flag.get(), Readiness::Starting);
        for (reached, expected) in [
            (Readiness::Serving, Readiness::Serving),
            (Readiness::Stopping, Readiness::Stopping),
            (Readiness::Serving, Readiness::Stopping),
        ] {
            flag.reach(reached);
            assert_eq!(flag.get(), expected);
        }
    }
}
