//! The sources of components: files, servers, registries, and the store of fetched components.
//!
//! Data from outside is verified before any other use: its digest, then its signature. The verified bytes are the ones that
//! are compiled. A component without a digest is not stored, and a stored one is verified each time it is used.

mod checksum;
pub mod fault;
mod fetch;
mod image;
mod manifest;
mod oci;
pub mod signature;
mod store;

use std::path::Path;

use self::checksum::digest;
use self::fault::{SignatureFault, SourceFault};
use self::fetch::Fetcher;
use self::oci::{Oci, OciArtefact};
use self::store::Store;
use crate::config::component::{ComponentPlace, ComponentSource, Digest};
use crate::config::file;
use crate::config::file::COMPONENT_BYTES_MAX;
use crate::config::model::HostConfig;
use crate::config::trust::TrustedKey;
use crate::engine::component_file::ComponentKind;
use crate::engine::fault::Fault;

/// The suffix of a signature file, behind the component's name.
const SIGNATURE_SUFFIX: &str = ".minisig";
/// The maximum size of a signature file, which has four lines.
const SIGNATURE_BYTES_MAX: u64 = 64 << 10;

/// The sources of components for one start or reload.
#[derive(Debug)]
pub struct Sources<'a> {
    trust: &'a [TrustedKey],
    fetcher: Fetcher<'a>,
    store: Store,
}

/// A verified component.
#[derive(Debug)]
pub struct Component {
    /// The bytes.
    pub bytes: Vec<u8>,
    /// Their digest.
    pub digest: Digest,
    /// Whether it was fetched.
    pub is_fetched: bool,
    /// The number of the key that has signed it, if a signature is required.
    pub signed_by: Option<String>,
}

/// Bytes with a verified digest, and their signature if there is one locally.
struct Found {
    bytes: Vec<u8>,
    digest: Digest,
    signature: Option<Vec<u8>>,
    is_fetched: bool,
}

impl<'a> Sources<'a> {
    /// The sources configured in `[host]`.
    pub fn of(host: &'a HostConfig) -> Sources<'a> {
        Sources { trust: &host.trust, fetcher: Fetcher::of(host), store: Store::of(host) }
    }

    /// Whether fetched components are stored.
    pub fn keeps(&self) -> bool {
        self.store.has_folder()
    }

    /// The bytes of a component: from its file, from the store, or fetched.
    ///
    /// # Errors
    /// When they cannot be fetched, have another digest, are not signed by a trusted key, or are not a component.
    pub fn component(&self, source: &ComponentSource) -> Result<Component, Fault> {
        let found = match &source.place {
            ComponentPlace::File(path) => self.of_file(path)?,
            ComponentPlace::Https(url) => self.of_server(url, source.sha256.as_ref())?,
            ComponentPlace::Oci(reference) => {
                let oci = Oci { fetcher: &self.fetcher, store: &self.store, reference };
                self.of_registry(&oci, source.sha256.as_ref())?
            }
        };
        if let Some(wanted) = source.sha256.as_ref().filter(|wanted| **wanted != found.digest) {
            return Err(SourceFault::digest("sha256", wanted, &found.digest).into());
        }
        let (found, signed_by) = self.signed(source, found)?;
        match ComponentKind::of(&found.bytes) {
            ComponentKind::NotWasm => return Err(Fault::NotWasm),
            ComponentKind::CoreModule => return Err(Fault::CoreModule),
            ComponentKind::Component => {}
        }
        if source.file().is_none() {
            self.store.keep(&found.digest, &found.bytes, found.signature.as_deref());
        }
        let Found { bytes, digest, is_fetched, .. } = found;
        Ok(Component { bytes, digest, is_fetched, signed_by })
    }

    fn of_file(&self, path: &Path) -> Result<Found, Fault> {
        let bytes = file::read_file(path, COMPONENT_BYTES_MAX).map_err(Fault::Unreadable)?;
        let signature = match self.trust {
            [] => None,
            _ => signature_beside(path)?,
        };
        Ok(Found { digest: digest(&bytes), bytes, signature, is_fetched: false })
    }

    fn of_server(&self, url: &str, wanted: Option<&Digest>) -> Result<Found, Fault> {
        if let Some(found) = wanted.and_then(|wanted| self.stored(wanted)) {
            return Ok(found);
        }
        let bytes = self.fetcher.component(url)?;
        Ok(Found { digest: digest(&bytes), bytes, signature: None, is_fetched: true })
    }

    fn of_registry(&self, oci: &Oci<'_>, wanted: Option<&Digest>) -> Result<Found, Fault> {
        if let Some(found) = wanted.and_then(|wanted| self.stored(wanted)) {
            return Ok(found);
        }
        let OciArtefact { bytes, signature, is_fetched } = oci.artefact()?;
        Ok(Found { digest: digest(&bytes), bytes, signature, is_fetched })
    }

    fn stored(&self, wanted: &Digest) -> Option<Found> {
        let bytes = self.store.component(wanted)?;
        let signature = self.store.signature(wanted);
        Some(Found { bytes, digest: wanted.clone(), signature, is_fetched: false })
    }

    /// Verifies the signature, if one is required: the local one or, if that is missing or of an untrusted key, the one that the
    /// server has now.
    fn signed(
        &self,
        source: &ComponentSource,
        found: Found,
    ) -> Result<(Found, Option<String>), Fault> {
        if self.trust.is_empty() {
            return Ok((found, None));
        }
        let at_hand = match &found.signature {
            Some(signature) => signature::check(self.trust, &found.bytes, signature),
            None => Err(SignatureFault::Missing),
        };
        let fault = match at_hand {
            Ok(signed) => return Ok((found, Some(signed.key))),
            Err(fault) => fault,
        };
        let signature = match &source.place {
            ComponentPlace::File(_) => None,
            ComponentPlace::Https(url) => {
                self.fetcher.signature(&format!("{url}{SIGNATURE_SUFFIX}"), SIGNATURE_BYTES_MAX)?
            }
            ComponentPlace::Oci(_) if found.is_fetched => None,
            ComponentPlace::Oci(reference) => {
                let oci = Oci { fetcher: &self.fetcher, store: &self.store, reference };
                oci.signature()?
            }
        };
        let Some(signature) = signature else {
            return Err(SourceFault::Signature(signature_place(source), fault).into());
        };
        match signature::check(self.trust, &found.bytes, &signature) {
            Ok(signed) => Ok((Found { signature: Some(signature), ..found }, Some(signed.key))),
            Err(fault) => Err(SourceFault::Signature(signature_place(source), fault).into()),
        }
    }
}

/// The place of a component's signature, for messages.
fn signature_place(source: &ComponentSource) -> String {
    match &source.place {
        ComponentPlace::File(_) | ComponentPlace::Https(_) => format!("{source}{SIGNATURE_SUFFIX}"),
        ComponentPlace::Oci(_) => {
            format!("the annotation {} of {source}", manifest::SIGNATURE_ANNOTATION)
        }
    }
}

/// The path of the signature of a component's file.
pub fn signature_path(component: &Path) -> std::path::PathBuf {
    let mut path = component.as_os_str().to_owned();
    path.push(SIGNATURE_SUFFIX);
    path.into()
}

fn signature_beside(component: &Path) -> Result<Option<Vec<u8>>, Fault> {
    match file::read_file(&signature_path(component), SIGNATURE_BYTES_MAX) {
        Ok(signature) => Ok(Some(signature)),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(SourceFault::SignatureFile(signature_path(component), error).into()),
    }
}

#[cfg(test)]
mod tests;
