//! SHA-256 digests.

use std::fmt::Write as _;

use sha2::{Digest as _, Sha256};

use crate::config::component::Digest;

/// The digest of some bytes.
pub(super) fn digest(bytes: &[u8]) -> Digest {
    let mut digits = String::with_capacity(64);
    for byte in Sha256::digest(bytes) {
        // Writing to a String cannot fail.
        let _ = write!(digits, "{byte:02x}");
    }
    Digest::parse(&digits).unwrap_or_else(|| unreachable!("64 digits"))
}
