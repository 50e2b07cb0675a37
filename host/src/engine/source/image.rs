//! Unpacks a component from the layer of an image, in memory only: no file is written, so names in the layer are harmless.

use std::io::{self, Read};
use std::path::Path;

use flate2::read::GzDecoder;
use tar::{Archive, EntryType};

use super::fault::SourceFault;

/// The name of the component in an image: that of the compatible layout of container runtimes.
const COMPONENT: &str = "plugin.wasm";

/// The component in a layer that unpacks to at most `bytes_max`.
pub(super) fn component(layer: &[u8], bytes_max: u64) -> Result<Vec<u8>, SourceFault> {
    let unreadable = |error: &io::Error| {
        SourceFault::layout(format_args!("its layer cannot be unpacked: {error}"))
    };
    let unpacked = Bounded { inner: GzDecoder::new(layer), left: bytes_max };
    let mut archive = Archive::new(unpacked);
    let too_large = |error: &io::Error| error.kind() == io::ErrorKind::FileTooLarge;
    let fault = |error: io::Error| {
        if too_large(&error) { SourceFault::TooLarge(bytes_max) } else { unreadable(&error) }
    };
    for entry in archive.entries().map_err(fault)? {
        let mut entry = entry.map_err(fault)?;
        let is_component = entry.header().entry_type() == EntryType::Regular
            && entry
                .path()
                .is_ok_and(|path| path.strip_prefix("./").unwrap_or(&path) == Path::new(COMPONENT));
        if is_component {
            let mut bytes = Vec::new();
            entry.read_to_end(&mut bytes).map_err(fault)?;
            return Ok(bytes);
        }
    }
    Err(SourceFault::layout(format_args!("there is no file {COMPONENT} in its layer")))
}

/// Reads a limited number of bytes; more is an error.
struct Bounded<R> {
    inner: R,
    left: u64,
}

impl<R: Read> Read for Bounded<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let length = self.inner.read(buffer)?;
        self.left = self
            .left
            .checked_sub(length as u64)
            .ok_or_else(|| io::Error::from(io::ErrorKind::FileTooLarge))?;
        Ok(length)
    }
}
