//! Debian's `docker-registry`, run as a child process: an independent registry. Artefacts are pushed with curl, as `oras` and
//! `buildah` do it.

use std::fs;
use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Stdio};

use flate2::Compression;
use flate2::write::GzEncoder;
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use tempfile::TempDir;

use crate::host::{Running, finish, own_loopback};

/// The content that is pushed if no configuration is wanted.
const EMPTY: &[u8] = b"{}";

/// A registry without TLS on its own loopback address; dropping it kills it.
#[derive(Debug)]
pub struct Registry {
    address: String,
    _process: Running,
    // The directory goes after the process.
    dir: TempDir,
}

/// The layouts in which registries serve components.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Layout {
    /// The layer is the component.
    Artefact,
    /// The layer is a packed file system with `plugin.wasm`.
    Image,
}

impl Registry {
    /// Starts a registry and waits until it serves.
    pub fn start() -> Registry {
        let dir = tempfile::tempdir().expect("a temporary directory");
        let address = format!("{}:5000", own_loopback());
        let config = json!({
            "version": 0.1,
            "log": { "level": "info" },
            "storage": { "filesystem": { "rootdirectory": dir.path().join("store") } },
            "http": { "addr": address },
        });
        let file = dir.path().join("config.yml");
        // JSON is YAML.
        fs::write(&file, config.to_string()).expect("a file");
        let mut command = Command::new("docker-registry");
        command.arg("serve").arg(&file).env("OTEL_TRACES_EXPORTER", "none");
        let process = Running::spawn(command);
        assert!(process.logs("listening on"), "docker-registry does not serve");
        Registry { address, _process: process, dir }
    }

    /// Its address, such as `127.1.2.3:5000`.
    pub fn address(&self) -> &str {
        &self.address
    }

    /// Pushes a component; returns the digest of its manifest.
    pub fn push(
        &self,
        name: &str,
        tag: &str,
        layout: Layout,
        component: &[u8],
        annotations: &Value,
    ) -> String {
        let (kind, layer, config) = match layout {
            Layout::Artefact => {
                ("application/wasm", component.to_vec(), "application/vnd.wasm.config.v0+json")
            }
            Layout::Image => (
                "application/vnd.oci.image.layer.v1.tar+gzip",
                packed(component),
                "application/vnd.oci.image.config.v1+json",
            ),
        };
        self.push_blob(name, &layer);
        self.push_blob(name, EMPTY);
        let described = |kind: &str, bytes: &[u8]| json!({ "mediaType": kind, "digest": digest(bytes), "size": bytes.len() });
        let manifest_kind = "application/vnd.oci.image.manifest.v1+json";
        let manifest = json!({
            "schemaVersion": 2,
            "mediaType": manifest_kind,
            "config": described(config, EMPTY),
            "layers": [described(kind, &layer)],
            "annotations": annotations,
        });
        let manifest = manifest.to_string();
        let address = format!("http://{}/v2/{name}/manifests/{tag}", self.address);
        self.put(&address, manifest_kind, manifest.as_bytes());
        digest(manifest.as_bytes())
    }

    /// Uploads the bytes in one piece.
    fn push_blob(&self, name: &str, bytes: &[u8]) {
        let begin = format!("http://{}/v2/{name}/blobs/uploads/", self.address);
        let mut ask = Command::new("curl");
        ask.args(["--silent", "--fail", "--request", "POST", "--dump-header", "-", &begin]);
        let outcome = finish(ask);
        let place = outcome.stdout.lines().find_map(|line| line.strip_prefix("Location: "));
        let place = place.unwrap_or_else(|| panic!("{begin}: {}", outcome.stdout)).trim();
        let joint = if place.contains('?') { '&' } else { '?' };
        let address = format!("{place}{joint}digest={}", digest(bytes));
        self.put(&address, "application/octet-stream", bytes);
    }

    fn put(&self, address: &str, kind: &str, bytes: &[u8]) {
        let file = self.dir.path().join("sent");
        fs::write(&file, bytes).expect("a file");
        let mut put = Command::new("curl");
        put.args(["--silent", "--show-error", "--fail-with-body", "--request", "PUT", "--header"]);
        put.arg(format!("Content-Type: {kind}")).arg("--data-binary").arg(at(&file)).arg(address);
        put.stdin(Stdio::null());
        let outcome = finish(put);
        assert_eq!(outcome.code, Some(0), "{address}: {}{}", outcome.stdout, outcome.stderr);
    }
}

fn at(file: &Path) -> String {
    format!("@{}", file.display())
}

/// The digest of these bytes, as `sha256:` and hexadecimal digits.
pub fn digest(bytes: &[u8]) -> String {
    let hash = Sha256::digest(bytes);
    let hex: String = hash.iter().map(|byte| format!("{byte:02x}")).collect();
    format!("sha256:{hex}")
}

/// A file system that has only the component.
fn packed(component: &[u8]) -> Vec<u8> {
    let mut archive = tar::Builder::new(GzEncoder::new(Vec::new(), Compression::fast()));
    let mut header = tar::Header::new_ustar();
    header.set_size(component.len() as u64);
    header.set_mode(0o644);
    header.set_cksum();
    archive.append_data(&mut header, "plugin.wasm", component).expect("memory takes it");
    let mut packer = archive.into_inner().expect("memory takes it");
    packer.flush().expect("memory takes it");
    packer.finish().expect("memory takes it")
}
