//! The footprint of one instance of a component, counted before the engine is created: the size of the engine's pool
//! depends on it.
//!
//! Counting takes time and memory in proportion to the instances of a component, and nested components double them at each
//! level. So the process that compiles counts, within its limits.
//!
//! The engine's own translator counts, so that modules with several instances, nested components and the adapters between
//! them are counted once per instance.

use wasmtime::component::Component;
use wasmtime_environ::component::{
    ComponentTypesBuilder, GlobalInitializer, InstantiateModule, Translator,
};
use wasmtime_environ::wasmparser::{Validator, WasmFeatures};
use wasmtime_environ::{Module, ScopeVec, Tunables};

/// The initial resources of one instance.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Footprint {
    /// Linear memories.
    pub memories: u32,
    /// The initial bytes of all memories.
    pub memory_bytes: u64,
    /// Tables.
    pub tables: u32,
    /// The initial elements of all tables.
    pub table_elements: u64,
    /// Core instances.
    pub core_instances: u32,
}

/// The length of an encoded footprint.
pub(super) const FOOTPRINT_BYTES: usize = 28;

impl Footprint {
    const NONE: Footprint =
        Footprint { memories: 0, memory_bytes: 0, tables: 0, table_elements: 0, core_instances: 0 };

    /// The footprint of a component that cannot be counted: the loader reports its fault.
    pub(super) const UNKNOWN: Footprint =
        Footprint { memories: 1, memory_bytes: 0, tables: 1, table_elements: 0, core_instances: 1 };

    /// Encodes it for another process, or a later start.
    pub(super) fn to_bytes(self) -> [u8; FOOTPRINT_BYTES] {
        let mut bytes = [0; FOOTPRINT_BYTES];
        bytes[..4].copy_from_slice(&self.memories.to_le_bytes());
        bytes[4..12].copy_from_slice(&self.memory_bytes.to_le_bytes());
        bytes[12..16].copy_from_slice(&self.tables.to_le_bytes());
        bytes[16..24].copy_from_slice(&self.table_elements.to_le_bytes());
        bytes[24..].copy_from_slice(&self.core_instances.to_le_bytes());
        bytes
    }

    /// Decodes the output of [`Footprint::to_bytes`].
    pub(super) fn from_bytes(bytes: &[u8; FOOTPRINT_BYTES]) -> Footprint {
        let long =
            |at: usize| bytes[at..at + 8].iter().rev().fold(0, |sum, it| sum << 8 | u64::from(*it));
        let short =
            |at: usize| bytes[at..at + 4].iter().rev().fold(0, |sum, it| sum << 8 | u32::from(*it));
        Footprint {
            memories: short(0),
            memory_bytes: long(4),
            tables: short(12),
            table_elements: long(16),
            core_instances: short(24),
        }
    }

    /// Counts a component; none for a component that the engine would refuse as well.
    pub fn of(bytes: &[u8]) -> Option<Footprint> {
        let (scope, tunables) = (ScopeVec::new(), Tunables::default_host());
        let mut validator = Validator::new_with_features(features());
        let mut types = ComponentTypesBuilder::new(&validator);
        let translator = Translator::new(&tunables, &mut validator, &mut types, &scope);
        let (translated, modules) = translator.translate(bytes).ok()?;
        let mut found = Footprint::NONE;
        for initializer in &translated.component.initializers {
            if let GlobalInitializer::InstantiateModule(made, _) = initializer {
                match made {
                    InstantiateModule::Static(module, _) => found.add(&modules[*module].module),
                    // A host provides no modules: the loader refuses the import.
                    InstantiateModule::Import(..) => return None,
                }
            }
        }
        Some(found)
    }

    /// Adds one instance of a module.
    fn add(&mut self, module: &Module) {
        self.core_instances = self.core_instances.saturating_add(1);
        for (_, memory) in module.memories.iter().skip(module.num_imported_memories) {
            self.memories = self.memories.saturating_add(1);
            let bytes = memory.minimum_byte_size().unwrap_or(u64::MAX);
            self.memory_bytes = self.memory_bytes.saturating_add(bytes);
        }
        for (_, table) in module.tables.iter().skip(module.num_imported_tables) {
            self.tables = self.tables.saturating_add(1);
            self.table_elements = self.table_elements.saturating_add(table.limits.min);
        }
    }

    /// Whether the engine counts the same in the compiled component.
    pub fn is_that_of(&self, component: &Component) -> bool {
        component.resources_required().is_some_and(|required| {
            required.num_memories == self.memories && required.num_tables == self.tables
        })
    }
}

/// The WebAssembly features that the engine supports, as set up by `engine::engine`.
pub(super) fn features() -> WasmFeatures {
    let without = WasmFeatures::GC_TYPES | WasmFeatures::EXCEPTIONS | WasmFeatures::THREADS;
    (WasmFeatures::WASM3 | WasmFeatures::COMPONENT_MODEL)
        .difference(without | WasmFeatures::CM_ASYNC)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, [memories, pages, tables, elements, instances]: [u32; 5]) {
        let expected = Footprint {
            memories,
            memory_bytes: u64::from(pages) << 16,
            tables,
            table_elements: elements.into(),
            core_instances: instances,
        };
        let bytes = wat::parse_str(text).expect("WebAssembly as text");
        assert_eq!(Footprint::of(&bytes), Some(expected), "{text}");
        let component = Component::from_binary(&wasmtime::Engine::default(), &bytes);
        assert!(expected.is_that_of(&component.expect("a component")), "{text}");
    }

    #[test]
    fn what_is_written_is_read() {
        let footprint = Footprint {
            memories: 0x0102_0304,
            memory_bytes: 0x0506_0708_090a_0b0c,
            tables: 0x0d0e_0f10,
            table_elements: 0x1112_1314_1516_1718,
            core_instances: 0x191a_1b1c,
        };
        assert_eq!(Footprint::from_bytes(&footprint.to_bytes()), footprint);
        assert!(footprint.to_bytes().iter().all(|byte| *byte != 0), "no byte is left out");
    }

    #[test]
    fn what_is_no_component_has_none() {
        assert_eq!(Footprint::of(b"not wasm"), None);
        assert_eq!(Footprint::of(b"\0asm\x0d\0\x01\0\x01"), None);
    }

    #[test]
    fn instances_count_and_not_modules() {
        let module = "(core module $m (memory 2) (table 3 funcref))";
        check(&format!("(component {module})"), [0, 0, 0, 0, 0]);
        for times in [1, 2, 10, 51, 129, 300] {
            let made = "(core instance (instantiate $m))".repeat(times as usize);
            let counts = [times, 2 * times, times, 3 * times, times];
            check(&format!("(component {module}{made})"), counts);
        }
    }

    #[test]
    fn components_inside_count_as_often_as_they_are_made() {
        let inner = "(component $c (core module $m (memory 1) (table 1 funcref)) \
                     (core instance (instantiate $m)) (core instance (instantiate $m)))";
        for times in [1, 2, 7] {
            let made = "(instance (instantiate $c))".repeat(times as usize);
            let counts = [2 * times; 5];
            check(&format!("(component {inner}{made})"), counts);
        }
        let twice = format!(
            "(component (component $o {inner} (instance (instantiate $c)) (instance (instantiate $c))) \
             (instance (instantiate $o)) (instance (instantiate $o)))"
        );
        check(&twice, [8; 5]);
    }

    #[test]
    fn modules_that_are_given_to_a_component_count() {
        check(
            "(component
               (core module $m (memory 1))
               (component $c (import \"m\" (core module $i)) (core instance (instantiate $i))
                 (core instance (instantiate $i)))
               (instance (instantiate $c (with \"m\" (core module $m)))))",
            [2, 2, 0, 0, 2],
        );
    }

    #[test]
    fn what_a_module_imports_is_not_its_own() {
        check(
            "(component
               (core module $a (memory (export \"m\") 1) (memory 4) (table (export \"t\") 5 funcref))
               (core module $b (import \"a\" \"m\" (memory 1)) (import \"a\" \"t\" (table 5 funcref))
                 (table 1 funcref) (table 2 funcref) (table 3 funcref))
               (core instance $a (instantiate $a))
               (core instance (instantiate $b (with \"a\" (instance $a)))))",
            [2, 5, 4, 11, 2],
        );
    }

    #[test]
    fn what_begins_with_more_than_can_be_said_is_no_wonder() {
        check_bytes(
            "(component (core module $m (memory i64 0x1000000000000)) (core instance (instantiate $m)))",
        );
    }

    #[track_caller]
    fn check_bytes(text: &str) {
        let bytes = wat::parse_str(text).expect("WebAssembly as text");
        let found = Footprint::of(&bytes).expect("a footprint");
        assert_eq!(found.memory_bytes, u64::MAX, "{text}");
    }
}
