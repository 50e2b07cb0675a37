//! `sandloop new`, `dev` and `doctor`: from an empty folder to a plugin that serves, and from an edit to the next version.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::{Command, Stdio};

use rustix::process::Signal;
use sandloop_tests::host::{Running, command, finish};
use sandloop_tests::hostile::wat::{Pieces, core_module};
use sandloop_tests::{Host, Peer, Server, paths, process, sandloop, until, workspace};
use tempfile::TempDir;

/// A plugin that answers any data with these three letters.
fn answering(word: &str) -> Vec<u8> {
    let receive_data =
        "(call $send (global.get $socket) (i32.const 65600) (i32.const 3) (i32.const 8))";
    let more = format!("(data (i32.const 65600) \"{word}\")");
    core_module(&Pieces { more, receive_data, ..Pieces::default() })
}

/// A project whose compiler copies a file, without delay.
struct Project {
    dir: TempDir,
}

impl Project {
    fn new() -> Project {
        let dir = tempfile::tempdir().expect("a temporary directory");
        let toml = "[plugins.one]\ncomponent = \"build/one.wasm\"\n\n[plugins.one.build]\n\
                    command = \"grep -q mistake src/one.wasm && { echo 'one.wasm:1: a mistake' >&2; exit 3; }; cp src/one.wasm one.core.wasm\"\n\
                    output = \"one.core.wasm\"\nwatch = [\"src/**\"]\n\n[[listen]]\n\
                    address = \"tcp://127.0.0.1:0\"\nplugin = \"one\"\n";
        fs::create_dir(dir.path().join("src")).expect("a folder");
        fs::write(dir.path().join("plugins.toml"), toml).expect("a file");
        let project = Project { dir };
        project.edit(answering("one"));
        project
    }

    /// As an editor does it: a new file replaces the source.
    fn edit(&self, bytes: impl AsRef<[u8]>) {
        let (new, source) = (self.path("src/.new"), self.path("src/one.wasm"));
        fs::write(&new, bytes).and_then(|()| fs::rename(new, source)).expect("a file");
    }

    fn path(&self, name: &str) -> std::path::PathBuf {
        self.dir.path().join(name)
    }

    fn dev(&self) -> Running {
        let mut dev = command(self.dir.path());
        dev.arg("dev");
        Running::spawn(dev)
    }
}

#[track_caller]
fn answer(peer: &mut Peer, expected: &str) {
    peer.send("x");
    peer.expect(expected);
}

#[test]
fn an_edit_is_seen_by_who_connects_again_and_a_mistake_keeps_the_version_before() {
    let project = Project::new();
    let dev = project.dev();
    let address = dev.log_line("serving ", 1).field("address").expect("an address").to_owned();
    dev.log_line("served; a file that changes is built", 1);
    let mut first = Peer::connect(&address);
    answer(&mut first, "one");

    project.edit(answering("two"));
    dev.log_line("reloaded ", 1);
    answer(&mut Peer::connect(&address), "two");
    // Existing connections keep their version.
    answer(&mut first, "one");

    project.edit("a mistake");
    assert!(dev.logs("one.wasm:1: a mistake"), "the compiler's own words");
    let told = dev.log_line("not built", 1);
    let cause = "plugins.toml:5: plugins.one.build.command: the command ended with exit code 3; its own words stand above";
    assert_eq!(told.field("cause"), Some(cause));
    dev.log_line("the version before goes on serving", 1);
    answer(&mut Peer::connect(&address), "two");

    project.edit(answering("tri"));
    dev.log_line("reloaded ", 2);
    answer(&mut Peer::connect(&address), "tri");

    // A wrong configuration changes nothing either, and a corrected one is applied.
    let toml = fs::read_to_string(project.path("plugins.toml")).expect("a file");
    fs::write(project.path("plugins.toml"), "[plugins.one]\ncomponnent = 1\n").expect("a file");
    dev.log_line("not read: the version before goes on serving", 1);
    answer(&mut Peer::connect(&address), "tri");
    fs::write(project.path("plugins.toml"), toml).expect("a file");
    dev.log_line("reloaded ", 3);
    dev.signal(Signal::TERM);
    let outcome = dev.wait();
    assert_eq!(outcome.code, Some(0), "{outcome:?}");
}

/// For `dev` a component may be built quickly instead of optimised.
#[test]
fn a_command_knows_whom_it_builds_for() {
    let project = Project::new();
    let toml = fs::read_to_string(project.path("plugins.toml")).expect("a file");
    let toml = toml.replace("; cp src", "; echo for:$SANDLOOP_DEV >&2; cp src");
    fs::write(project.path("plugins.toml"), toml).expect("a file");
    let built = sandloop(project.dir.path(), &["build"]);
    assert!(built.code == Some(0) && built.stderr.contains("for:\n"), "{built:?}");
    let dev = project.dev();
    dev.log_line("served; a file that changes is built", 1);
    assert!(dev.logs("for:1"));
    dev.signal(Signal::TERM);
    assert_eq!(dev.wait().code, Some(0));
}

#[test]
fn a_project_that_does_not_build_or_start_yet_is_waited_with() {
    let project = Project::new();
    project.edit("a mistake");
    let dev = project.dev();
    dev.log_line("not built", 1);
    // It builds, and traps before it serves.
    let traps = core_module(&Pieces {
        more: "(func $start unreachable) (start $start)".to_owned(),
        ..Pieces::default()
    });
    project.edit(traps);
    dev.log_line("not served", 1);
    project.edit(answering("one"));
    let address = dev.log_line("serving ", 1).field("address").expect("an address").to_owned();
    answer(&mut Peer::connect(&address), "one");
    dev.signal(Signal::INT);
    assert_eq!(dev.wait().code, Some(0));
}

#[test]
fn an_address_that_is_taken_is_waited_with() {
    let project = Project::new();
    let taken = Server::tcp();
    let toml = fs::read_to_string(project.path("plugins.toml")).expect("a file");
    let at = |address: &str| {
        fs::write(project.path("plugins.toml"), toml.replace("127.0.0.1:0", address))
    };
    at(taken.address()).expect("a file");
    let dev = project.dev();
    dev.log_line("not served", 1);
    dev.log_line("waiting for a change", 1);
    at("127.0.0.1:0").expect("a file");
    let address = dev.log_line("serving ", 1).field("address").expect("an address").to_owned();
    answer(&mut Peer::connect(&address), "one");
    dev.signal(Signal::TERM);
    assert_eq!(dev.wait().code, Some(0));
}

/// A version that would trap at its first connection does not replace the current one.
#[test]
fn what_traps_at_its_first_connection_is_not_served() {
    let project = Project::new();
    let dev = project.dev();
    let address = dev.log_line("serving ", 1).field("address").expect("an address").to_owned();
    dev.log_line("served; a file that changes is built", 1);
    project.edit(core_module(&Pieces { post_init: "unreachable", ..Pieces::default() }));
    dev.log_line("not served", 1);
    dev.log_line("the version before goes on serving", 1);
    answer(&mut Peer::connect(&address), "one");
    dev.signal(Signal::TERM);
    assert_eq!(dev.wait().code, Some(0));
}

#[test]
fn a_build_that_changes_what_is_watched_does_not_go_on_for_ever() {
    let project = Project::new();
    let toml = fs::read_to_string(project.path("plugins.toml")).expect("a file");
    let toml = toml.replace("; cp src", "; date +%s%N >>src/log; cp src");
    fs::write(project.path("plugins.toml"), toml).expect("a file");
    let dev = project.dev();
    dev.log_line("served; a file that changes is built", 1);
    project.edit(answering("two"));
    let told = dev.log_line("changed by the build itself", 1);
    assert!(told.field("files").is_some_and(|files| files.ends_with("src/log")), "{told:?}");
    dev.signal(Signal::TERM);
    assert_eq!(dev.wait().code, Some(0));
}

/// A first plugin in Rust by the steps of its page, with the crates that cargo has already: nothing is fetched.
#[test]
fn a_project_in_rust_is_made_built_and_served() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let made = sandloop(dir.path(), &["new", "hello", "--lang", "rust"]);
    assert_eq!(made.code, Some(0), "{made:?}");
    assert!(made.stdout.starts_with("hello: echo in Rust, files: "), "{made:?}");
    let again = sandloop(dir.path(), &["new", "hello", "--lang", "rust"]);
    assert_eq!(again.code, Some(2), "{again:?}");
    assert!(again.stderr.contains("hello is there already, and not empty"), "{again:?}");
    let folder = dir.path().join("hello");
    // The dependencies of a project are compiled once for all tests and samples.
    let shared = workspace().join("target/samples/caches/rust/target");
    fs::create_dir_all(&shared)
        .and_then(|()| symlink(&shared, folder.join("target")))
        .expect("a link");
    let mut build = Command::new(paths::binary());
    build.arg("build").current_dir(&folder).env("CARGO_NET_OFFLINE", "true");
    let built = build.stdin(Stdio::null()).output().expect("it runs");
    let said = String::from_utf8_lossy(&built.stderr);
    assert!(built.status.success(), "{said}");
    let text = fs::read_to_string(folder.join("plugins.toml")).expect("a file");
    let text = text.replace("127.0.0.1:10000", "127.0.0.1:0").replace("build/", "hello/build/");
    let host = Host::start_toml(dir, &text);
    let mut peer = host.connect("hello");
    peer.send("hello");
    peer.expect("hello");
    host.stop();
}

#[test]
fn a_doctor_tells_what_is_missing_and_what_installs_it() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let ask = |words: &[&str], path: &str| {
        let mut doctor = command(dir.path());
        doctor.arg("doctor").args(words).env("PATH", path);
        Running::spawn(doctor).wait()
    };
    let nothing = ask(&["rust"], "");
    assert_eq!(nothing.code, Some(1), "{nothing:?}");
    for words in
        ["missing  Rust with cargo", "https://sh.rustup.rs", "rustup target add wasm32-wasip2"]
    {
        assert!(nothing.stdout.contains(words), "{words}: {nothing:?}");
    }
    let unknown = ask(&["fortran"], "");
    assert_eq!(unknown.code, Some(2), "{unknown:?}");
    assert!(unknown.stderr.contains("there is no language \"fortran\"; there are "), "{unknown:?}");
    // A language that needs only a shell works without any `PATH`.
    let sdk = dir.path().join("sdk");
    fs::create_dir_all(sdk.join("shell")).expect("a folder");
    let language = "name = \"shell\"\ntitle = \"Shell\"\n[build]\ncommand = \"true\"\ncomponent = \"a\"\n\
                    [[tools]]\nwhat = \"echo\"\ntry = \"echo echo 1.2\"\nexpect = \"echo 1\"\ninstall = \"none\"\n";
    fs::write(sdk.join("shell/language.toml"), language).expect("a file");
    let whole = ask(&["--sdk", &path(&sdk)], "");
    assert_eq!(whole.code, Some(0), "{whole:?}");
    assert!(whole.stdout.contains("Shell\n  there    echo: echo 1.2\n"), "{whole:?}");
    fs::write(sdk.join("shell/language.toml"), language.replace("echo 1\"", "echo 2\""))
        .expect("a file");
    let old = ask(&["shell", "--sdk", &path(&sdk)], "");
    assert_eq!(old.code, Some(1), "another version is none: {old:?}");
}

fn path(path: &Path) -> String {
    path.display().to_string()
}

/// If the system refuses a write in the middle, the folder is left as it was, for the next try.
#[test]
fn a_project_that_cannot_be_written_leaves_nothing_behind() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    for before in ["nothing", "a folder"] {
        if before == "a folder" {
            fs::create_dir(dir.path().join("hello")).expect("a folder");
        }
        let mut shell = Command::new("bash");
        let script = "ulimit -f 1; exec \"$0\" new hello --lang rust";
        shell.arg("-c").arg(script).arg(paths::binary()).current_dir(dir.path());
        let outcome = finish(shell);
        assert_eq!(outcome.code, Some(1), "{outcome:?}");
        assert!(outcome.stderr.contains("cannot be written: File too large"), "{outcome:?}");
        assert!(outcome.stderr.ends_with("; allow larger files (ulimit -f)\n"), "{outcome:?}");
        let left = fs::read_dir(dir.path().join("hello")).map(Iterator::count).ok();
        assert_eq!(left, (before == "a folder").then_some(0), "beside {before}");
    }
    let made = sandloop(dir.path(), &["new", "hello", "--lang", "rust"]);
    assert_eq!(made.code, Some(0), "{made:?}");
}

/// The command and its child processes end when the process that runs it has ended.
#[test]
fn a_command_ends_with_the_one_that_runs_it() {
    for word in ["build", "dev"] {
        for signal in [Signal::TERM, Signal::INT, Signal::HUP] {
            let project = Project::new();
            let command_line = "sleep 1000 & echo $! > sleeper; wait; touch after";
            let toml = fs::read_to_string(project.path("plugins.toml")).expect("a file");
            let begin = toml.find("command = ").expect("a command");
            let end = begin + toml[begin..].find('\n').expect("its end");
            let toml = format!("{}command = {command_line:?}{}", &toml[..begin], &toml[end..]);
            fs::write(project.path("plugins.toml"), toml).expect("a file");
            let mut building = command(project.dir.path());
            building.arg(word);
            let building = Running::spawn(building);
            let sleeper: u32 = number_in(&project.path("sleeper"));
            building.signal(signal);
            let code = building.wait().code;
            assert_eq!(code, Some(128 + signal.as_raw()), "{word}, {signal:?}");
            wait_for_the_end(sleeper);
            assert!(!project.path("after").exists(), "{word}, {signal:?}");
        }
    }
}

/// The number in a file that another process writes.
fn number_in(path: &Path) -> u32 {
    let text = || fs::read_to_string(path).unwrap_or_default();
    let number = || text().strip_suffix('\n').and_then(|text| text.parse().ok());
    until(number, || format!("{} has {:?}", path.display(), text()))
}

fn wait_for_the_end(sleeper: u32) {
    until(|| (!process::is_alive(sleeper)).then_some(()), || format!("{sleeper} still runs"));
}
