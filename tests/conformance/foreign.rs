//! A component of `wasi:http` that jco makes for any host: `tests/guests/foreign/served.js`.

use std::process::Command;

use sandloop_tests::nginx::Nginx;
use sandloop_tests::paths::binary;
use sandloop_tests::{Config, Host, Isolation, Plugin};

use crate::outcome::Outcome;
use crate::tools;

const NAME: &str = "js_served";

/// The answers to requests of all kinds; an instance answers one.
pub fn jco() -> Vec<Outcome> {
    let nginx = Nginx::start("", &[("page.txt", b"a page\n")]);
    let plugin = Plugin::named(NAME, &tools("served.wasm"))
        .isolation(Isolation::Connection)
        .limit("memory", "\"64MiB\"")
        .limit("event_deadline", "\"60s\"")
        .limit("cpu_per_event", "\"60s\"")
        .may_connect(&[nginx.address()]);
    let (dir, config) =
        (tempfile::tempdir().expect("a temporary directory"), Config::serving(plugin));
    // An engine of JavaScript takes longer than a start is waited for where others need the cores.
    std::fs::write(dir.path().join("plugins.toml"), config.to_toml()).expect("the folder is ours");
    let compiled = Command::new(binary()).arg("compile").current_dir(dir.path()).status();
    assert!(compiled.is_ok_and(|status| status.success()), "it cannot be compiled");
    let host = Host::start_in(dir, &config);
    let get = |path: &str| format!("GET {path} HTTP/1.1\r\nHost: a\r\n\r\n");
    let post = "POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello".to_owned();
    let ask = |authority: &str| get(&format!("/ask?{authority}"));
    let cases = [
        ("a request", get("/somewhere"), "201 get /somewhere \n"),
        ("a body", post, "201 post /echo hello\n"),
        ("a counter", get("/count"), "200 1\n"),
        ("the counter of another instance", get("/count"), "200 1\n"),
        ("a request to another server", ask(nginx.address()), "200 200 a page\n"),
        (
            "a request that is not granted",
            ask("127.0.0.1:1"),
            "502 Error: fetch_https: An error occurred while using the host API.\n\n",
        ),
    ];
    let outcomes = cases.map(|(case, request, expected)| {
        let mut peer = host.connect(NAME);
        peer.send(request);
        peer.finish();
        Outcome::exact(case, expected, &told(&String::from_utf8_lossy(&peer.rest())))
    });
    host.stop();
    outcomes.into()
}

/// The status and the text of an answer whose body is chunked, or has its length.
fn told(answer: &str) -> String {
    let (head, body) = answer.split_once("\r\n\r\n").unwrap_or((answer, ""));
    let status = head.split(' ').nth(1).unwrap_or_default();
    let is_chunked = head.to_lowercase().contains("transfer-encoding: chunked");
    let text: String = match is_chunked {
        true => body.split("\r\n").skip(1).step_by(2).collect(),
        false => body.to_owned(),
    };
    format!("{status} {text}")
}
