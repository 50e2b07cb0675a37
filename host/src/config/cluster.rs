//! `[cluster]`: the NATS servers that connect hosts, and the logins of the host and its tenants.

use std::fmt;
use std::path::{Path, PathBuf};

use async_nats::{ConnectOptions, ServerAddr};

use super::choice::choice;
use super::error::{ConfigError, Problem};
use super::file::{self, TEXT_BYTES_MAX};
use super::limits::{ClusterLimits, RawCluster};
use super::model::{Isolation, PluginConfig};
use super::names::{NAME_BYTES_MAX, is_section_name};
use super::raw::{RawSecret, RawTenantCluster};
use super::registry;
use super::source::{KeyPlace, each};
use super::tls::identity;

/// The option with which the program of a singleton reads the number of its term.
pub(crate) const FENCING: &str = "fencing";
/// The default of the first part of every subject.
const PREFIX: &str = "sandloop";

/// `[cluster]`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClusterConfig {
    /// The NATS servers; the host is connected to one of them at a time.
    pub servers: Vec<ServerAddr>,
    /// The name of this host.
    pub name: String,
    /// The first part of every subject.
    pub prefix: String,
    /// The host's login.
    pub login: NatsLogin,
    /// The file of the trusted authorities, instead of the system's.
    pub authorities: Option<PathBuf>,
    /// The files of the host's certificate and its key.
    pub identity: Option<(PathBuf, PathBuf)>,
    /// Whether items of queues outlive the NATS servers that keep them.
    pub queues_are_durable: bool,
    /// Whether the host is ready while no NATS server is connected.
    pub ready_when_apart: bool,
    /// Its limits.
    pub limits: ClusterLimits,
}

/// A login for NATS, which is never printed.
#[derive(Clone, PartialEq, Eq)]
pub enum NatsLogin {
    /// None.
    Nobody,
    /// A user with a password.
    User(String, String),
    /// A token.
    Token(String),
    /// A file of credentials, as `nsc` writes it: the JWT of a user and the seed of its key.
    Credentials(String),
}

/// What a tenant's plugins share with those on other hosts.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Sharing {
    /// Its channels.
    pub channels: bool,
    /// Whether its queues are shared.
    pub queues: bool,
    /// Whether its plugins may have processes on other hosts.
    pub processes: bool,
    /// Its login for NATS, if it does not use the host's.
    pub login: Option<NatsLogin>,
}

impl fmt::Debug for NatsLogin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            NatsLogin::Nobody => "Nobody",
            NatsLogin::User(..) => "User(MASKED)",
            NatsLogin::Token(_) => "Token(MASKED)",
            NatsLogin::Credentials(_) => "Credentials(MASKED)",
        })
    }
}

/// The keys of a login, in any section.
struct WrittenLogin<'a> {
    credentials: Option<&'a str>,
    user: Option<&'a str>,
    password: Option<&'a RawSecret>,
    token: Option<&'a RawSecret>,
}

/// Resolves the section at `place`.
pub(super) fn resolve(
    place: &KeyPlace<'_>,
    raw: &RawCluster,
) -> Result<ClusterConfig, ConfigError> {
    let wrong = |key: &'static str| move |problem| place.key(key).wrong(problem);
    let folder = place.folder();
    let servers = each(&place.key("nats"), &raw.nats, server)?;
    if servers.is_empty() {
        let problem =
            Problem::new("no server is named", r#"write nats = ["nats://127.0.0.1:4222"]"#);
        return Err(wrong("nats")(problem));
    }
    let written = WrittenLogin {
        credentials: raw.credentials.as_deref(),
        user: raw.user.as_deref(),
        password: raw.password.as_ref(),
        token: raw.token.as_ref(),
    };
    let authorities = raw.server_ca.as_ref().map(|path| folder.join(path));
    if let Some(path) = &authorities {
        identity::certificates(path).map_err(wrong("server_ca"))?;
    }
    let apart = [("ready", true), ("unready", false)];
    let storage = [("file", true), ("memory", false)];
    Ok(ClusterConfig {
        servers,
        name: name(raw.name.as_deref()).map_err(wrong("name"))?,
        prefix: word("prefix", raw.prefix.as_deref().unwrap_or(PREFIX)).map_err(wrong("prefix"))?,
        login: login(place, &written)?,
        authorities,
        identity: shown(place, folder, raw)?,
        queues_are_durable: choice("a storage", raw.queue_storage.as_deref(), true, &storage)
            .map_err(wrong("queue_storage"))?,
        ready_when_apart: choice("a state", raw.apart.as_deref(), true, &apart)
            .map_err(wrong("apart"))?,
        limits: ClusterLimits::read(place, raw)?,
    })
}

/// Checks whether a plugin may be a singleton: it has a program, which only its lease begins, and a cluster grants that.
pub(super) fn check_singleton(
    place: &KeyPlace<'_>,
    plugin: &PluginConfig,
    is_served: bool,
    has_cluster: bool,
) -> Result<(), ConfigError> {
    let wrong = |cause, remedy| Err(place.key("singleton").wrong(Problem::new(cause, remedy)));
    if !has_cluster {
        return wrong(
            "there is no cluster",
            r#"add a section [cluster] with nats = ["nats://127.0.0.1:4222"], or leave this out: the one host runs it"#,
        );
    }
    if plugin.isolation == Isolation::Connection {
        return wrong(
            "only a program is a singleton, and this plugin has a sandbox for each connection",
            r#"write isolation = "plugin", or leave this out"#,
        );
    }
    if is_served {
        return wrong(
            "a [[listen]] names this plugin, and every host serves its listeners",
            "leave this out, or give the listener to another plugin; the program may listen by itself, as allow.listen says",
        );
    }
    if plugin.options.iter().any(|(name, _)| name == FENCING) {
        return Err(place.key("options").key(FENCING).wrong(Problem::new(
            "the host says this to a singleton",
            "give the option another name",
        )));
    }
    Ok(())
}

/// The keys of a tenant about the cluster, in its section and the one inside it.
pub(super) struct WrittenSharing<'a> {
    /// `channels`.
    pub(super) channels: Option<&'a str>,
    /// `queues`.
    pub(super) queues: Option<&'a str>,
    /// `processes`.
    pub(super) processes: Option<&'a str>,
    /// `[tenants.<name>.cluster]`.
    pub(super) login: Option<&'a RawTenantCluster>,
    /// Whether there is a section `[cluster]`.
    pub(super) has_cluster: bool,
}

/// Resolves the keys of the section of a tenant at `place`.
pub(super) fn sharing(
    place: &KeyPlace<'_>,
    written: &WrittenSharing<'_>,
) -> Result<Sharing, ConfigError> {
    let known = [("host", false), ("cluster", true)];
    let reach = |key: &'static str, word| {
        let is_shared = choice("a reach", word, false, &known)
            .map_err(|problem| place.key(key).wrong(problem))?;
        if is_shared && !written.has_cluster {
            return Err(place.key(key).wrong(Problem::new(
                "there is no cluster",
                r#"add a section [cluster] with nats = ["nats://127.0.0.1:4222"], or write "host""#,
            )));
        }
        Ok(is_shared)
    };
    let channels = reach("channels", written.channels)?;
    let queues = reach("queues", written.queues)?;
    let processes = reach("processes", written.processes)?;
    let own = |raw: &RawTenantCluster| {
        let place = place.key("cluster");
        if !channels && !queues && !processes {
            return Err(place.wrong(Problem::new(
                "nothing of this tenant goes to the cluster",
                r#"write channels = "cluster", queues = "cluster" or processes = "cluster" in the tenant's section, or leave this one out"#,
            )));
        }
        let written = WrittenLogin {
            credentials: raw.credentials.as_deref(),
            user: raw.user.as_deref(),
            password: raw.password.as_ref(),
            token: raw.token.as_ref(),
        };
        login(&place, &written)
    };
    let login = written.login.map(own).transpose()?;
    Ok(Sharing { channels, queues, processes, login })
}

/// Parses `nats://` or `tls://` with a host and a port. Secrets have keys of their own, so that a URL can be printed.
fn server(text: &str) -> Result<ServerAddr, Problem> {
    let remedy = r#"write "nats://HOST:PORT", or "tls://HOST:PORT" for TLS from the first byte"#;
    let has_scheme = text.starts_with("nats://") || text.starts_with("tls://");
    let wrong = |cause: &str| Problem::new(format!("{text:?} {cause}"), remedy);
    let address: ServerAddr = match text.parse() {
        Ok(address) if has_scheme => address,
        _ => return Err(wrong("is not the address of a NATS server")),
    };
    if address.has_user_pass() {
        let remedy = r#"leave them out, and write user = "name" and password = { env = "NAME" }"#;
        return Err(Problem::new("the address has a user or a password in it", remedy));
    }
    if text.contains([' ', '?', '#']) || address.host().is_empty() {
        return Err(wrong("is not the address of a NATS server"));
    }
    Ok(address)
}

/// The name in the file, or the machine's.
fn name(written: Option<&str>) -> Result<String, Problem> {
    if let Some(written) = written {
        return word("name", written);
    }
    let of_machine = nix::unistd::gethostname().unwrap_or_default();
    let plain = |c: char| if c.is_ascii_alphanumeric() || c == '-' { c } else { '-' };
    let plain: String =
        of_machine.to_string_lossy().chars().take(NAME_BYTES_MAX).map(plain).collect();
    let problem = || {
        Problem::new(
            "the machine has no name of its own",
            r#"write name = "host-1", another for each host"#,
        )
    };
    if plain.is_empty() { Err(problem()) } else { Ok(plain) }
}

fn word(what: &str, text: &str) -> Result<String, Problem> {
    if !text.is_empty() && is_section_name(text) {
        return Ok(text.to_owned());
    }
    Err(Problem::new(
        format!("{text:?} is not a {what}"),
        format!("write 1 to {NAME_BYTES_MAX} ASCII letters, digits, - and _"),
    ))
}

fn login(place: &KeyPlace<'_>, written: &WrittenLogin<'_>) -> Result<NatsLogin, ConfigError> {
    let wrong = |key: &'static str| move |problem| place.key(key).wrong(problem);
    let folder = place.folder();
    let secret = |key: &'static str, value: Option<&RawSecret>| {
        value.map(|value| registry::secret(folder, &value.0)).transpose().map_err(wrong(key))
    };
    let WrittenLogin { credentials, user, password, token } = written;
    let other =
        [("user", user.is_some()), ("password", password.is_some()), ("token", token.is_some())];
    let is_one = || Problem::new("there is another way to log in already", "keep one of the two");
    if let Some(path) = credentials {
        place.refuse(&other, is_one)?;
        return credentials_of(&folder.join(path)).map_err(wrong("credentials"));
    }
    if token.is_some() {
        place.refuse(&other[..2], is_one)?;
    }
    if let Some(token) = secret("token", *token)? {
        return Ok(NatsLogin::Token(token));
    }
    match (user, secret("password", *password)?) {
        (Some(user), Some(password)) => Ok(NatsLogin::User((*user).to_owned(), password)),
        (None, None) => Ok(NatsLogin::Nobody),
        (Some(_), None) => Err(wrong("user")(Problem::new(
            "there is no password for it",
            r#"add password = { env = "NAME" } or { file = "path" }"#,
        ))),
        (None, Some(_)) => {
            Err(wrong("password")(Problem::new("there is no user for it", r#"add user = "name""#)))
        }
    }
}

fn credentials_of(path: &Path) -> Result<NatsLogin, Problem> {
    let shown = path.display().to_string();
    let unusable = |cause: &dyn fmt::Display| {
        let remedy = "write the path of a file of credentials, as `nsc generate creds` writes it";
        Problem::new(format!("the file {shown:?} cannot be used: {cause}"), remedy)
    };
    let bytes = file::read(path, TEXT_BYTES_MAX).map_err(|error| unusable(&error))?;
    let text = String::from_utf8(bytes).map_err(|_| unusable(&"it is not UTF-8 text"))?;
    // The error is not shown, since it may contain a part of the secret.
    if ConnectOptions::with_credentials(&text).is_err() {
        return Err(unusable(&"there are no JWT and seed in it"));
    }
    Ok(NatsLogin::Credentials(text))
}

/// The files of the host's certificate, which are read now, so that errors are found before anything is served.
fn shown(
    place: &KeyPlace<'_>,
    folder: &Path,
    raw: &RawCluster,
) -> Result<Option<(PathBuf, PathBuf)>, ConfigError> {
    let missing = |key: &'static str, other: &'static str| {
        let problem = Problem::new(
            format!("there is no {other} for it"),
            format!(r#"add {other} = "file.pem""#),
        );
        Err(place.key(key).wrong(problem))
    };
    match (&raw.certificate, &raw.key) {
        (None, None) => Ok(None),
        (Some(_), None) => missing("certificate", "key"),
        (None, Some(_)) => missing("key", "certificate"),
        (Some(certificate), Some(key)) => {
            let (certificate, key) = (folder.join(certificate), folder.join(key));
            identity::certificates(&certificate)
                .map_err(|problem| place.key("certificate").wrong(problem))?;
            identity::private_key(&key).map_err(|problem| place.key("key").wrong(problem))?;
            Ok(Some((certificate, key)))
        }
    }
}
