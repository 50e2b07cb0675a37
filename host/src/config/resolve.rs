//! Makes a [`Config`] of the mirrors of the files: adds defaults, parses values, and checks that all parts are consistent.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use super::ConfigFile;
use super::address::{self, ListenAddress};
use super::address_value;
use super::admin;
use super::allow;
use super::build;
use super::choice::choice;
use super::cluster::{self, Sharing, WrittenSharing};
use super::compile_cache;
use super::component::ComponentSource;
use super::environment;
use super::error::{ConfigError, Problem};
use super::limits::{
    HostLimits, Limits, ListenLimits, REACTORS, RawHost, RawLimits, RawListen, RawTenantLimits,
    TenantLimits,
};
use super::model::{
    AtCapacity, Backtraces, Config, Handover, HostConfig, Isolation, LOG_LEVELS, ListenConfig,
    LogFormat, LogLevel, OnTrap, PluginConfig, Policy, Stdout, TenantConfig,
};
use super::names::{NAME_BYTES_MAX, is_section_name};
use super::options;
use super::origins::{self, Origins};
use super::overlap::overlap;
use super::proxy_protocol;
use super::quantity::Quantity;
use super::queue_lease;
use super::raw::{RawFile, RawPlugin, RawTenant};
use super::registry;
use super::socket_access::{self, WrittenAccess};
use super::source::{KeyPlace, each};
use super::tls;
use super::tls::profile::TlsProfile;
use super::trust::TrustedKey;
use super::values::Amount;

/// A section of a plugin or a tenant, or a listener: its place, its name, its mirror.
type Section<'a, T> = (KeyPlace<'a>, &'a str, &'a T);

/// Resolves the mirrors of all files, of which the first is the main one.
pub(super) fn resolve(files: &[ConfigFile<'_>]) -> Result<Config, ConfigError> {
    let [main, included @ ..] = files else {
        unreachable!("a configuration has a main file");
    };
    let top = main.source.top();
    let host = host(&top.key("host"), top.folder(), &main.raw.host)?;
    let of_plugins = sections(files, "plugins", |raw| &raw.plugins)?;
    let of_tenants = sections(files, "tenants", |raw| &raw.tenants)?;
    let of_listeners = listen_sections(files);
    let mut plugins = plugins(&top, &of_plugins)?;
    let cluster = main.raw.cluster.as_ref();
    let cluster = cluster.map(|raw| cluster::resolve(&top.key("cluster"), raw)).transpose()?;
    let tenants = tenants(&top, &of_tenants, &mut plugins, cluster.is_some())?;
    let listeners = listeners(&of_listeners, &plugins)?;
    let admin = main.raw.admin.as_ref();
    let taken = of_listeners.iter().zip(&listeners);
    let taken: Vec<_> = taken
        .map(|((place, ..), it)| (&it.address, place.key("address").seen_from(&top)))
        .collect();
    let admin = admin.map(|raw| admin::resolve(&top.key("admin"), top.folder(), raw, &taken));
    let admin = admin.transpose()?;
    for (index, plugin) in plugins.iter().enumerate() {
        let is_served = listeners.iter().any(|listener| listener.plugin == index);
        if plugin.singleton {
            cluster::check_singleton(&of_plugins[index].0, plugin, is_served, cluster.is_some())?;
        }
        let is_spawned = plugins.iter().any(|other| other.allow.may_spawn(&plugin.name));
        if plugin.isolation == Isolation::Connection && !is_served && !is_spawned {
            let name = &plugin.name;
            return Err(of_plugins[index].0.wrong(Problem::new(
                "it would never run: it lives for accepted connections, and no [[listen]] names it",
                format!("add a [[listen]] with plugin = {name:?}, or write isolation = \"plugin\""),
            )));
        }
    }
    let file = main.source.file.to_owned();
    let included = included.iter().map(|one| one.source.file.to_owned()).collect();
    let origins = Origins::default();
    let doubts = Vec::new();
    let mut config = Config {
        file,
        included,
        host,
        plugins,
        tenants,
        listeners,
        admin,
        cluster,
        origins,
        doubts,
    };
    config.origins = find_origins(&top, &of_plugins, &of_tenants, &of_listeners, &config);
    config.doubts = find_doubts(&of_plugins, &of_listeners, &config);
    queue_lease::check(&top, &config)?;
    Ok(config)
}

/// The sections of one kind in all files, in their order. A name may be declared in one file only.
fn sections<'a, T>(
    files: &'a [ConfigFile<'_>],
    kind: &'static str,
    of: impl Fn(&'a RawFile) -> &'a BTreeMap<String, T>,
) -> Result<Vec<Section<'a, T>>, ConfigError> {
    let mut all: Vec<Section<'a, T>> = Vec::new();
    for file in files {
        let place = file.source.top().key(kind);
        let own = of(&file.raw).iter();
        let mut own: Vec<_> = own.map(|(name, raw)| (place.key(name), &**name, raw)).collect();
        own.sort_by_key(|(place, ..)| place.line());
        for section in own {
            let (place, name, _) = &section;
            if let Some((first, ..)) = all.iter().find(|(_, known, _)| known == name) {
                return Err(place.wrong(Problem::new(
                    format!("[{kind}.{name}] is there already, at {}", first.seen_from(place)),
                    "keep one of the two, or give one another name",
                )));
            }
            all.push(section);
        }
    }
    Ok(all)
}

/// The `[[listen]]` of all files, in their order.
fn listen_sections<'a>(files: &'a [ConfigFile<'_>]) -> Vec<ListenSection<'a>> {
    let mut all = Vec::new();
    for file in files {
        let place = file.source.top().key("listen");
        let own = file.raw.listen.iter().enumerate();
        all.extend(own.map(|(index, raw)| (place.index(index), index, raw)));
    }
    all
}

/// A `[[listen]]`: its place, its index in its file, its mirror.
type ListenSection<'a> = (KeyPlace<'a>, usize, &'a RawListen);

/// Warnings about what is valid, but most likely a mistake.
fn find_doubts(
    plugins: &[Section<'_, RawPlugin>],
    listeners: &[ListenSection<'_>],
    config: &Config,
) -> Vec<String> {
    let mut doubts = Vec::new();
    for ((place, _, raw), plugin) in plugins.iter().zip(&config.plugins) {
        let tables = [
            ("options", &raw.options, &plugin.options),
            ("environment", &raw.environment, &plugin.environment),
        ];
        for (key, raw, resolved) in tables {
            doubts.extend(options::empty_secrets(&place.key(key), raw, resolved));
        }
    }
    for ((place, _, raw), listener) in listeners.iter().zip(&config.listeners) {
        doubts.extend(options::empty_secrets(
            &place.key("options"),
            &raw.options,
            &listener.options,
        ));
    }
    doubts.iter().map(ToString::to_string).collect()
}

/// The lines of the bounds of `config`.
fn find_origins(
    top: &KeyPlace<'_>,
    plugins: &[Section<'_, RawPlugin>],
    tenants: &[Section<'_, RawTenant>],
    listeners: &[ListenSection<'_>],
    config: &Config,
) -> Origins {
    let mut origins = Origins::default();
    let mut note = |section: &str, place: &KeyPlace<'_>, amounts: &[Amount]| {
        origins.note(section, place, amounts.iter().map(|(bound, _)| bound.name));
    };
    note("host", &top.key("host"), &config.host.limits.amounts());
    for ((place, ..), plugin) in plugins.iter().zip(&config.plugins) {
        let place = place.key("limits");
        note(&origins::section("plugins", &plugin.name), &place, &plugin.limits.amounts());
    }
    for (place, name, _) in tenants {
        let of_all = config.tenants.iter().filter(|tenant| tenant.name == **name);
        let amounts: Vec<_> = of_all.flat_map(|tenant| tenant.limits.amounts()).collect();
        note(&origins::section("tenants", name), &place.key("limits"), &amounts);
    }
    for (index, ((place, ..), listener)) in listeners.iter().zip(&config.listeners).enumerate() {
        note(&origins::listen(index), place, &listener.limits.amounts());
    }
    if let Some(admin) = &config.admin {
        note("admin", &top.key("admin"), &admin.limits.amounts());
    }
    if let Some(cluster) = &config.cluster {
        note("cluster", &top.key("cluster"), &cluster.limits.amounts());
    }
    // Not bounds, but keys whose lines commands and reloads report.
    let others = ["compile_cache", "store", "log", "log_format", "backtraces", "handover"];
    origins.note("host", &top.key("host"), others);
    let others = ["address", "mode", "owner", "group", "token", "public", "hosts", "quarantine"];
    origins.note("admin", &top.key("admin"), others);
    origins.note_sections(top, ["host", "admin", "cluster"]);
    origins.note(
        "cluster",
        &top.key("cluster"),
        ["nats", "credentials", "user", "token", "server_ca"],
    );
    for (place, name, _) in tenants {
        let shared = ["channels", "queues", "processes", "cluster"];
        origins.note(&format!("tenants.{name}"), place, shared);
    }
    origins
}

fn host(place: &KeyPlace<'_>, folder: &Path, raw: &RawHost) -> Result<HostConfig, ConfigError> {
    let wrong = |key: &'static str| move |problem| place.key(key).wrong(problem);
    let reactors = reactors(place, raw.reactors.as_ref())?;
    Ok(HostConfig {
        log: log_level(raw.log.as_deref()).map_err(wrong("log"))?,
        reload_on_change: raw.reload_on_change.unwrap_or(false),
        log_format: log_format(raw.log_format.as_deref()).map_err(wrong("log_format"))?,
        backtraces: backtraces(raw.backtraces.as_deref()).map_err(wrong("backtraces"))?,
        is_for_author: false,
        handover: handover_path(raw.handover.as_deref(), folder).map_err(wrong("handover"))?,
        compile_cache: compile_cache::resolve(raw.compile_cache.as_deref(), folder)
            .map_err(wrong("compile_cache"))?,
        store: compile_cache::resolve(raw.store.as_deref(), folder).map_err(wrong("store"))?,
        trust: each(&place.key("trust"), &raw.trust, |text| TrustedKey::read(text, folder))?,
        registries: registry::resolve(&place.key("registries"), &raw.registries)?,
        limits: HostLimits::read(place, &RawHost { reactors, ..raw.clone() })?,
    })
}

/// The number of reactors; `"cores"` is a number here.
fn reactors(
    place: &KeyPlace<'_>,
    written: Option<&Quantity>,
) -> Result<Option<Quantity>, ConfigError> {
    let place = place.key(REACTORS.name);
    let variable = written.map(Quantity::of_variable).transpose();
    let variable = variable.map_err(|problem| place.wrong(problem))?.flatten();
    match variable.as_ref().or(written) {
        Some(Quantity::Text(text)) if text == "cores" => {
            let cores = std::thread::available_parallelism().map_or(1, usize::from) as u64;
            let cores = i64::try_from(cores.min(REACTORS.max)).unwrap_or(1);
            Ok(Some(Quantity::Number(cores)))
        }
        Some(Quantity::Text(text)) if variable.is_none() => Err(place.wrong(Problem::new(
            format!("{text:?} is not a number of reactors"),
            r#"write a whole number without quotes, or "cores" for one each core"#,
        ))),
        _ => Ok(written.cloned()),
    }
}

fn log_level(written: Option<&str>) -> Result<LogLevel, Problem> {
    choice("a log level", written, LogLevel::Info, &LOG_LEVELS)
}

fn handover_path(written: Option<&str>, folder: &Path) -> Result<Option<PathBuf>, Problem> {
    written.map(|text| address::unix(text, text, folder)).transpose()
}

fn log_format(written: Option<&str>) -> Result<LogFormat, Problem> {
    let known = [("text", LogFormat::Text), ("json", LogFormat::Json)];
    choice("a format of the log", written, LogFormat::Text, &known)
}

fn backtraces(written: Option<&str>) -> Result<Backtraces, Problem> {
    let known = [("functions", Backtraces::Functions), ("lines", Backtraces::Lines)];
    choice("what backtraces have", written, Backtraces::Functions, &known)
}

fn plugins(
    top: &KeyPlace<'_>,
    sections: &[Section<'_, RawPlugin>],
) -> Result<Vec<PluginConfig>, ConfigError> {
    if sections.is_empty() {
        return Err(top.key("plugins").wrong(Problem::new(
            "no plugin is declared",
            r#"add a section [plugins.echo] with component = "plugins/echo.wasm""#,
        )));
    }
    let names = allow::Declared::of(sections);
    sections.iter().map(|(place, name, raw)| plugin(place, name, raw, &names)).collect()
}

fn plugin(
    place: &KeyPlace<'_>,
    name: &str,
    raw: &RawPlugin,
    names: &allow::Declared<'_>,
) -> Result<PluginConfig, ConfigError> {
    let wrong = |key: &'static str| move |problem| place.key(key).wrong(problem);
    let folder = place.folder();
    check_name(name).map_err(|problem| place.wrong(problem))?;
    let component = ComponentSource::parse(&raw.component, raw.sha256.as_deref(), folder)
        .map_err(|(key, problem)| wrong(key)(problem))?;
    let made = raw.build.as_ref();
    let made = made.map(|raw| build::resolve(&place.key("build"), raw, &component)).transpose()?;
    let tenant = raw.tenant.as_deref().unwrap_or(name);
    check_name(tenant).map_err(wrong("tenant"))?;
    Ok(PluginConfig {
        name: name.to_owned(),
        component,
        isolation: isolation(raw.isolation.as_deref()).map_err(wrong("isolation"))?,
        tenant: tenant.to_owned(),
        // Set when all plugins are resolved.
        tenant_index: 0,
        stdout: stdout(raw.stdout.as_deref()).map_err(wrong("stdout"))?,
        options: options::resolve(&place.key("options"), folder, &raw.options)?,
        limits: limits(&place.key("limits"), &raw.limits)?,
        allow: allow::resolve(&place.key("allow"), folder, &raw.allow, names)?,
        tls: profiles(&place.key("tls"), folder, raw)?,
        build: made,
        on_trap: on_trap(place, raw)?,
        singleton: raw.singleton.unwrap_or(false),
        policy: policy(raw.policy.as_deref()).map_err(wrong("policy"))?,
        handover: handover(raw.handover.as_deref()).map_err(wrong("handover"))?,
        rollback: raw.rollback.unwrap_or(false),
        environment: environment::resolve(place, folder, raw)?,
        file: place.file().to_owned(),
        line: place.line(),
    })
}

fn profiles(
    place: &KeyPlace<'_>,
    folder: &Path,
    raw: &RawPlugin,
) -> Result<Vec<TlsProfile>, ConfigError> {
    let profile = |(name, raw): (&String, _)| {
        let place = place.key(name);
        check_name(name).map_err(|problem| place.wrong(problem))?;
        tls::profile::resolve(&place, folder, name, raw)
    };
    raw.tls.iter().map(profile).collect()
}

fn check_name(name: &str) -> Result<(), Problem> {
    if is_section_name(name) {
        return Ok(());
    }
    Err(Problem::new(
        format!("{name:?} is not a name"),
        format!("write 1 to {NAME_BYTES_MAX} ASCII letters, digits, - and _, as in \"echo\""),
    ))
}

fn isolation(written: Option<&str>) -> Result<Isolation, Problem> {
    let known = [("connection", Isolation::Connection), ("plugin", Isolation::Plugin)];
    choice("an isolation", written, Isolation::Connection, &known)
}

fn stdout(written: Option<&str>) -> Result<Stdout, Problem> {
    let known = [("log", Stdout::Log), ("inherit", Stdout::Inherit)];
    choice("a place for standard output", written, Stdout::Log, &known)
}

fn policy(written: Option<&str>) -> Result<Policy, Problem> {
    let known = [("enforce", Policy::Enforce), ("audit", Policy::Audit)];
    choice("a policy", written, Policy::Enforce, &known)
}

fn handover(written: Option<&str>) -> Result<Handover, Problem> {
    let known = [("beside", Handover::Beside), ("after", Handover::After)];
    choice("a handover", written, Handover::Beside, &known)
}

fn on_trap(place: &KeyPlace<'_>, raw: &RawPlugin) -> Result<OnTrap, ConfigError> {
    let known = [("close", false), ("reset", true)];
    let resets = choice("an end", raw.on_trap.as_deref(), false, &known)
        .map_err(|problem| place.key("on_trap").wrong(problem))?;
    // What a singleton has not sent when it is ended is not to be seen after that.
    let is_silent = raw.singleton == Some(true) && raw.on_trap.is_none() && raw.farewell.is_none();
    match (&raw.farewell, resets || is_silent) {
        (Some(_), true) => Err(place.key("farewell").wrong(Problem::new(
            "a reset takes along what was sent last",
            r#"leave out farewell, or write on_trap = "close""#,
        ))),
        (Some(farewell), false) => Ok(OnTrap::Farewell(farewell.clone())),
        (None, true) => Ok(OnTrap::Reset),
        (None, false) => Ok(OnTrap::Close),
    }
}

fn at_capacity(written: Option<&str>) -> Result<AtCapacity, Problem> {
    let known = [("wait", AtCapacity::Wait), ("refuse", AtCapacity::Refuse)];
    choice("a way to be full", written, AtCapacity::Wait, &known)
}

fn limits(place: &KeyPlace<'_>, raw: &RawLimits) -> Result<Limits, ConfigError> {
    let limits = Limits::read(place, raw)?;
    check_marks(place, &limits)?;
    Ok(limits)
}

/// Every tenant that a plugin names, with the limits of its section if there is one.
fn tenants(
    top: &KeyPlace<'_>,
    sections: &[Section<'_, RawTenant>],
    plugins: &mut [PluginConfig],
    has_cluster: bool,
) -> Result<Vec<TenantConfig>, ConfigError> {
    let mut tenants: Vec<TenantConfig> = Vec::new();
    for plugin in plugins.iter_mut() {
        let known = tenants.iter().position(|tenant| tenant.name == plugin.tenant);
        plugin.tenant_index = match known {
            Some(index) => index,
            None => {
                let section = sections.iter().find(|(_, name, _)| plugin.tenant == *name);
                let (limits, sharing) = match section {
                    Some((place, _, raw)) => {
                        let written = WrittenSharing {
                            channels: raw.channels.as_deref(),
                            queues: raw.queues.as_deref(),
                            processes: raw.processes.as_deref(),
                            login: raw.cluster.as_ref(),
                            has_cluster,
                        };
                        let limits = TenantLimits::read(&place.key("limits"), &raw.limits)?;
                        (limits, cluster::sharing(place, &written)?)
                    }
                    None => {
                        (TenantLimits::read(top, &RawTenantLimits::default())?, Sharing::default())
                    }
                };
                tenants.push(TenantConfig { name: plugin.tenant.clone(), limits, sharing });
                tenants.len() - 1
            }
        };
    }
    let is_named = |name: &str| tenants.iter().any(|tenant| tenant.name == name);
    if let Some((place, stray, _)) = sections.iter().find(|(_, name, _)| !is_named(name)) {
        let names: Vec<_> = tenants.iter().map(|tenant| tenant.name.as_str()).collect();
        return Err(place.wrong(Problem::new(
            "no plugin belongs to this tenant",
            format!(
                "write one of {}, or tenant = {stray:?} in a plugin's section",
                names.join(", ")
            ),
        )));
    }
    Ok(tenants)
}

/// Checks the marks of an outbox: low < high ≤ max.
fn check_marks(place: &KeyPlace<'_>, limits: &Limits) -> Result<(), ConfigError> {
    let show = |bytes: u32| super::units::size(bytes.into());
    let (low, high, max) = (limits.outbox_low, limits.outbox_high, limits.outbox_max);
    if high <= low {
        return Err(written_one(place, "outbox_low", "outbox_high").wrong(Problem::new(
            format!("outbox_low, {}, is not below outbox_high, {}", show(low), show(high)),
            "lower outbox_low or raise outbox_high",
        )));
    }
    if max < high {
        return Err(written_one(place, "outbox_high", "outbox_max").wrong(Problem::new(
            format!("outbox_high, {}, is above outbox_max, {}", show(high), show(max)),
            "lower outbox_high or raise outbox_max",
        )));
    }
    Ok(())
}

/// Of two keys that contradict each other, the first that is in the file; the other one is a default.
fn written_one<'a>(place: &KeyPlace<'a>, first: &str, second: &str) -> KeyPlace<'a> {
    let first = place.key(first);
    if first.is_written() { first } else { place.key(second) }
}

fn listeners(
    sections: &[ListenSection<'_>],
    plugins: &[PluginConfig],
) -> Result<Vec<ListenConfig>, ConfigError> {
    let mut listeners: Vec<ListenConfig> = Vec::with_capacity(sections.len());
    for (here, place, raw) in sections {
        let listener = listener(here, *place, raw, plugins)?;
        let taken = listeners.iter().position(|known| overlap(&known.address, &listener.address));
        if let Some(first) = taken {
            let there = sections[first].0.key("address").seen_from(here);
            let (known, address) = (&listeners[first].address, &listener.address);
            let cause = if known == address {
                format!("{address} is already the address of the listener at {there}")
            } else {
                format!("{address} overlaps with {known}, the address of the listener at {there}")
            };
            let remedy = "give each listener its own address";
            return Err(here.key("address").wrong(Problem::new(cause, remedy)));
        }
        listeners.push(listener);
    }
    Ok(listeners)
}

fn listener(
    place: &KeyPlace<'_>,
    index: usize,
    raw: &RawListen,
    plugins: &[PluginConfig],
) -> Result<ListenConfig, ConfigError> {
    let wrong = |key: &'static str| move |problem| place.key(key).wrong(problem);
    let folder = place.folder();
    let plugin = plugins.iter().position(|plugin| plugin.name == raw.plugin);
    let undeclared = || {
        let names: Vec<_> = plugins.iter().map(|plugin| plugin.name.as_str()).collect();
        Problem::new(
            format!("no plugin {:?} is declared", raw.plugin),
            format!("write one of {}, or add a section [plugins.<name>]", names.join(", ")),
        )
    };
    if raw.handler.as_deref() == Some("") {
        return Err(wrong("handler")(Problem::new(
            "the name is empty",
            "write the name of a handler, or leave the key out if the plugin has only one",
        )));
    }
    let address = address_value::read(&raw.address, folder).map_err(wrong("address"))?;
    let for_datagrams =
        [("peer_idle", raw.peer_idle.is_some()), ("peer_queue", raw.peer_queue.is_some())];
    if !matches!(address, ListenAddress::Udp(_) | ListenAddress::Inherited(_)) {
        place.refuse(&for_datagrams, || {
            Problem::new(
                format!("{address} has no datagrams"),
                "leave it out; it is for udp:// addresses",
            )
        })?;
    }
    Ok(ListenConfig {
        tls: tls::resolve(place, folder, raw, &address)?,
        proxy_protocol: proxy_protocol::resolve(place, raw, &address)?,
        access: socket_access::resolve(
            place,
            &WrittenAccess {
                mode: raw.mode.as_deref(),
                owner: raw.owner.as_ref(),
                group: raw.group.as_ref(),
            },
            &address,
        )?,
        address,
        plugin: plugin.ok_or_else(|| wrong("plugin")(undeclared()))?,
        handler: raw.handler.clone(),
        options: options::resolve(&place.key("options"), folder, &raw.options)?,
        at_capacity: at_capacity(raw.at_capacity.as_deref()).map_err(wrong("at_capacity"))?,
        limits: ListenLimits::read(place, raw)?,
        file: place.file().to_owned(),
        line: place.line(),
        place: index,
    })
}
