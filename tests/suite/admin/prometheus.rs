//! The metrics as other programs read them: `promtool`, Prometheus itself, and the OpenMetrics parser of Python's client.

use std::fs;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use sandloop_tests::host::finish;
use sandloop_tests::log::Lines;
use sandloop_tests::paths::python;
use sandloop_tests::{
    Admin, Config, Host, Isolation, Listen, PATIENCE, Plugin, own_loopback, workspace,
};

use super::over_tcp;

/// A host that has a sample in every family.
fn busy() -> (Host, Admin) {
    let plugin = Plugin::new("connect_trace").isolation(Isolation::Plugin).prints();
    let config = Config::serving(Plugin::new("echo"))
        .plugin(Plugin::new("hostile_trap"))
        .listen(Listen::tcp("hostile_trap"))
        .plugin(plugin.option("target", "tcp://198.51.100.7:80"));
    let (host, admin) = over_tcp(config);
    host.wait_log("denied");
    let mut trap = host.connect("hostile_trap");
    trap.send("x");
    trap.expect_end();
    host.connect("echo").expect_echo("helo\n");
    (host, admin)
}

#[test]
fn promtool_has_nothing_to_say() {
    let (_host, admin) = busy();
    let text = admin.get("/metrics").body;
    let file = tempfile::NamedTempFile::new().expect("a temporary file");
    fs::write(file.path(), text).expect("it can be written");
    let script = format!("promtool check metrics < {}", file.path().display());
    let mut command = Command::new("sh");
    command.args(["-c", &script]);
    let outcome = finish(command);
    let said = (outcome.code, &*outcome.stdout, &*outcome.stderr);
    assert_eq!(said, (Some(0), "", ""), "`cargo xtask setup` installs it");
}

#[test]
fn openmetrics_is_what_its_own_parser_takes() {
    let (_host, admin) = busy();
    let accept = "Accept: application/openmetrics-text;version=1.0.0,text/plain;q=0.5";
    let reply = admin.ask("GET", "/metrics", &[accept]);
    assert!(reply.head.contains("application/openmetrics-text; version=1.0.0"), "{}", reply.head);
    assert!(reply.body.ends_with("# EOF\n"), "{}", reply.body);
    let file = tempfile::NamedTempFile::new().expect("a temporary file");
    fs::write(file.path(), reply.body).expect("it can be written");
    let mut command = Command::new(python());
    command.arg(workspace().join("tests/peers/openmetrics.py")).arg(file.path());
    let outcome = finish(command);
    assert_eq!((outcome.code, &*outcome.stdout), (Some(0), "ok\n"), "{outcome:?}");
}

/// A Prometheus that scrapes the host every 100 ms soon has its counters.
#[test]
fn a_prometheus_scrapes_it() {
    let (host, admin) = busy();
    let dir = tempfile::tempdir().expect("a temporary directory");
    let config = format!(
        "global: {{ scrape_interval: 100ms, scrape_timeout: 100ms }}\n\
         scrape_configs:\n- job_name: sandloop\n  static_configs: [{{ targets: [\"{}\"] }}]\n",
        admin.host()
    );
    fs::write(dir.path().join("prometheus.yml"), config).expect("a new file");
    let address = format!("{}:9090", own_loopback());
    let mut child = Command::new("prometheus")
        .arg(format!("--web.listen-address={address}"))
        .args(["--config.file=prometheus.yml", "--storage.tsdb.path=data"])
        .current_dir(dir.path())
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .expect("prometheus can be run; `cargo xtask setup` installs it");
    let log = Lines::read(child.stderr.take().expect("a pipe"));
    let begun = Instant::now();
    let mut last = String::new();
    let found = loop {
        last = query(&address, "sandloop_traps_total").unwrap_or(last);
        if last.contains("hostile_trap") && last.contains("\"1\"") {
            break true;
        }
        if PATIENCE < begun.elapsed() {
            break false;
        }
        // The query is repeated, without haste.
        std::thread::sleep(Duration::from_millis(50));
    };
    let health = query(&address, "up").unwrap_or_default();
    // Both fail only if it has ended.
    let _ = child.kill();
    let _ = child.wait();
    assert!(found && health.contains("\"1\""), "{last}\n{health}\n{}", log.text());
    host.stop();
}

/// The answer of a Prometheus, if it has one yet.
fn query(address: &str, expression: &str) -> Option<String> {
    let mut peer = sandloop_tests::Peer::try_connect(&format!("tcp://{address}")).ok()?;
    peer.send(format!("GET /api/v1/query?query={expression} HTTP/1.0\r\nHost: {address}\r\n\r\n"));
    Some(String::from_utf8_lossy(&peer.rest()).into_owned())
}
