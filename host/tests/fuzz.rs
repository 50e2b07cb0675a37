//! Arbitrary changes of what the host reads: configurations, components and texts of guests. No panic, every refusal has
//! words, and no text of a guest's is longer in the log than it may be or does anything there.
//!
//! A run of the tests looks at the same inputs each time, for as long as `HOST_FUZZ_SECONDS` says; `cargo xtask fuzz` looks
//! at new ones. A failure prints the command that repeats it. What was found is in `tests/cases/invalid`.

use std::fs;
use std::path::{Path, PathBuf};

use sandloop_host::config::model::Config;
use sandloop_host::engine::inspect;
use sandloop_host::log::text;
use sandloop_host::log::text::GuestText;
use sandloop_host::run;
use sandloop_testkit::fuzz;

/// The variable that says for how long each target runs.
const SECONDS: &str = "HOST_FUZZ_SECONDS";

/// What means something in a configuration.
const WORDS: &[&[u8]] = &[
    b"\n",
    b"\n[plugins.other]\n",
    b"\n[plugins.other.limits]\n",
    b"\n[[listen]]\n",
    b"\n[tenants.other]\n",
    b" = ",
    b"\"",
    b".",
    b",",
    b"[",
    b"]",
    b"{",
    b"}",
    b"#",
    b"true",
    b"0",
    b"-1",
    b"18446744073709551615",
    b"\"16MiB\"",
    b"\"150ms\"",
    b"\"tcp://127.0.0.1:0\"",
    b"\"127.0.0.1:*\"",
    b"\xc3\xa9",
    b"\xff",
];

/// What means something in a component: its first bytes, sections without content, large numbers.
const CODES: &[&[u8]] = &[
    b"\0asm\x0d\0\x01\0",
    b"\0asm\x01\0\0\0",
    b"\0",
    b"\x01",
    b"\x0b",
    b"\x07\0",
    b"\x0a\0",
    b"\x7f",
    b"\x80",
    b"\xff\xff\xff\xff\x0f",
];

fn workspace() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

#[test]
fn configurations() {
    let mut corpus = vec![fs::read(workspace().join("plugins.toml")).unwrap()];
    for kind in ["valid", "invalid"] {
        for case in fs::read_dir(workspace().join("tests/cases").join(kind)).unwrap() {
            corpus.push(fs::read(case.unwrap().path().join("plugins.toml")).unwrap());
        }
    }
    corpus.sort();
    fuzz::rounds_of(SECONDS, 3000, |noise| {
        let mut input = noise.pick(&corpus).clone();
        noise.mutate(&mut input, WORDS, &corpus);
        let text = String::from_utf8_lossy(&input);
        match Config::parse(Path::new("plugins.toml"), &text) {
            Ok(config) => drop(format!("{config:?}")),
            Err(error) => {
                let text = error.to_string();
                assert!(text.starts_with("plugins.toml"), "{text}");
            }
        }
    });
}

#[test]
fn components() {
    let component = |name: &str| {
        let path = workspace().join("target/plugins").join(format!("{name}.wasm"));
        fs::read(&path).unwrap_or_else(|error| {
            panic!("{}: {error}; run `cargo xtask plugins`", path.display())
        })
    };
    let corpus = ["c_echo", "echo"].map(component);
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("component.wasm");
    fuzz::rounds_of(SECONDS, 60, |noise| {
        let mut input = noise.pick(&corpus).clone();
        noise.mutate(&mut input, CODES, &corpus);
        fs::write(&file, input).unwrap();
        match inspect::file(&file) {
            Ok(report) => {
                drop(report.to_string());
                if report.faults.is_empty() {
                    first_calls(&file);
                }
            }
            Err(fault) => assert!(!fault.to_string().is_empty()),
        }
    });
}

/// What means something in a text: what moves a cursor, what ends a line, half a character.
const SIGNS: &[&[u8]] = &[
    b"\x1b[2J",
    b"\n",
    b"\r",
    b"\0",
    b"\\",
    b"\"",
    b"\\u{1b}",
    b"\xff",
    b"\xc3",
    b"\xc2\x9b",
    b"\xe2\x80\xae",
    b"\xe2\x81\xa6",
    b"\xe2\x80",
    b"\xf0\x9f\x98\x80",
    b"\xef\xbf\xbd",
    b"\xd8\x9c",
];

#[test]
fn texts_of_guests() {
    let corpus: Vec<Vec<u8>> =
        ["", "plain", "äöü €", "a line\nand another", "\u{1b}[31mred\u{202e}"]
            .map(|text| text.as_bytes().to_vec())
            .into();
    fuzz::rounds_of(SECONDS, 3000, |noise| {
        let mut input = noise.pick(&corpus).clone();
        for _ in 0..4 {
            noise.mutate(&mut input, SIGNS, &corpus);
        }
        let bytes_max = *noise.pick(&[0, 1, 5, 6, 7, 8, 64, 256, 4096]);
        let is_cut = *noise.pick(&[false, true]);
        let mut line = Vec::new();
        let whole = text::write_line(&mut line, &input, bytes_max, is_cut);
        assert!(line.len() <= bytes_max, "{input:?}: {line:?}");
        let line = String::from_utf8(line).expect("a line is text");
        assert!(line.chars().all(text::is_harmless), "{input:?}: {line:?}");
        assert!(!(whole && is_cut), "{input:?}");
        let lossy = String::from_utf8_lossy(&input);
        if whole && lossy.chars().all(text::is_harmless) {
            assert_eq!(line, lossy, "nothing is missing");
        }
        let passed = GuestText::of(&lossy, bytes_max);
        let quoted = format!("{passed:?}");
        assert!(quoted.len() <= bytes_max + 2, "{input:?}: {quoted}");
        assert!(quoted.chars().all(text::is_harmless), "{input:?}: {quoted}");
        assert_eq!(GuestText::of(&passed, usize::MAX), passed, "what has passed passes as it is");
    });
}

/// What a start does with a component that fits: a first instance, and the first calls into it.
fn first_calls(component: &Path) {
    let text = format!(
        "[host]\ninstances = 2\nworkers = 1\nslow_lane = 1\ncompile_cache = \"off\"\n\
         [plugins.changed]\ncomponent = {component:?}\nisolation = \"plugin\"\n\
         [plugins.changed.limits]\ncpu_per_event = \"20ms\"\n"
    );
    let config = Config::parse(Path::new("plugins.toml"), &text).expect("a configuration");
    if let Err(error) = run::check(&config) {
        assert!(error.to_string().starts_with("plugins.toml:6: "), "{error}");
    }
}
