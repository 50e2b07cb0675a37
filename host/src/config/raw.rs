//! The mirror of `plugins.toml`, key by key, before anything is known to make sense.
//!
//! An unknown key is an error. [`super::keys`] holds the words for each key; a test keeps the two
//! equal.

use std::collections::BTreeMap;
use std::fmt;

use serde::de::{self, Deserialize, Deserializer};

/// The whole file.
#[derive(serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct RawFile {
    #[serde(default)]
    pub(crate) host: RawHost,
    #[serde(default)]
    pub(crate) plugins: BTreeMap<String, RawPlugin>,
    #[serde(default)]
    pub(crate) tenants: BTreeMap<String, RawTenant>,
    #[serde(default)]
    pub(crate) listen: Vec<RawListen>,
}

/// `[host]`.
#[derive(Default, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct RawHost {
    pub(crate) reactors: Option<Quantity>,
    pub(crate) workers: Option<Quantity>,
    pub(crate) slow_lane: Option<Quantity>,
    pub(crate) log: Option<String>,
    pub(crate) slice: Option<Quantity>,
    pub(crate) stop_deadline: Option<Quantity>,
    pub(crate) close_deadline: Option<Quantity>,
    pub(crate) instances: Option<Quantity>,
    pub(crate) compile_cache: Option<String>,
}

/// `[plugins.<name>]`.
#[derive(serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct RawPlugin {
    pub(crate) component: String,
    pub(crate) isolation: Option<String>,
    pub(crate) tenant: Option<String>,
    pub(crate) stdout: Option<String>,
    pub(crate) on_trap: Option<String>,
    pub(crate) farewell: Option<String>,
    pub(crate) policy: Option<String>,
    #[serde(default)]
    pub(crate) options: toml::Table,
    #[serde(default)]
    pub(crate) environment: toml::Table,
    #[serde(default)]
    pub(crate) limits: RawLimits,
    #[serde(default)]
    pub(crate) allow: RawAllow,
}

/// `[plugins.<name>.limits]`.
#[derive(Default, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct RawLimits {
    pub(crate) memory: Option<Quantity>,
    pub(crate) tables: Option<Quantity>,
    pub(crate) cpu_per_event: Option<Quantity>,
    pub(crate) event_deadline: Option<Quantity>,
    pub(crate) connections: Option<Quantity>,
    pub(crate) accepts_per_second: Option<Quantity>,
    pub(crate) outgoing: Option<Quantity>,
    pub(crate) lookups: Option<Quantity>,
    pub(crate) timers: Option<Quantity>,
    pub(crate) ticks: Option<Quantity>,
    pub(crate) outbox_high: Option<Quantity>,
    pub(crate) outbox_low: Option<Quantity>,
    pub(crate) outbox_max: Option<Quantity>,
    pub(crate) log_line: Option<Quantity>,
    pub(crate) handles: Option<Quantity>,
    pub(crate) call_bytes: Option<Quantity>,
    pub(crate) traps: Option<Quantity>,
    pub(crate) trap_window: Option<Quantity>,
    pub(crate) cpu_per_operation: Option<Quantity>,
    pub(crate) operation_deadline: Option<Quantity>,
    pub(crate) deferred: Option<Quantity>,
    pub(crate) processes: Option<Quantity>,
    pub(crate) mailbox: Option<Quantity>,
    pub(crate) subscriptions: Option<Quantity>,
    pub(crate) pops: Option<Quantity>,
    pub(crate) message: Option<Quantity>,
}

/// `[tenants.<name>]`.
#[derive(Default, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct RawTenant {
    #[serde(default)]
    pub(crate) limits: RawTenantLimits,
}

/// `[tenants.<name>.limits]`.
#[derive(Default, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct RawTenantLimits {
    pub(crate) memory: Option<Quantity>,
    pub(crate) instances: Option<Quantity>,
    pub(crate) outboxes: Option<Quantity>,
    pub(crate) cpu_per_second: Option<Quantity>,
    pub(crate) channels: Option<Quantity>,
    pub(crate) channel: Option<Quantity>,
    pub(crate) queue: Option<Quantity>,
    pub(crate) messages: Option<Quantity>,
    pub(crate) read_per_second: Option<Quantity>,
    pub(crate) write_per_second: Option<Quantity>,
    pub(crate) log_per_second: Option<Quantity>,
}

/// `[plugins.<name>.allow]`.
#[derive(Default, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct RawAllow {
    #[serde(default)]
    pub(crate) connect: Vec<String>,
    #[serde(default)]
    pub(crate) spawn: Vec<String>,
    #[serde(default)]
    pub(crate) channels: Vec<String>,
    #[serde(default)]
    pub(crate) environment: Vec<String>,
    #[serde(default)]
    pub(crate) read: Vec<String>,
    #[serde(default)]
    pub(crate) write: Vec<String>,
    #[serde(default)]
    pub(crate) stop: bool,
}

/// `[[listen]]`.
#[derive(serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct RawListen {
    pub(crate) address: String,
    pub(crate) plugin: String,
    pub(crate) handler: Option<String>,
    #[serde(default)]
    pub(crate) options: toml::Table,
    pub(crate) at_capacity: Option<String>,
    pub(crate) backlog: Option<Quantity>,
}

/// A number, or text that says a number with its unit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Quantity {
    /// Written without quotes; what does not fit is as much as fits.
    Number(i64),
    /// Written in quotes.
    Text(String),
}

impl fmt::Display for Quantity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Quantity::Number(number) => write!(f, "{number}"),
            Quantity::Text(text) => write!(f, "{text:?}"),
        }
    }
}

impl<'de> Deserialize<'de> for Quantity {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Quantity, D::Error> {
        deserializer.deserialize_any(QuantityVisitor)
    }
}

struct QuantityVisitor;

impl de::Visitor<'_> for QuantityVisitor {
    type Value = Quantity;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a number, or text with a number and its unit")
    }

    fn visit_i64<E: de::Error>(self, number: i64) -> Result<Quantity, E> {
        Ok(Quantity::Number(number))
    }

    fn visit_u64<E: de::Error>(self, number: u64) -> Result<Quantity, E> {
        Ok(Quantity::Number(i64::try_from(number).unwrap_or(i64::MAX)))
    }

    fn visit_i128<E: de::Error>(self, number: i128) -> Result<Quantity, E> {
        let most = if number < 0 { i64::MIN } else { i64::MAX };
        Ok(Quantity::Number(i64::try_from(number).unwrap_or(most)))
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<Quantity, E> {
        Ok(Quantity::Text(text.to_owned()))
    }
}
