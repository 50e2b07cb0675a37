//! How far the host is between its start and its end: what a probe is told.

use std::sync::atomic::{AtomicU8, Ordering};

/// How far the host is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Readiness {
    /// Not everything is loaded and bound.
    Starting,
    /// It serves.
    Serving,
    /// It has begun to stop: nobody new is to come.
    Stopping,
}

/// The one of a host. It goes forward only.
#[derive(Debug, Default)]
pub struct ReadinessFlag(AtomicU8);

impl Readiness {
    /// As answers spell it.
    pub fn name(self) -> &'static str {
        match self {
            Readiness::Starting => "starting",
            Readiness::Serving => "serving",
            Readiness::Stopping => "stopping",
        }
    }
}

impl ReadinessFlag {
    /// The host has come as far as this.
    pub fn reach(&self, readiness: Readiness) {
        self.0.fetch_max(readiness as u8, Ordering::Relaxed);
    }

    /// How far it is.
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
