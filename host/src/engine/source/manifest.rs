//! The manifest of an image or an artefact: which of its layers is or contains a component.

use std::collections::BTreeMap;

use serde::Deserialize;

use super::fault::SourceFault;
use crate::config::component::Digest;
use crate::log::text::GuestText;

/// The annotation with the signature of the component.
pub(super) const SIGNATURE_ANNOTATION: &str = "sandloop.minisig";
/// The supported types of manifests.
pub(super) const MANIFESTS: [&str; 2] = [
    "application/vnd.oci.image.manifest.v1+json",
    "application/vnd.docker.distribution.manifest.v2+json",
];
/// Lists of manifests, one for each platform.
const INDICES: [&str; 2] = [
    "application/vnd.oci.image.index.v1+json",
    "application/vnd.docker.distribution.manifest.list.v2+json",
];
/// A layer that is a component.
const WASM: &str = "application/wasm";
/// A layer that is a file system with a component in it.
const IMAGES: [&str; 2] = [
    "application/vnd.oci.image.layer.v1.tar+gzip",
    "application/vnd.docker.image.rootfs.diff.tar.gzip",
];

/// Bytes of the name of a kind of layer that are shown.
const KIND_BYTES: usize = 64;

/// What is read of a manifest.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Manifest {
    media_type: Option<String>,
    #[serde(default)]
    layers: Vec<Layer>,
    #[serde(default)]
    annotations: Option<BTreeMap<String, String>>,
    #[serde(default)]
    manifests: Option<serde_json::Value>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Layer {
    media_type: String,
    digest: String,
}

/// The layer with the component.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Payload {
    pub(super) digest: Digest,
    pub(super) kind: PayloadKind,
}

/// How a layer contains a component.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum PayloadKind {
    /// The layer is the component.
    Component,
    /// The layer is a packed file system with the component in it.
    Image,
}

impl Manifest {
    pub(super) fn parse(bytes: &[u8]) -> Result<Manifest, SourceFault> {
        let manifest: Manifest = serde_json::from_slice(bytes).map_err(|error| {
            SourceFault::layout(format_args!("its manifest cannot be read: {error}"))
        })?;
        let kind = manifest.media_type.as_deref();
        if manifest.manifests.is_some() || kind.is_some_and(|kind| INDICES.contains(&kind)) {
            return Err(SourceFault::layout(
                "it is a list of images for several kinds of machines; name one of them by its digest, or",
            ));
        }
        Ok(manifest)
    }

    /// The only layer with a component.
    pub(super) fn payload(&self) -> Result<Payload, SourceFault> {
        let of_kind = |layer: &Layer| match &*layer.media_type {
            WASM => Some(PayloadKind::Component),
            kind if IMAGES.contains(&kind) => Some(PayloadKind::Image),
            _ => None,
        };
        let mut payloads = self.layers.iter().filter_map(|it| Some((of_kind(it)?, it)));
        let (Some((kind, layer)), None) = (payloads.next(), payloads.next()) else {
            let kinds =
                self.layers.iter().take(8).map(|it| GuestText::of(&it.media_type, KIND_BYTES));
            let kinds: Vec<String> = kinds.map(|kind| kind.to_string()).collect();
            return Err(SourceFault::layout(format_args!(
                "it has not one layer with a component, but these: {}",
                kinds.join(", ")
            )));
        };
        let digest = layer.digest.strip_prefix("sha256:").and_then(Digest::parse);
        let digest = digest.ok_or_else(|| {
            SourceFault::layout(format_args!("its layer has the digest {:?}", layer.digest))
        })?;
        Ok(Payload { digest, kind })
    }

    /// The signature of the component.
    pub(super) fn signature(&self) -> Option<Vec<u8>> {
        let annotation = self.annotations.as_ref()?.get(SIGNATURE_ANNOTATION)?;
        Some(annotation.clone().into_bytes())
    }
}
