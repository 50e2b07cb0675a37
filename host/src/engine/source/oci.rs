//! Components in registries, by the OCI distribution specification: a manifest, then the layer that it names.

use std::borrow::Cow;
use std::net::IpAddr;

use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde::Deserialize;
use ureq::http::Uri;

use super::checksum::digest;
use super::fault::SourceFault;
use super::fetch::{Fetcher, HttpAnswer, basic};
use super::image;
use super::manifest::{MANIFESTS, Manifest, PayloadKind};
use super::store::Store;
use crate::base::host_port::{in_brackets, split_host_port};
use crate::config::component::{Digest, OciReference};

/// The maximum size of a manifest, and of a token: the limit of registries themselves.
const MANIFEST_BYTES_MAX: u64 = 4 << 20;
const UNAUTHORIZED: u16 = 401;

/// One component in a registry.
pub(super) struct Oci<'a> {
    pub(super) fetcher: &'a Fetcher<'a>,
    pub(super) store: &'a Store,
    pub(super) reference: &'a OciReference,
}

/// A component and the data of its manifest.
pub(super) struct OciArtefact {
    pub(super) bytes: Vec<u8>,
    pub(super) signature: Option<Vec<u8>>,
    pub(super) is_fetched: bool,
}

/// The answer of a registry's token server.
#[derive(Deserialize)]
struct Token {
    token: Option<String>,
    access_token: Option<String>,
}

impl Oci<'_> {
    /// The component, from the store if the digest of its manifest is known.
    pub(super) fn artefact(&self) -> Result<OciArtefact, SourceFault> {
        let pinned = self.reference.digest.as_ref();
        let stored = pinned.and_then(|digest| self.store.blob(digest));
        let mut is_fetched = stored.is_none();
        let bytes = match stored {
            Some(bytes) => bytes,
            None => self.fetch_manifest()?,
        };
        let manifest = Manifest::parse(&bytes)?;
        let payload = manifest.payload()?;
        let stored = match payload.kind {
            _ if pinned.is_none() => None,
            PayloadKind::Component => self.store.component(&payload.digest),
            PayloadKind::Image => self.store.blob(&payload.digest),
        };
        let layer = match stored {
            Some(layer) => layer,
            None => {
                is_fetched = true;
                self.fetch_layer(&payload.digest)?
            }
        };
        if let Some(pinned) = pinned {
            self.store.keep_blob(pinned, &bytes);
            if payload.kind == PayloadKind::Image {
                self.store.keep_blob(&payload.digest, &layer);
            }
        }
        let component = match payload.kind {
            PayloadKind::Component => layer,
            PayloadKind::Image => image::component(&layer, self.fetcher.bytes_max)?,
        };
        Ok(OciArtefact { bytes: component, signature: manifest.signature(), is_fetched })
    }

    /// The signature in the registry now.
    pub(super) fn signature(&self) -> Result<Option<Vec<u8>>, SourceFault> {
        Ok(Manifest::parse(&self.fetch_manifest()?)?.signature())
    }

    fn fetch_manifest(&self) -> Result<Vec<u8>, SourceFault> {
        let OciReference { tag, digest: pinned, .. } = self.reference;
        let name: Cow<'_, str> = match (pinned, tag) {
            (Some(digest), _) => format!("sha256:{digest}").into(),
            (None, Some(tag)) => tag.into(),
            (None, None) => "latest".into(),
        };
        let bytes = self.get(&format!("manifests/{name}"), &MANIFESTS, MANIFEST_BYTES_MAX)?;
        match pinned.as_ref().filter(|pinned| **pinned != digest(&bytes)) {
            Some(pinned) => {
                Err(SourceFault::digest("the name of its manifest", pinned, &digest(&bytes)))
            }
            None => Ok(bytes),
        }
    }

    fn fetch_layer(&self, wanted: &Digest) -> Result<Vec<u8>, SourceFault> {
        let name = format!("blobs/sha256:{wanted}");
        let bytes = self.get(&name, &[], self.fetcher.bytes_max)?;
        let found = digest(&bytes);
        if found == *wanted {
            Ok(bytes)
        } else {
            Err(SourceFault::digest("its manifest", wanted, &found))
        }
    }

    fn get(&self, name: &str, accepted: &[&str], bytes_max: u64) -> Result<Vec<u8>, SourceFault> {
        let OciReference { registry, repository, .. } = self.reference;
        let scheme = if self.is_plain() { "http" } else { "https" };
        let url = format!("{scheme}://{registry}/v2/{repository}/{name}");
        let answer = self.fetcher.get(&url, accepted, None, bytes_max)?;
        let answer = match (answer.status, &answer.challenge) {
            (UNAUTHORIZED, Some(challenge)) => {
                let authorization = self.authorization(challenge)?;
                self.fetcher.get(&url, accepted, Some(&authorization), bytes_max)?
            }
            _ => answer,
        };
        if answer.status == UNAUTHORIZED {
            return Err(self.no_login());
        }
        answer.body(&url)
    }

    /// Whether the registry is used without TLS: on this machine, unless the operator has configured an authority for it.
    fn is_plain(&self) -> bool {
        let registry = &self.reference.registry;
        let has_ca = self.fetcher.registry(registry).is_some_and(|it| !it.authorities.is_empty());
        is_loopback(registry) && !has_ca
    }

    fn no_login(&self) -> SourceFault {
        let host = self.reference.registry.clone();
        let is_known = self.login().is_some();
        SourceFault::Login { host, is_known }
    }

    fn login(&self) -> Option<&(String, String)> {
        self.fetcher.registry(&self.reference.registry)?.login.as_ref()
    }

    /// The `Authorization` that answers a challenge.
    fn authorization(&self, challenge: &str) -> Result<String, SourceFault> {
        let (scheme, parameters) = challenge.split_once(' ').unwrap_or((challenge, ""));
        if scheme.eq_ignore_ascii_case("basic") {
            return self.login().map(basic).ok_or_else(|| self.no_login());
        }
        let realm =
            parameter(parameters, "realm").filter(|_| scheme.eq_ignore_ascii_case("bearer"));
        let Some(realm) = realm else { return Err(self.no_login()) };
        if !may_be_told(realm, self.is_plain()) {
            return Err(SourceFault::downgrade(realm));
        }
        let encoded = |text: &str| utf8_percent_encode(text, NON_ALPHANUMERIC).to_string();
        let scope = format!("repository:{}:pull", self.reference.repository);
        let mut url = format!("{realm}?scope={}", encoded(&scope));
        if let Some(service) = parameter(parameters, "service") {
            url.push_str(&format!("&service={}", encoded(service)));
        }
        let login = self.login().map(basic);
        let answer: HttpAnswer =
            self.fetcher.get(&url, &[], login.as_deref(), MANIFEST_BYTES_MAX)?;
        if answer.status == UNAUTHORIZED {
            return Err(self.no_login());
        }
        let token: Option<Token> = serde_json::from_slice(&answer.body(realm)?).ok();
        let token = token.and_then(|it| it.token.or(it.access_token));
        match token.filter(|token| token.bytes().all(|byte| byte.is_ascii_graphic())) {
            Some(token) => Ok(format!("Bearer {token}")),
            None => Err(self.no_login()),
        }
    }
}

/// Whether a login may be sent to an address that a registry has named: over TLS, or on this machine where the registry is on
/// it as well. It is read as whoever connects there will read it, so that both see the same server in it.
fn may_be_told(address: &str, is_plain_here: bool) -> bool {
    let Ok(address) = address.parse::<Uri>() else { return false };
    let Some(server) = address.authority().filter(|it| !it.as_str().contains('@')) else {
        return false;
    };
    match address.scheme_str() {
        Some("https") => true,
        Some("http") => is_plain_here && is_loopback(server.as_str()),
        _ => false,
    }
}

/// Whether a server is this machine.
fn is_loopback(host: &str) -> bool {
    let (host, _) = split_host_port(host);
    let name = in_brackets(host).unwrap_or(host);
    name == "localhost" || name.parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback())
}

/// A parameter of a challenge: `name="value"`.
fn parameter<'a>(parameters: &'a str, name: &str) -> Option<&'a str> {
    let mut rest = parameters;
    while let Some((key, after)) = rest.split_once('=') {
        let (value, next) = match after.strip_prefix('"') {
            Some(quoted) => quoted.split_once('"')?,
            None => after.split_at(after.find(',').unwrap_or(after.len())),
        };
        if key.trim().trim_start_matches(',').trim().eq_ignore_ascii_case(name) {
            return Some(value);
        }
        rest = next;
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parameters_of_a_challenge() {
        let challenge = r#"realm="https://auth.example/token",service="a, b",scope=x"#;
        assert_eq!(parameter(challenge, "realm"), Some("https://auth.example/token"));
        assert_eq!(parameter(challenge, "service"), Some("a, b"));
        assert_eq!(parameter(challenge, "scope"), Some("x"));
        assert_eq!(parameter(challenge, "error"), None);
        for none in ["", "realm", "realm=\"x", "=", "\"\""] {
            assert_eq!(parameter(none, "realm"), None, "{none}");
        }
    }

    #[test]
    fn a_login_goes_to_no_other_machine_in_plain() {
        for (address, over_tls, plain) in [
            ("https://auth.example/token", true, true),
            ("https://auth.example:8443/token?a=b", true, true),
            ("http://localhost:5000/token", false, true),
            ("http://127.0.0.1/token", false, true),
            ("http://[::1]:5000/token", false, true),
            ("http://auth.example/token", false, false),
            // Whoever connects goes to what stands behind the last @.
            ("http://localhost:x@auth.example/token", false, false),
            ("http://localhost:5000@auth.example/token", false, false),
            ("http://127.0.0.1@auth.example/token", false, false),
            ("http://localhost@localhost/token", false, false),
            ("https://user@auth.example/token", false, false),
            ("http://localhost\\@auth.example/token", false, false),
            ("http://localhost#@auth.example/token", false, true),
            ("http://localhost?@auth.example/token", false, true),
            ("http://[::1]@auth.example/", false, false),
            ("http://[::1", false, false),
            ("http://auth.example:localhost/", false, false),
            ("HTTP://auth.example/token", false, false),
            ("ftp://localhost/token", false, false),
            ("//localhost/token", false, false),
            ("localhost/token", false, false),
            ("http:///token", false, false),
            ("http://local host/token", false, false),
            ("", false, false),
        ] {
            assert_eq!(may_be_told(address, false), over_tls, "{address}");
            assert_eq!(may_be_told(address, true), plain, "{address} beside a registry here");
        }
    }

    #[test]
    fn this_machine_by_its_names() {
        for here in ["localhost", "localhost:5000", "127.0.0.1:5000", "127.9.9.9", "[::1]:5000"] {
            assert!(is_loopback(here), "{here}");
        }
        for there in
            ["example.org", "10.0.0.1:5000", "localhost.example.org", "127.0.0.1.example.org", ""]
        {
            assert!(!is_loopback(there), "{there}");
        }
    }
}
