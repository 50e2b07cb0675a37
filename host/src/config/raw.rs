//! The mirror of `plugins.toml`, key by key, with the form of each value.
//!
//! Unknown keys are errors. The sections with bounds are in [`super::limits`].

use std::collections::BTreeMap;

use super::limits::{
    OPTIONS, RawAdmin, RawCluster, RawHost, RawLimits, RawListen, RawTenantLimits,
};
use super::table::mirror;
use super::written::{ValueKind, Written};

/// A text, or the source of a secret.
#[derive(Clone, serde::Deserialize)]
#[serde(transparent)]
pub(crate) struct RawSecret(pub(crate) toml::Value);

impl Written for RawSecret {
    fn kind() -> ValueKind {
        ValueKind::Secret
    }
}

mirror! {
    /// The whole file.
    struct RawFile at "" {
        #[serde(default)]
        include: key Vec<String> = r#"a list of files, as in include = ["conf.d/*.toml"]"#,
            each r#"a file or a pattern for files in quotes, as in "conf.d/*.toml""#;
        #[serde(default)]
        host: key RawHost = "a section [host]";
        #[serde(default)]
        plugins: key BTreeMap<String, RawPlugin> = "a section for each plugin, as in [plugins.echo]",
            each "a section, as in [plugins.echo]";
        #[serde(default)]
        tenants: key BTreeMap<String, RawTenant> = "a section for each tenant, as in [tenants.demo]",
            each "a section, as in [tenants.demo]";
        #[serde(default)]
        listen: key Vec<RawListen> = "a section [[listen]] for each address, with two brackets",
            each "a section [[listen]]";
        admin: key Option<RawAdmin> = "a section [admin]";
        cluster: key Option<RawCluster> = "a section [cluster]";
    }
}

mirror! {
    /// `[plugins.<name>]`.
    struct RawPlugin at "plugins.*" {
        component: key String = r#"the file in quotes, as in component = "plugins/echo.wasm""#;
        sha256: key Option<String> = r#"the digest of the component in quotes, as `sha256sum` prints it"#;
        isolation: key Option<String> = r#"isolation = "connection" or isolation = "plugin""#;
        tenant: key Option<String> = r#"a name in quotes, as in tenant = "demo""#;
        stdout: key Option<String> = r#"stdout = "log" or stdout = "inherit""#;
        on_trap: key Option<String> = r#"on_trap = "close" or on_trap = "reset""#;
        farewell: key Option<String> = r#"a text in quotes, as in farewell = "421 try later\r\n""#;
        policy: key Option<String> = r#"policy = "enforce" or policy = "audit""#;
        handover: key Option<String> = r#"handover = "beside" or handover = "after""#;
        rollback: key Option<bool> = "rollback = true or rollback = false";
        singleton: key Option<bool> = "singleton = true or singleton = false";
        #[serde(default)]
        options: key toml::Table = OPTIONS;
        #[serde(default)]
        environment: key toml::Table = r#"a table of variables, as in environment = { LANG = "C" }"#;
        #[serde(default)]
        limits: key RawLimits = "a section, as in [plugins.echo.limits]";
        #[serde(default)]
        allow: key RawAllow = "a section, as in [plugins.echo.allow]";
        build: key Option<RawBuild> = "a section, as in [plugins.echo.build]";
        #[serde(default)]
        tls: key BTreeMap<String, RawTlsProfile> = "a section for each profile, as in [plugins.mail.tls.smtp]",
            each "a section, as in [plugins.mail.tls.smtp]";
    }
}

mirror! {
    /// `[plugins.<name>.allow]`.
    #[derive(Default)]
    struct RawAllow at "plugins.*.allow" {
        #[serde(default)]
        connect: key Vec<String> = r#"a list of addresses, as in connect = ["127.0.0.1:5672"]"#,
            each r#"an address in quotes, as in "127.0.0.1:5672""#;
        #[serde(default)]
        listen: key Vec<String> = r#"a list of addresses, as in listen = ["127.0.0.1:8000-8010"]"#,
            each r#"an address in quotes, as in "127.0.0.1:8000""#;
        #[serde(default)]
        spawn: key Vec<String> = r#"a list of plugins, as in spawn = ["worker"]"#,
            each r#"the name of a declared plugin in quotes, as in "worker""#;
        #[serde(default)]
        channels: key Vec<String> = r#"a list of channels, as in channels = ["other/news"]"#,
            each r#"a tenant and a channel in quotes, as in "other/news""#;
        #[serde(default)]
        environment: key Vec<String> = r#"a list of names, as in environment = ["HOME"]"#,
            each r#"the name of a variable in quotes, as in "HOME""#;
        #[serde(default)]
        read: key Vec<String> = r#"a list of folders, as in read = ["./public"]"#,
            each r#"a folder in quotes, as in "./public""#;
        #[serde(default)]
        write: key Vec<String> = r#"a list of folders, as in write = ["./data"]"#,
            each r#"a folder in quotes, as in "./data""#;
        #[serde(default)]
        stop: key bool = "stop = true or stop = false";
    }
}

mirror! {
    /// `[plugins.<name>.build]`.
    struct RawBuild at "plugins.*.build" {
        command: key String = r#"a command in quotes, as in command = "cargo build --release""#;
        #[serde(default)]
        watch: key Vec<String> = r#"a list of files, as in watch = ["src/**"]"#,
            each r#"a file or a pattern for files in quotes, as in "src/**""#;
        output: key Option<String> = r#"a file in quotes, as in output = "build/echo.core.wasm""#;
        adapter: key Option<String> = r#"adapter = "log" or adapter = "wasi""#;
    }
}

mirror! {
    /// `[host.registries."host"]`.
    #[derive(Clone)]
    struct RawRegistry at "host.registries.*" {
        user: key Option<String> = r#"a name in quotes, as in user = "deploy""#;
        password: key Option<RawSecret> = r#"a secret, as in password = { env = "REGISTRY_PASSWORD" }"#;
        server_ca: key Option<String> = r#"a file in quotes, as in server_ca = "authority.pem""#;
    }
}

mirror! {
    /// An entry of `listen.certificates`.
    struct RawCertificate at "listen.*.certificates.*" {
        certificate: key String = r#"a file in quotes, as in certificate = "server.pem""#;
        key: key String = r#"a file in quotes, as in key = "server.key""#;
    }
}

mirror! {
    /// `listen.proxy_protocol`.
    struct RawProxyProtocol at "listen.*.proxy_protocol" {
        from: key Vec<String> = r#"a list of proxies, as in from = ["10.0.0.0/8"]"#,
            each r#"an address or a block of them in quotes, as in "10.0.0.0/8""#;
    }
}

mirror! {
    /// `[plugins.<name>.tls.<profile>]`.
    struct RawTlsProfile at "plugins.*.tls.*" {
        certificate: key Option<String> = r#"a file in quotes, as in certificate = "server.pem""#;
        key: key Option<String> = r#"a file in quotes, as in key = "server.key""#;
        #[serde(default)]
        certificates: key Vec<RawProfileCertificate> = r#"a list of more of them, as in certificates = [{ certificate = "b.pem", key = "b.key" }]"#,
            each r#"a table, as in { certificate = "b.pem", key = "b.key" }"#;
        #[serde(default)]
        alpn: key Vec<String> = r#"a list of protocols, the best first, as in alpn = ["http/1.1"]"#,
            each r#"the name of a protocol in quotes, as in "http/1.1""#;
        client_ca: key Option<String> = r#"a file in quotes, as in client_ca = "clients.pem""#;
        client_certificate: key Option<String> = r#"client_certificate = "require" or client_certificate = "request""#;
        server_ca: key Option<String> = r#"a file in quotes, as in server_ca = "authority.pem""#;
        verify: key Option<String> = r#"verify = "host" or verify = "plugin""#;
    }
}

mirror! {
    /// An entry of `plugins.<name>.tls.<profile>.certificates`.
    struct RawProfileCertificate at "plugins.*.tls.*.certificates.*" {
        certificate: key String = r#"a file in quotes, as in certificate = "server.pem""#;
        key: key String = r#"a file in quotes, as in key = "server.key""#;
    }
}

mirror! {
    /// `[tenants.<name>]`.
    #[derive(Default)]
    struct RawTenant at "tenants.*" {
        channels: key Option<String> = r#"channels = "host" or channels = "cluster""#;
        queues: key Option<String> = r#"queues = "host" or queues = "cluster""#;
        processes: key Option<String> = r#"processes = "host" or processes = "cluster""#;
        cluster: key Option<RawTenantCluster> = "a section, as in [tenants.demo.cluster]";
        #[serde(default)]
        limits: key RawTenantLimits = "a section, as in [tenants.demo.limits]";
    }
}

mirror! {
    /// `[tenants.<name>.cluster]`.
    struct RawTenantCluster at "tenants.*.cluster" {
        credentials: key Option<String> = r#"a file in quotes, as in credentials = "demo.creds""#;
        user: key Option<String> = r#"a name in quotes, as in user = "demo""#;
        password: key Option<RawSecret> = r#"a secret, as in password = { env = "DEMO_PASSWORD" }"#;
        token: key Option<RawSecret> = r#"a secret, as in token = { file = "demo.token" }"#;
    }
}
