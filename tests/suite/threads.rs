//! A machine without free threads while the host serves: only what needs a thread is affected.

use std::fs;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::os::unix::fs::PermissionsExt;
use std::process::Command;

use rustix::process::{Signal, getuid};
use sandloop_tests::{Config, Listen, PATIENCE, Plugin, Running, component, own_loopback, paths};

/// A user without any process: a limit of processes does not apply to root, and counts all processes of a user.
const NOBODY: &str = "54321";

#[test]
fn a_file_is_served_or_costs_its_own_connection() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    // Copies for another user, who has to read them.
    for (from, to) in [
        (paths::binary(), "sandloop"),
        (component("echo"), "echo.wasm"),
        (component("http-files"), "files.wasm"),
    ] {
        fs::copy(from, dir.path().join(to)).expect("a new file");
    }
    fs::set_permissions(dir.path(), fs::Permissions::from_mode(0o755)).expect("it is ours");
    fs::create_dir(dir.path().join("public")).expect("a new folder");
    fs::write(dir.path().join("public/index.html"), "hello").expect("a new file");
    let ip = own_loopback();
    let at = |port: u16, plugin| Listen::at(&format!("tcp://{ip}:{port}"), plugin);
    let files = Plugin::named("files", "files.wasm".as_ref()).allow("read", &["./public"]);
    let config = Config::new()
        .host("compile_cache", "\"off\"")
        .plugin(files)
        .plugin(Plugin::named("echo", "echo.wasm".as_ref()))
        .listen(at(8080, "files"))
        .listen(at(10007, "echo"));
    fs::write(dir.path().join("plugins.toml"), config.to_toml()).expect("a new file");
    let as_nobody = |program: &str| {
        let mut command = Command::new("setpriv");
        if getuid().is_root() {
            command.args(["--reuid", NOBODY, "--regid", NOBODY, "--clear-groups"]);
        }
        command.arg(program).current_dir(dir.path()).env_remove("SANDLOOP_LOG");
        command
    };
    let mut run = as_nobody("./sandloop");
    run.arg("run");
    let host = Running::spawn(run);
    assert!(host.says("ready "), "{:?}", host.wait());
    let connect = |port: u16| {
        let peer = TcpStream::connect((&*ip, port)).expect("it listens");
        peer.set_read_timeout(Some(PATIENCE)).expect("a socket");
        peer
    };
    let expect_echo = |peer: &mut TcpStream| {
        let mut answer = [0; 5];
        peer.write_all(b"helo\n").expect("it is connected");
        peer.read_exact(&mut answer).expect("an answer");
        assert_eq!(&answer, b"helo\n");
    };
    let mut old = connect(10007);
    expect_echo(&mut old);
    let mut limit = as_nobody("prlimit");
    limit.args(["--pid", &host.pid().to_string(), "--nproc=1:1"]);
    assert!(limit.status().expect("it can be run").success());
    for _ in 0..3 {
        let mut peer = connect(8080);
        peer.write_all(b"GET / HTTP/1.0\r\n\r\n").expect("it is connected");
        let mut answer = Vec::new();
        // It may be reset.
        let _ = peer.read_to_end(&mut answer);
        assert!(answer.is_empty() || answer.starts_with(b"HTTP/1.1 200"), "{answer:?}");
        expect_echo(&mut old);
        expect_echo(&mut connect(10007));
    }
    host.signal(Signal::TERM);
    let outcome = host.wait();
    assert_eq!(outcome.code, Some(0), "{outcome:?}");
}
