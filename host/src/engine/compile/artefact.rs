//! A compiled component: the footprint of an instance, and the code. The compiler returns it, and the cache stores it.

use crate::engine::footprint::{FOOTPRINT_BYTES, Footprint};

/// A footprint and code, in one buffer.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Artefact {
    /// The footprint.
    pub footprint: Footprint,
    /// The encoded footprint, followed by the code.
    bytes: Vec<u8>,
}

impl Artefact {
    pub(super) fn new(footprint: Footprint, code: &[u8]) -> Artefact {
        Artefact { footprint, bytes: [&footprint.to_bytes()[..], code].concat() }
    }

    /// Parses an artefact; none if it is too short for a footprint.
    pub(super) fn read(bytes: Vec<u8>) -> Option<Artefact> {
        let footprint = Footprint::from_bytes(bytes.first_chunk()?);
        Some(Artefact { footprint, bytes })
    }

    /// The footprint and the code.
    pub(super) fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// The code.
    pub(super) fn code(&self) -> &[u8] {
        &self.bytes[FOOTPRINT_BYTES..]
    }
}
