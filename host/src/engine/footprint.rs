//! What one instance of a component takes from the pool, read from the file before there is an engine.

use std::path::Path;

use wasmparser::{Parser, Payload};

use crate::config::file::{COMPONENT_BYTES_MAX, read_file};

/// Counts over all core modules of a component; each is instantiated once as compilers make them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Footprint {
    /// Linear memories.
    pub memories: u32,
    /// Tables.
    pub tables: u32,
}

impl Footprint {
    /// The least that the pool has room for.
    const LEAST: Footprint = Footprint { memories: 1, tables: 4 };

    /// The larger of both counts.
    pub fn max(self, other: Footprint) -> Footprint {
        Footprint {
            memories: self.memories.max(other.memories),
            tables: self.tables.max(other.tables),
        }
    }

    /// The footprint of a file. One that cannot be read or parsed counts as the least: the loader says what is
    /// wrong with it.
    pub fn of_file(file: &Path) -> Footprint {
        read_file(file, COMPONENT_BYTES_MAX).map_or(Footprint::LEAST, |bytes| Footprint::of(&bytes))
    }

    fn of(bytes: &[u8]) -> Footprint {
        let mut found = Footprint { memories: 0, tables: 0 };
        for payload in Parser::new(0).parse_all(bytes) {
            match payload {
                Ok(Payload::MemorySection(section)) => {
                    found.memories = found.memories.saturating_add(section.count());
                }
                Ok(Payload::TableSection(section)) => {
                    found.tables = found.tables.saturating_add(section.count());
                }
                Ok(_) => {}
                Err(_) => break,
            }
        }
        found.max(Footprint::LEAST)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_component_counts_as_the_least() {
        assert_eq!(Footprint::of(b"not wasm"), Footprint::LEAST);
        assert_eq!(Footprint::of_file(Path::new("/nowhere")), Footprint::LEAST);
    }

    #[test]
    fn memories_and_tables_are_counted() {
        // A module with two memories of one page and nothing else.
        let module = b"\0asm\x01\0\0\0\x05\x05\x02\x00\x01\x00\x01";
        assert_eq!(Footprint::of(module), Footprint { memories: 2, tables: 4 });
    }
}
