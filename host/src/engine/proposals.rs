//! The WebAssembly proposals that a component needs and the engine does not support.

use wasmtime_environ::wasmparser::{Validator, WasmFeatures};

use super::footprint::features;

/// The proposals without which the component is invalid; none if it is invalid with them as well.
pub(crate) fn needed(bytes: &[u8]) -> Vec<String> {
    let is_valid = |with| Validator::new_with_features(with).validate_all(bytes).is_ok();
    if !is_valid(WasmFeatures::all()) {
        return Vec::new();
    }
    let more = WasmFeatures::all().difference(features());
    more.iter_names()
        .filter(|(_, one)| !is_valid(WasmFeatures::all().difference(*one)))
        .map(|(name, _)| {
            name.to_lowercase().replace('_', "-").trim_end_matches("-types").to_owned()
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, expected: &[&str]) {
        let bytes = wat::parse_str(text).expect("WebAssembly as text");
        assert_eq!(needed(&bytes), expected, "{text}");
    }

    #[test]
    fn proposals_have_names() {
        check("(component (core module (memory 1)))", &[]);
        check("(component (core module (memory 1 1 shared)))", &["threads"]);
        check("(component (core module (tag)))", &["exceptions"]);
        check("(component (core module (type (struct))))", &["gc"]);
        check(
            "(component (core module (func (param i64 i64 i64 i64) (result i64 i64)
               (i64.add128 (local.get 0) (local.get 1) (local.get 2) (local.get 3)))))",
            &["wide-arithmetic"],
        );
        assert!(needed(b"not wasm").is_empty());
    }
}
