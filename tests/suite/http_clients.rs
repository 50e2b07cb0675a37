//! HTTP as common clients speak it: curl, wrk, ab, Python's http.client, Node's http and a browser.

use std::fs;
use std::path::PathBuf;
use std::process::Command;

use sandloop_tests::host::finish;
use sandloop_tests::paths::{node, python};
use sandloop_tests::{Config, Host, Isolation, Plugin, workspace};
use tempfile::TempDir;

each_isolation!(
    curl_gets_every_kind_of_answer,
    curl_sends_every_kind_of_body,
    curl_keeps_its_connection,
    curl_is_told_what_is_wrong,
    wrk_finds_no_error,
    ab_finds_no_error,
    python_speaks_with_it,
    node_speaks_with_it,
);

/// A host and its URL: `http://127.0.0.1:41234`.
fn serving(plugin: &str, isolation: Isolation) -> (Host, String) {
    let host = Host::start(&Config::serving(Plugin::new(plugin).isolation(isolation)));
    let url = host.address(plugin).replace("tcp://", "http://");
    (host, url)
}

/// Runs a program, which must succeed; returns its output, without the last line's end.
#[track_caller]
fn run(program: &str, arguments: &[&str]) -> String {
    finish_well(Command::new(program), arguments)
}

#[track_caller]
fn finish_well(mut command: Command, arguments: &[&str]) -> String {
    command.args(arguments);
    let outcome = finish(command);
    assert_eq!(outcome.code, Some(0), "{arguments:?}: {outcome:?}");
    let printed = outcome.stdout;
    printed.strip_suffix('\n').unwrap_or(&printed).to_owned()
}

/// curl, with a deadline of its own and without the developer's settings.
#[track_caller]
pub fn curl(arguments: &[&str]) -> String {
    run(
        "curl",
        &[&["--disable", "--silent", "--show-error", "--max-time", "20"], arguments].concat(),
    )
}

/// A file with this number of bytes.
pub fn file(dir: &TempDir, size: usize) -> (PathBuf, Vec<u8>) {
    let path = dir.path().join(format!("file-{size}"));
    let bytes: Vec<u8> = (0..size).map(|at| (at * 31 % 251) as u8).collect();
    fs::write(&path, &bytes).expect("the temporary directory takes a file");
    (path, bytes)
}

fn curl_gets_every_kind_of_answer(isolation: Isolation) {
    let (_host, url) = serving("http_forms", isolation);
    let at = |path: &str| format!("{url}{path}");
    assert_eq!(curl(&[&at("/chunks")]), "one two three");
    assert_eq!(curl(&["--http1.0", &at("/chunks")]), "one two three");
    assert_eq!(curl(&["--compressed", &at("/gzip")]), "compress me ".repeat(1000));
    assert_eq!(curl(&[&at("/gzip")]), "compress me ".repeat(1000));
    assert_eq!(curl(&[&at("/later?ms=50")]), "/later?ms=50");
    assert_eq!(curl(&[&at("/status?code=204")]), "");
    let head = curl(&["--head", &at("/status?code=200")]);
    assert!(head.contains("Content-Length: 12\r\n") && head.ends_with("\r\n\r"), "{head:?}");
    let size =
        ["--output", "/dev/null", "--write-out", "%{http_code} %{size_download} %{content_type}"];
    let sized = |path: &str| curl(&[&size[..], &[&at(path)]].concat());
    assert_eq!(sized("/bytes?count=3000000"), "200 3000000 ");
    assert_eq!(sized("/length?count=3000000"), "200 3000000 ");
    assert_eq!(sized("/status?code=404"), "404 12 ");
    let followed = curl(&["--location", "--write-out", "%{num_redirects}", &at("/redirect")]);
    assert!(followed.starts_with("GET /echo\n") && followed.ends_with('1'), "{followed}");
    // The second request has the cookies of the first answer.
    let jar = curl(&["--cookie", "", &at("/cookies"), &at("/cookies")]);
    assert!(["one=1\ntwo=2", "two=2\none=1"].contains(&jar.as_str()), "{jar}");
    // A part is not the whole.
    let mut cut = Command::new("curl");
    cut.args(["--disable", "--silent", "--max-time", "20", &at("/cut")]);
    let outcome = finish(cut);
    assert_eq!((outcome.code, outcome.stdout.as_str()), (Some(18), "five \n"));
}

fn curl_sends_every_kind_of_body(isolation: Isolation) {
    let (_host, url) = serving("http_forms", isolation);
    let dir = tempfile::tempdir().expect("a temporary directory");
    let (echo, upload) = (format!("{url}/echo"), format!("{url}/upload"));
    let form = curl(&["--data", "a=1&b=two", &echo]);
    assert!(form.starts_with("POST /echo\n") && form.ends_with("9 bytes\na=1&b=two"), "{form}");
    let (path, bytes) = file(&dir, 100_000);
    let path = path.display();
    let parts = curl(&["--form", &format!("file=@{path}"), &echo]);
    assert!(parts.contains("content-type: multipart/form-data; boundary="), "{parts:.500}");
    assert!(parts.contains("name=\"file\"; filename=\"file-100000\""), "{parts:.500}");
    assert!(curl(&["--request", "DELETE", &echo]).ends_with("\n0 bytes"));
    assert!(curl(&["--request", "PATCH", "--data", "x", &echo]).starts_with("PATCH /echo\n"));

    let sum: u64 = bytes.iter().map(|byte| u64::from(*byte)).sum();
    let counted = format!("100000 bytes, sum {sum}, trailer none");
    let data = format!("@{path}");
    let put = path.to_string();
    for arguments in [
        vec!["--data-binary", &data],
        vec!["--data-binary", &data, "--http1.0"],
        vec!["--data-binary", &data, "--header", "Transfer-Encoding: chunked"],
        vec!["--data-binary", &data, "--header", "Expect: 100-continue"],
        vec!["--data-binary", &data, "--header", "Expect:"],
        vec!["--upload-file", &put],
        vec!["--upload-file", &put, "--header", "Transfer-Encoding: chunked"],
    ] {
        assert_eq!(curl(&[&arguments[..], &[&upload]].concat()), counted, "{arguments:?}");
    }
    // More than the memory of any instance.
    let (path, bytes) = file(&dir, 40 << 20);
    let sum: u64 = bytes.iter().map(|byte| u64::from(*byte)).sum();
    let counted = format!("{} bytes, sum {sum}, trailer none", 40 << 20);
    assert_eq!(curl(&["--upload-file", &path.display().to_string(), &upload]), counted);
}

fn curl_keeps_its_connection(isolation: Isolation) {
    let (_host, url) = serving("http_forms", isolation);
    let count = |arguments: &[&str], path: &str| {
        let url = format!("{url}{path}");
        let fixed = ["--output", "/dev/null", "--output", "/dev/null", "--output", "/dev/null"];
        let told = ["--write-out", "%{num_connects}"];
        curl(&[&fixed[..], &told, arguments, &[&url, &url, &url]].concat())
    };
    assert_eq!(count(&[], "/chunks"), "100");
    assert_eq!(count(&["--head"], "/chunks"), "100");
    assert_eq!(count(&["--data", "x"], "/echo"), "100");
    assert_eq!(count(&["--data", "x", "--header", "Expect: 100-continue"], "/echo"), "100");
    assert_eq!(count(&[], "/close"), "111");
    assert_eq!(count(&["--header", "Connection: close"], "/chunks"), "111");
    assert_eq!(count(&["--http1.0"], "/chunks"), "111");
    assert_eq!(count(&["--http1.0", "--header", "Connection: keep-alive"], "/echo"), "100");
}

fn curl_is_told_what_is_wrong(isolation: Isolation) {
    let (_host, url) = serving("http_forms", isolation);
    let dir = tempfile::tempdir().expect("a temporary directory");
    let (path, _) = file(&dir, 30 << 20);
    let data = format!("@{}", path.display());
    let code = |arguments: &[&str], path: &str| {
        let fixed = ["--output", "/dev/null", "--write-out", "%{http_code}"];
        curl(&[&fixed[..], arguments, &[&format!("{url}{path}")]].concat())
    };
    // It reads the refusal while it still has megabytes to send.
    assert_eq!(code(&["--data-binary", &data], "/echo"), "413");
    assert_eq!(
        code(&["--data-binary", &data, "--header", "Transfer-Encoding: chunked"], "/echo"),
        "413"
    );
    assert_eq!(code(&["--data-binary", &data], "/early"), "403");
    assert_eq!(code(&["--header", &format!("X: {}", "y".repeat(20_000))], "/echo"), "431");
    assert_eq!(code(&[], &format!("/{}", "y".repeat(9_000))), "414");
    assert_eq!(
        code(&["--data", "x", "--header", "Transfer-Encoding: gzip, chunked"], "/echo"),
        "501"
    );
    assert_eq!(code(&["--header", "Host: a/b"], "/echo"), "400");
}

fn wrk_finds_no_error(isolation: Isolation) {
    let (_host, url) = serving("http-hello", isolation);
    let report = run("wrk", &["--threads", "1", "--connections", "20", "--duration", "1s", &url]);
    assert!(report.contains("requests in") && !report.contains(" 0 requests"), "{report}");
    assert!(!report.contains("Socket errors") && !report.contains("Non-2xx"), "{report}");
}

fn ab_finds_no_error(isolation: Isolation) {
    let (_host, url) = serving("http-hello", isolation);
    let url = format!("{url}/");
    for arguments in [&["-n", "200", "-c", "10"][..], &["-k", "-n", "2000", "-c", "10"]] {
        let report = run("ab", &[&["-q"], arguments, &[&url]].concat());
        let complete = format!("Complete requests:      {}\n", arguments[arguments.len() - 3]);
        assert!(report.contains(&complete), "{report}");
        assert!(report.contains("Failed requests:        0"), "{report}");
        assert!(!report.contains("Non-2xx"), "{report}");
    }
}

fn python_speaks_with_it(isolation: Isolation) {
    let (_host, url) = serving("http_forms", isolation);
    let script = workspace().join("tests/peers/http_client.py").display().to_string();
    assert_eq!(run(python(), &[&script, url.trim_start_matches("http://")]), "ok");
}

fn node_speaks_with_it(isolation: Isolation) {
    let (_host, url) = serving("http_forms", isolation);
    let script = workspace().join("tests/peers/http_client.js").display().to_string();
    assert_eq!(finish_well(node(), &[&script, &url]), "ok");
}

#[test]
fn a_browser_shows_it() {
    let (_host, url) = serving("http-hello", Isolation::Connection);
    let dir = tempfile::tempdir().expect("a temporary directory");
    let profile = format!("--user-data-dir={}", dir.path().display());
    let page = run(
        "chromium-headless-shell",
        &["--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", &profile, "--dump-dom", &url],
    );
    assert!(page.contains("<center><h1>Wham-o</h1></center>"), "{page}");
}
