//! The interfaces of the contract: each is named where its readers look.

use std::fs;

use super::{assert_none, files};
use crate::root::root;

#[test]
fn every_interface_is_documented() {
    let architecture = fs::read_to_string(root().join("docs/architecture.md")).unwrap_or_default();
    let sdk = files(&["sdk/rust/src"], &["rs"]);
    let mut complaints = Vec::new();
    for file in files(&["wit"], &["wit"]) {
        let interfaces = file.text.lines().filter_map(|line| line.strip_prefix("interface "));
        for name in interfaces.map(|rest| rest.trim_end_matches(['{', ' '])) {
            let stem = name.replace('-', "_");
            let in_sdk = sdk.iter().any(|file| file.text.contains(&stem));
            if !in_sdk && !architecture.contains(&format!("`{name}`")) {
                let path = &file.path;
                complaints.push(format!(
                    "{path}: `{name}` is named neither in sdk/rust nor in docs/architecture.md"
                ));
            }
        }
    }
    assert_none(&complaints);
}
