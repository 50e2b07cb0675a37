//! Every component of the tree can be called on the caller's own stack. A component that is linked to an asynchronous
//! function, or to a resource that ends asynchronously, refuses that for good.

use std::fs;
use std::path::{Path, PathBuf};

use sandloop_host::config::model::Config;
use sandloop_host::run;

/// What a start says of a component that was made and called, and then did not do as it should.
const CALLED: [&str; 3] = ["prepare failed", "it trapped in", "a handler"];

#[test]
fn no_guest_is_linked_to_anything_asynchronous() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../target/plugins");
    let entries = fs::read_dir(&folder)
        .unwrap_or_else(|error| panic!("{}: {error}; run `cargo xtask plugins`", folder.display()));
    let paths = entries.map(|entry| entry.unwrap().path());
    // One sleeps in its `prepare` for longer than any test waits; what it imports the others import as well.
    let sleeps = |path: &PathBuf| path.file_stem().is_some_and(|it| it == "prepare_sleeps");
    let components: Vec<PathBuf> = paths
        .filter(|path| path.extension().is_some_and(|it| it == "wasm") && !sleeps(path))
        .collect();
    assert!(
        !components.is_empty(),
        "no component in {}; run `cargo xtask plugins`",
        folder.display()
    );
    for component in components {
        let text = format!(
            "[plugins.p]\ncomponent = {component:?}\nisolation = \"plugin\"\nlimits.memory = \"64MiB\"\n\
             limits.cpu_per_event = \"10s\"\n"
        );
        let config = Config::parse(Path::new("plugins.toml"), &text).expect("a configuration");
        if let Err(error) = run::check(&config, false) {
            let text = error.to_string();
            let called = CALLED.iter().any(|words| text.contains(words));
            assert!(called && !text.contains("async"), "{}: {text}", component.display());
        }
    }
}
