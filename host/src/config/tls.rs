//! What a `tls://` listener shows of itself and asks of its peers: `listen.certificate`, `listen.key`,
//! `listen.certificates`, `listen.alpn`, `listen.client_ca` and `listen.client_certificate`.

mod identity;

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
use super::raw::RawCertificate;
use super::source::{KeyPlace, each};

/// Bytes of one name of a protocol, as ALPN has it.
const ALPN_BYTES_MAX: usize = 255;

/// What a `tls://` listener shows of itself and asks of its peers.
#[derive(Clone)]
pub struct TlsListen {
    identities: Vec<Identity>,
    alpn: Vec<String>,
    clients: ClientCertificates,
    server: Arc<ServerConfig>,
}

/// What is asked of the peers of a `tls://` listener.
#[derive(Debug, Clone, PartialEq, Eq)]
enum ClientCertificates {
    /// Nothing.
    None,
    /// A certificate of one of these authorities, if they have one.
    Requested(PathBuf),
    /// A certificate of one of these authorities.
    Required(PathBuf),
}

/// A problem of one of the keys of a section.
struct KeyProblem {
    key: &'static str,
    /// In the list of certificates: which.
    index: Option<usize>,
    problem: Problem,
}

impl TlsListen {
    /// What sessions are made from, as the files were when they were read last.
    pub fn server(&self) -> Arc<ServerConfig> {
        self.server.clone()
    }

    /// Every file that it is made of.
    pub fn files(&self) -> impl Iterator<Item = &Path> {
        let own = self.identities.iter().flat_map(|it| [&*it.certificate, &*it.key]);
        own.chain(self.clients.authorities())
    }

    /// The same from the files as they are now.
    ///
    /// # Errors
    /// What is wrong with them, with the remedy.
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
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let resolver = Identities::read(&identities, &provider)?;
        let of_clients = |problem| KeyProblem { key: "client_ca", index: None, problem };
        let verifier = clients.verifier(&provider).map_err(of_clients)?;
        let internal = |error: rustls::Error| KeyProblem {
            key: "certificate",
            index: None,
            problem: Problem::new(
                format!("it cannot be used: {error}"),
                "write the path of another certificate",
            ),
        };
        let mut server = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(internal)?
            .with_client_cert_verifier(verifier)
            .with_cert_resolver(Arc::new(resolver));
        server.alpn_protocols = alpn.iter().map(|name| name.clone().into_bytes()).collect();
        // A ticket holds what is resumed, so that no peer fills a table here by coming once.
        server.ticketer = rustls::crypto::ring::Ticketer::new().map_err(internal)?;
        Ok(TlsListen { identities, alpn, clients, server: Arc::new(server) })
    }
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

/// Reads the keys of the `[[listen]]` at `place`, which listens at `address`; relative paths start at `folder`.
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
    let identities = identities(place, folder, raw)?;
    let alpn = each(&place.key("alpn"), &raw.alpn, protocol)?;
    let clients = clients(place, folder, raw)?;
    TlsListen::read(identities, alpn, clients).map(Some).map_err(|wrong| {
        let is_first = raw.certificate.is_some();
        match wrong.index {
            Some(index) if 0 < index || !is_first => {
                let place = place.key("certificates").index(index - usize::from(is_first));
                place.key(wrong.key).wrong(wrong.problem)
            }
            _ => place.key(wrong.key).wrong(wrong.problem),
        }
    })
}

/// The certificates with their keys: the one of the section first, then those of its list.
fn identities(
    place: &KeyPlace<'_>,
    folder: &Path,
    raw: &RawListen,
) -> Result<Vec<Identity>, ConfigError> {
    let missing = |key: &'static str| {
        let cause = "a tls:// listener shows a certificate and has its key";
        let remedy = "write both, as in certificate = \"server.pem\" and key = \"server.key\"";
        place.key(key).wrong(Problem::new(cause, remedy))
    };
    let first = match (&raw.certificate, &raw.key) {
        (Some(certificate), Some(key)) => Some(Identity::new(folder, certificate, key)),
        (None, Some(_)) => return Err(missing("certificate")),
        (Some(_), None) => return Err(missing("key")),
        (None, None) if raw.certificates.is_empty() => return Err(missing("certificate")),
        (None, None) => None,
    };
    let further = raw.certificates.iter();
    let further =
        further.map(|RawCertificate { certificate, key }| Identity::new(folder, certificate, key));
    Ok(first.into_iter().chain(further).collect())
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
    raw: &RawListen,
) -> Result<ClientCertificates, ConfigError> {
    let wrong = |problem| place.key("client_certificate").wrong(problem);
    let authorities = raw.client_ca.as_ref().map(|file| folder.join(file));
    match (authorities, raw.client_certificate.as_deref()) {
        (None, None) => Ok(ClientCertificates::None),
        (Some(file), None | Some("require")) => Ok(ClientCertificates::Required(file)),
        (Some(file), Some("request")) => Ok(ClientCertificates::Requested(file)),
        (None, Some(_)) => Err(wrong(Problem::new(
            "nobody is named whose certificates are taken",
            "write client_ca = \"clients.pem\" too, or leave this key out",
        ))),
        (Some(_), Some(other)) => Err(wrong(Problem::new(
            format!("{other:?} is not a way to ask"),
            r#"write "require" or "request""#,
        ))),
    }
}
