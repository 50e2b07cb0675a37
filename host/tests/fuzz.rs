//! Arbitrary changes of what the host reads: configurations and components. No panic, and every refusal has words.
//!
//! A run of the tests looks at some inputs, the same in every run; `HOST_FUZZ_SECONDS` says for how long. `cargo xtask fuzz`
//! looks at new ones. A failure names its seed, and `FUZZ_SEED` brings that input back. What was found is in
//! `tests/cases/invalid`.

use std::fs;
use std::hash::{BuildHasher, RandomState};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use sandloop_host::config::model::Config;
use sandloop_host::engine::inspect;
use sandloop_host::run;

/// xorshift64.
struct Noise(u64);

impl Noise {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    /// Below `end`; 0 for 0.
    fn below(&mut self, end: usize) -> usize {
        (self.next() >> 11) as usize % end.max(1)
    }

    /// Bytes changed, removed, doubled, and pieces of others put in.
    fn mutate(&mut self, bytes: &mut Vec<u8>, others: &[Vec<u8>]) {
        for _ in 0..1 + self.below(8) {
            let at = self.below(bytes.len());
            let length = self.below(64).min(bytes.len() - at);
            match self.below(6) {
                0 if !bytes.is_empty() => bytes[at] ^= 1 << self.below(8),
                1 if !bytes.is_empty() => bytes[at] = self.below(256) as u8,
                2 => drop(bytes.drain(at..at + length)),
                3 => {
                    let piece = bytes[at..at + length].to_vec();
                    bytes.splice(at..at, piece);
                }
                4 => bytes.truncate(at),
                _ => {
                    let other = &others[self.below(others.len())];
                    let from = self.below(other.len());
                    let piece = other[from..(from + length).min(other.len())].to_vec();
                    bytes.splice(at..at, piece);
                }
            }
        }
    }
}

/// Calls `check` with a changed input of ever new seeds, `rounds` times or as long as `HOST_FUZZ_SECONDS` says.
fn rounds(rounds: u64, corpus: &[Vec<u8>], mut check: impl FnMut(Vec<u8>)) {
    let mut run = |seed: u64| {
        let _named = Named(seed);
        let mut noise = Noise(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1);
        let mut input = corpus[noise.below(corpus.len())].clone();
        noise.mutate(&mut input, corpus);
        check(input);
    };
    let first = match Seeds::given() {
        Seeds::One(seed) => return run(seed),
        Seeds::From(first) => first,
    };
    let seconds = std::env::var("HOST_FUZZ_SECONDS").ok();
    let time = seconds.map(|seconds| Duration::from_secs(seconds.parse().expect("a number")));
    let (begun, mut looked) = (Instant::now(), 0);
    while time.map_or(looked < rounds, |time| begun.elapsed() < time) {
        run(first.wrapping_add(looked));
        looked += 1;
    }
    println!("{looked} inputs from seed {first} on in {:?}", begun.elapsed());
}

/// Which inputs are looked at.
enum Seeds {
    /// This one only.
    One(u64),
    /// This one and those that follow it.
    From(u64),
}

impl Seeds {
    /// `FUZZ_SEED`: a number is one input, `random` draws where to begin. Without it a run has the inputs of the last one.
    fn given() -> Seeds {
        match std::env::var("FUZZ_SEED").as_deref() {
            Ok("random") => Seeds::From(RandomState::new().hash_one(0)),
            Ok(number) => Seeds::One(number.parse().expect("FUZZ_SEED is a number or `random`")),
            Err(_) => Seeds::From(0),
        }
    }
}

/// Names the seed of a round that fails.
struct Named(u64);

impl Drop for Named {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("FUZZ_SEED={}", self.0);
        }
    }
}

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
    rounds(3000, &corpus, |input| {
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
    rounds(60, &corpus, |input| {
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
