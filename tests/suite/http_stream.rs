//! Long answers, with the default limits: they come whole, others have their turn, and no piece is made without a reader.

use std::fs;
use std::thread;

use sandloop_tests::{Config, Host, Isolation, Peer, Plugin, process};

use crate::http_clients::curl;

each_isolation!(
    a_download_comes_whole_beside_others,
    a_million_pieces_come_whole,
    answers_behind_one_another_come_whole,
    a_head_makes_no_pieces,
);

/// A host that serves a folder with a small file and a sparse one, which needs no disk space.
fn serving_files(isolation: Isolation, bytes: u64) -> Host {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let public = dir.path().join("public");
    fs::create_dir_all(&public).expect("a new folder");
    fs::write(public.join("small.txt"), "small\n").expect("a new file");
    let large = fs::File::create(public.join("large.bin")).expect("a new file");
    large.set_len(bytes).expect("a sparse file");
    let plugin = Plugin::new("http-files").isolation(isolation).allow("read", &["./public"]);
    Host::start_in(dir, &Config::serving(plugin))
}

fn get(path: &str) -> String {
    format!("GET {path} HTTP/1.1\r\nHost: a\r\n\r\n")
}

/// Reads the head of an answer, which must begin with this; returns the length in it.
#[track_caller]
fn expect_head(peer: &mut Peer, status: &str) -> u64 {
    assert_eq!(peer.line(), format!("HTTP/1.1 {status}\r"));
    let mut length = 0;
    loop {
        let line = peer.line();
        if line == "\r" {
            return length;
        }
        if let Some(value) = line.strip_prefix("Content-Length: ") {
            length = value.trim_end().parse().expect("a number");
        }
    }
}

/// Stops; no instance has trapped, and no bound was reached.
#[track_caller]
fn stop_quietly(host: Host) {
    let outcome = host.stop();
    for word in ["trapped", "at a limit", "ERROR"] {
        assert!(!outcome.stderr.contains(word), "{}", outcome.stderr);
    }
}

fn a_download_comes_whole_beside_others(isolation: Isolation) {
    // So many that the other client has its turns on a busy machine, too.
    let bytes = 600 << 20;
    let host = serving_files(isolation, bytes);
    let mut other = host.connect("http-files");
    let mut peer = host.connect("http-files");
    peer.send(get("/large.bin"));
    assert_eq!(expect_head(&mut peer, "200 OK"), bytes);
    thread::scope(|scope| {
        let download = scope.spawn(|| {
            let mut buffer = vec![0; 1 << 20];
            let mut left = bytes;
            while 0 < left {
                let count = peer.read(&mut buffer).expect("the rest of the file") as u64;
                assert!(0 < count, "cut, {left} bytes are missing");
                left -= count;
            }
        });
        // The other client does not wait for the end of the download, which goes on without a pause.
        let mut answers = 0;
        while !download.is_finished() {
            other.send(get("/small.txt"));
            expect_head(&mut other, "200 OK");
            other.expect("small\n");
            answers += 1;
        }
        assert!(8 < answers, "{answers} answers beside {bytes} bytes");
    });
    // The connection can still be used.
    peer.send(get("/small.txt"));
    expect_head(&mut peer, "200 OK");
    peer.expect("small\n");
    stop_quietly(host);
}

fn a_million_pieces_come_whole(isolation: Isolation) {
    let count = match isolation {
        Isolation::Connection => 1_000_000,
        Isolation::Plugin => 100_000,
    };
    let plugin = Plugin::new("http_forms").isolation(isolation);
    let host = Host::start(&Config::serving(plugin));
    let url = host.address("http_forms").replace("tcp://", "http://");
    let copy = host.dir().join("copy").display().to_string();
    curl(&["--output", &copy, &format!("{url}/count?to={count}")]);
    let text = fs::read_to_string(&copy).expect("a copy");
    let mut expected = 0;
    for line in text.lines() {
        expected += 1;
        assert_eq!(line, expected.to_string());
    }
    assert_eq!(expected, count);
    stop_quietly(host);
}

/// More than an outbox holds, requested in one piece by a client that then ends its side.
fn answers_behind_one_another_come_whole(isolation: Isolation) {
    let plugin = Plugin::new("http_forms").isolation(isolation);
    let host = Host::start(&Config::serving(plugin));
    for (path, length) in [("/large?count=60000", 60_000), ("/length?count=200000", 200_000)] {
        let mut peer = host.connect("http_forms");
        let mut twin = peer.twin();
        let requests = get(path).repeat(500);
        let sender = thread::spawn(move || {
            twin.send(requests);
            twin.finish();
        });
        for _ in 0..500 {
            assert_eq!(expect_head(&mut peer, "200 OK"), length);
            peer.expect_count(length as usize);
        }
        sender.join().expect("everything was sent");
        peer.expect_end();
    }
    stop_quietly(host);
}

/// Of a file that takes seconds to read.
fn a_head_makes_no_pieces(isolation: Isolation) {
    const BYTES: u64 = 2 << 30;
    const COUNT: u32 = 20;
    let host = serving_files(isolation, BYTES);
    let mut peer = host.connect("http-files");
    let head = "HEAD /large.bin HTTP/1.1\r\nHost: a\r\n\r\n";
    // The first request has the sandbox made.
    peer.send(head);
    assert_eq!(expect_head(&mut peer, "200 OK"), BYTES);
    let before = process::cpu_time(host.pid());
    peer.send(head.repeat(COUNT as usize));
    for _ in 0..COUNT {
        assert_eq!(expect_head(&mut peer, "200 OK"), BYTES);
    }
    let each = (process::cpu_time(host.pid()) - before) / COUNT;
    assert!(each.as_millis() < 50, "a HEAD took {each:?} of CPU time");
    peer.send(get("/small.txt"));
    expect_head(&mut peer, "200 OK");
    peer.expect("small\n");
    stop_quietly(host);
}
