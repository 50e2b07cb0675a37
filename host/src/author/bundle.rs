//! The files inside the binary: the contract, the SDKs, the templates.

use std::io::Read as _;
use std::sync::LazyLock;

use flate2::read::DeflateDecoder;

/// The paths from the root of the repository, sorted, each with the length of its file.
const FILES: &[(&str, usize)] = include!(concat!(env!("OUT_DIR"), "/bundle.rs"));
/// The files one after the other, compressed: they are read by a few commands and shipped with every binary.
const COMPRESSED: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/bundle.deflate"));

static BYTES: LazyLock<Vec<u8>> = LazyLock::new(|| {
    let mut bytes = Vec::new();
    // Nothing from outside: if it cannot be decompressed, `below` finds no file in it, and the test of this file fails.
    let _ = DeflateDecoder::new(COMPRESSED).read_to_end(&mut bytes);
    bytes
});

/// The files below this folder, sorted by their paths relative to it; for a file, the file itself with an empty path.
pub(crate) fn below(folder: &str) -> impl Iterator<Item = (&'static str, &'static [u8])> {
    let mut rest = BYTES.as_slice();
    FILES.iter().filter_map(move |(path, length)| {
        let (bytes, after) = rest.split_at_checked(*length)?;
        rest = after;
        let name = path.strip_prefix(folder)?;
        let name = if name.is_empty() { name } else { name.strip_prefix('/')? };
        Some((name, bytes))
    })
}

#[cfg(test)]
mod tests {
    use std::path::Path;
    use std::{env, fs};

    use super::*;

    #[test]
    fn every_file_is_the_one_of_the_tree() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
        let mut count = 0;
        for folder in ["Cargo.lock", "codecs", "sdk", "wit"] {
            for (name, bytes) in below(folder) {
                let path = root.join(folder).join(name);
                let path = if name.is_empty() { root.join(folder) } else { path };
                assert!(fs::read(&path).expect("a file") == bytes, "{}", path.display());
                count += 1;
            }
        }
        assert_eq!(count, FILES.len());
    }
}
