//! The plugin http-files: a folder over HTTP, asked by curl.

use std::fs;
use std::os::unix::fs::symlink;

use sandloop_tests::{Config, Host, Isolation, Plugin};

use crate::http_clients::{curl, file};

each_isolation!(
    files_are_served,
    only_the_folder_is_served,
    what_a_client_has_is_not_sent_again,
    a_part_is_served,
    text_is_compressed_where_it_is_asked_for,
);

/// A page, a script in a folder, a long file, and things that must not be served; the host and its address.
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
    // What is longer than the plugin's memory should hold goes through in pieces.
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
    // Short text and what is no text stay as they are.
    assert_eq!(size(&["--header", "Accept-Encoding: gzip", &url]), 12);
    assert_eq!(
        size(&["--header", "Accept-Encoding: gzip", &format!("{url}/long.bin")]),
        20_000_000
    );
    host.stop();
}
