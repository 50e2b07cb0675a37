//! SSLyze, which looks for what is known to be wrong with servers of TLS, and compares with Mozilla's profile for servers of
//! everybody. The script `peers/tls_scan.py` runs it.

use std::process::Command;

use sandloop_tests::certificates::Authority;
use sandloop_tests::host::finish;
use sandloop_tests::{Config, Host, Listen, Plugin, workspace};

use crate::outcome::Outcome;
use crate::tools;

/// What is right.
const EXPECTED: &[(&str, &str)] = &[
    ("ssl_2_0", "refused"),
    ("ssl_3_0", "refused"),
    ("tls_1_0", "refused"),
    ("tls_1_1", "refused"),
    (
        "tls_1_2",
        "TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256,TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384,\
         TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256",
    ),
    ("tls_1_3", "TLS_AES_128_GCM_SHA256,TLS_AES_256_GCM_SHA384,TLS_CHACHA20_POLY1305_SHA256"),
    ("certificate.0.verified", "True"),
    ("certificate.0.in-order", "True"),
    ("compression", "False"),
    ("early-data", "False"),
    ("change-cipher-spec", "False"),
    ("downgrade-refused", "True"),
    ("heartbleed", "False"),
    ("robot", "NOT_VULNERABLE_RSA_NOT_SUPPORTED"),
    ("renegotiation-secure", "True"),
    ("renegotiation-by-client", "False"),
    ("extended-master-secret", "True"),
    ("tickets", "FULLY_SUPPORTED"),
    ("mozilla-intermediate", "compliant"),
];

/// Scans a `tls://` listener.
pub fn scan() -> Vec<Outcome> {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let authority = Authority::new("Authority of a test");
    let trusted = authority.write(dir.path(), "ca");
    let server = authority.certify_as_public(dir.path(), "server", &["localhost"]);
    let listen = Listen::at("tls://127.0.0.1:0", "echo").certified(&server);
    let host = Host::start(&Config::new().plugin(Plugin::new("echo")).listen(listen));
    let port = host.address("echo").rsplit_once(':').expect("a port").1.to_owned();
    let mut command = Command::new(tools("python/bin/python"));
    command.arg(workspace().join("tests/peers/tls_scan.py"));
    command.arg(format!("localhost:{port}")).arg(trusted);
    let scanned = finish(command);
    assert_eq!(scanned.code, Some(0), "the scan failed: {}", scanned.stderr);
    let seen: Vec<(&str, &str)> =
        scanned.stdout.lines().filter_map(|line| line.split_once(' ')).collect();
    let expected = EXPECTED.iter().map(|(case, expected)| {
        let seen = seen.iter().find(|(asked, _)| asked == case).map_or("", |(_, seen)| seen);
        Outcome::exact(*case, expected, seen)
    });
    // What is found besides is right nowhere.
    let besides = seen.iter().filter(|(asked, _)| EXPECTED.iter().all(|(case, _)| case != asked));
    let besides = besides.map(|(asked, seen)| Outcome::exact(*asked, "", seen));
    expected.chain(besides).collect()
}
