//! Components that a compiler would not make: with another component inside, instantiated any number of times.

use wasmparser::{ComponentExternalKind, ComponentTypeRef, Parser, Payload};

/// The section of a component that contains another one.
const COMPONENT: u8 = 4;
/// The section of component instances.
const INSTANCES: u8 = 5;

/// `outer` with the component `inner` (as text, without imports) inside, which each instance of it instantiates `times` times.
pub fn with_inside(outer: &[u8], inner: &str, times: u32) -> Vec<u8> {
    let inner = wat::parse_str(inner).expect("WebAssembly as text");
    let mut bytes = outer.to_owned();
    section(&mut bytes, COMPONENT, &inner);
    let mut instances = Vec::new();
    number(&mut instances, times);
    for _ in 0..times {
        instances.push(0);
        number(&mut instances, components(outer));
        number(&mut instances, 0);
    }
    section(&mut bytes, INSTANCES, &instances);
    bytes
}

/// The number of components with an index in this one.
fn components(bytes: &[u8]) -> u32 {
    let (mut depth, mut count) = (0_u32, 0);
    for payload in Parser::new(0).parse_all(bytes) {
        match payload.expect("a component") {
            Payload::ModuleSection { .. } => depth += 1,
            Payload::ComponentSection { .. } => {
                count += u32::from(depth == 0);
                depth += 1;
            }
            Payload::End(_) => depth = depth.saturating_sub(1),
            Payload::ComponentImportSection(section) if depth == 0 => {
                let imports = section.into_iter().map(|import| import.expect("an import").ty);
                let is_component =
                    |ty: &ComponentTypeRef| matches!(ty, ComponentTypeRef::Component(_));
                count += imports.filter(is_component).count() as u32;
            }
            Payload::ComponentAliasSection(section) if depth == 0 => {
                for alias in section {
                    use wasmparser::ComponentAlias::{InstanceExport, Outer};
                    use wasmparser::ComponentOuterAliasKind;
                    count += u32::from(matches!(
                        alias.expect("an alias"),
                        InstanceExport { kind: ComponentExternalKind::Component, .. }
                            | Outer { kind: ComponentOuterAliasKind::Component, .. }
                    ));
                }
            }
            _ => {}
        }
    }
    count
}

fn section(bytes: &mut Vec<u8>, id: u8, content: &[u8]) {
    bytes.push(id);
    number(bytes, u32::try_from(content.len()).expect("a small section"));
    bytes.extend_from_slice(content);
}

/// A number in LEB128.
fn number(bytes: &mut Vec<u8>, mut number: u32) {
    while 0x80 <= number {
        bytes.push(0x80 | (number & 0x7f) as u8);
        number >>= 7;
    }
    bytes.push(number as u8);
}
