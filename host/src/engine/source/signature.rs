//! Signatures of components in the format of `minisign`.
//!
//! The trusted comment is signed and contains the original file name. It is shown and not compared: files are renamed. The key
//! `sha256` determines which component a plugin has; a signature tells who has made it.

use minisign_verify::{Error, Signature};

use super::fault::SignatureFault;
use crate::config::trust::{TrustedKey, key_id};

/// A verified signature.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Signed {
    /// The number of its key.
    pub key: String,
    /// The trusted comment of the signer.
    pub comment: String,
}

/// Verifies that one of the trusted keys has signed these bytes.
///
/// # Errors
/// When none has.
pub fn check(
    trust: &[TrustedKey],
    bytes: &[u8],
    signature: &[u8],
) -> Result<Signed, SignatureFault> {
    let malformed = |cause: &str| SignatureFault::Malformed(cause.to_owned());
    let text = std::str::from_utf8(signature).map_err(|_| malformed("it is not text"))?;
    let signature = Signature::decode(text).map_err(|error| malformed(&error.to_string()))?;
    let id = text.lines().nth(1).and_then(key_id);
    let id = id.ok_or_else(|| malformed("it has no number of a key"))?;
    let Some(key) = trust.iter().find(|key| key.id == id) else {
        let trusted = trust.iter().map(|key| key.id.clone()).collect();
        return Err(SignatureFault::UnknownKey(id, trusted));
    };
    match key.key().verify(bytes, &signature, false) {
        Ok(()) => Ok(Signed { key: id, comment: signature.trusted_comment().to_owned() }),
        Err(
            Error::UnexpectedAlgorithm | Error::UnsupportedAlgorithm | Error::UnsupportedLegacyMode,
        ) => Err(malformed("it has the older format, without a hash")),
        Err(_) => Err(SignatureFault::OtherBytes(id)),
    }
}
