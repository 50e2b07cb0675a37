//! Output of toolchains that this host does not run, and the flag or the version of the tool that makes what it runs.
//!
//! Authors meet these faults first: the defaults of their tools are for other hosts. So the messages name the tool and the
//! setting, for each fault that was seen. There is a table for each place where a fault shows.

/// Remedies for components that need one of these proposals.
const OF_PROPOSALS: &[(&str, &str)] = &[
    ("cm-", ASYNC),
    (
        "gc",
        "it is the garbage collector of the engine, which Kotlin, Dart and Java use: take a language that brings its own",
    ),
    ("exceptions", "clang: add -fno-exceptions; Emscripten: add -fignore-exceptions"),
    (
        "threads",
        "clang: leave out -pthread; Rust: build for wasm32-wasip2 and not for wasm32-wasip1-threads",
    ),
];

/// The asynchronous component model, by the tools that use it by default.
const ASYNC: &str = "it is the asynchronous component model: \
    with componentize-qjs add --sync; \
    with jco's QuickJS backend add --backend-qjs-disable-async; \
    with wit-bindgen, componentize-go and componentize-py write a world whose functions are not async, \
    of WASI 0.2 and not 0.3";

/// Remedies for imports, by the prefix of their names.
const OF_IMPORTS: &[(&str, &str)] = &[
    ("fermyon:spin/", SPIN),
    ("spin:", SPIN),
    (
        "wasi_snapshot_preview1",
        "build the component with the adapter of preview 1: `sandloop build` does",
    ),
    ("wasi:config/", "read options of the contract instead, sandloop:plugin/options"),
    ("env", "a function was declared and never defined: the linker left it to the host"),
];

/// For interfaces of Spin.
const SPIN: &str = "only Spin has it: leave out what uses it, as key-value, SQL, Redis and variables do; Spin's SDK for \
    Python imports all of it, so write for the world wasi:http/proxy with componentize-py alone";

/// Remedies for the next version of WASI, by package.
const OF_WASI_0_3: &[(&str, &str)] = &[
    (
        "wasi:http/",
        "build for wasi:http 0.2 and its incoming-handler: componentize-py and jco with the world \
         wasi:http/proxy@0.2, Rust with the crate wasip2",
    ),
    (
        "wasi:",
        "build for WASI 0.2: Rust for wasm32-wasip2 and not wasm32-wasip3, other tools with the WIT of WASI 0.2",
    ),
];

/// Remedies for a component with this export instead of a handler.
const OF_EXPORTS: &[(&str, &str)] = &[
    (
        "wasi:cli/run@",
        "it is a command, with a main function: build a library. Rust: crate-type = [\"cdylib\"]; \
         clang: -mexec-model=reactor; Go: -buildmode=c-shared; Zig: -fno-entry and exports",
    ),
    ("wasi:http/handler@", OF_WASI_0_3[0].1),
    ("wasi:http/service@", OF_WASI_0_3[0].1),
    (
        "fermyon:spin/inbound-redis",
        "it is a handler of Spin's for Redis: only its handlers of HTTP run, by wasi:http/incoming-handler@0.2",
    ),
];

/// The remedy for a component that needs these proposals; none if none is known.
pub(super) fn of_proposals(needed: &[String]) -> Option<&'static str> {
    needed.iter().find_map(|name| find(OF_PROPOSALS, name))
}

/// The remedy for an import that this host does not have.
pub(super) fn of_import(name: &str) -> Option<&'static str> {
    find(OF_IMPORTS, name)
}

/// The remedy for an import of WASI in another version than 0.2.
pub(super) fn of_wasi(name: &str) -> Option<&'static str> {
    find(OF_WASI_0_3, name)
}

/// The remedy for a component without a handler that has this export.
pub(super) fn of_export(name: &str) -> Option<&'static str> {
    find(OF_EXPORTS, name)
}

fn find(table: &[(&str, &'static str)], name: &str) -> Option<&'static str> {
    table.iter().find(|(begin, _)| name.starts_with(begin)).map(|(_, remedy)| *remedy)
}
