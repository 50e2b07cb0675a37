//! Files that the host sends for a guest: their order among bytes, their ends, and files that are not granted.

use std::fs;
use std::os::unix::fs::symlink;
use std::process::Command;
use std::thread;
use std::time::Duration;

use sandloop_tests::certificates::Authority;
use sandloop_tests::hostile::drive::{descriptors, wait_descriptors};
use sandloop_tests::process::{cpu_time, resident};
use sandloop_tests::{Config, Host, Isolation, Listen, Peer, Plugin};
use tempfile::TempDir;

const BIG: usize = 10_000_000;

/// A pattern that no shift of itself equals.
fn pattern(length: usize) -> Vec<u8> {
    (0..length).map(|place| (place / 251 + place % 251) as u8).collect()
}

/// A folder with a small file, a big one, an empty one, and links that lead out of it.
fn folder() -> TempDir {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let at = |name: &str| dir.path().join(name);
    fs::create_dir_all(at("data/sub")).expect("a new folder");
    fs::write(at("data/small"), "0123456789").expect("a new file");
    fs::write(at("data/big"), pattern(BIG)).expect("a new file");
    fs::write(at("data/empty"), "").expect("a new file");
    fs::write(at("secret"), "hunter2").expect("a new file");
    for (to, name) in [
        ("../secret", "out"),
        ("/etc/passwd", "absolute"),
        ("..", "up"),
        ("/proc/self/root/etc/passwd", "magic"),
        ("small", "in"),
        ("loop", "loop"),
    ] {
        symlink(to, at("data").join(name)).expect("a new link");
    }
    let pipe = Command::new("mkfifo").arg(at("data/pipe")).status().expect("mkfifo");
    assert!(pipe.success());
    dir
}

fn plugin() -> Plugin {
    Plugin::new("send_files").prints().allow("read", &["./data"])
}

fn serving(isolation: Isolation) -> Host {
    let config = Config::serving(plugin().isolation(isolation));
    Host::start_in(folder(), &config.plugin(Plugin::new("echo")).listen(Listen::tcp("echo")))
}

each_isolation!(a_file_stands_where_it_was_sent);
fn a_file_stands_where_it_was_sent(isolation: Isolation) {
    let host = serving(isolation);
    let mut peer = host.connect("send_files");
    peer.send("say before\nfile data/big\nsay between\nfile data/small 2 3\nfile data/empty\n");
    peer.send("file data/small 10\nsay after\n");
    let big = pattern(BIG);
    peer.expect("before\n");
    peer.expect(&big);
    peer.expect("between\n234after\n");
    host.wait_printed_lines(4);
    assert_eq!(
        host.printed(),
        format!("data/big ok {BIG}\ndata/small ok 3\ndata/empty ok 0\ndata/small ok 0\n")
    );
    // And all of it before a delayed close.
    peer.send("file data/big\nsay end\nclose\nsay late\n");
    peer.expect(&big);
    peer.expect("end\n");
    peer.expect_end();
    host.wait_printed("unbind closed");
}

each_isolation!(nothing_leads_out_and_what_is_no_file_is_not_opened);
fn nothing_leads_out_and_what_is_no_file_is_not_opened(isolation: Isolation) {
    let host = serving(isolation);
    let mut peer = host.connect("send_files");
    let mut told = String::new();
    for (path, outcome) in [
        ("secret", "refused denied"),
        ("/etc/passwd", "refused denied"),
        ("../secret", "refused denied"),
        ("database", "refused denied"),
        ("data/../secret", "denied"),
        ("data/sub/../../secret", "denied"),
        ("data/out", "denied"),
        ("data/absolute", "denied"),
        ("data/up/secret", "denied"),
        ("data/magic", "denied"),
        ("data/loop", "not-found"),
        ("data/none", "not-found"),
        ("data/small/none", "not-found"),
        ("data", "not-a-file"),
        ("data/sub", "not-a-file"),
        ("data/pipe", "not-a-file"),
        ("data/in", "ok 10"),
        ("./data//sub/../small", "ok 10"),
    ] {
        peer.send(format!("file {path}\n"));
        told += &format!("{path} {outcome}\n");
        host.wait_printed(&format!("{path} {outcome}"));
    }
    // Nothing of the failed files was sent, and the bytes behind them were.
    peer.send("say end\n");
    peer.expect("01234567890123456789end\n");
    assert_eq!(host.printed(), told);
    host.wait_line("the denial", |line| {
        line.field("call") == Some("files.send-file") && line.0.contains("the folder to `read`")
    });
}

#[test]
fn without_a_folder_nothing_is_sent() {
    let host = Host::start(&Config::serving(Plugin::new("send_files").prints()));
    host.connect("send_files").send("file data/small\n");
    host.wait_printed("data/small refused denied");
}

#[test]
fn parts_that_are_not_there_are_no_parts() {
    let host = serving(Isolation::Connection);
    let mut peer = host.connect("send_files");
    peer.send("file data/small 11\nfile data/small 5 6\nfile data/small 4294967306\nsay end\n");
    peer.expect("end\n");
    host.wait_printed_lines(3);
    assert_eq!(host.printed(), "data/small changed\n".repeat(3));
}

/// The guest is responsible for a file that becomes too short: bytes behind it wait until the guest is informed.
#[test]
fn a_file_that_becomes_shorter_is_told_before_anything_follows_it() {
    let dir = folder();
    let path = dir.path().join("data/big");
    let config = Config::new()
        .plugin(plugin())
        .listen(Listen::tcp("send_files").option("on_failure", "close"));
    let host = Host::start_in(dir, &config);
    let mut peer = Peer::connect_narrow(&host.address("send_files"));
    peer.send("file data/big\nsay a lie\n");
    peer.expect(&pattern(BIG)[..1000]);
    fs::OpenOptions::new().write(true).open(&path).and_then(|it| it.set_len(2000)).expect("cut");
    let rest = {
        let mut rest = Vec::new();
        let mut buffer = [0; 65_536];
        while let Ok(count @ 1..) = peer.read(&mut buffer) {
            rest.extend_from_slice(&buffer[..count]);
        }
        rest
    };
    assert!(rest.len() < BIG - 1000 && !rest.ends_with(b"a lie\n"), "{}", rest.len());
    host.wait_printed("data/big changed");
    host.wait_printed("unbind closed");
}

#[test]
fn the_end_of_a_connection_is_told_to_its_files_first() {
    let host = serving(Isolation::Connection);
    let mut peer = Peer::connect_narrow(&host.address("send_files"));
    peer.send("file data/big\nfile data/small\n");
    peer.expect(&pattern(BIG)[..1000]);
    peer.reset();
    host.wait_printed_lines(3);
    assert_eq!(host.printed(), "data/big closed\ndata/small closed\nunbind reset\n");
}

#[test]
fn eventmachines_two_ways() {
    let host = serving(Isolation::Connection);
    let mut peer = host.connect("send_files");
    peer.send("small data/small\nstream data/big\nsay x\n");
    peer.expect("0123456789");
    peer.expect(pattern(BIG));
    peer.expect("x\n");
    peer.send("small data/big\nsmall data/none\nsmall data/pipe\nstream data/none\nsay y\n");
    peer.expect("y\n");
    host.wait_printed_lines(6);
    assert_eq!(
        host.printed(),
        format!(
            "data/small sent\ndata/big ok {BIG}\ndata/big FileTooLarge\ndata/none NotFound\n\
             data/pipe InvalidInput\ndata/none not-found\n"
        )
    );
}

/// A slow reader costs no memory and no CPU time, and gets the whole file.
#[test]
fn a_slow_reader_costs_nothing() {
    let dir = folder();
    let giant = fs::File::create(dir.path().join("data/giant")).expect("a new file");
    giant.set_len(1 << 30).expect("a file with a hole");
    let config = Config::serving(plugin()).plugin(Plugin::new("echo")).listen(Listen::tcp("echo"));
    let host = Host::start_in(dir, &config);
    let mut echo = host.connect("echo");
    echo.expect_echo("before\n");
    let memory = resident(host.pid());
    let mut readers: Vec<Peer> = (0..10)
        .map(|_| {
            let mut peer = Peer::connect_narrow(&host.address("send_files"));
            peer.send("file data/giant\nclose\n");
            peer.expect(vec![0; 1024]);
            peer
        })
        .collect();
    // They read a kibibyte at intervals; in between nothing is sent.
    let mut used = Duration::MAX;
    for _ in 0..5 {
        for reader in &mut readers {
            reader.expect(vec![0; 1024]);
        }
        let before = cpu_time(host.pid());
        assert!(readers[0].is_open_for(Duration::from_millis(100)));
        used = used.min(cpu_time(host.pid()).saturating_sub(before));
    }
    assert!(used < Duration::from_millis(20), "{used:?} in a tenth of a second without need");
    let grown = resident(host.pid()).saturating_sub(memory);
    assert!(grown < 8 << 20, "{} KiB for ten readers", grown >> 10);
    drop(readers);
    echo.expect_echo("beside\n");
}

#[test]
fn many_files_are_bounded_and_given_back() {
    let host = serving(Isolation::Connection);
    let mut echo = host.connect("echo");
    echo.expect_echo("before\n");
    let before = descriptors(&host);
    let mut peer = host.connect("send_files");
    peer.send("many 2000 data/small\nsay end\n");
    peer.expect(b"0123456789".repeat(2000));
    peer.expect("end\n");
    let mut narrow = Peer::connect_narrow(&host.address("send_files"));
    narrow.send("many 20 data/big\n");
    narrow.expect(&pattern(BIG)[..1000]);
    drop((peer, narrow));
    wait_descriptors(&host, &mut echo, before).unwrap_or_else(|left| panic!("{left}"));
}

#[test]
fn tls_and_the_tenants_rate_hold_for_files() {
    let dir = folder();
    let authority = Authority::new("Authority of a test");
    let ca = authority.write(dir.path(), "ca");
    let certified = authority.certify(dir.path(), "server", &["localhost", "127.0.0.1"]);
    let tls =
        Listen::at("tls://127.0.0.1:0", "http-files").certified(&certified).option("root", "data");
    let config = Config::new()
        .plugin(Plugin::new("http-files").allow("read", &["./data"]))
        .plugin(plugin())
        .listen(tls)
        .listen(Listen::tcp("send_files"))
        .tenant("send_files", "write_per_second", "\"4MiB\"");
    let host = Host::start_in(dir, &config);
    let url = host.address("http-files").replace("tls://127.0.0.1", "https://localhost");
    let mut curl = Command::new("curl");
    curl.args(["-sS", "--max-time", "60", "--cacert"]).arg(&ca).arg(format!("{url}/big"));
    let output = curl.output().expect("curl");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    assert!(output.stdout == pattern(BIG), "{} bytes", output.stdout.len());
    let begun = std::time::Instant::now();
    let mut peer = host.connect("send_files");
    peer.send("file data/big\n");
    peer.expect(pattern(BIG));
    // The bytes of one second are available at the beginning.
    assert!(Duration::from_secs(1) < begun.elapsed(), "{:?}", begun.elapsed());
}

#[test]
fn a_head_of_a_giant_costs_nothing() {
    let dir = folder();
    let giant = fs::File::create(dir.path().join("data/giant")).expect("a new file");
    giant.set_len(2 << 30).expect("a file with a hole");
    let plugin = Plugin::new("http-files").allow("read", &["./data"]);
    let listen = Listen::tcp("http-files").option("root", "data");
    let host = Host::start_in(dir, &Config::new().plugin(plugin).listen(listen));
    let mut peer = host.connect("http-files");
    let head = |peer: &mut Peer| {
        peer.send("HEAD /giant HTTP/1.1\r\nHost: a\r\n\r\n");
        let lines: Vec<String> =
            std::iter::repeat_with(|| peer.line()).take_while(|it| it.trim() != "").collect();
        assert!(lines.iter().any(|it| it.to_lowercase().trim() == "content-length: 2147483648"));
    };
    head(&mut peer);
    let before = cpu_time(host.pid());
    head(&mut peer);
    let used = cpu_time(host.pid()).saturating_sub(before);
    assert!(used < Duration::from_millis(50), "{used:?}");
}

/// Two clients that request files at once over one connection each, and an answer that waits for its turn.
#[test]
fn pipelined_answers_keep_their_order() {
    let plugin = Plugin::new("http-files").allow("read", &["./data"]);
    let listen = Listen::tcp("http-files").option("root", "data");
    let host = Host::start_in(folder(), &Config::new().plugin(plugin).listen(listen));
    let ask = |peer: &mut Peer, path: &str, more: &str| {
        peer.send(format!("GET /{path} HTTP/1.1\r\nHost: a\r\n{more}\r\n"));
    };
    let answer = |peer: &mut Peer, status: &str, body: &[u8]| {
        assert!(peer.line().contains(status));
        while peer.line().trim() != "" {}
        peer.expect(body);
    };
    thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                let mut peer = host.connect("http-files");
                let big = pattern(BIG);
                ask(&mut peer, "big", "");
                ask(&mut peer, "small", "");
                ask(&mut peer, "none", "");
                ask(&mut peer, "big", "Range: bytes=5000000-5999999\r\n");
                ask(&mut peer, "small", "Connection: close\r\n");
                answer(&mut peer, "200", &big);
                answer(&mut peer, "200", b"0123456789");
                answer(&mut peer, "404", b"404\n");
                answer(&mut peer, "206", &big[5_000_000..6_000_000]);
                answer(&mut peer, "200", b"0123456789");
                peer.expect_end();
            });
        }
    });
}

/// The file that was checked is sent, and no other file under its name.
#[test]
fn a_file_that_has_become_another_is_not_sent() {
    let host = serving(Isolation::Connection);
    let mut peer = host.connect("send_files");
    let path = host.dir().join("data/small");
    peer.send("look data/small\nknown data/small\n");
    peer.expect("0123456789");
    host.wait_printed("data/small ok 10");
    // Another file of the same size, written at another time.
    fs::write(path.with_extension("new"), "9876543210").expect("a new file");
    fs::rename(path.with_extension("new"), &path).expect("it is there");
    peer.send("known data/small\nsay behind\n");
    peer.expect("behind\n");
    host.wait_printed("data/small changed");
    peer.send("look data/small\nknown data/small\n");
    peer.expect("9876543210");
}
