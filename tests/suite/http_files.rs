//! The plugin http-files: a folder over HTTP, requested by curl.

use std::fs::{self, FileTimes};
use std::os::unix::fs::symlink;
use std::os::unix::net::UnixListener;
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, UNIX_EPOCH};

use sandloop_tests::{Config, Host, Isolation, Listen, Peer, Plugin, component};

use crate::http_clients::{curl, file};

each_isolation!(
    files_are_served,
    only_the_folder_is_served,
    what_a_client_has_is_not_sent_again,
    a_part_is_served,
    text_is_compressed_where_it_is_asked_for,
    every_answer_has_the_validators_of_the_whole,
    what_is_no_file_is_not_opened,
    who_asks_for_pipes_keeps_nobody_from_pages,
    no_answer_has_the_tag_of_another_file,
);

/// A page, a script in a folder, a long file, and files that must not be served; the host and its address.
fn serving(isolation: Isolation) -> (Host, String, Vec<u8>) {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let (long, bytes) = file(&dir, 20_000_000);
    let public = dir.path().join("public");
    fs::create_dir_all(public.join("sub")).expect("a new folder");
    fs::rename(long, public.join("long.bin")).expect("the same file system");
    for (name, text) in [
        ("public/index.html", "<p>home</p>\n"),
        ("public/sub/index.html", "<p>sub</p>\n"),
        ("public/sub/a b.txt", "spaced\n"),
        ("public/.hidden", "hidden\n"),
        ("secret.txt", "hunter2\n"),
    ] {
        fs::write(dir.path().join(name), text).expect("a new file");
    }
    fs::write(public.join("big.js"), "let x = 1;\n".repeat(1000)).expect("a new file");
    symlink("../secret.txt", public.join("link.txt")).expect("a new link");
    let plugin = Plugin::new("http-files").isolation(isolation).allow("read", &["./public"]);
    let host = Host::start_in(dir, &Config::serving(plugin));
    let url = host.address("http-files").replace("tcp://", "http://");
    (host, url, bytes)
}

fn status(arguments: &[&str]) -> String {
    curl(&[arguments, &["--output", "/dev/null", "--write-out", "%{http_code}"]].concat())
}

fn files_are_served(isolation: Isolation) {
    let (host, url, bytes) = serving(isolation);
    assert_eq!(curl(&[&url]), "<p>home</p>");
    assert_eq!(curl(&[&format!("{url}/sub/a%20b.txt")]), "spaced");
    let head = curl(&["--head", &format!("{url}/index.html")]).to_lowercase();
    for field in [
        "content-type: text/html; charset=utf-8",
        "content-length: 12",
        "etag: \"",
        "last-modified: ",
    ] {
        assert!(head.contains(field), "{field} in {head}");
    }
    // A folder without its slash.
    assert_eq!(status(&[&format!("{url}/sub")]), "302");
    assert_eq!(curl(&["--location", &format!("{url}/sub?a=b")]), "<p>sub</p>");
    // A file that is longer than the plugin's memory is sent in pieces.
    let copy = host.dir().join("copy");
    curl(&["--output", &copy.display().to_string(), &format!("{url}/long.bin")]);
    assert!(fs::read(&copy).expect("a copy") == bytes, "other bytes");
    host.stop();
}

fn only_the_folder_is_served(isolation: Isolation) {
    let (host, url, _) = serving(isolation);
    for path in [
        "/nothing",
        "/.hidden",
        "/../secret.txt",
        "/sub/../../secret.txt",
        "/%2e%2e/secret.txt",
        "/..%2fsecret.txt",
        "/link.txt",
        "/index.html/x",
        "/%00",
        "//etc/passwd",
    ] {
        let status = status(&["--path-as-is", &format!("{url}{path}")]);
        assert_eq!(status, "404", "{path}");
    }
    assert_eq!(status(&["--request", "DELETE", &url]), "405");
    assert_eq!(status(&["--data", "x", &url]), "405");
    host.stop();
}

fn what_a_client_has_is_not_sent_again(isolation: Isolation) {
    let (host, url, _) = serving(isolation);
    let dir = host.dir().display();
    let (copy, etag) = (format!("{dir}/copy"), format!("{dir}/etag"));
    assert_eq!(status(&["--etag-save", &etag, &url]), "200");
    assert_eq!(status(&["--etag-compare", &etag, &url]), "304");
    curl(&["--remote-time", "--output", &copy, &url]);
    assert_eq!(status(&["--time-cond", &copy, &url]), "304");
    fs::write(host.dir().join("public/index.html"), "<p>new home</p>\n").expect("a file");
    assert_eq!(status(&["--etag-compare", &etag, &url]), "200");
    assert_eq!(status(&["--header", "If-Match: \"other\"", &url]), "412");
    host.stop();
}

fn a_part_is_served(isolation: Isolation) {
    let (host, url, bytes) = serving(isolation);
    let long = format!("{url}/long.bin");
    let copy = host.dir().join("copy");
    let path = copy.display().to_string();
    fs::write(&copy, &bytes[..15_000_000]).expect("a file");
    curl(&["--continue-at", "-", "--output", &path, &long]);
    assert!(fs::read(&copy).expect("a copy") == bytes, "other bytes");
    curl(&["--range", "100-199", "--output", &path, &long]);
    assert_eq!(fs::read(&copy).expect("a copy"), bytes[100..200]);
    curl(&["--range", "-7", "--output", &path, &long]);
    assert_eq!(fs::read(&copy).expect("a copy"), bytes[bytes.len() - 7..]);
    assert_eq!(status(&["--range", "0-9", &long]), "206");
    assert_eq!(status(&["--range", "20000000-", &long]), "416");
    host.stop();
}

fn text_is_compressed_where_it_is_asked_for(isolation: Isolation) {
    let (host, url, _) = serving(isolation);
    let script = format!("{url}/big.js");
    let size = |arguments: &[&str]| -> usize {
        let all = [arguments, &["--output", "/dev/null", "--write-out", "%{size_download}"]];
        curl(&all.concat()).parse().expect("a number")
    };
    assert_eq!(size(&[&script]), 11_000);
    let compressed = ["--header", "Accept-Encoding: gzip", &script];
    assert!(size(&compressed) < 1000, "{} bytes", size(&compressed));
    assert_eq!(curl(&["--compressed", &script]), "let x = 1;\n".repeat(1000).trim_end());
    // Short text and other formats are not compressed.
    assert_eq!(size(&["--header", "Accept-Encoding: gzip", &url]), 12);
    assert_eq!(
        size(&["--header", "Accept-Encoding: gzip", &format!("{url}/long.bin")]),
        20_000_000
    );
    host.stop();
}

/// The status and the fields of the answer to a `GET` with these fields.
#[track_caller]
fn head(url: &str, fields: &[String]) -> (String, Vec<String>) {
    let mut arguments = vec!["--dump-header", "-", "--output", "/dev/null"];
    fields.iter().for_each(|field| arguments.extend(["--header", field]));
    arguments.push(url);
    let text = curl(&arguments);
    let mut lines = text.lines().map(|line| line.trim_end().to_owned());
    let status = lines.next().unwrap_or_default();
    let status = status.split(' ').nth(1).unwrap_or_default().to_owned();
    (status, lines.filter(|line| !line.is_empty()).collect())
}

/// The fields by which a cache distinguishes representations.
fn told_to_caches(fields: &[String]) -> Vec<&String> {
    let names = ["etag:", "vary:", "last-modified:"];
    let is_known =
        |field: &&String| names.iter().any(|name| field.to_lowercase().starts_with(name));
    fields.iter().filter(is_known).collect()
}

fn value<'a>(fields: &'a [String], name: &str) -> Option<&'a str> {
    fields.iter().find_map(|field| {
        let (known, value) = field.split_once(": ")?;
        known.eq_ignore_ascii_case(name).then_some(value)
    })
}

/// RFC 9110, 15.3.7 and 15.4.5: a 304 or a 206 has the same validators of the file as the 200 to the same request, so that no
/// cache combines parts of two byte streams.
fn every_answer_has_the_validators_of_the_whole(isolation: Isolation) {
    let (host, url, _) = serving(isolation);
    let plain: &[&str] = &[];
    let zipped = &["Accept-Encoding: gzip"];
    for (path, accept, is_compressed, varies) in [
        ("big.js", plain, false, true),
        ("big.js", zipped, true, true),
        ("index.html", zipped, false, false),
        ("long.bin", zipped, false, false),
        ("long.bin", plain, false, false),
    ] {
        let url = format!("{url}/{path}");
        let ask = |fields: &[String]| {
            let accept = accept.iter().map(|field| (*field).to_owned());
            head(&url, &accept.chain(fields.iter().cloned()).collect::<Vec<_>>())
        };
        let (status, whole) = ask(&[]);
        assert_eq!(status, "200");
        let etag = value(&whole, "etag").expect("a tag").to_owned();
        let modified = value(&whole, "last-modified").expect("a time").to_owned();
        let strong = etag.trim_start_matches("W/").to_owned();
        assert_eq!(etag.starts_with("W/"), is_compressed, "{whole:?}");
        assert_eq!(value(&whole, "content-encoding").is_some(), is_compressed, "{whole:?}");
        assert_eq!(value(&whole, "vary"), varies.then_some("Accept-Encoding"), "{whole:?}");

        let range = || "Range: bytes=10-11".to_owned();
        // A file that is compressed on its way is sent whole. A weak tag is no reason to send a part.
        let part = if is_compressed { "200" } else { "206" };
        let strong_range = if is_compressed { "412" } else { "206" };
        let beyond = if is_compressed { "200" } else { "416" };
        for (fields, expected) in [
            (vec![format!("If-None-Match: {etag}")], "304"),
            (vec![format!("If-None-Match: {strong}")], "304"),
            (vec![format!("If-None-Match: W/{strong}")], "304"),
            (vec!["If-None-Match: *".to_owned()], "304"),
            (vec![format!("If-None-Match: \"x\", {etag}"), range()], "304"),
            (vec!["If-None-Match: \"x\"".to_owned()], "200"),
            (vec![format!("If-Modified-Since: {modified}")], "304"),
            (vec!["If-Match: \"x\"".to_owned()], "412"),
            (vec![format!("If-Match: W/{strong}")], "412"),
            (vec![format!("If-Match: {strong}"), range()], strong_range),
            (vec!["If-Unmodified-Since: Sun, 06 Nov 1994 08:49:37 GMT".to_owned()], "412"),
            (vec![range()], part),
            (vec!["Range: bytes=30000000-".to_owned()], beyond),
            (vec![range(), format!("If-Range: {strong}")], part),
            (vec![range(), format!("If-Range: W/{strong}")], "200"),
            (vec![range(), "If-Range: \"x\"".to_owned()], "200"),
            (vec![range(), format!("If-Range: {modified}")], part),
            (vec!["Range: bytes=0-1,4-5".to_owned()], "200"),
        ] {
            let (status, answer) = ask(&fields);
            assert_eq!(status, expected, "{path} {accept:?} {fields:?}: {answer:?}");
            let told = told_to_caches(&answer);
            assert_eq!(told, told_to_caches(&whole), "{path} {accept:?} {fields:?}");
        }
    }
    host.stop();
}

/// Opening a pipe waits for its writer, and a device may do worse: both are treated as missing.
fn what_is_no_file_is_not_opened(isolation: Isolation) {
    let (host, url, _) = serving(isolation);
    let public = host.dir().join("public");
    fs::remove_file(public.join("sub/index.html")).expect("a page");
    let pipes = ["pipe", "pipe.html", "sub/index.html"].map(|name| public.join(name));
    let made = Command::new("mkfifo").args(pipes).status();
    assert!(made.is_ok_and(|status| status.success()), "mkfifo makes pipes");
    symlink("pipe", public.join("link")).expect("a new link");
    let _socket = UnixListener::bind(public.join("socket")).expect("a new socket");
    // More often than the host has threads for blocking calls.
    for path in ["pipe", "pipe.html", "sub/", "link", "socket"].repeat(3) {
        assert_eq!(status(&[&format!("{url}/{path}")]), "404", "{path}");
        assert_eq!(status(&["--head", &format!("{url}/{path}")]), "404", "{path}");
    }
    assert_eq!(curl(&[&url]), "<p>home</p>");
    host.stop();
}

/// More at once than the host has threads for blocking calls, and another tenant beside them.
fn who_asks_for_pipes_keeps_nobody_from_pages(isolation: Isolation) {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let public = dir.path().join("public");
    fs::create_dir(&public).expect("a new folder");
    fs::write(public.join("page.txt"), "a page\n").expect("a new file");
    let made = Command::new("mkfifo").arg(public.join("pipe")).status();
    assert!(made.is_ok_and(|status| status.success()), "mkfifo makes a pipe");
    let file = component("http-files");
    let config = ["one", "two"].iter().fold(Config::new(), |config, name| {
        let plugin = Plugin::named(name, &file).isolation(isolation).allow("read", &["./public"]);
        config.plugin(plugin).listen(Listen::tcp(name))
    });
    let host = Host::start_in(dir, &config);
    let ask = |peer: &mut Peer, path: &str| {
        peer.send(format!("GET {path} HTTP/1.1\r\nHost: a\r\n\r\n"));
    };
    let mut askers: Vec<Peer> = (0..32).map(|_| host.connect("one")).collect();
    askers.iter_mut().for_each(|peer| ask(peer, "/pipe"));
    let mut reader = host.connect("two");
    for _ in 0..20 {
        ask(&mut reader, "/page.txt");
        assert_eq!(reader.line(), "HTTP/1.1 200 OK\r");
        while reader.line() != "a page" {}
    }
    for peer in &mut askers {
        assert_eq!(peer.line(), "HTTP/1.1 404 Not Found\r");
    }
    host.stop();
}

/// A file that is replaced all the time by others of its length, whose bytes contain their version.
fn no_answer_has_the_tag_of_another_file(isolation: Isolation) {
    let (host, _, _) = serving(isolation);
    let public = host.dir().join("public");
    let replace = |number: u64| {
        let (next, place) = (public.join("next"), public.join("flip.bin"));
        fs::write(&next, format!("{number:010}")).expect("a new file");
        let written = UNIX_EPOCH + Duration::from_secs(number);
        let file = fs::File::options().append(true).open(&next).expect("it is there");
        file.set_times(FileTimes::new().set_modified(written)).expect("it is ours");
        fs::rename(next, place).expect("one folder");
    };
    replace(1);
    let done = AtomicBool::new(false);
    let whole = thread::scope(|scope| {
        scope.spawn(|| {
            let numbers = (2..).take_while(|_| !done.load(Ordering::Relaxed));
            numbers.for_each(replace);
        });
        let whole = (0..300).filter(|_| asked_for_flip(&host)).count();
        done.store(true, Ordering::Relaxed);
        whole
    });
    println!("{whole} of 300 answers are whole");
    // It is not replaced any more.
    assert!(asked_for_flip(&host));
}

/// Whether the answer is whole; if it is, its tag is that of its bytes.
fn asked_for_flip(host: &Host) -> bool {
    let mut peer = host.connect("http-files");
    peer.send("GET /flip.bin HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
    let answer = String::from_utf8(peer.rest()).expect("text");
    let (head, body) = answer.split_once("\r\n\r\n").expect("a head");
    let tag = head.lines().find_map(|line| line.strip_prefix("ETag: \"")).expect("a tag");
    let time = tag.split('-').next().expect("a time");
    let time = u128::from_str_radix(time, 16).expect("nanoseconds");
    let is_whole = body.len() == 10;
    assert!(is_whole || body.is_empty(), "a part: {answer}");
    if is_whole {
        assert_eq!(body, format!("{:010}", time / 1_000_000_000), "{head}");
    }
    is_whole
}
