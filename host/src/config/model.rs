//! The configuration as plain values, which cannot be wrong: `resolve` has looked at all of it.

use std::fmt;
use std::path::PathBuf;

use super::address::ListenAddress;
use super::admin::AdminConfig;
use super::allow::Allow;
use super::build::BuildConfig;
use super::cluster::{ClusterConfig, Sharing};
use super::component::ComponentSource;
use super::limits::{HostLimits, Limits, ListenLimits, TenantLimits};
use super::origins::Origins;
use super::proxy_protocol::ProxyProtocol;
use super::registry::Registry;
use super::socket_access::SocketAccess;
use super::tls::TlsListen;
use super::tls::profile::TlsProfile;
use super::trust::TrustedKey;

/// A configuration that was read, resolved and found consistent.
///
/// Only the component files were not looked at: the loader does that.
#[derive(Debug, Clone)]
pub struct Config {
    /// The main file it came from, as it was given.
    pub file: PathBuf,
    /// The files that it includes, in their order.
    pub included: Vec<PathBuf>,
    /// What concerns the host as a whole.
    pub host: HostConfig,
    /// The plugins, in the order of the files; at least one.
    pub plugins: Vec<PluginConfig>,
    /// The tenants, in the order in which the plugins name them.
    pub tenants: Vec<TenantConfig>,
    /// The listeners, in the order of the files.
    pub listeners: Vec<ListenConfig>,
    /// Where the host is watched and told what to do; none unless the file says so.
    pub admin: Option<AdminConfig>,
    /// The servers by which it is one with other hosts; none unless the file says so.
    pub cluster: Option<ClusterConfig>,
    /// Where its bounds are written.
    pub origins: Origins,
    /// What is allowed and most likely not meant, for the operator.
    pub doubts: Vec<String>,
}

impl Config {
    /// How many loops are measured: all where somebody watches, and none otherwise.
    pub fn watched_loops(&self) -> usize {
        self.admin.as_ref().map_or(0, |_| self.host.limits.reactors)
    }
}

/// `[host]`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HostConfig {
    /// The least important log lines that are still written.
    pub log: LogLevel,
    /// Whether a changed file is a reason to reload.
    pub reload_on_change: bool,
    /// How a line is written.
    pub log_format: LogFormat,
    /// What a line says of where a guest has trapped.
    pub backtraces: Backtraces,
    /// Whether it runs for one who writes plugins, which no key says: code is then to be there soon, rather than to be fast.
    pub is_for_author: bool,
    /// Where the process is found that this one takes over from, and waits for the one that takes over from it.
    pub handover: Option<PathBuf>,
    /// Where compiled components are kept.
    pub compile_cache: CompileCache,
    /// Where fetched components are kept.
    pub store: CompileCache,
    /// Whose signatures components must have; of nobody where there is no key.
    pub trust: Vec<TrustedKey>,
    /// What is known of the servers that components are fetched from.
    pub registries: Vec<Registry>,
    /// What the host may use; `"cores"` is already counted.
    pub limits: HostLimits,
}

/// How a line of the log is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum LogFormat {
    /// For people.
    #[default]
    Text,
    /// One JSON object.
    Json,
}

/// What a line of the log says of where a guest has trapped.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Backtraces {
    /// The functions.
    #[default]
    Functions,
    /// The lines of the source as well, where the component has them.
    Lines,
}

/// How much is logged.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum LogLevel {
    /// What needs the operator.
    Error,
    /// What may soon.
    Warn,
    /// What happened.
    Info,
    /// Why it happened.
    Debug,
    /// Everything.
    Trace,
}

/// The levels as the file spells them.
pub(crate) const LOG_LEVELS: [(&str, LogLevel); 5] = [
    ("error", LogLevel::Error),
    ("warn", LogLevel::Warn),
    ("info", LogLevel::Info),
    ("debug", LogLevel::Debug),
    ("trace", LogLevel::Trace),
];

/// Where something is kept between runs: compiled components, and fetched ones.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CompileCache {
    /// Nowhere: make it anew at every start.
    Off,
    /// In the user's cache folder.
    Default,
    /// In this folder; a relative path started at the folder of the configuration file.
    Dir(PathBuf),
}

/// One `[plugins.<name>]`.
#[derive(Clone)]
pub struct PluginConfig {
    /// The name: letters, digits, `-` and `_`.
    pub name: String,
    /// Where its component comes from.
    pub component: ComponentSource,
    /// How connections share sandboxes.
    pub isolation: Isolation,
    /// Whose budget it spends; its own name by default.
    pub tenant: String,
    /// The same as an index into [`Config::tenants`].
    pub tenant_index: usize,
    /// What becomes of its standard output.
    pub stdout: Stdout,
    /// What the plugin can ask for as a whole, sorted by key. May hold secrets: never printed.
    pub options: Vec<(String, String)>,
    /// What it may use.
    pub limits: Limits,
    /// What it may do.
    pub allow: Allow,
    /// What it may begin TLS with, by name.
    pub tls: Vec<TlsProfile>,
    /// How its component is made, for those who write it.
    pub build: Option<BuildConfig>,
    /// What the connections of an instance that traps see.
    pub on_trap: OnTrap,
    /// What becomes of what it may not do.
    pub policy: Policy,
    /// When a program begins whose earlier version still has something.
    pub handover: Handover,
    /// Whether a version that traps too often right after its reload gives its place back to the one before.
    pub rollback: bool,
    /// The environment variables that it sees, sorted by name. May hold secrets: never printed.
    pub environment: Vec<(String, String)>,
    /// The file where it is declared.
    pub file: PathBuf,
    /// The line of that file, from 1.
    pub line: usize,
}

impl PluginConfig {
    /// Whether an instance of one would do as well for the other. The components are not looked at.
    pub fn is_as(&self, other: &PluginConfig) -> bool {
        let PluginConfig {
            name,
            component: _,
            file: _,
            isolation,
            tenant,
            // Follows from the name and the order of the file.
            tenant_index: _,
            stdout,
            options,
            limits,
            allow,
            tls,
            // It makes the component, which is not looked at either.
            build: _,
            on_trap,
            policy,
            handover,
            // Only a reload looks at it.
            rollback: _,
            environment,
            line: _,
        } = self;
        *name == other.name
            && *isolation == other.isolation
            && *tenant == other.tenant
            && *stdout == other.stdout
            && *options == other.options
            && *limits == other.limits
            && *allow == other.allow
            && *tls == other.tls
            && *on_trap == other.on_trap
            && *policy == other.policy
            && *handover == other.handover
            && *environment == other.environment
    }

    /// Whether there is anything that it may connect to.
    pub fn may_connect(&self) -> bool {
        !self.allow.connect.is_empty() || self.policy == Policy::Audit
    }
}

/// How the connections of a plugin share sandboxes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Isolation {
    /// A fresh instance for each accepted connection.
    Connection,
    /// One instance a reactor serves all.
    Plugin,
}

/// When the program of a new version begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Handover {
    /// At once, beside the one before.
    Beside,
    /// When the one before has ended; new connections wait.
    After,
}

/// What becomes of a plugin's standard output.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stdout {
    /// Each line is a log line of that plugin.
    Log,
    /// It goes to the host's own standard output as it is.
    Inherit,
}

/// What the peers of an instance see when it traps.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum OnTrap {
    /// The end of the stream, after what was sent already.
    Close,
    /// A reset, where the kind of socket has one.
    Reset,
    /// These bytes, then the end of the stream.
    Farewell(String),
}

/// What a listener does with connections that its plugin cannot take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AtCapacity {
    /// They stay in the backlog until there is room.
    Wait,
    /// They are accepted and closed.
    Refuse,
}

/// What becomes of a call that `Allow` does not grant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Policy {
    /// It is refused, and logged.
    Enforce,
    /// It is logged, and let through.
    Audit,
}

impl Policy {
    /// As the file spells it.
    pub fn name(self) -> &'static str {
        match self {
            Policy::Enforce => "enforce",
            Policy::Audit => "audit",
        }
    }
}

/// One tenant: a name that one or more plugins give.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TenantConfig {
    /// Its name.
    pub name: String,
    /// What its plugins may use together.
    pub limits: TenantLimits,
    /// What they share with those on other hosts.
    pub sharing: Sharing,
}

/// One `[[listen]]`.
#[derive(Clone)]
pub struct ListenConfig {
    /// Where it waits.
    pub address: ListenAddress,
    /// The plugin that serves it: an index into [`Config::plugins`].
    pub plugin: usize,
    /// Which handler class of the plugin; its only one by default.
    pub handler: Option<String>,
    /// What each of its connections can ask for, sorted by key. May hold secrets: never printed.
    pub options: Vec<(String, String)>,
    /// What becomes of connections that the plugin cannot take.
    pub at_capacity: AtCapacity,
    /// What it may hold.
    pub limits: ListenLimits,
    /// Who may connect, if it is a Unix socket.
    pub access: SocketAccess,
    /// What it shows of itself and asks of its peers, if it has TLS.
    pub tls: Option<TlsListen>,
    /// Whose word it takes for where connections come from, if they begin with a header of the PROXY protocol.
    pub proxy_protocol: Option<ProxyProtocol>,
    /// The file where it is declared.
    pub file: PathBuf,
    /// The line of that file, from 1.
    pub line: usize,
    /// Its place among the `[[listen]]` of that file, from 0.
    pub place: usize,
}

/// Option values are never printed: any of them may be a secret.
struct Masked<'a>(&'a [(String, String)]);

impl fmt::Debug for Masked<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map().entries(self.0.iter().map(|(key, _)| (key, format_args!("MASKED")))).finish()
    }
}

impl fmt::Debug for PluginConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PluginConfig")
            .field("name", &self.name)
            .field("component", &self.component)
            .field("isolation", &self.isolation)
            .field("tenant", &self.tenant)
            .field("tenant_index", &self.tenant_index)
            .field("stdout", &self.stdout)
            .field("options", &Masked(&self.options))
            .field("limits", &self.limits)
            .field("allow", &self.allow)
            .field("tls", &self.tls)
            .field("build", &self.build)
            .field("on_trap", &self.on_trap)
            .field("policy", &self.policy)
            .field("handover", &self.handover)
            .field("environment", &Masked(&self.environment))
            .field("line", &self.line)
            .finish()
    }
}

impl fmt::Debug for ListenConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ListenConfig")
            .field("address", &self.address)
            .field("plugin", &self.plugin)
            .field("handler", &self.handler)
            .field("options", &Masked(&self.options))
            .field("at_capacity", &self.at_capacity)
            .field("limits", &self.limits)
            .field("access", &self.access)
            .field("tls", &self.tls)
            .field("proxy_protocol", &self.proxy_protocol)
            .field("line", &self.line)
            .finish()
    }
}
