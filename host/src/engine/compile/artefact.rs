//! What a component becomes: what one instance of it takes, and its code. The compiler answers with it, and the cache
//! keeps it.

use crate::engine::footprint::{FOOTPRINT_BYTES, Footprint};

/// A footprint and code, as one piece.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Artefact {
    /// What was counted.
    pub footprint: Footprint,
    /// The footprint, written, and the code.
    bytes: Vec<u8>,
}

impl Artefact {
    pub(super) fn new(footprint: Footprint, code: &[u8]) -> Artefact {
        Artefact { footprint, bytes: [&footprint.to_bytes()[..], code].concat() }
    }

    /// Reads one; none where it is too short for a footprint.
    pub(super) fn read(bytes: Vec<u8>) -> Option<Artefact> {
        let footprint = Footprint::from_bytes(bytes.first_chunk()?);
        Some(Artefact { footprint, bytes })
    }

    /// All of it.
    pub(super) fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// The code alone.
    pub(super) fn code(&self) -> &[u8] {
        &self.bytes[FOOTPRINT_BYTES..]
    }
}
