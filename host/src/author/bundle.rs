//! The files inside the binary: the contract, the SDKs, the templates.

/// Each with its path from the root of the repository, in the order of those.
const FILES: &[(&str, &[u8])] = include!(concat!(env!("OUT_DIR"), "/bundle.rs"));

/// The files below this folder, each with its path from there; a file for itself, under an empty path.
pub(crate) fn below(folder: &str) -> impl Iterator<Item = (&'static str, &'static [u8])> {
    FILES.iter().filter_map(move |(path, bytes)| {
        let rest = path.strip_prefix(folder)?;
        let rest = if rest.is_empty() { rest } else { rest.strip_prefix('/')? };
        Some((rest, *bytes))
    })
}
