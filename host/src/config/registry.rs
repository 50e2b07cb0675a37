//! `[host.registries."host"]`: credentials and authorities of servers from which components are fetched.

use std::collections::BTreeMap;
use std::fmt;
use std::path::Path;

use rustls::pki_types::CertificateDer;

use super::component::is_host;
use super::error::{ConfigError, Problem};
use super::options;
use super::raw::RawRegistry;
use super::source::KeyPlace;
use super::tls::identity;

/// A server from which components are fetched.
#[derive(Clone, PartialEq, Eq)]
pub struct Registry {
    /// Its name, with its port if there is one.
    pub host: String,
    /// The user and the password. Never printed.
    pub login: Option<(String, String)>,
    /// The certificate authorities that are trusted besides those of the system.
    pub authorities: Vec<CertificateDer<'static>>,
}

impl fmt::Debug for Registry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let login = self.login.as_ref().map(|(user, _)| (user, "MASKED"));
        f.debug_struct("Registry")
            .field("host", &self.host)
            .field("login", &login)
            .finish_non_exhaustive()
    }
}

/// Resolves the sections at `place`; files are relative to its folder.
pub(super) fn resolve(
    place: &KeyPlace<'_>,
    raw: &BTreeMap<String, RawRegistry>,
) -> Result<Vec<Registry>, ConfigError> {
    let one = |(host, raw): (&String, &RawRegistry)| registry(&place.key(host), host, raw);
    raw.iter().map(one).collect()
}

/// Resolves a secret.
pub(super) fn secret(folder: &Path, value: &toml::Value) -> Result<String, Problem> {
    match value {
        toml::Value::String(_) => options::text(folder, value),
        toml::Value::Table(table) if table.contains_key("env") || table.contains_key("file") => {
            options::text(folder, value)
        }
        _ => {
            Err(Problem::new("this is no secret", r#"write { env = "NAME" } or { file = "path" }"#))
        }
    }
}

fn registry(place: &KeyPlace<'_>, host: &str, raw: &RawRegistry) -> Result<Registry, ConfigError> {
    let wrong = |key: &'static str| move |problem| place.key(key).wrong(problem);
    let folder: &Path = place.folder();
    if !is_host(host) {
        return Err(place.wrong(Problem::new(
            format!("{host:?} is not a server"),
            r#"write its name as the components have it, as in [host.registries."ghcr.io"]"#,
        )));
    }
    let password = raw.password.as_ref().map(|value| secret(folder, &value.0));
    let password = password.transpose().map_err(wrong("password"))?;
    let login = match (&raw.user, password) {
        (Some(user), Some(password)) => Some((user.clone(), password)),
        (None, None) => None,
        (Some(_), None) => {
            let remedy = r#"add password = { env = "NAME" } or { file = "path" }"#;
            return Err(wrong("user")(Problem::new("there is no password for it", remedy)));
        }
        (None, Some(_)) => {
            let problem = Problem::new("there is no user for it", r#"add user = "name""#);
            return Err(wrong("password")(problem));
        }
    };
    let authorities = raw.server_ca.as_ref().map(|path| identity::certificates(&folder.join(path)));
    let authorities = authorities.transpose().map_err(wrong("server_ca"))?.unwrap_or_default();
    Ok(Registry { host: host.to_owned(), login, authorities })
}
