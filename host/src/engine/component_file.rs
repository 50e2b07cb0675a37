//! The bytes of a component, from its file.

use std::path::Path;

use crate::config::file;
use crate::config::file::COMPONENT_BYTES_MAX;
use crate::engine::fault::Fault;

/// The kind of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ComponentKind {
    /// A component.
    Component,
    /// A core module: the output of a compiler before it is wrapped as a component.
    CoreModule,
    /// Any other file.
    NotWasm,
}

impl ComponentKind {
    /// Checks the first eight bytes.
    pub(crate) fn of(bytes: &[u8]) -> ComponentKind {
        match bytes.get(..8) {
            Some([0, b'a', b's', b'm', 1, 0, 0, 0]) => ComponentKind::CoreModule,
            Some([0, b'a', b's', b'm', _, _, 1, 0]) => ComponentKind::Component,
            _ => ComponentKind::NotWasm,
        }
    }
}

/// Reads a file that begins like a component.
pub(super) fn read(path: &Path) -> Result<Vec<u8>, Fault> {
    let bytes = file::read_file(path, COMPONENT_BYTES_MAX).map_err(Fault::Unreadable)?;
    match ComponentKind::of(&bytes) {
        ComponentKind::NotWasm => Err(Fault::NotWasm),
        ComponentKind::CoreModule => Err(Fault::CoreModule),
        ComponentKind::Component => Ok(bytes),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kinds_by_their_first_bytes() {
        let check = |bytes: &[u8], expected| assert_eq!(ComponentKind::of(bytes), expected);
        check(b"\0asm\x01\0\0\0rest", ComponentKind::CoreModule);
        check(b"\0asm\x0d\0\x01\0rest", ComponentKind::Component);
        check(b"#!/bin/sh\n", ComponentKind::NotWasm);
        check(b"\0asm", ComponentKind::NotWasm);
        check(b"", ComponentKind::NotWasm);
    }
}
