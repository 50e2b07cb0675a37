//! The configuration as plain values, which `resolve` has checked.

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

/// A configuration that is resolved and consistent.
///
/// Components are checked when they are loaded.
#[derive(Debug, Clone)]
pub struct Config {
    /// The main file, as it was given.
    pub file: PathBuf,
    /// The included files, in their order.
    pub included: Vec<PathBuf>,
    /// The section `[host]`.
    pub host: HostConfig,
    /// The plugins, in the order of the files; at least one.
    pub plugins: Vec<PluginConfig>,
    /// The tenants, in the order in which the plugins name them.
    pub tenants: Vec<TenantConfig>,
    /// The listeners, in the order of the files.
    pub listeners: Vec<ListenConfig>,
    /// The section `[admin]`, if there is one.
    pub admin: Option<AdminConfig>,
    /// The section `[cluster]`, if there is one.
    pub cluster: Option<ClusterConfig>,
    /// The lines of its bounds.
    pub origins: Origins,
    /// Warnings for the operator: what is valid, but most likely a mistake.
    pub doubts: Vec<String>,
}

impl Config {
    /// The number of reactors that are measured: all with an `[admin]` section, otherwise none.
    pub fn watched_loops(&self) -> usize {
        self.admin.as_ref().map_or(0, |_| self.host.limits.reactors)
    }
}

/// `[host]`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HostConfig {
    /// The level of the log.
    pub log: LogLevel,
    /// Whether changed files cause a reload.
    pub reload_on_change: bool,
    /// The format of the log.
    pub log_format: LogFormat,
    /// The detail of backtraces.
    pub backtraces: Backtraces,
    /// Whether it runs for a plugin author, which no key says: code is compiled quickly rather than optimised.
    pub is_for_author: bool,
    /// The socket at which this process asks its predecessor for the listeners, and waits for its successor.
    pub handover: Option<PathBuf>,
    /// The folder of compiled components.
    pub compile_cache: CompileCache,
    /// The folder of fetched components.
    pub store: CompileCache,
    /// The keys whose signatures components must have; empty if no signature is needed.
    pub trust: Vec<TrustedKey>,
    /// The servers from which components are fetched.
    pub registries: Vec<Registry>,
    /// The limits of the host; `"cores"` is a number here.
    pub limits: HostLimits,
}

/// The format of the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum LogFormat {
    /// Text for people.
    #[default]
    Text,
    /// JSON objects.
    Json,
}

/// The detail of a backtrace.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Backtraces {
    /// The functions.
    #[default]
    Functions,
    /// Also the lines of the source, if the component has them.
    Lines,
}

/// A level of the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum LogLevel {
    /// The operator must act.
    Error,
    /// The operator may have to act soon.
    Warn,
    /// Events.
    Info,
    /// The causes of events.
    Debug,
    /// Everything.
    Trace,
}

/// The levels, with their names in the file.
pub(crate) const LOG_LEVELS: [(&str, LogLevel); 5] = [
    ("error", LogLevel::Error),
    ("warn", LogLevel::Warn),
    ("info", LogLevel::Info),
    ("debug", LogLevel::Debug),
    ("trace", LogLevel::Trace),
];

/// A folder that keeps components between runs: compiled or fetched ones.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CompileCache {
    /// No folder: every start compiles or fetches them.
    Off,
    /// The user's cache folder.
    Default,
    /// This folder, relative to the current one.
    Dir(PathBuf),
}

/// A `[plugins.<name>]`.
#[derive(Clone)]
pub struct PluginConfig {
    /// The name: letters, digits, `-` and `_`.
    pub name: String,
    /// The location of its component.
    pub component: ComponentSource,
    /// How connections share instances.
    pub isolation: Isolation,
    /// The tenant; by default the name of the plugin.
    pub tenant: String,
    /// The index of its tenant in [`Config::tenants`].
    pub tenant_index: usize,
    /// The destination of its standard output.
    pub stdout: Stdout,
    /// Its options, sorted by key. They may contain secrets and are never printed.
    pub options: Vec<(String, String)>,
    /// Its limits.
    pub limits: Limits,
    /// Its permissions.
    pub allow: Allow,
    /// Its TLS profiles.
    pub tls: Vec<TlsProfile>,
    /// The section `build`, for its author.
    pub build: Option<BuildConfig>,
    /// What peers see when an instance traps.
    pub on_trap: OnTrap,
    /// The treatment of calls that are not permitted.
    pub policy: Policy,
    /// When the program of its next version begins.
    pub handover: Handover,
    /// Whether a version that traps too often soon after its reload is replaced by the one before.
    pub rollback: bool,
    /// Whether its program runs on one host of the cluster at a time.
    pub singleton: bool,
    /// Its environment variables, sorted by name. They may contain secrets and are never printed.
    pub environment: Vec<(String, String)>,
    /// The file with its section.
    pub file: PathBuf,
    /// The line of the section, from 1.
    pub line: usize,
}

impl PluginConfig {
    /// Whether both have equal instances, apart from the component.
    pub fn is_as(&self, other: &PluginConfig) -> bool {
        let PluginConfig {
            name,
            component: _,
            file: _,
            isolation,
            tenant,
            // Determined by the name and the order of the file.
            tenant_index: _,
            stdout,
            options,
            limits,
            allow,
            tls,
            // Only determines the component, which is not compared.
            build: _,
            on_trap,
            policy,
            handover,
            // Only a reload uses it.
            rollback: _,
            singleton,
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
            && *singleton == other.singleton
            && *environment == other.environment
    }

    /// Whether it may connect anywhere.
    pub fn may_connect(&self) -> bool {
        !self.allow.connect.is_empty() || self.policy == Policy::Audit
    }
}

/// How the connections of a plugin share instances.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Isolation {
    /// A new instance for each accepted connection.
    Connection,
    /// One instance on each reactor for all.
    Plugin,
}

/// When the program of a new version begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Handover {
    /// At once, beside the old one.
    Beside,
    /// After the end of the old one; new connections wait.
    After,
}

/// The destination of a plugin's standard output.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stdout {
    /// The log, a line for each.
    Log,
    /// The host's own standard output, unchanged.
    Inherit,
}

/// What the peers of an instance see when it traps.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum OnTrap {
    /// The end of the stream, after the bytes that were sent.
    Close,
    /// A reset, if the kind of socket has one.
    Reset,
    /// These bytes, then the end of the stream.
    Farewell(String),
}

/// The treatment of connections while the plugin is at a limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AtCapacity {
    /// They stay in the backlog until there is room.
    Wait,
    /// They are accepted and closed.
    Refuse,
}

/// The treatment of calls that `Allow` does not permit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Policy {
    /// They are refused and logged.
    Enforce,
    /// They are logged and executed.
    Audit,
}

impl Policy {
    /// Its name in the file.
    pub fn name(self) -> &'static str {
        match self {
            Policy::Enforce => "enforce",
            Policy::Audit => "audit",
        }
    }
}

/// A tenant, which one or more plugins name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TenantConfig {
    /// Its name.
    pub name: String,
    /// The limits of its plugins together.
    pub limits: TenantLimits,
    /// What its plugins share with those on other hosts.
    pub sharing: Sharing,
}

/// A `[[listen]]`.
#[derive(Clone)]
pub struct ListenConfig {
    /// Its address.
    pub address: ListenAddress,
    /// The index of its plugin in [`Config::plugins`].
    pub plugin: usize,
    /// The handler; by default the only one of the plugin.
    pub handler: Option<String>,
    /// The options of its connections, sorted by key. They may contain secrets and are never printed.
    pub options: Vec<(String, String)>,
    /// The treatment of connections while the plugin is at a limit.
    pub at_capacity: AtCapacity,
    /// Its limits.
    pub limits: ListenLimits,
    /// Who may connect to its Unix socket.
    pub access: SocketAccess,
    /// The certificates and other settings of TLS, for `tls://`.
    pub tls: Option<TlsListen>,
    /// The proxies that are trusted, if connections begin with a header of the PROXY protocol.
    pub proxy_protocol: Option<ProxyProtocol>,
    /// The file with its section.
    pub file: PathBuf,
    /// The line of the section, from 1.
    pub line: usize,
    /// Its index among the `[[listen]]` of that file, from 0.
    pub place: usize,
}

/// Values of options are never printed, since any may be a secret.
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
            .field("singleton", &self.singleton)
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
