//! The TLS settings of a `tls://` listener: `listen.certificate`, `listen.key`, `listen.certificates`, `listen.alpn`,
//! `listen.client_ca` and `listen.client_certificate`.

pub(super) mod identity;
mod judged;
pub(crate) mod profile;
pub(crate) mod stamp;

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::ServerConfig;
use rustls::crypto::CryptoProvider;
use rustls::server::WebPkiClientVerifier;
use rustls::server::danger::ClientCertVerifier;

use self::identity::{Identities, Identity, authorities};
use super::address::ListenAddress;
use super::error::{ConfigError, Problem};
use super::limits::RawListen;
use super::raw::{RawCertificate, RawProfileCertificate};
use super::source::{KeyPlace, each};

/// The most bytes of a protocol name in ALPN.
pub(crate) const ALPN_BYTES_MAX: usize = 255;

/// The TLS settings of a `tls://` listener.
#[derive(Clone)]
pub struct TlsListen {
    identities: Vec<Identity>,
    alpn: Vec<String>,
    clients: ClientCertificates,
    server: Arc<ServerConfig>,
}

/// Whether peers of a `tls://` listener need a certificate.
#[derive(Debug, Clone, PartialEq, Eq)]
enum ClientCertificates {
    /// No certificate.
    None,
    /// A certificate of one of these authorities, if the peer has one.
    Requested(PathBuf),
    /// A certificate of one of these authorities.
    Required(PathBuf),
}

/// An error of one of the keys of a section.
struct KeyProblem {
    key: &'static str,
    /// The index in the list of certificates.
    index: Option<usize>,
    problem: Problem,
}

/// Compares the names of the files, not their contents.
impl PartialEq for TlsListen {
    fn eq(&self, other: &TlsListen) -> bool {
        let of = |it: &TlsListen| (it.identities.clone(), it.alpn.clone(), it.clients.clone());
        of(self) == of(other)
    }
}

impl TlsListen {
    /// The settings of sessions, from the last reading of the files.
    pub fn server(&self) -> Arc<ServerConfig> {
        self.server.clone()
    }

    /// All files.
    pub fn files(&self) -> impl Iterator<Item = &Path> {
        let own = self.identities.iter().flat_map(|it| [&*it.certificate, &*it.key]);
        own.chain(self.clients.authorities())
    }

    /// Reads the files again.
    ///
    /// # Errors
    /// The error of a file, with its remedy.
    pub fn read_again(&self) -> Result<TlsListen, Problem> {
        let (identities, alpn, clients) =
            (self.identities.clone(), self.alpn.clone(), self.clients.clone());
        TlsListen::read(identities, alpn, clients).map_err(|wrong| wrong.problem)
    }

    fn read(
        identities: Vec<Identity>,
        alpn: Vec<String>,
        clients: ClientCertificates,
    ) -> Result<TlsListen, KeyProblem> {
        let provider = provider();
        let resolver = Arc::new(Identities::read(&identities, &provider)?);
        let of_clients = |problem| KeyProblem { key: "client_ca", index: None, problem };
        let verifier = clients.verifier(&provider).map_err(of_clients)?;
        let server = server(&provider, resolver, &alpn, verifier)?;
        Ok(TlsListen { identities, alpn, clients, server })
    }
}

/// The provider of cryptography.
fn provider() -> Arc<CryptoProvider> {
    Arc::new(rustls::crypto::ring::default_provider())
}

/// The settings of sessions of a server.
fn server(
    provider: &Arc<CryptoProvider>,
    identities: Arc<Identities>,
    alpn: &[String],
    verifier: Arc<dyn ClientCertVerifier>,
) -> Result<Arc<ServerConfig>, KeyProblem> {
    let mut server = ServerConfig::builder_with_provider(provider.clone())
        .with_safe_default_protocol_versions()
        .map_err(|error| unusable(&error))?
        .with_client_cert_verifier(verifier)
        .with_cert_resolver(identities);
    server.alpn_protocols = wire_names(alpn);
    // Sessions are resumed by tickets, so that peers occupy no memory here.
    server.ticketer = rustls::crypto::ring::Ticketer::new().map_err(|error| unusable(&error))?;
    Ok(Arc::new(server))
}

fn unusable(error: &rustls::Error) -> KeyProblem {
    let problem = Problem::new(
        format!("it cannot be used: {error}"),
        "write the path of another certificate",
    );
    KeyProblem { key: "certificate", index: None, problem }
}

/// Names of protocols as they are sent.
pub(crate) fn wire_names(alpn: &[String]) -> Vec<Vec<u8>> {
    alpn.iter().map(|name| name.clone().into_bytes()).collect()
}

impl ClientCertificates {
    fn authorities(&self) -> Option<&Path> {
        match self {
            ClientCertificates::None => None,
            ClientCertificates::Requested(file) | ClientCertificates::Required(file) => Some(file),
        }
    }

    fn verifier(
        &self,
        provider: &Arc<CryptoProvider>,
    ) -> Result<Arc<dyn ClientCertVerifier>, Problem> {
        let Some(file) = self.authorities() else {
            return Ok(WebPkiClientVerifier::no_client_auth());
        };
        let roots = Arc::new(authorities(file)?);
        let builder = WebPkiClientVerifier::builder_with_provider(roots, provider.clone());
        let builder = match self {
            ClientCertificates::Requested(_) => builder.allow_unauthenticated(),
            _ => builder,
        };
        builder.build().map_err(|error| {
            let file = file.display().to_string();
            let cause = format!("the authorities in {file:?} cannot be used: {error}");
            Problem::new(cause, "write the path of a PEM file with those that sign for clients")
        })
    }
}

impl fmt::Debug for TlsListen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TlsListen")
            .field("identities", &self.identities)
            .field("alpn", &self.alpn)
            .field("clients", &self.clients)
            .finish_non_exhaustive()
    }
}

/// Resolves the keys of the `[[listen]]` at `place`, whose address is `address`; relative paths are relative to `folder`.
pub(super) fn resolve(
    place: &KeyPlace<'_>,
    folder: &Path,
    raw: &RawListen,
    address: &ListenAddress,
) -> Result<Option<TlsListen>, ConfigError> {
    let written = [
        ("certificate", raw.certificate.is_some()),
        ("key", raw.key.is_some()),
        ("certificates", !raw.certificates.is_empty()),
        ("alpn", !raw.alpn.is_empty()),
        ("client_ca", raw.client_ca.is_some()),
        ("client_certificate", raw.client_certificate.is_some()),
    ];
    if !matches!(address, ListenAddress::Tls(_)) {
        return place
            .refuse(&written, || {
                Problem::new(
                    format!("{address} has no TLS"),
                    "leave it out, or write the address as in \"tls://127.0.0.1:443\"",
                )
            })
            .map(|()| None);
    }
    let owner = "a tls:// listener shows a certificate and has its key";
    let first = (&raw.certificate, &raw.key);
    let identities = identities(place, folder, first, &raw.certificates, owner)?;
    if identities.is_empty() {
        return Err(pair_lacks(place, "certificate", owner));
    }
    let alpn = each(&place.key("alpn"), &raw.alpn, protocol)?;
    let clients = clients(place, folder, &raw.client_ca, raw.client_certificate.as_deref())?;
    let read = TlsListen::read(identities, alpn, clients);
    read.map(Some).map_err(|wrong| wrong.at(place, raw.certificate.is_some()))
}

impl KeyProblem {
    /// The error of the section at `place`, which has a first certificate of its own, or only a list.
    fn at(self, place: &KeyPlace<'_>, has_first: bool) -> ConfigError {
        match self.index {
            Some(index) if 0 < index || !has_first => {
                let place = place.key("certificates").index(index - usize::from(has_first));
                place.key(self.key).wrong(self.problem)
            }
            _ => place.key(self.key).wrong(self.problem),
        }
    }
}

/// The certificates with their keys: the one of the section first, then those of its list; none if it has neither.
fn identities(
    place: &KeyPlace<'_>,
    folder: &Path,
    first: (&Option<String>, &Option<String>),
    further: &[impl RawPair],
    half: &str,
) -> Result<Vec<Identity>, ConfigError> {
    let first = match first {
        (Some(certificate), Some(key)) => Some(Identity::new(folder, certificate, key)),
        (None, Some(_)) => return Err(pair_lacks(place, "certificate", half)),
        (Some(_), None) => return Err(pair_lacks(place, "key", half)),
        (None, None) => None,
    };
    let further = further.iter().map(|pair| {
        let (certificate, key) = pair.files();
        Identity::new(folder, certificate, key)
    });
    Ok(first.into_iter().chain(further).collect())
}

fn pair_lacks(place: &KeyPlace<'_>, key: &str, cause: &str) -> ConfigError {
    let remedy = "write both, as in certificate = \"server.pem\" and key = \"server.key\"";
    place.key(key).wrong(Problem::new(cause, remedy))
}

/// An entry of a list of certificates.
trait RawPair {
    fn files(&self) -> (&str, &str);
}

impl RawPair for RawCertificate {
    fn files(&self) -> (&str, &str) {
        (&self.certificate, &self.key)
    }
}

impl RawPair for RawProfileCertificate {
    fn files(&self) -> (&str, &str) {
        (&self.certificate, &self.key)
    }
}

fn protocol(name: &str) -> Result<String, Problem> {
    if name.is_empty() || ALPN_BYTES_MAX < name.len() {
        return Err(Problem::new(
            format!("{name:?} is not the name of a protocol"),
            format!("write 1 to {ALPN_BYTES_MAX} bytes, as in \"http/1.1\""),
        ));
    }
    Ok(name.to_owned())
}

fn clients(
    place: &KeyPlace<'_>,
    folder: &Path,
    client_ca: &Option<String>,
    client_certificate: Option<&str>,
) -> Result<ClientCertificates, ConfigError> {
    let is_required = is_required(place, client_certificate)?;
    match client_ca.as_ref().map(|file| folder.join(file)) {
        Some(file) if is_required => Ok(ClientCertificates::Required(file)),
        Some(file) => Ok(ClientCertificates::Requested(file)),
        None if client_certificate.is_none() => Ok(ClientCertificates::None),
        None => Err(place.key("client_certificate").wrong(Problem::new(
            "nobody is named whose certificates are taken",
            "write client_ca = \"clients.pem\" too, or leave this key out",
        ))),
    }
}

/// Whether a client needs a certificate.
fn is_required(
    place: &KeyPlace<'_>,
    client_certificate: Option<&str>,
) -> Result<bool, ConfigError> {
    match client_certificate {
        None | Some("require") => Ok(true),
        Some("request") => Ok(false),
        Some(other) => Err(place.key("client_certificate").wrong(Problem::new(
            format!("{other:?} is not a way to ask"),
            r#"write "require" or "request""#,
        ))),
    }
}
