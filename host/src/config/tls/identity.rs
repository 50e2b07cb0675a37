//! Certificates with their keys, read from PEM files.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::RootCertStore;
use rustls::client::verify_server_name;
use rustls::crypto::CryptoProvider;
use rustls::pki_types::pem::{Error as PemError, PemObject};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::server::{ClientHello, ParsedCertificate, ResolvesServerCert};
use rustls::sign::{CertifiedKey, SingleCertAndKey};

use super::KeyProblem;
use crate::config::error::Problem;
use crate::config::file::{TEXT_BYTES_MAX, read_file};

/// The files of one certificate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Identity {
    /// The certificate and its chain.
    pub(super) certificate: PathBuf,
    /// Its key.
    pub(super) key: PathBuf,
}

/// The certificates of a listener: the server name that a peer asks for selects one.
#[derive(Debug)]
pub(super) struct Identities(Vec<Arc<CertifiedKey>>);

impl Identity {
    pub(super) fn new(folder: &Path, certificate: &str, key: &str) -> Identity {
        Identity { certificate: folder.join(certificate), key: folder.join(key) }
    }

    fn read(&self, provider: &CryptoProvider) -> Result<CertifiedKey, (&'static str, Problem)> {
        let of = |key: &'static str| move |problem| (key, problem);
        let chain = certificates(&self.certificate).map_err(of("certificate"))?;
        let key = private_key(&self.key).map_err(of("key"))?;
        let (shown, of_key) =
            (self.certificate.display().to_string(), self.key.display().to_string());
        if let Some(Err(error)) = chain.first().map(ParsedCertificate::try_from) {
            let cause = format!("the first certificate in {shown:?} cannot be read: {error}");
            return Err((
                "certificate",
                Problem::new(cause, "write the path of an X.509 certificate"),
            ));
        }
        let key = provider.key_provider.load_private_key(key).map_err(|error| {
            let cause = format!("the key in {of_key:?} cannot be used: {error}");
            ("key", Problem::new(cause, "write that of an RSA, ECDSA or Ed25519 key"))
        })?;
        let certified = CertifiedKey::new(chain, key);
        match certified.keys_match() {
            Err(rustls::Error::InconsistentKeys(rustls::InconsistentKeys::KeyMismatch)) => {
                let cause = format!(
                    "the key in {of_key:?} is not that of the first certificate in {shown:?}"
                );
                let remedy = "write the two that belong together; in a chain the listener's own \
                              certificate is first";
                Err(("key", Problem::new(cause, remedy)))
            }
            // Some kinds of keys cannot be compared with their certificates.
            _ => Ok(certified),
        }
    }
}

impl Identities {
    pub(super) fn read(
        identities: &[Identity],
        provider: &CryptoProvider,
    ) -> Result<Identities, KeyProblem> {
        let all = identities.iter().enumerate().map(|(index, identity)| {
            identity.read(provider).map(Arc::new).map_err(|(key, problem)| KeyProblem {
                key,
                index: Some(index),
                problem,
            })
        });
        all.collect::<Result<_, _>>().map(Identities)
    }
}

impl Identities {
    /// The first one, for a client.
    pub(super) fn first(&self) -> Option<SingleCertAndKey> {
        self.0.first().map(|first| SingleCertAndKey::from((**first).clone()))
    }
}

impl ResolvesServerCert for Identities {
    /// The first one that has the name and that the peer can verify; without a matching name, the first that it can verify. If it
    /// can verify none, the first of all: then rustls sends `handshake failure`, as every server does; without a certificate it
    /// would send `access denied`.
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        let usable =
            self.0.iter().filter(|it| it.key.choose_scheme(hello.signature_schemes()).is_some());
        let name = hello.server_name().and_then(|name| ServerName::try_from(name).ok());
        let is_named = |it: &&Arc<CertifiedKey>| {
            let certificate = it.cert.first().and_then(|der| ParsedCertificate::try_from(der).ok());
            name.as_ref()
                .zip(certificate)
                .is_some_and(|(name, certificate)| verify_server_name(&certificate, name).is_ok())
        };
        usable.clone().find(is_named).or_else(|| usable.clone().next()).or(self.0.first()).cloned()
    }
}

/// The certificates of trusted authorities.
pub(super) fn authorities(path: &Path) -> Result<RootCertStore, Problem> {
    let mut roots = RootCertStore::empty();
    for certificate in certificates(path)? {
        roots.add(certificate).map_err(|error| {
            let shown = path.display().to_string();
            let cause = format!("a certificate in {shown:?} is not an authority's: {error}");
            Problem::new(cause, "write the path of a PEM file with those of authorities only")
        })?;
    }
    Ok(roots)
}

/// Every certificate of a PEM file, which must have one at least.
pub(in crate::config) fn certificates(
    path: &Path,
) -> Result<Vec<CertificateDer<'static>>, Problem> {
    let shown = path.display().to_string();
    let bytes = read(path)?;
    let all: Result<Vec<_>, PemError> = CertificateDer::pem_slice_iter(&bytes).collect();
    match all {
        Ok(all) if !all.is_empty() => Ok(all),
        Ok(_) => Err(Problem::new(
            format!("there is no certificate in {shown:?}"),
            "write the path of a PEM file, which has BEGIN CERTIFICATE in it",
        )),
        Err(error) => Err(Problem::new(
            format!("the certificates in {shown:?} cannot be read: {error}"),
            "write the path of a PEM file",
        )),
    }
}

pub(in crate::config) fn private_key(path: &Path) -> Result<PrivateKeyDer<'static>, Problem> {
    let shown = path.display().to_string();
    let bytes = read(path)?;
    let is_encrypted = bytes.windows(9).any(|nine| nine == b"ENCRYPTED");
    match PrivateKeyDer::from_pem_slice(&bytes) {
        Ok(key) => Ok(key),
        Err(PemError::NoItemsFound) if is_encrypted => Err(Problem::new(
            format!("the key in {shown:?} is encrypted"),
            "write the path of one that is not: `openssl pkey -in FILE -out PLAIN` makes it",
        )),
        Err(PemError::NoItemsFound) => Err(Problem::new(
            format!("there is no private key in {shown:?}"),
            "write the path of a PEM file, which has BEGIN PRIVATE KEY in it",
        )),
        // The contents of the file are never shown: they are a secret.
        Err(_) => Err(Problem::new(
            format!("the key in {shown:?} cannot be read"),
            "write the path of a PEM file",
        )),
    }
}

fn read(path: &Path) -> Result<Vec<u8>, Problem> {
    read_file(path, TEXT_BYTES_MAX).map_err(|error| {
        let shown = path.display().to_string();
        Problem::new(
            format!("the file {shown:?} cannot be read: {error}"),
            "write the path of a PEM file that this user may read",
        )
    })
}
