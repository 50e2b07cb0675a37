//! The files inside the binary: the contract, the SDKs, the templates.

/// Sorted by their paths from the root of the repository.
const FILES: &[(&str, &[u8])] = include!(concat!(env!("OUT_DIR"), "/bundle.rs"));

/// The files below this folder, sorted by their paths relative to it; for a file, the file itself with an empty path.
pub(crate) fn below(folder: &str) -> impl Iterator<Item = (&'static str, &'static [u8])> {
    FILES.iter().filter_map(move |(path, bytes)| {
        let rest = path.strip_prefix(folder)?;
        let rest = if rest.is_empty() { rest } else { rest.strip_prefix('/')? };
        Some((rest, *bytes))
    })
}
