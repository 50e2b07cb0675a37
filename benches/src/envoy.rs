//! Envoy as a peer: its configurations, and the command that starts it with one worker.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context as _, Result};
use serde_json::{Value, json};

use crate::machine::ENVOY;

/// Where `cargo xtask bench` puts the filters that Envoy runs in its own sandbox.
const FILTERS: &str = "target/peers";
/// The page that every measured web server says.
const PAGE: &str = "<center><h1>Wham-o</h1></center>";
/// What to do where Envoy or a filter is missing.
pub const REMEDY: &str =
    "Envoy or its filter is missing: `cargo xtask bench` gets both, or says why it cannot";
const TYPES: &str = "type.googleapis.com/envoy.extensions.filters";

/// What it does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// Its own echo.
    Echo,
    /// The same behind a network filter of WebAssembly that takes each message into its memory.
    WasmThenEcho,
    /// A web page from its configuration.
    DirectResponse,
    /// The same page by an HTTP filter of WebAssembly.
    WasmPage,
}

impl Role {
    fn filter(self) -> Option<&'static str> {
        match self {
            Self::Echo | Self::DirectResponse => None,
            Self::WasmThenEcho => Some("envoy_stream.wasm"),
            Self::WasmPage => Some("envoy_http.wasm"),
        }
    }

    /// Whether it can be started; `root` is the repository's.
    pub fn is_there(self, root: &Path) -> bool {
        let filter = self.filter().map(|file| root.join(FILTERS).join(file));
        root.join(ENVOY).is_file() && filter.is_none_or(|file| file.is_file())
    }

    /// The command that starts it on this port of the loopback; its configuration goes into `scratch`.
    pub fn command(self, root: &Path, scratch: &Path, port: u16) -> Result<Command> {
        let filter = match self.filter() {
            Some(file) => Some(absolute(&root.join(FILTERS).join(file))?),
            None => None,
        };
        let file = scratch.join(format!("envoy-{port}.json"));
        fs::write(&file, self.config(filter.as_deref(), port).to_string())
            .with_context(|| format!("writing {}", file.display()))?;
        let mut command = Command::new(absolute(&root.join(ENVOY))?);
        command.arg("--config-path").arg(file);
        // One worker, and nothing shared with another Envoy of this machine.
        command.args(["--concurrency", "1", "--disable-hot-restart", "--log-level", "error"]);
        Ok(command)
    }

    fn config(self, filter: Option<&Path>, port: u16) -> Value {
        let echo = json!({
            "name": "echo",
            "typed_config": {"@type": format!("{TYPES}.network.echo.v3.Echo")},
        });
        let filters = match (self, filter) {
            (Self::Echo, _) | (Self::WasmThenEcho, None) => vec![echo],
            (Self::WasmThenEcho, Some(file)) => vec![wasm("network", file), echo],
            (Self::DirectResponse | Self::WasmPage, file) => {
                vec![http(file.map(|file| wasm("http", file)))]
            }
        };
        json!({"static_resources": {"listeners": [{
            "name": "bench",
            "address": {"socket_address": {"address": "127.0.0.1", "port_value": port}},
            "filter_chains": [{"filters": filters}],
        }]}})
    }
}

fn absolute(path: &Path) -> Result<PathBuf> {
    path.canonicalize().with_context(|| format!("{} is missing", path.display()))
}

/// A filter of WebAssembly, run by V8, which is what Envoy comes with.
fn wasm(kind: &str, file: &Path) -> Value {
    json!({
        "name": "wasm",
        "typed_config": {
            "@type": format!("{TYPES}.{kind}.wasm.v3.Wasm"),
            "config": {
                "name": "bench",
                "vm_config": {
                    "runtime": "envoy.wasm.runtime.v8",
                    "code": {"local": {"filename": file}},
                },
            },
        },
    })
}

/// HTTP with the page as a route, and a filter before it that may answer first.
fn http(filter: Option<Value>) -> Value {
    let router = json!({
        "name": "router",
        "typed_config": {"@type": format!("{TYPES}.http.router.v3.Router")},
    });
    let filters: Vec<Value> = filter.into_iter().chain([router]).collect();
    json!({
        "name": "http",
        "typed_config": {
            "@type": format!("{TYPES}.network.http_connection_manager.v3.HttpConnectionManager"),
            "stat_prefix": "bench",
            "generate_request_id": false,
            "http_filters": filters,
            "route_config": {"virtual_hosts": [{
                "name": "bench",
                "domains": ["*"],
                "routes": [{
                    "match": {"prefix": "/"},
                    "direct_response": {"status": 200, "body": {"inline_string": PAGE}},
                    "response_headers_to_add": [{
                        "header": {"key": "content-type", "value": "text/html"},
                        "append_action": "OVERWRITE_IF_EXISTS_OR_ADD",
                    }],
                }],
            }]},
        },
    })
}
