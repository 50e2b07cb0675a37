//! wrk: the generator, a process of its own on a core of its own.

use std::{net::SocketAddr, process::Command, time::Duration};

use anyhow::{Context as _, Result, bail, ensure};

use super::WRK_CORE;
use crate::sys;

/// What wrk says of an interval.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Report {
    /// All of them.
    pub requests: u64,
    /// As it has computed it.
    pub requests_per_second: f64,
}

/// Whether it is there.
pub fn check() -> Result<()> {
    let found = Command::new("wrk").arg("--version").output();
    found.map(|_| ()).context("wrk is missing: `cargo xtask setup` installs it")
}

/// One interval; an error or another status than 2xx is a failure.
pub fn run(
    address: SocketAddr,
    connections: usize,
    interval: Duration,
    close: bool,
) -> Result<Report> {
    let mut command = Command::new("wrk");
    command.args(["--threads", "1", "--connections", &connections.to_string()]);
    command.args(["--duration", &format!("{}s", interval.as_secs())]);
    if close {
        command.args(["--header", "Connection: close"]);
    }
    command.arg(format!("http://{address}/"));
    sys::stay_on_core(&mut command, WRK_CORE);
    let output = command.output().context("starting wrk")?;
    let text = String::from_utf8_lossy(&output.stdout);
    ensure!(output.status.success(), "wrk ended with {}: {text}", output.status);
    parse(&text)
}

fn parse(text: &str) -> Result<Report> {
    for bad in ["Non-2xx", "Socket errors"] {
        if let Some(line) = text.lines().find(|line| line.contains(bad)) {
            bail!("wrk says: {}", line.trim());
        }
    }
    let requests = text.lines().find_map(|line| line.trim().split_once(" requests in "));
    let rate = text.lines().find_map(|line| line.strip_prefix("Requests/sec:"));
    let (Some((requests, _)), Some(rate)) = (requests, rate) else {
        bail!("wrk says nothing that is understood: {text}");
    };
    Ok(Report { requests: requests.parse()?, requests_per_second: rate.trim().parse()? })
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "Running 4s test @ http://127.0.0.1:39033/\n  1 threads and 50 connections\n\
                        \x20 195084 requests in 4.01s, 24.74MB read\nRequests/sec:  48654.76\n";

    #[test]
    fn the_report_is_read() {
        let expected = Report { requests: 195_084, requests_per_second: 48654.76 };
        assert_eq!(parse(TEXT).unwrap(), expected);
        assert!(parse("").is_err());
        assert!(parse(&format!("{TEXT}  Non-2xx or 3xx responses: 5\n")).is_err());
        assert!(parse(&format!("{TEXT}  Socket errors: connect 0, read 5\n")).is_err());
    }
}
