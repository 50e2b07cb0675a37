//! Compiling: in a separate process, within bounds; a component that exceeds them fails the start of its own plugin only.

use std::fs;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Instant;

use rustix::process::Signal;
use sandloop_tests::host::command;
use sandloop_tests::{Config, Host, Listen, Plugin, Running, paths, process, sandloop, until};
use tempfile::TempDir;

/// The plugin whose compilation does not end.
const BOMB: &str = "bomb";

/// A small component whose compilation takes long, and much memory: many loops over many variables, as generated text.
fn write_bomb(file: &Path) {
    const LOOPS: usize = 20_000;
    const LOCALS: usize = 2000;
    let mut text = String::from("(component (core module (func (local");
    text.push_str(&" i32".repeat(LOCALS));
    text.push(')');
    for number in 0..LOOPS {
        let local = number % LOCALS;
        text.push_str(&format!(
            "(loop local.get {local} i32.const 1 i32.add local.tee {local} br_if 0)"
        ));
    }
    text.push_str(")))");
    fs::write(file, wat::parse_str(text).expect("the text is right")).expect("a new file");
}

/// A folder with the bomb.
fn with_bomb() -> TempDir {
    let dir = tempfile::tempdir().expect("a temporary directory");
    write_bomb(&dir.path().join("bomb.wasm"));
    dir
}

/// Serves the bomb and, behind it, an echo, with this key of `[host]`.
fn beside_a_bomb(dir: &Path, key: &str, value: &str) -> Config {
    Config::new()
        .host("compile_cache", "\"./cache\"")
        .host(key, value)
        .plugin(Plugin::named(BOMB, &dir.join("bomb.wasm")))
        .plugin(Plugin::new("c_echo"))
        .listen(Listen::tcp(BOMB))
        .listen(Listen::tcp("c_echo"))
}

/// The message about the bomb, which is declared in line 4 behind this key.
fn refusal(dir: &Path, cause: &str) -> String {
    let file = dir.join("bomb.wasm");
    format!(
        "plugins.toml:5: plugins.bomb.component: {}: {cause} under [host], or give a component with smaller functions",
        file.display()
    )
}

/// A component that is larger than the memory for compiling it: no later step can succeed.
fn write_giant(file: &Path) {
    const BYTES: u64 = 80 << 20;
    // A component, and in it one custom section to its end: its length, its empty name, zeros.
    let head = b"\0asm\x0d\0\x01\0\0";
    let length = leb128(BYTES);
    fs::write(file, [&head[..], &length].concat()).expect("a new file");
    let giant = fs::File::options().write(true).open(file).expect("a file");
    giant.set_len((head.len() + length.len()) as u64 + BYTES).expect("there is room");
}

/// A component of some kilobytes with 2^60 instances: a component with two of a component with two of a component, and so on.
fn write_nest(file: &Path) {
    const LEVELS: usize = 60;
    let mut text =
        "(component $c (core module $m (memory 1)) (core instance (instantiate $m)))".to_owned();
    for _ in 0..LEVELS {
        text = format!(
            "(component $c {text} (instance (instantiate $c)) (instance (instantiate $c)))"
        );
    }
    fs::write(file, wat::parse_str(text).expect("the text is right")).expect("a new file");
}

/// A number in LEB128.
fn leb128(mut number: u64) -> Vec<u8> {
    let mut bytes = Vec::new();
    while 0x80 <= number {
        bytes.push(number.to_le_bytes()[0] | 0x80);
        number >>= 7;
    }
    bytes.push(number.to_le_bytes()[0]);
    bytes
}

#[track_caller]
fn costs_its_own_plugin(dir: TempDir, key: &str, value: &str, cause: &str) {
    let path = dir.path().to_owned();
    // The echo is compiled already, however long a busy machine would take for it.
    let echo = Config::serving(Plugin::new("c_echo")).host("compile_cache", "\"./cache\"");
    fs::write(path.join("echo.toml"), echo.to_toml()).expect("a new file");
    assert_eq!(sandloop(&path, &["compile", "echo.toml"]).code, Some(0));
    let host = Host::start_in(dir, &beside_a_bomb(&path, key, value));
    let error = host.wait_log("a plugin is left out, the others serve");
    assert_eq!(error.level(), "ERROR");
    assert_eq!(error.field("plugin"), Some(BOMB));
    let refusal = refusal(&path, cause);
    assert_eq!(error.field("cause"), Some(&*refusal));
    host.connect("c_echo").expect_echo("helo\n");
    assert!(host.log().iter().all(|line| !line.0.contains("serving") || !line.0.contains("bomb")));
    assert_eq!(process::children(host.pid()), [0; 0]);
    for command in ["check", "compile"] {
        let outcome = sandloop(&path, &[command, "plugins.toml"]);
        assert_eq!(outcome.code, Some(3), "{outcome:?}");
        let last = outcome.stderr.lines().last();
        assert_eq!(last, Some(&*format!("error: {refusal}")), "{command}");
    }
    host.stop();
}

#[test]
fn a_component_that_needs_too_much_memory_costs_its_own_plugin_the_start() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    write_giant(&dir.path().join("bomb.wasm"));
    costs_its_own_plugin(
        dir,
        "compile_memory",
        "\"64MiB\"",
        "compiling it takes more than 64MiB of memory; raise compile_memory",
    );
}

/// The host does not count the instances one by one, which would take as long as compiling them.
#[test]
fn a_component_of_endless_instances_costs_its_own_plugin_the_start() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    write_nest(&dir.path().join("bomb.wasm"));
    costs_its_own_plugin(
        dir,
        "compile_memory",
        "\"64MiB\"",
        "compiling it takes more than 64MiB of memory; raise compile_memory",
    );
}

#[test]
fn a_component_that_needs_too_long_costs_its_own_plugin_the_start() {
    costs_its_own_plugin(
        with_bomb(),
        "compile_time",
        "\"1s\"",
        "compiling it takes more than 1s of CPU time; raise compile_time",
    );
}

#[test]
fn where_nothing_else_is_left_the_start_is_refused() {
    let dir = with_bomb();
    let config = Config::serving(Plugin::named(BOMB, &dir.path().join("bomb.wasm")))
        .host("compile_cache", "\"off\"")
        .host("compile_time", "\"1s\"");
    fs::write(dir.path().join("plugins.toml"), config.to_toml()).expect("a new file");
    let outcome = sandloop(dir.path(), &["run"]);
    assert_eq!(outcome.code, Some(3), "{outcome:?}");
    let refusal =
        refusal(dir.path(), "compiling it takes more than 1s of CPU time; raise compile_time");
    assert!(outcome.stderr.ends_with(&format!("error: {refusal}\n")), "{outcome:?}");
}

/// However the host ends, even without a chance to clean up.
#[test]
fn the_compiler_ends_with_its_host() {
    for signal in [Signal::TERM, Signal::INT, Signal::KILL] {
        let dir = with_bomb();
        let config = beside_a_bomb(dir.path(), "compile_time", "\"1h\"");
        fs::write(dir.path().join("plugins.toml"), config.to_toml()).expect("a new file");
        let mut host = check(dir.path());
        let compiler = bombs_compiler(host.id());
        process::signal(host.id(), signal);
        host.wait().expect("the child is ours");
        until(|| (!process::is_alive(compiler)).then_some(()), || "the compiler still runs");
    }
}

/// Neither a start nor a reload delays the stop of a host, however long its compiler would run.
#[test]
fn a_stop_does_not_wait_for_a_compiler() {
    for is_reload in [false, true] {
        let dir = with_bomb();
        let bomb = beside_a_bomb(dir.path(), "compile_time", "\"1h\"").to_toml();
        let echo = Config::serving(Plugin::new("c_echo")).host("compile_cache", "\"./cache\"");
        let file = dir.path().join("plugins.toml");
        fs::write(&file, if is_reload { echo.to_toml() } else { bomb.clone() }).expect("a file");
        let mut run = command(dir.path());
        run.args(["run", "plugins.toml"]);
        let host = Running::spawn(run);
        if is_reload {
            assert!(host.says("ready "));
            fs::write(&file, bomb).expect("a file");
            host.signal(Signal::HUP);
        }
        let compiler = bombs_compiler(host.pid());
        let begun = Instant::now();
        host.signal(Signal::TERM);
        let outcome = host.wait();
        println!("reload: {is_reload}: ended after {:?}", begun.elapsed());
        // A host that has never served ends by the signal.
        assert_eq!(outcome.code, Some(if is_reload { 0 } else { 143 }), "{outcome:?}");
        until(|| (!process::is_alive(compiler)).then_some(()), || "the compiler still runs");
    }
}

/// `sandloop check` of the configuration in this folder.
fn check(dir: &Path) -> Child {
    let mut command = Command::new(paths::binary());
    command.args(["check", "plugins.toml"]).current_dir(dir);
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    command.spawn().expect("the host's binary can be run")
}

/// The CPU time of a process, in the kernel's ticks.
fn process_age_ticks(pid: u32) -> u64 {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    let fields: Vec<&str> =
        stat.rsplit(')').next().unwrap_or_default().split_whitespace().collect();
    fields.get(11).and_then(|ticks| ticks.parse().ok()).unwrap_or(0)
}

/// The compiler of the bomb, once it runs. The compilers are distinguished by their progress only: the bomb's is the one that stays.
fn bombs_compiler(host: u32) -> u32 {
    let find = || process::children(host).into_iter().find(|child| 3 < process_age_ticks(*child));
    until(find, || "nothing compiles")
}
