//! The settings that affect compiled code: the host and the process that compiles for it use the same.

use std::fmt;
use std::hash::{Hash, Hasher};
use std::str::FromStr;

use sha2::{Digest, Sha256};
use wasmtime::{Config, Engine, OptLevel, RegallocAlgorithm, WasmBacktraceDetails};

use crate::config::limits::GUEST_STACK_BYTES;
use crate::config::model::{Backtraces, HostConfig};
use crate::engine::cache::entry::DIGEST_BYTES;

/// The guard behind a slot with bounds checks.
const CHECKED_GUARD_BYTES: u64 = 64 << 10;
/// The notation of settings without bounds checks.
const UNCHECKED: &str = "unchecked";
/// The suffix of settings with fast compilation.
const QUICK: &str = "+quick";
/// The suffix of settings with line numbers.
const LINES: &str = "+lines";

/// Engines with the same settings, in the same program and on the same processor, compile the same code.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct CodeSettings {
    /// The address space reserved for a memory with bounds checks; none if the reservation is large enough to omit them.
    checked_reservation: Option<u64>,
    /// Whether compilation is fast and does not optimise.
    is_quick: bool,
    /// Whether the code has the line numbers of its source.
    has_lines: bool,
}

impl CodeSettings {
    /// For memories of at most `memory` bytes, with bounds checks because the address space is short.
    pub(super) fn checked(memory: u64) -> CodeSettings {
        let reservation = memory.next_multiple_of(CHECKED_GUARD_BYTES);
        CodeSettings { checked_reservation: Some(reservation), ..CodeSettings::default() }
    }

    /// The settings with those of the configuration.
    pub(super) fn with(self, host: &HostConfig) -> CodeSettings {
        let has_lines = host.backtraces == Backtraces::Lines;
        CodeSettings { has_lines, is_quick: host.is_for_author, ..self }
    }

    /// The part of the engine's configuration that affects the code.
    pub(super) fn config(self) -> Config {
        let mut config = Config::new();
        config
            .wasm_component_model(true)
            // There is no concurrency inside a store, and the bookkeeping for it doubles the cost of a call.
            .concurrency_support(false)
            .epoch_interruption(true)
            .wasm_backtrace_details(if self.has_lines {
                WasmBacktraceDetails::Enable
            } else {
                WasmBacktraceDetails::Disable
            })
            .max_wasm_stack(GUEST_STACK_BYTES);
        if self.is_quick {
            config.cranelift_opt_level(OptLevel::None);
            config.cranelift_regalloc_algorithm(RegallocAlgorithm::SinglePass);
        }
        if let Some(reservation) = self.checked_reservation {
            config.memory_reservation(reservation);
            config.memory_guard_size(CHECKED_GUARD_BYTES);
        }
        config
    }
}

/// The notation for the process that compiles.
impl fmt::Display for CodeSettings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.checked_reservation {
            Some(bytes) => bytes.fmt(f)?,
            None => f.write_str(UNCHECKED)?,
        }
        f.write_str(if self.is_quick { QUICK } else { "" })?;
        f.write_str(if self.has_lines { LINES } else { "" })
    }
}

impl FromStr for CodeSettings {
    type Err = std::num::ParseIntError;

    fn from_str(text: &str) -> Result<CodeSettings, Self::Err> {
        let (text, has_lines) = text.strip_suffix(LINES).map_or((text, false), |text| (text, true));
        let (text, is_quick) = text.strip_suffix(QUICK).map_or((text, false), |text| (text, true));
        let checked_reservation = if text == UNCHECKED { None } else { Some(text.parse()?) };
        Ok(CodeSettings { checked_reservation, is_quick, has_lines })
    }
}

/// The digest of everything that affects the code besides the component: the engine's version and settings, and the
/// processor.
pub(super) fn digest(engine: &Engine) -> [u8; DIGEST_BYTES] {
    let mut hasher = Sha256Hasher(Sha256::new());
    engine.precompile_compatibility_hash().hash(&mut hasher);
    hasher.0.finalize().into()
}

/// Implements the standard library's `Hasher` by SHA-256.
struct Sha256Hasher(Sha256);

impl Hasher for Sha256Hasher {
    fn write(&mut self, bytes: &[u8]) {
        self.0.update(bytes);
    }

    /// The short form is not used.
    fn finish(&self) -> u64 {
        let digest = self.0.clone().finalize();
        digest.iter().take(8).fold(0, |sum, byte| sum << 8 | u64::from(*byte))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_are_read_as_they_are_written() {
        for settings in [CodeSettings::default(), CodeSettings::checked(16 << 20)] {
            for (is_quick, has_lines) in
                [(false, false), (false, true), (true, false), (true, true)]
            {
                let settings = CodeSettings { is_quick, has_lines, ..settings };
                assert_eq!(settings.to_string().parse(), Ok(settings));
            }
        }
        assert!("half".parse::<CodeSettings>().is_err());
    }

    #[test]
    fn other_settings_have_another_digest() {
        let of = |settings: CodeSettings| digest(&Engine::new(&settings.config()).unwrap());
        assert_eq!(of(CodeSettings::default()), of(CodeSettings::default()));
        assert_ne!(of(CodeSettings::default()), of(CodeSettings::checked(16 << 20)));
        let lines = CodeSettings { has_lines: true, ..CodeSettings::default() };
        assert_ne!(of(CodeSettings::default()), of(lines));
        let quick = CodeSettings { is_quick: true, ..CodeSettings::default() };
        assert_ne!(of(CodeSettings::default()), of(quick));
        assert_ne!(of(CodeSettings::checked(32 << 20)), of(CodeSettings::checked(16 << 20)));
    }
}
