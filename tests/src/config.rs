//! A `plugins.toml`, built by a test in the order of the file.

use std::fmt::Write as _;
use std::path::Path;

use crate::certificates::Certified;
use crate::component;

/// The sandboxes of a plugin.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Isolation {
    /// One for each accepted connection.
    Connection,
    /// One for all connections.
    Plugin,
}

impl Isolation {
    /// Its name in the file.
    pub fn name(self) -> &'static str {
        match self {
            Isolation::Connection => "connection",
            Isolation::Plugin => "plugin",
        }
    }
}

/// A `[plugins.NAME]` section.
#[derive(Clone, Debug)]
pub struct Plugin {
    name: String,
    component: String,
    keys: Vec<(String, String)>,
    options: Vec<(String, String)>,
    limits: Vec<(String, String)>,
    allow: Vec<(String, String)>,
}

impl Plugin {
    /// A plugin under the name of its component in `target/plugins`.
    pub fn new(name: &str) -> Plugin {
        Plugin::named(name, &component(name))
    }

    /// A plugin under another name than its component's.
    pub fn named(name: &str, component: &Path) -> Plugin {
        Plugin {
            name: name.to_owned(),
            component: component.display().to_string(),
            keys: Vec::new(),
            options: Vec::new(),
            limits: Vec::new(),
            allow: Vec::new(),
        }
    }

    /// Its name in the file.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// `isolation = …`
    pub fn isolation(self, isolation: Isolation) -> Plugin {
        self.key("isolation", text(isolation.name()))
    }

    /// `stdout = "inherit"`: the output of the guest is the host's standard output, byte for byte.
    pub fn prints(self) -> Plugin {
        self.key("stdout", text("inherit"))
    }

    /// Sets a key of the section to this TOML.
    pub fn key(mut self, key: &str, value: impl Into<String>) -> Plugin {
        self.keys.push((key.to_owned(), value.into()));
        self
    }

    /// Sets a key of `[plugins.NAME.options]` to a text.
    pub fn option(mut self, key: &str, value: &str) -> Plugin {
        self.options.push((key.to_owned(), text(value)));
        self
    }

    /// Sets a key of `[plugins.NAME.limits]` to this TOML.
    pub fn limit(mut self, key: &str, value: impl Into<String>) -> Plugin {
        self.limits.push((key.to_owned(), value.into()));
        self
    }

    /// `connect = […]` in `[plugins.NAME.allow]`.
    pub fn may_connect(self, addresses: &[&str]) -> Plugin {
        self.allow("connect", addresses)
    }

    /// `spawn = […]` in `[plugins.NAME.allow]`.
    pub fn may_spawn(self, plugins: &[&str]) -> Plugin {
        self.allow("spawn", plugins)
    }

    /// Any key of `[plugins.NAME.allow]` that is a list of texts.
    pub fn allow(mut self, key: &str, values: &[&str]) -> Plugin {
        let values: Vec<String> = values.iter().copied().map(text).collect();
        self.allow.push((key.to_owned(), format!("[{}]", values.join(", "))));
        self
    }

    /// `stop = true` in `[plugins.NAME.allow]`.
    pub fn may_stop(mut self) -> Plugin {
        self.allow.push(("stop".to_owned(), "true".to_owned()));
        self
    }
}

/// A `[[listen]]` section.
#[derive(Clone, Debug)]
pub struct Listen {
    address: String,
    plugin: String,
    keys: Vec<(String, String)>,
    options: Vec<(String, String)>,
}

impl Listen {
    /// A listener on a port that the kernel picks.
    pub fn tcp(plugin: &str) -> Listen {
        Listen::at("tcp://127.0.0.1:0", plugin)
    }

    /// A listener on a Unix socket.
    pub fn unix(path: &Path, plugin: &str) -> Listen {
        Listen::at(&format!("unix://{}", path.display()), plugin)
    }

    /// A listener at this address, unchanged.
    pub fn at(address: &str, plugin: &str) -> Listen {
        Listen {
            address: address.to_owned(),
            plugin: plugin.to_owned(),
            keys: Vec::new(),
            options: Vec::new(),
        }
    }

    /// Sets a key of the section to this TOML.
    pub fn key(mut self, key: &str, value: impl Into<String>) -> Listen {
        self.keys.push((key.to_owned(), value.into()));
        self
    }

    /// Sets the certificate for TLS.
    pub fn certified(self, by: &Certified) -> Listen {
        let file = |path: &Path| text(&path.display().to_string());
        self.key("certificate", file(&by.certificate)).key("key", file(&by.key))
    }

    /// Sets a key of `options` to a text.
    pub fn option(mut self, key: &str, value: &str) -> Listen {
        self.options.push((key.to_owned(), text(value)));
        self
    }
}

/// The file.
#[derive(Clone, Debug, Default)]
pub struct Config {
    host: Vec<(String, String)>,
    plugins: Vec<Plugin>,
    /// Name, key, value.
    tenants: Vec<(String, String, String)>,
    listens: Vec<Listen>,
    admin: Vec<(String, String)>,
    cluster: Vec<(String, String)>,
    /// Name, key, value.
    sharing: Vec<(String, String, String)>,
}

impl Config {
    /// An empty file.
    pub fn new() -> Config {
        Config::default()
    }

    /// One plugin behind one TCP listener.
    pub fn serving(plugin: Plugin) -> Config {
        let listen = Listen::tcp(&plugin.name);
        Config::new().plugin(plugin).listen(listen)
    }

    /// Sets a key of `[host]` to this TOML.
    pub fn host(mut self, key: &str, value: impl Into<String>) -> Config {
        self.host.push((key.to_owned(), value.into()));
        self
    }

    /// Adds a plugin.
    pub fn plugin(mut self, plugin: Plugin) -> Config {
        self.plugins.push(plugin);
        self
    }

    /// Sets a key of `[tenants.NAME.limits]` to this TOML.
    pub fn tenant(mut self, name: &str, key: &str, value: impl Into<String>) -> Config {
        self.tenants.push((name.to_owned(), key.to_owned(), value.into()));
        self
    }

    /// Sets a key of `[admin]` to this TOML.
    pub fn admin(mut self, key: &str, value: impl Into<String>) -> Config {
        self.admin.push((key.to_owned(), value.into()));
        self
    }

    /// Adds an admin listener at a Unix socket in the host's own folder.
    pub fn watched(self) -> Config {
        self.admin("address", "\"unix://admin.sock\"")
    }

    /// Sets a key of `[cluster]` to this TOML.
    pub fn cluster(mut self, key: &str, value: impl Into<String>) -> Config {
        self.cluster.push((key.to_owned(), value.into()));
        self
    }

    /// Sets a key of `[tenants.NAME]` itself to this TOML.
    pub fn sharing(mut self, name: &str, key: &str, value: impl Into<String>) -> Config {
        self.sharing.push((name.to_owned(), key.to_owned(), value.into()));
        self
    }

    /// Adds a listener.
    pub fn listen(mut self, listen: Listen) -> Config {
        self.listens.push(listen);
        self
    }

    /// The text of the file.
    pub fn to_toml(&self) -> String {
        let mut toml = String::new();
        section(&mut toml, "[host]", &self.host);
        for plugin in &self.plugins {
            let mut keys = vec![("component".to_owned(), text(&plugin.component))];
            keys.extend(plugin.keys.iter().cloned());
            section(&mut toml, &format!("[plugins.{}]", plugin.name), &keys);
            section(&mut toml, &format!("[plugins.{}.options]", plugin.name), &plugin.options);
            section(&mut toml, &format!("[plugins.{}.limits]", plugin.name), &plugin.limits);
            section(&mut toml, &format!("[plugins.{}.allow]", plugin.name), &plugin.allow);
        }
        of_tenants(&mut toml, "", &self.sharing);
        of_tenants(&mut toml, ".limits", &self.tenants);
        for listen in &self.listens {
            let mut keys = vec![
                ("address".to_owned(), text(&listen.address)),
                ("plugin".to_owned(), text(&listen.plugin)),
            ];
            keys.extend(listen.keys.iter().cloned());
            if !listen.options.is_empty() {
                let options: Vec<String> =
                    listen.options.iter().map(|(key, value)| format!("{key} = {value}")).collect();
                keys.push(("options".to_owned(), format!("{{ {} }}", options.join(", "))));
            }
            section(&mut toml, "[[listen]]", &keys);
        }
        section(&mut toml, "[admin]", &self.admin);
        section(&mut toml, "[cluster]", &self.cluster);
        toml
    }
}

/// A text as a TOML string.
pub fn text(value: &str) -> String {
    let mut quoted = String::from("\"");
    for character in value.chars() {
        match character {
            '"' => quoted.push_str("\\\""),
            '\\' => quoted.push_str("\\\\"),
            control if control.is_control() => {
                write!(quoted, "\\u{:04X}", u32::from(control)).expect("a String takes everything");
            }
            plain => quoted.push(plain),
        }
    }
    quoted.push('"');
    quoted
}

/// Writes a section `[tenants.NAME` + `part` + `]` for each tenant among these keys.
fn of_tenants(toml: &mut String, part: &str, keys: &[(String, String, String)]) {
    for (name, _, _) in keys {
        let head = format!("[tenants.{name}{part}]");
        if !toml.contains(&head) {
            let own = keys.iter().filter(|(tenant, _, _)| tenant == name);
            let keys: Vec<_> = own.map(|(_, key, value)| (key.clone(), value.clone())).collect();
            section(toml, &head, &keys);
        }
    }
}

fn section(toml: &mut String, head: &str, keys: &[(String, String)]) {
    if keys.is_empty() {
        return;
    }
    toml.push_str(head);
    toml.push('\n');
    for (key, value) in keys {
        writeln!(toml, "{key} = {value}").expect("a String takes everything");
    }
    toml.push('\n');
}

/// A configuration of tenants with these names, each with a listener whose plugin computes for as long as its peers request.
pub fn computing_tenants(isolation: Isolation, names: [&str; 2]) -> Config {
    names.into_iter().fold(Config::new(), |config, name| {
        let plugin = Plugin::named(name, &component("compute")).isolation(isolation);
        config.plugin(plugin.limit("cpu_per_event", "\"30s\"")).listen(Listen::tcp(name))
    })
}
