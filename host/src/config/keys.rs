//! Every key of `plugins.toml` and how its value is written: the words of the errors about shape.

use strsim::levenshtein;

/// One key.
pub(crate) struct ConfigKey {
    /// Its path, with `*` for a plugin's name and for a place in a list.
    pub(crate) path: &'static str,
    /// How its value is written; follows "write".
    pub(crate) form: &'static str,
}

impl ConfigKey {
    /// The table it is in; empty at the top.
    pub(crate) fn table(&self) -> &'static str {
        self.path.rsplit_once('.').map_or("", |(table, _)| table)
    }

    /// Its last part.
    pub(crate) fn name(&self) -> &'static str {
        self.path.rsplit_once('.').map_or(self.path, |(_, name)| name)
    }
}

const fn key(path: &'static str, form: &'static str) -> ConfigKey {
    ConfigKey { path, form }
}

const OPTIONS: &str = r#"a table of options, as in options = { greeting = "hello" }"#;

const ENVIRONMENT: &str = r#"a table of variables, as in environment = { LANG = "C" }"#;

/// Every key, in the order of the reference.
pub(crate) const ALL: &[ConfigKey] = &[
    key("host", "a section [host]"),
    key("plugins", "a section for each plugin, as in [plugins.echo]"),
    key("tenants", "a section for each tenant, as in [tenants.demo]"),
    key("listen", "a section [[listen]] for each address, with two brackets"),
    key("host.reactors", r#"a number of threads, as in reactors = 1, or reactors = "cores""#),
    key("host.workers", "a number of threads, as in workers = 2"),
    key("host.slow_lane", "a number of threads, as in slow_lane = 2"),
    key("host.log", r#"a level, as in log = "info""#),
    key("host.slice", r#"a duration in quotes, as in slice = "1ms""#),
    key("host.stop_deadline", r#"a duration in quotes, as in stop_deadline = "5s""#),
    key("host.close_deadline", r#"a duration in quotes, as in close_deadline = "30s""#),
    key("host.instances", "a number of sandboxes, as in instances = 2000"),
    key("host.compile_cache", r#"compile_cache = "default", "off" or a folder in quotes"#),
    key("plugins.*", "a section, as in [plugins.echo]"),
    key("plugins.*.component", r#"the file in quotes, as in component = "plugins/echo.wasm""#),
    key("plugins.*.isolation", r#"isolation = "connection" or isolation = "plugin""#),
    key("plugins.*.tenant", r#"a name in quotes, as in tenant = "demo""#),
    key("plugins.*.stdout", r#"stdout = "log" or stdout = "inherit""#),
    key("plugins.*.on_trap", r#"on_trap = "close" or on_trap = "reset""#),
    key("plugins.*.farewell", r#"a text in quotes, as in farewell = "421 try later\r\n""#),
    key("plugins.*.policy", r#"policy = "enforce" or policy = "audit""#),
    key("plugins.*.options", OPTIONS),
    key("plugins.*.environment", ENVIRONMENT),
    key("plugins.*.limits", "a section, as in [plugins.echo.limits]"),
    key("plugins.*.limits.memory", r#"a size, as in memory = "16MiB""#),
    key("plugins.*.limits.tables", "a number of elements, as in tables = 50000"),
    key("plugins.*.limits.cpu_per_event", r#"a duration in quotes, as in cpu_per_event = "1s""#),
    key("plugins.*.limits.event_deadline", r#"a duration in quotes, as in event_deadline = "1m""#),
    key("plugins.*.limits.connections", "a number, as in connections = 10000"),
    key("plugins.*.limits.accepts_per_second", "a number, as in accepts_per_second = 100"),
    key("plugins.*.limits.outgoing", "a number, as in outgoing = 1000"),
    key("plugins.*.limits.lookups", "a number, as in lookups = 100"),
    key("plugins.*.limits.timers", "a number, as in timers = 10000"),
    key("plugins.*.limits.ticks", "a number, as in ticks = 10000"),
    key("plugins.*.limits.outbox_high", r#"a size, as in outbox_high = "64KiB""#),
    key("plugins.*.limits.outbox_low", r#"a size, as in outbox_low = "16KiB""#),
    key("plugins.*.limits.outbox_max", r#"a size, as in outbox_max = "16MiB""#),
    key("plugins.*.limits.log_line", r#"a size, as in log_line = "4KiB""#),
    key("plugins.*.limits.handles", "a number, as in handles = 1024"),
    key("plugins.*.limits.call_bytes", r#"a size, as in call_bytes = "32MiB""#),
    key("plugins.*.limits.traps", "a number, as in traps = 1000"),
    key("plugins.*.limits.trap_window", r#"a duration in quotes, as in trap_window = "1m""#),
    key(
        "plugins.*.limits.cpu_per_operation",
        r#"a duration in quotes, as in cpu_per_operation = "10s""#,
    ),
    key(
        "plugins.*.limits.operation_deadline",
        r#"a duration in quotes, as in operation_deadline = "1m""#,
    ),
    key("plugins.*.limits.deferred", "a number, as in deferred = 1000"),
    key("plugins.*.limits.processes", "a number, as in processes = 100"),
    key("plugins.*.limits.mailbox", r#"a size, as in mailbox = "1MiB""#),
    key("plugins.*.limits.subscriptions", "a number, as in subscriptions = 1000"),
    key("plugins.*.limits.pops", "a number, as in pops = 1000"),
    key("plugins.*.limits.message", r#"a size, as in message = "1MiB""#),
    key("plugins.*.allow", "a section, as in [plugins.echo.allow]"),
    key("plugins.*.allow.connect", r#"a list of addresses, as in connect = ["127.0.0.1:5672"]"#),
    key("plugins.*.allow.connect.*", r#"an address in quotes, as in "127.0.0.1:5672""#),
    key("plugins.*.allow.spawn", r#"a list of plugins, as in spawn = ["worker"]"#),
    key("plugins.*.allow.spawn.*", r#"the name of a declared plugin in quotes, as in "worker""#),
    key("plugins.*.allow.channels", r#"a list of channels, as in channels = ["other/news"]"#),
    key("plugins.*.allow.channels.*", r#"a tenant and a channel in quotes, as in "other/news""#),
    key("plugins.*.allow.environment", r#"a list of names, as in environment = ["HOME"]"#),
    key("plugins.*.allow.environment.*", r#"the name of a variable in quotes, as in "HOME""#),
    key("plugins.*.allow.read", r#"a list of folders, as in read = ["./public"]"#),
    key("plugins.*.allow.read.*", r#"a folder in quotes, as in "./public""#),
    key("plugins.*.allow.write", r#"a list of folders, as in write = ["./data"]"#),
    key("plugins.*.allow.write.*", r#"a folder in quotes, as in "./data""#),
    key("plugins.*.allow.stop", "stop = true or stop = false"),
    key("tenants.*", "a section, as in [tenants.demo]"),
    key("tenants.*.limits", "a section, as in [tenants.demo.limits]"),
    key("tenants.*.limits.memory", r#"a size, as in memory = "1GiB""#),
    key("tenants.*.limits.instances", "a number of sandboxes, as in instances = 500"),
    key("tenants.*.limits.outboxes", r#"a size, as in outboxes = "256MiB""#),
    key(
        "tenants.*.limits.cpu_per_second",
        r#"a duration in quotes, as in cpu_per_second = "500ms""#,
    ),
    key("tenants.*.limits.channels", "a number, as in channels = 1000"),
    key("tenants.*.limits.channel", r#"a size, as in channel = "4MiB""#),
    key("tenants.*.limits.queue", r#"a size, as in queue = "4MiB""#),
    key("tenants.*.limits.messages", r#"a size, as in messages = "64MiB""#),
    key("tenants.*.limits.read_per_second", r#"a size, as in read_per_second = "10MiB""#),
    key("tenants.*.limits.write_per_second", r#"a size, as in write_per_second = "10MiB""#),
    key("tenants.*.limits.log_per_second", r#"a size, as in log_per_second = "1MiB""#),
    key("listen.*", "a section [[listen]]"),
    key("listen.*.address", r#"an address in quotes, as in address = "tcp://127.0.0.1:10000""#),
    key("listen.*.plugin", r#"the name of a declared plugin in quotes, as in plugin = "echo""#),
    key("listen.*.handler", r#"the name of a handler in quotes, as in handler = "pass""#),
    key("listen.*.options", OPTIONS),
    key("listen.*.at_capacity", r#"at_capacity = "wait" or at_capacity = "refuse""#),
    key("listen.*.backlog", "a number, as in backlog = 1024"),
];

/// How the value at `path` is written, if it is a key at all.
pub(crate) fn form(path: &str) -> Option<&'static str> {
    ALL.iter().find(|key| key.path == path).map(|key| key.form)
}

/// The keys of a table, in the order of the reference.
pub(crate) fn of(table: &str) -> Vec<&'static str> {
    ALL.iter()
        .filter(|key| key.table() == table && key.name() != "*")
        .map(ConfigKey::name)
        .collect()
}

/// The tables in which `name` is a key.
pub(crate) fn homes(name: &str) -> Vec<&'static str> {
    ALL.iter().filter(|key| key.name() == name).map(ConfigKey::table).collect()
}

/// The one of `known` that `written` most likely means.
pub(crate) fn nearest<'a>(written: &str, known: &[&'a str]) -> Option<&'a str> {
    let near = |name: &&str| levenshtein(written, name) <= name.len().div_ceil(3);
    known.iter().copied().filter(near).min_by_key(|name| levenshtein(written, name))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::limits;
    use crate::config::raw::{
        RawAllow, RawFile, RawHost, RawLimits, RawListen, RawPlugin, RawTenant, RawTenantLimits,
    };
    use serde::de::value::Error;
    use serde::de::{Deserialize, Deserializer, Error as _, Visitor};

    /// Asks a type of the mirror for its keys: its fields, as `deny_unknown_fields` knows them.
    struct Fields<'a>(&'a mut Vec<&'static str>);

    impl<'de> Deserializer<'de> for Fields<'_> {
        type Error = Error;

        fn deserialize_any<V: Visitor<'de>>(self, _: V) -> Result<V::Value, Error> {
            Err(Error::custom("not a struct"))
        }

        fn deserialize_struct<V: Visitor<'de>>(
            self,
            _: &'static str,
            fields: &'static [&'static str],
            _: V,
        ) -> Result<V::Value, Error> {
            self.0.extend(fields);
            Err(Error::custom("the fields are known"))
        }

        serde::forward_to_deserialize_any! {
            bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf
            option unit unit_struct newtype_struct seq tuple tuple_struct map enum identifier
            ignored_any
        }
    }

    #[track_caller]
    fn check<'de, T: Deserialize<'de>>(table: &str) {
        let mut fields = Vec::new();
        let _ = T::deserialize(Fields(&mut fields));
        assert_eq!(of(table), fields, "the keys of {table:?} and the fields of the mirror");
    }

    #[test]
    fn every_key_of_the_mirror_has_its_words() {
        check::<RawFile>("");
        check::<RawHost>("host");
        check::<RawPlugin>("plugins.*");
        check::<RawLimits>("plugins.*.limits");
        check::<RawAllow>("plugins.*.allow");
        check::<RawTenant>("tenants.*");
        check::<RawTenantLimits>("tenants.*.limits");
        check::<RawListen>("listen.*");
    }

    #[test]
    fn every_bound_is_a_key_and_every_limit_a_bound() {
        for bound in limits::ALL {
            let path = format!("{}.{}", bound.table, bound.name);
            assert!(form(&path).is_some(), "{path} is a key");
            assert!(bound.min <= bound.default && bound.default <= bound.max, "{path}");
        }
        for table in ["plugins.*.limits", "tenants.*.limits"] {
            let bounds = limits::ALL.iter().filter(|bound| bound.table == table);
            assert_eq!(bounds.map(|bound| bound.name).collect::<Vec<_>>(), of(table));
        }
    }

    #[test]
    fn nearest_key() {
        let known = of("host");
        for (written, near) in [
            ("reactor", Some("reactors")),
            ("Workers", Some("workers")),
            ("stop-deadline", Some("stop_deadline")),
            ("lgo", None),
            ("logs", Some("log")),
            ("threads", None),
            ("", None),
        ] {
            assert_eq!(nearest(written, &known), near, "{written:?}");
        }
    }
}
