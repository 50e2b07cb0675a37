//! `[plugins.<name>.tls.<profile>]`: the certificates and authorities with which a plugin begins TLS on a connection.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};

use rustls::client::{ResolvesClientCert, Resumption};
use rustls::crypto::CryptoProvider;
use rustls::sign::SingleCertAndKey;
use rustls::{ClientConfig, RootCertStore, ServerConfig};

use super::identity::{Identities, Identity, authorities};
use super::judged::Judged;
use super::{
    ClientCertificates, KeyProblem, clients, identities, is_required, pair_lacks, protocol,
    provider, server, unusable, wire_names,
};
use crate::config::error::{ConfigError, Problem};
use crate::config::raw::RawTlsProfile;
use crate::config::source::{KeyPlace, each};

/// The number of sessions that each kind of client of a profile keeps for resumption.
const KEPT_SESSIONS: usize = 32;

/// A profile of the file.
#[derive(Clone, PartialEq, Eq)]
pub struct TlsProfile {
    /// Its name.
    pub name: String,
    /// Whether the plugin alone may verify certificates.
    pub plugin_decides: bool,
    identities: Vec<Identity>,
    alpn: Vec<String>,
    clients: ClientCertificates,
    /// Whether a client must have a certificate for the plugin to verify.
    client_is_required: bool,
    /// The authorities for servers; by default those of the system.
    server_ca: Option<PathBuf>,
}

/// TLS settings by who verifies the peer. Each keeps its sessions separately, so that no session is resumed that was verified
/// otherwise.
#[derive(Debug, Clone)]
pub struct ByJudge<T> {
    /// The host verifies, and the plugin may do so as well.
    pub by_host: Arc<T>,
    /// Only the plugin verifies; none if it may not.
    pub by_plugin: Option<Arc<T>>,
}

/// The TLS settings of a profile, from the last reading of its files.
#[derive(Debug, Clone)]
pub struct ProfileSessions {
    /// For a server; none without a certificate.
    pub server: Option<ByJudge<ServerConfig>>,
    /// For a client.
    pub client: ByJudge<ClientConfig>,
}

impl TlsProfile {
    /// The profile of a client that names none: the system's authorities, and no certificate.
    pub fn none() -> TlsProfile {
        TlsProfile {
            name: String::new(),
            plugin_decides: false,
            identities: Vec::new(),
            alpn: Vec::new(),
            clients: ClientCertificates::None,
            client_is_required: false,
            server_ca: None,
        }
    }

    /// All files.
    pub fn files(&self) -> impl Iterator<Item = &Path> {
        let own = self.identities.iter().flat_map(|it| [&*it.certificate, &*it.key]);
        own.chain(self.clients.authorities()).chain(self.server_ca.as_deref())
    }

    /// Reads the files. `system` are the authorities of a profile that names none for servers.
    ///
    /// # Errors
    /// The error of a file, with its remedy.
    pub fn read(&self, system: &Arc<RootCertStore>) -> Result<ProfileSessions, Problem> {
        self.try_read(system).map_err(|wrong| wrong.problem)
    }

    fn try_read(&self, system: &Arc<RootCertStore>) -> Result<ProfileSessions, KeyProblem> {
        let provider = provider();
        let shown = Arc::new(Identities::read(&self.identities, &provider)?);
        let server = match self.identities.first() {
            Some(_) => Some(self.servers(&provider, &shown)?),
            None => None,
        };
        let trusted = match &self.server_ca {
            Some(file) => Arc::new(authorities(file).map_err(|problem| KeyProblem {
                key: "server_ca",
                index: None,
                problem,
            })?),
            None => system.clone(),
        };
        let client = ByJudge {
            by_host: self.client(&provider, shown.first(), Some(trusted))?,
            by_plugin: match self.plugin_decides {
                true => Some(self.client(&provider, shown.first(), None)?),
                false => None,
            },
        };
        Ok(ProfileSessions { server, client })
    }

    fn servers(
        &self,
        provider: &Arc<CryptoProvider>,
        shown: &Arc<Identities>,
    ) -> Result<ByJudge<ServerConfig>, KeyProblem> {
        let of_clients = |problem| KeyProblem { key: "client_ca", index: None, problem };
        let verifier = self.clients.verifier(provider).map_err(of_clients)?;
        let judged = Judged { provider: provider.clone(), is_required: self.client_is_required };
        Ok(ByJudge {
            by_host: server(provider, shown.clone(), &self.alpn, verifier)?,
            by_plugin: match self.plugin_decides {
                true => Some(server(provider, shown.clone(), &self.alpn, Arc::new(judged))?),
                false => None,
            },
        })
    }

    /// The settings of clients that trust these authorities; without any, the plugin verifies.
    fn client(
        &self,
        provider: &Arc<CryptoProvider>,
        shown: Option<SingleCertAndKey>,
        trusted: Option<Arc<RootCertStore>>,
    ) -> Result<Arc<ClientConfig>, KeyProblem> {
        let builder = ClientConfig::builder_with_provider(provider.clone())
            .with_safe_default_protocol_versions()
            .map_err(|error| unusable(&error))?;
        let judged = Judged { provider: provider.clone(), is_required: true };
        let builder = match trusted {
            Some(trusted) => builder.with_root_certificates(trusted),
            None => builder.dangerous().with_custom_certificate_verifier(Arc::new(judged)),
        };
        let mut client = match shown {
            Some(shown) => {
                let resolver: Arc<dyn ResolvesClientCert> = Arc::new(shown);
                builder.with_client_cert_resolver(resolver)
            }
            None => builder.with_no_client_auth(),
        };
        client.alpn_protocols = wire_names(&self.alpn);
        client.resumption = Resumption::in_memory_sessions(KEPT_SESSIONS);
        Ok(Arc::new(client))
    }
}

/// The authorities that this system trusts, read on first use.
pub(crate) fn system_authorities() -> &'static Arc<RootCertStore> {
    static SYSTEM: OnceLock<Arc<RootCertStore>> = OnceLock::new();
    SYSTEM.get_or_init(|| {
        let found = rustls_native_certs::load_native_certs();
        let mut roots = RootCertStore::empty();
        let (taken, _) = roots.add_parsable_certificates(found.certs);
        if taken == 0 {
            let cause = found.errors.first().map(ToString::to_string);
            tracing::warn!(
                cause,
                "no authorities of this system were found: a TLS client trusts those alone that its profile names in `server_ca`"
            );
        }
        Arc::new(roots)
    })
}

impl fmt::Debug for TlsProfile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TlsProfile")
            .field("name", &self.name)
            .field("plugin_decides", &self.plugin_decides)
            .field("identities", &self.identities)
            .field("alpn", &self.alpn)
            .field("clients", &self.clients)
            .field("server_ca", &self.server_ca)
            .finish_non_exhaustive()
    }
}

/// Resolves the profile called `name` at `place`; relative paths are relative to `folder`.
pub(crate) fn resolve(
    place: &KeyPlace<'_>,
    folder: &Path,
    name: &str,
    raw: &RawTlsProfile,
) -> Result<TlsProfile, ConfigError> {
    let RawTlsProfile { certificate, key, certificates, alpn, .. } = raw;
    let plugin_decides = match raw.verify.as_deref() {
        None | Some("host") => false,
        Some("plugin") => true,
        Some(other) => {
            return Err(place.key("verify").wrong(Problem::new(
                format!("{other:?} is nobody who decides"),
                r#"write "host" or "plugin""#,
            )));
        }
    };
    let half = "a certificate is of no use without its key, nor a key without its certificate";
    let identities = identities(place, folder, (certificate, key), certificates, half)?;
    let of_servers = [
        ("client_ca", raw.client_ca.is_some()),
        ("client_certificate", raw.client_certificate.is_some()),
    ];
    if identities.is_empty() && of_servers.iter().any(|(_, is_written)| *is_written) {
        let cause = "only a server asks for certificates, and one needs a certificate of its own";
        return Err(pair_lacks(place, "certificate", cause));
    }
    let way = raw.client_certificate.as_deref();
    let client_is_required = is_required(place, way)?;
    let clients = match &raw.client_ca {
        // No authorities are needed if the plugin verifies.
        None if plugin_decides => ClientCertificates::None,
        client_ca => clients(place, folder, client_ca, way)?,
    };
    let alpn = each(&place.key("alpn"), alpn, protocol)?;
    let server_ca = raw.server_ca.as_ref().map(|file| folder.join(file));
    let name = name.to_owned();
    let profile = TlsProfile {
        name,
        plugin_decides,
        identities,
        alpn,
        clients,
        client_is_required,
        server_ca,
    };
    // Read once now, so that errors of the files are found before anything is served.
    let nobody = Arc::new(RootCertStore::empty());
    match profile.try_read(&nobody) {
        Ok(_) => Ok(profile),
        Err(wrong) => Err(wrong.at(place, certificate.is_some())),
    }
}
