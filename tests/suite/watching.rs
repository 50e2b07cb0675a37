//! Files and folders that a guest watches: the reported changes, and paths that are not watched.

use std::fs;
use std::io::Write;
use std::os::unix::fs::symlink;

use sandloop_tests::{Config, Host, Isolation, Listen, Peer, Plugin};
use tempfile::TempDir;

fn folder() -> TempDir {
    let dir = tempfile::tempdir().expect("a temporary directory");
    fs::create_dir_all(dir.path().join("data/sub")).expect("a new folder");
    for name in ["a", "b", "sub/c", "../secret"] {
        fs::write(dir.path().join("data").join(name), "x").expect("a new file");
    }
    symlink("../secret", dir.path().join("data/out")).expect("a new link");
    dir
}

fn plugin() -> Plugin {
    Plugin::new("watch").prints().allow("read", &["./data"])
}

fn serving(plugin: Plugin) -> Host {
    let config = Config::serving(plugin).plugin(Plugin::new("echo")).listen(Listen::tcp("echo"));
    Host::start_in(folder(), &config)
}

#[track_caller]
fn tell(peer: &mut Peer, command: &str) {
    peer.send(format!("{command}\n"));
    peer.expect("ok\n");
}

fn append(host: &Host, name: &str) {
    let path = host.dir().join("data").join(name);
    let file = fs::OpenOptions::new().append(true).open(path);
    file.expect("it is there").write_all(b"more").expect("there is room");
}

/// Makes changes until the guest has printed this line once more: a watch begins a moment after the request.
#[track_caller]
fn change_until(host: &Host, told: &str, mut change: impl FnMut(usize)) {
    let count = || host.printed().matches(&format!("{told}\n")).count();
    let before = count();
    for round in 1..=1000 {
        change(round);
        if count() != before {
            return;
        }
    }
    panic!("`{told}` is not told: {}", host.printed());
}

fn watched(host: &Host, peer: &mut Peer, name: &str) {
    tell(peer, &format!("watch data/{name}"));
    change_until(host, &format!("data/{name} modified"), |_| {
        append(host, name);
        tell(peer, "stop nothing");
    });
}

each_isolation!(what_happens_to_a_file_is_told);
fn what_happens_to_a_file_is_told(isolation: Isolation) {
    let host = serving(plugin().isolation(isolation));
    let mut peer = host.connect("watch");
    watched(&host, &mut peer, "a");
    let data = host.dir().join("data");
    fs::rename(data.join("a"), data.join("sub/z")).expect("it is there");
    host.wait_printed("data/a moved");
    // The file itself is watched, wherever it is, and not the path.
    fs::write(data.join("a"), "another").expect("a new file");
    fs::remove_file(data.join("sub/z")).expect("it is there");
    host.wait_printed("data/a deleted");
    host.wait_printed("unbind ");
}

#[test]
fn what_happens_in_a_folder_is_told_as_its_change() {
    let host = serving(plugin());
    let mut peer = host.connect("watch");
    watched(&host, &mut peer, "b");
    tell(&mut peer, "watch data/sub");
    change_until(&host, "data/sub modified", |number| {
        fs::write(host.dir().join(format!("data/sub/{number}")), "").expect("a new file");
        tell(&mut peer, "stop nothing");
    });
}

#[test]
fn what_is_stopped_is_told_no_more_and_the_other_is() {
    let host = serving(plugin().isolation(Isolation::Plugin));
    let mut peer = host.connect("watch");
    watched(&host, &mut peer, "a");
    watched(&host, &mut peer, "b");
    tell(&mut peer, "stop data/a");
    host.wait_printed("unbind ");
    let before = host.printed().matches("data/a modified").count();
    let others = host.printed().matches("data/b modified").count();
    append(&host, "a");
    append(&host, "b");
    let mut rounds = 0;
    while host.printed().matches("data/b modified").count() == others {
        rounds += 1;
        assert!(rounds < 10_000, "{}", host.printed());
        tell(&mut peer, "stop nothing");
    }
    assert_eq!(host.printed().matches("data/a modified").count(), before);
}

#[test]
fn what_is_not_granted_or_not_there_is_not_watched() {
    let host = serving(plugin());
    let mut peer = host.connect("watch");
    for path in ["secret", "/etc", "../secret"] {
        tell(&mut peer, &format!("watch {path}"));
        host.wait_printed(&format!("{path} refused denied"));
    }
    for (path, why) in
        [("data/none", "not-found"), ("data/out", "denied"), ("data/../secret", "denied")]
    {
        let before = host.printed().matches(&format!("unbind {why}\n")).count();
        tell(&mut peer, &format!("watch {path}"));
        let mut rounds = 0;
        while host.printed().matches(&format!("unbind {why}\n")).count() == before {
            rounds += 1;
            assert!(rounds < 10_000, "{path}: {}", host.printed());
            tell(&mut peer, "stop nothing");
        }
    }
    host.wait_line("the denial", |line| line.field("call") == Some("watching.watch-file"));
}

/// As many as the limit allows, which are released for the next guest; a flood of changes harms no other plugin.
#[test]
fn watches_are_bounded_and_given_back() {
    let host = serving(plugin().limit("watches", "7"));
    let mut echo = host.connect("echo");
    for _ in 0..3 {
        let mut peer = host.connect("watch");
        peer.send("many 20 data/a\n");
        peer.expect("7\nok\n");
        change_until(&host, "data/a modified", |_| {
            for _ in 0..2000 {
                append(&host, "a");
            }
            echo.expect_echo("beside\n");
        });
        peer.finish();
        peer.expect_end();
        // Its sandbox is gone before the next one is served.
        echo.expect_echo("beside\n");
    }
}
