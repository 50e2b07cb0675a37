//! Arbitrary changes of what the host reads: configurations, components, the compile cache and texts of guests. No panic,
//! every refusal has words, nothing of a changed cache is believed, and no text of a guest's is longer in the log than it
//! may be or does anything there.
//!
//! A run of the tests looks at the same inputs each time, for as long as `HOST_FUZZ_SECONDS` says; `cargo xtask fuzz` looks
//! at new ones. A failure prints the command that repeats it. What was found is in `tests/cases/invalid`.

use std::fs::{self, Permissions};
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};

use sandloop_host::config::model::LogFormat;
use sandloop_host::config::model::{CompileCache, Config};
use sandloop_host::engine::inspect;
use sandloop_host::log::text;
use sandloop_host::log::text::GuestText;
use sandloop_host::run;
use sandloop_testkit::fuzz;
use sandloop_testkit::noise::Noise;

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

fn plugin(name: &str) -> PathBuf {
    workspace().join("target/plugins").join(format!("{name}.wasm"))
}

fn component(name: &str) -> Vec<u8> {
    let path = plugin(name);
    fs::read(&path)
        .unwrap_or_else(|error| panic!("{}: {error}; run `cargo xtask plugins`", path.display()))
}

#[test]
fn components() {
    let corpus = ["c_echo", "echo"].map(component);
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("component.wasm");
    fuzz::rounds_of(SECONDS, 60, |noise| {
        let mut input = noise.pick(&corpus).clone();
        noise.mutate(&mut input, CODES, &corpus);
        fs::write(&file, input).unwrap();
        match inspect::file(&file, &CompileCache::Off) {
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
        let format = *noise.pick(&[LogFormat::Text, LogFormat::Json]);
        let mut line = Vec::new();
        let whole = text::write_line(&mut line, &input, bytes_max, is_cut, format);
        assert!(line.len() <= bytes_max, "{input:?}: {line:?}");
        let line = String::from_utf8(line).expect("a line is text");
        let line = match format {
            LogFormat::Text => line,
            LogFormat::Json => {
                serde_json::from_str(&format!("\"{line}\"")).expect("a string of JSON")
            }
        };
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
    if let Err(error) = run::check(&config, false) {
        assert!(error.to_string().starts_with("plugins.toml:6: "), "{error}");
    }
}

/// Whatever stands in the folder, each component is what it is, and its entry is as it was.
#[test]
fn cache_folders() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("cache");
    let cache = CompileCache::Dir(path.clone());
    let components = ["c_echo", "stale_socket"].map(plugin);
    let reports =
        components.each_ref().map(|file| inspect::file(file, &cache).expect("a component"));
    let good = entries(&path);
    assert_eq!(good.len(), components.len());
    let corpus: Vec<Vec<u8>> = good.iter().map(|(_, bytes)| bytes.clone()).collect();
    fuzz::rounds_of(SECONDS, 60, |noise| {
        for _ in 0..=noise.below(3) {
            let (entry, bytes) = noise.pick(&good);
            damage(noise, entry, bytes.clone(), &corpus);
        }
        // Others may write, or not: then nothing is used, and nothing is put right.
        let is_open = noise.below(8) == 0;
        set_mode(&path, if is_open { 0o777 } else { 0o700 });
        for (file, report) in components.iter().zip(&reports) {
            assert_eq!(inspect::file(file, &cache).as_ref().ok(), Some(report));
        }
        set_mode(&path, 0o700);
        if is_open {
            fs::remove_dir_all(&path).unwrap();
            for file in &components {
                inspect::file(file, &cache).expect("a component");
            }
        }
        assert!(entries(&path) == good, "an entry was not replaced");
    });
}

/// Something else in the place of an entry.
fn damage(noise: &mut Noise, entry: &Path, mut bytes: Vec<u8>, corpus: &[Vec<u8>]) {
    // It is a folder where it was one a moment ago.
    if fs::remove_dir_all(entry).is_err() {
        let _ = fs::remove_file(entry);
    }
    match noise.below(12) {
        0 => {}
        1 => fs::create_dir(entry).unwrap(),
        2 => symlink(noise.pick(&["/dev/zero", "/nowhere", "."]), entry).unwrap(),
        3 => {
            let length = noise.below(100_000);
            fs::write(entry, noise.bytes(length)).unwrap();
        }
        4 => fs::write(entry, noise.pick(corpus)).unwrap(),
        5 => {
            bytes.truncate(noise.below(bytes.len()));
            fs::write(entry, bytes).unwrap();
        }
        6 => {
            fs::write(entry, bytes).unwrap();
            set_mode(entry, *noise.pick(&[0o000, 0o400, 0o600, 0o644, 0o666, 0o777]));
        }
        7 => {
            let at = noise.below(bytes.len());
            bytes[at] ^= 1 << noise.below(8);
            fs::write(entry, bytes).unwrap();
        }
        _ => {
            noise.mutate(&mut bytes, CODES, corpus);
            fs::write(entry, bytes).unwrap();
        }
    }
}

fn set_mode(path: &Path, mode: u32) {
    fs::set_permissions(path, Permissions::from_mode(mode)).unwrap();
}

/// Every file of a folder.
fn entries(folder: &Path) -> Vec<(PathBuf, Vec<u8>)> {
    let paths = fs::read_dir(folder).unwrap().map(|file| file.unwrap().path());
    let mut all: Vec<_> = paths.map(|path| (path.clone(), fs::read(path).unwrap())).collect();
    all.sort();
    all
}
