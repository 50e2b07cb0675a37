//! One entry of the compile cache as bytes: its key, the compiled component, a digest of both.

use sha2::{Digest, Sha256};

/// Bytes of a digest.
pub(in crate::engine) const DIGEST_BYTES: usize = 32;

/// The first bytes of an entry, with the version of this layout.
const MAGIC: &[u8; 24] = b"sandloop compiled code 2";
/// Magic, the two digests of the key, the length of the artefact.
const HEAD_BYTES: usize = MAGIC.len() + 2 * DIGEST_BYTES + size_of::<u64>();

/// The key of an entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(in crate::engine) struct EntryKey {
    /// SHA-256 of the component.
    pub component: [u8; DIGEST_BYTES],
    /// Digest of the engine's version and settings.
    pub settings: [u8; DIGEST_BYTES],
}

/// The extension of the names.
const SUFFIX: &str = ".compiled";
/// The number of bytes of the settings' digest in a name; the entry has the whole digest.
const NAMED_BYTES: usize = 8;

impl EntryKey {
    /// The name of the file: the component's hash, as `sha256sum` prints it, and the beginning of the settings' digest.
    pub(super) fn file_name(&self) -> String {
        format!("{}-{}{SUFFIX}", hex(&self.component), hex(&self.settings[..NAMED_BYTES]))
    }
}

/// Whether a name is that of an entry.
pub(super) fn is_file_name(name: &str) -> bool {
    let length = 2 * (DIGEST_BYTES + NAMED_BYTES) + 1;
    name.strip_suffix(SUFFIX).is_some_and(|stem| {
        stem.len() == length && stem.bytes().all(|byte| byte.is_ascii_hexdigit() || byte == b'-')
    })
}

/// Bytes in lower-case hexadecimal.
pub(in crate::engine) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// The header and the trailer of the artefact's entry.
pub(super) fn frame(key: &EntryKey, artefact: &[u8]) -> (Vec<u8>, [u8; DIGEST_BYTES]) {
    let mut head = Vec::with_capacity(HEAD_BYTES);
    head.extend_from_slice(MAGIC);
    head.extend_from_slice(&key.component);
    head.extend_from_slice(&key.settings);
    head.extend_from_slice(&(artefact.len() as u64).to_le_bytes());
    let digest = Sha256::new().chain_update(&head).chain_update(artefact).finalize();
    (head, digest.into())
}

/// The artefact in `bytes`, if they are an intact entry of this key.
///
/// # Errors
/// The damage, for the log.
pub(super) fn artefact<'a>(key: &EntryKey, bytes: &'a [u8]) -> Result<&'a [u8], &'static str> {
    let Some((head, rest)) = bytes.split_at_checked(HEAD_BYTES) else { return Err("too short") };
    let Some((artefact, digest)) = rest.split_last_chunk::<DIGEST_BYTES>() else {
        return Err("too short");
    };
    let (wanted, right) = frame(key, artefact);
    if head != wanted {
        return Err("of another component, engine or length");
    }
    if *digest != right {
        return Err("changed since it was written");
    }
    Ok(artefact)
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: EntryKey = EntryKey { component: [1; DIGEST_BYTES], settings: [2; DIGEST_BYTES] };

    fn entry(key: &EntryKey, artefact: &[u8]) -> Vec<u8> {
        let (head, digest) = frame(key, artefact);
        [&head, artefact, &digest].concat()
    }

    #[test]
    fn what_was_written_is_read() {
        for artefact in [&b""[..], b"code", &[0; 1000]] {
            assert_eq!(super::artefact(&KEY, &entry(&KEY, artefact)), Ok(artefact));
        }
    }

    #[test]
    fn every_changed_bit_is_noticed() {
        let good = entry(&KEY, b"the code of a component");
        for bit in 0..good.len() * 8 {
            let mut bad = good.clone();
            bad[bit / 8] ^= 1 << (bit % 8);
            assert!(artefact(&KEY, &bad).is_err(), "bit {bit}");
        }
    }

    #[test]
    fn every_other_length_is_noticed() {
        let good = entry(&KEY, b"the code of a component");
        for length in 0..good.len() {
            assert!(artefact(&KEY, &good[..length]).is_err(), "{length} bytes");
            assert!(artefact(&KEY, &good[good.len() - length..]).is_err(), "last {length} bytes");
        }
        assert!(artefact(&KEY, &[&*good, b"\0"].concat()).is_err());
        assert!(artefact(&KEY, &[&*good, &*good].concat()).is_err());
    }

    #[test]
    fn what_belongs_to_another_key_is_noticed() {
        let other_component = EntryKey { component: [3; DIGEST_BYTES], ..KEY };
        let other_engine = EntryKey { settings: [3; DIGEST_BYTES], ..KEY };
        for other in [other_component, other_engine] {
            assert!(artefact(&KEY, &entry(&other, b"code")).is_err(), "{other:?}");
        }
    }

    #[test]
    fn names() {
        assert!(is_file_name(&KEY.file_name()));
        for name in ["", "a.compiled", "diary.txt", &format!("x{}", KEY.file_name())] {
            assert!(!is_file_name(name), "{name}");
        }
    }
}
