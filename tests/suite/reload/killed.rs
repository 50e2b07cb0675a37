//! A host that is killed during a reload, at many moments: when it is started again it serves what its file specifies, whatever
//! the reload had written by then.

use std::fs;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::Signal;
use sandloop_testkit::noise::Noise;
use sandloop_tests::certificates::Authority;
use sandloop_tests::host::{Running, command};
use sandloop_tests::nginx::Nginx;
use sandloop_tests::registry::{Layout, Registry, digest};
use sandloop_tests::{PATIENCE, Peer, component, own_loopback, process, until};
use serde_json::json;
use tempfile::TempDir;

/// The moment of the kill.
#[derive(Debug, Clone, Copy)]
enum Moment {
    /// Its log has one more line that begins with this.
    Line(&'static str),
    /// The compiling process exists.
    Compiler,
    /// A file was added to this folder, perhaps incomplete.
    Written(&'static str),
    /// This many thousandths of a reload's duration have passed since its request.
    After(u32),
}

/// Moments that occur in every reload of a new component.
const STAGES: [Moment; 6] = [
    Moment::Line("SIGHUP"),
    Moment::Line("compile cache: miss"),
    Moment::Compiler,
    Moment::Written("cache"),
    Moment::Line("compiled"),
    Moment::Line("reloaded"),
];

/// The number of other moments, drawn once for all reloads.
const DRAWN: usize = 6;

/// The source of the component.
enum Source {
    /// A file that is replaced.
    File,
    /// A registry, by the store.
    Registry(Box<Registry>),
    /// A server with TLS, whose authority is configured, by the store.
    Https(Nginx),
}

/// A folder with a host that is killed and started again.
struct Site {
    dir: TempDir,
    address: String,
    source: Source,
    built: Vec<u8>,
    /// The version that was written last.
    version: u8,
}

impl Site {
    fn new(source: Source, port: u16) -> Site {
        let dir = tempfile::tempdir().expect("a temporary directory");
        let built = fs::read(component("pass")).expect("a component");
        let address = format!("tcp://{}:{port}", own_loopback());
        let mut site = Site { dir, address, source, built, version: 0 };
        site.write_next();
        site
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// Writes a component that is in no cache, and then a configuration that names it. Each is complete at every moment.
    fn write_next(&mut self) {
        self.version += 1;
        // One more custom section: a name of one byte, and this content.
        let bytes = [&self.built[..], &[0, 2, 1, self.version]].concat();
        let mut more = String::new();
        let source = match &self.source {
            Source::File => {
                replace(&self.path("plugin.wasm"), &bytes);
                "plugin.wasm".to_owned()
            }
            Source::Https(server) => {
                let (name, address) = (format!("pass-{}.wasm", self.version), server.tls_address());
                replace(&server.dir().join("files").join(&name), &bytes);
                more = format!(
                    "sha256 = {:?}\n[host.registries.{address:?}]\nserver_ca = {:?}\n",
                    digest(&bytes).trim_start_matches("sha256:"),
                    server.dir().join("ca.pem"),
                );
                format!("https://{address}/{name}")
            }
            Source::Registry(registry) => {
                let tag = self.version.to_string();
                let digest = registry.push("pass", &tag, Layout::Artefact, &bytes, &json!({}));
                format!("oci://{}/pass:{tag}@{digest}", registry.address())
            }
        };
        let toml = format!(
            "[host]\nlog = \"debug\"\nreactors = 2\nstore = \"./store\"\ncompile_cache = \"./cache\"\n\
             [plugins.it]\ncomponent = {source:?}\n{more}\
             [[listen]]\naddress = {:?}\nplugin = \"it\"\noptions = {{ a = \"version {}\" }}\n",
            self.address, self.version
        );
        replace(&self.path("plugins.toml"), toml.as_bytes());
    }

    fn start(&self) -> Running {
        let mut command = command(self.dir.path());
        command.args(["run", "plugins.toml"]);
        let host = Running::spawn(command);
        assert!(host.says("ready "), "version {} does not start", self.version);
        host
    }

    /// Checks that the version that was written last is served.
    fn expect_version(&self, what: &str) {
        let expected = format!("version {} who", self.version);
        let mut peer = Peer::connect(&self.address);
        peer.send("who");
        // Shown if the test fails.
        println!("{what}: {expected}");
        peer.expect(expected);
    }

    /// Kills the host in the middle of the reload to the next version, and starts it again.
    fn kill_at(&mut self, moment: Moment, usual: Duration) {
        let host = self.start();
        self.expect_version("before");
        let there = [files(&self.path("cache")), files(&self.path("store"))];
        let lines = host.lines();
        self.write_next();
        let begun = Instant::now();
        host.signal(Signal::HUP);
        let is_reached = || {
            let since: Vec<_> = host.lines().split_off(lines.len());
            let says = |start: &str| since.iter().any(|line| line.message().starts_with(start));
            // A reload that has ended has passed all of them.
            says("reloaded")
                || match moment {
                    Moment::Line(start) => says(start),
                    Moment::Compiler => !process::children(host.pid()).is_empty(),
                    Moment::Written(folder) => {
                        let place = usize::from(folder == "store");
                        files(&self.path(folder)) != there[place]
                    }
                    Moment::After(thousandths) => usual * thousandths / 1000 < begun.elapsed(),
                }
        };
        while !is_reached() {
            assert!(begun.elapsed() < PATIENCE, "{moment:?} does not come: {:?}", host.lines());
            thread::yield_now();
        }
        let compilers = process::children(host.pid());
        host.signal(Signal::KILL);
        host.wait();
        // Its compilers end with it.
        for compiler in compilers {
            until(
                || (!process::is_alive(compiler)).then_some(()),
                || format!("{moment:?}: a compiler is left: {compiler}"),
            );
        }
        let host = self.start();
        self.expect_version(&format!("{moment:?}"));
        host.signal(Signal::TERM);
        assert_eq!(host.wait().code, Some(0), "{moment:?}");
    }

    /// The duration of a reload without a kill.
    fn usual(&mut self) -> Duration {
        let host = self.start();
        self.write_next();
        let begun = Instant::now();
        host.signal(Signal::HUP);
        assert!(host.says("reloaded"));
        let took = begun.elapsed();
        self.expect_version("a reload");
        host.signal(Signal::TERM);
        host.wait();
        took
    }
}

fn replace(file: &Path, content: &[u8]) {
    let new = file.with_extension("new");
    fs::write(&new, content).expect("a file");
    fs::rename(new, file).expect("the same folder");
}

/// The files in a folder; none if there is no folder.
fn files(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).into_iter().flatten();
    let mut names: Vec<PathBuf> = entries.filter_map(|it| Some(it.ok()?.path())).collect();
    names.sort();
    names
}

fn kill_at_all(site: &mut Site, more: &[Moment]) {
    let usual = site.usual();
    let mut noise = Noise::new(15);
    let drawn = (0..DRAWN).map(|_| {
        let thousandths = noise.below(1100);
        Moment::After(u32::try_from(thousandths).expect("a small number"))
    });
    let moments: Vec<Moment> = STAGES.iter().chain(more).copied().chain(drawn).collect();
    for moment in moments {
        site.kill_at(moment, usual);
    }
    // Incomplete files are not trusted, and do not stay for ever.
    let host = site.start();
    site.write_next();
    host.signal(Signal::HUP);
    assert!(host.says("reloaded"));
    site.expect_version("at the end");
    host.signal(Signal::TERM);
    assert_eq!(host.wait().code, Some(0));
}

#[test]
fn a_host_that_is_killed_at_a_reload_starts_with_what_its_file_says() {
    kill_at_all(&mut Site::new(Source::File, 7060), &[]);
}

#[test]
fn so_does_one_whose_components_come_from_a_registry() {
    let source = Source::Registry(Box::new(Registry::start()));
    kill_at_all(&mut Site::new(source, 7061), &[Moment::Written("store")]);
}

#[test]
fn so_does_one_whose_components_come_from_a_server() {
    let authority = Authority::new("Authority of components");
    let source = Source::Https(Nginx::start_certified(&authority, "", &[]));
    kill_at_all(&mut Site::new(source, 7062), &[Moment::Written("store")]);
}
