//! `host.trust`: the keys whose signatures a component must have.

use std::fmt::Write as _;
use std::path::Path;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use minisign_verify::PublicKey;

use super::error::Problem;
use super::file;

/// A public key in the format of `minisign`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TrustedKey {
    /// The id of the key, as `minisign` shows it.
    pub id: String,
    key: PublicKey,
}

/// The position of the key id in keys and signatures, after two letters for the algorithm.
const ID: std::ops::Range<usize> = 2..10;

/// The beginning of a key in one line, whose first bits are the algorithm Ed25519.
const KEY_START: &str = "RW";
/// The length of a key in one line.
const KEY_LETTERS: usize = 56;

impl TrustedKey {
    /// Parses a key in one line, or a file of `minisign -G`; a relative path is relative to `folder`.
    ///
    /// # Errors
    /// When it is neither.
    pub fn read(text: &str, folder: &Path) -> Result<TrustedKey, Problem> {
        let is_key =
            text.starts_with(KEY_START) && text.len() == KEY_LETTERS && !text.contains(['.', ' ']);
        if is_key {
            let remedy = "write the last line of the file that `minisign -G` has made, or its path";
            let none = || Problem::new(format!("{text:?} is not a key of minisign"), remedy);
            return TrustedKey::of(text).ok_or_else(none);
        }
        let path = folder.join(text);
        let unreadable = |cause: String| {
            Problem::new(
                format!("the key in {:?} cannot be read: {cause}", path.display().to_string()),
                r#"write a key of minisign, as in "RWQ…", or the path of its .pub file"#,
            )
        };
        let bytes = file::read_file(&path, file::TEXT_BYTES_MAX)
            .map_err(|error| unreadable(error.to_string()))?;
        let text = String::from_utf8(bytes).map_err(|_| unreadable("it is not text".to_owned()))?;
        let key = text.lines().find_map(TrustedKey::of);
        key.ok_or_else(|| unreadable("there is none in it".to_owned()))
    }

    fn of(line: &str) -> Option<TrustedKey> {
        let key = PublicKey::from_base64(line).ok()?;
        Some(TrustedKey { id: key_id(line)?, key })
    }

    /// The key.
    pub fn key(&self) -> &PublicKey {
        &self.key
    }
}

/// The key id in a line with a key or a signature, as `minisign` shows it.
pub fn key_id(line: &str) -> Option<String> {
    let bytes = BASE64_STANDARD.decode(line).ok()?;
    let mut id = String::new();
    for byte in bytes.get(ID)?.iter().rev() {
        // Writing to a String cannot fail.
        let _ = write!(id, "{byte:02X}");
    }
    Some(id)
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: &str = "RWQf6LRCGA9i53mlYecO4IzT51TGPpvWucNSCh1CBM0QTaLn73Y7GFO3";

    #[test]
    fn a_key_in_one_line_or_in_a_file() {
        let dir = tempfile::tempdir().expect("a folder");
        let text = format!("untrusted comment: minisign public key E7620F1842B4E81F\n{KEY}\n");
        std::fs::write(dir.path().join("key.pub"), text).expect("a new file");
        for written in [KEY, "key.pub"] {
            let key = TrustedKey::read(written, dir.path()).expect(written);
            assert_eq!(key.id, "E7620F1842B4E81F", "{written}");
        }
        std::fs::write(dir.path().join("none.pub"), "nonsense\n").expect("a new file");
        for wrong in ["none.pub", "missing.pub", "", &KEY[..55], &KEY.replace('6', "!")] {
            assert!(TrustedKey::read(wrong, dir.path()).is_err(), "{wrong}");
        }
    }
}
