//! Where the bytes of components come from: files, servers, registries, and the store of what was fetched.
//!
//! Whatever comes from outside is looked at before anything else is done with it: its digest, then its signature. The bytes
//! that were looked at are the ones that are compiled. What has no digest of its own is not kept, and what is kept is
//! looked at again each time it is used.

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

/// What a signature's file is called: the component's name and this.
const SIGNATURE_SUFFIX: &str = ".minisig";
/// Bytes of a signature, which has four lines.
const SIGNATURE_BYTES_MAX: u64 = 64 << 10;

/// Where one start, or one reload, has its components from.
#[derive(Debug)]
pub struct Sources<'a> {
    trust: &'a [TrustedKey],
    fetcher: Fetcher<'a>,
    store: Store,
}

/// The bytes of one component, which were looked at.
#[derive(Debug)]
pub struct Component {
    /// The bytes.
    pub bytes: Vec<u8>,
    /// Their digest.
    pub digest: Digest,
    /// Whether they had to be fetched.
    pub is_fetched: bool,
    /// The number of the key whose signature they have, where one is asked for.
    pub signed_by: Option<String>,
}

/// Bytes that have their digest, and a signature if there is one at hand.
struct Found {
    bytes: Vec<u8>,
    digest: Digest,
    signature: Option<Vec<u8>>,
    is_fetched: bool,
}

impl<'a> Sources<'a> {
    /// By what `[host]` says.
    pub fn of(host: &'a HostConfig) -> Sources<'a> {
        Sources { trust: &host.trust, fetcher: Fetcher::of(host), store: Store::of(host) }
    }

    /// Whether what is fetched is kept.
    pub fn keeps(&self) -> bool {
        self.store.has_folder()
    }

    /// The bytes of a component: from its file, from the store, or fetched now.
    ///
    /// # Errors
    /// When they cannot be had, are not those that they must be, are not signed by a key that is trusted, or are no component.
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

    /// The same with a signature that is believed, where one is asked for: the one at hand or, where that is missing or
    /// by nobody who is trusted, the one that its server has now.
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

/// Where the signature of a component is looked for, in words.
fn signature_place(source: &ComponentSource) -> String {
    match &source.place {
        ComponentPlace::File(_) | ComponentPlace::Https(_) => format!("{source}{SIGNATURE_SUFFIX}"),
        ComponentPlace::Oci(_) => {
            format!("the annotation {} of {source}", manifest::SIGNATURE_ANNOTATION)
        }
    }
}

/// The file of a signature for a component's file.
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
