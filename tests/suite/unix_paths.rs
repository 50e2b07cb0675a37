//! Unix sockets and their paths: which host gets one, who may connect, and a listener whose path was removed.

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::os::unix::net::UnixListener;
use std::path::Path;

use sandloop_tests::host::command;
use sandloop_tests::{Config, Host, Listen, Outcome, Peer, Plugin, Running, sandloop};

fn serving(paths: &[&Path]) -> Config {
    let listen = |config: Config, path: &&Path| config.listen(Listen::unix(path, "echo"));
    paths.iter().fold(Config::new().plugin(Plugin::new("echo")), listen)
}

/// Several hosts at once, on the path of a dead one: one of them serves, and the others report that.
#[test]
fn of_hosts_that_start_at_once_one_gets_a_path() {
    for _ in 0..5 {
        let dir = tempfile::tempdir().expect("a temporary directory");
        // Two in one folder, and the folders in two orders: no host waits for itself or in a circle.
        let (one, other) = (dir.path().join("one"), dir.path().join("other"));
        fs::create_dir(&one).expect("a new folder");
        fs::create_dir(&other).expect("a new folder");
        let paths = [one.join("a"), one.join("b"), other.join("c")];
        paths.iter().for_each(|path| drop(UnixListener::bind(path).expect("a new path")));
        let [a, b, c] = paths.each_ref().map(std::path::PathBuf::as_path);
        fs::write(dir.path().join("0.toml"), serving(&[a, b, c]).to_toml()).expect("a new file");
        fs::write(dir.path().join("1.toml"), serving(&[c, b, a]).to_toml()).expect("a new file");
        let start = |number: usize| {
            let mut host = command(dir.path());
            host.args(["run", &format!("{}.toml", number % 2)]);
            Running::spawn(host)
        };
        let hosts: Vec<Running> = (0..4).map(start).collect();
        let (serve, lost): (Vec<_>, Vec<_>) =
            hosts.into_iter().partition(|host| host.says("ready "));
        assert_eq!(serve.len(), 1, "{lost:?}");
        for outcome in lost.into_iter().map(Running::wait) {
            assert_eq!(outcome.code, Some(4), "{outcome:?}");
            assert!(outcome.stderr.contains("a live server answers at this path"), "{outcome:?}");
        }
        for path in &paths {
            Peer::connect(&format!("unix://{}", path.display())).expect_echo("helo\n");
        }
    }
}

#[test]
fn a_listener_whose_path_leads_elsewhere_is_told_of() {
    // Not in the host's own folder, which is removed with it.
    let dir = tempfile::tempdir().expect("a temporary directory");
    let (gone, replaced) = (dir.path().join("gone"), dir.path().join("replaced"));
    let config = serving(&[&gone, &replaced]);
    let host = Host::start(&config);
    let mut old = Peer::connect(&format!("unix://{}", gone.display()));
    old.expect_echo("helo\n");
    fs::remove_file(&gone).expect("it is there");
    fs::remove_file(&replaced).expect("it is there");
    let _other = UnixListener::bind(&replaced).expect("a new path");
    let lines = host.wait_lines("the path does not lead", 2, |line| {
        line.message().starts_with("the path does not lead to this listener any more")
    });
    for (line, path) in lines.iter().zip([&gone, &replaced]) {
        assert_eq!(line.level(), "ERROR", "{line}");
        assert_eq!(line.field("address"), Some(&*format!("unix://{}", path.display())), "{line}");
    }
    // Existing connections stay, and the new file at the path is not touched.
    old.expect_echo("still here\n");
    host.stop();
    assert!(replaced.exists());
}

#[test]
fn a_socket_has_the_mode_the_owner_and_the_group_that_are_written() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let folder = fs::metadata(dir.path()).expect("it is there");
    let path = dir.path().join("echo.sock");
    let listen = Listen::unix(&path, "echo")
        .key("mode", "\"0660\"")
        .key("owner", folder.uid().to_string())
        .key("group", folder.gid().to_string());
    let config = Config::new().plugin(Plugin::new("echo")).listen(listen);
    let host = Host::start_in(dir, &config);
    let there = fs::metadata(&path).expect("it is there");
    assert_eq!(there.permissions().mode() & 0o777, 0o660);
    assert_eq!((there.uid(), there.gid()), (folder.uid(), folder.gid()));
    host.connect("echo").expect_echo("helo\n");
}

#[test]
fn a_path_that_cannot_be_taken_has_its_own_remedy() {
    for (path, cause) in [
        (
            "missing/echo.sock",
            "there is no folder \"missing\"; make it, or write a path in one that is there",
        ),
        (
            "file/echo.sock",
            "there is no folder \"file\"; make it, or write a path in one that is there",
        ),
        ("/proc/echo.sock", ""),
    ] {
        let dir = tempfile::tempdir().expect("a temporary directory");
        fs::write(dir.path().join("file"), "").expect("a new file");
        let listen = Listen::at(&format!("unix://{path}"), "echo");
        let config = Config::new().plugin(Plugin::new("echo")).listen(listen).to_toml();
        fs::write(dir.path().join("plugins.toml"), config).expect("a new file");
        let Outcome { code, stderr, .. } = sandloop(dir.path(), &["run"]);
        assert_eq!(code, Some(4), "{path}: {stderr}");
        assert!(stderr.contains(cause) && stderr.contains("listen[0].address"), "{path}: {stderr}");
    }
}

/// 107 bytes are the most that the system accepts.
#[test]
fn the_longest_path_is_served() {
    let dir = tempfile::tempdir_in("/tmp").expect("a temporary directory");
    let length = dir.path().as_os_str().len() + 1;
    let path = dir.path().join("x".repeat(107 - length));
    let host = Host::start_in(dir, &serving(&[&path]));
    host.connect("echo").expect_echo("helo\n");
}
