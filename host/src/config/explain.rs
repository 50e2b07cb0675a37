//! `sandloop check --explain`: every bound with its value, where that comes from, and what happens at it.

use std::collections::HashMap;
use std::fmt::{self, Write as _};

use super::Config;
use super::address::ListenAddress;
use super::amounts::Amount;
use super::limits::GUEST_STACK_BYTES;
use super::source::Place;
use super::units;

/// The lines of the file where bounds are written, by the bound's full key.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Origins(HashMap<String, usize>);

impl Origins {
    /// The line where the bound with this key is written, if it is.
    pub fn line(&self, key: &str) -> Option<usize> {
        self.0.get(key).copied()
    }

    /// Notes every bound that is written in the file.
    pub(super) fn of(top: &Place<'_>, config: &Config) -> Origins {
        let mut origins = Origins::default();
        origins.note("host", &top.key("host"), &config.host.amounts());
        for plugin in &config.plugins {
            let place = top.key("plugins").key(&plugin.name).key("limits");
            origins.note(&section("plugins", &plugin.name), &place, &plugin.limits.amounts());
        }
        for tenant in &config.tenants {
            let place = top.key("tenants").key(&tenant.name).key("limits");
            origins.note(&section("tenants", &tenant.name), &place, &tenant.limits.amounts());
        }
        for (index, listener) in config.listeners.iter().enumerate() {
            let place = top.key("listen").index(index);
            origins.note(&listen(index), &place, &listener.amounts());
        }
        origins
    }

    fn note(&mut self, section: &str, place: &Place<'_>, amounts: &[Amount]) {
        for (bound, _) in amounts {
            let place = place.key(bound.name);
            if place.is_written() {
                self.0.insert(format!("{section}.{}", bound.name), place.line());
            }
        }
    }
}

fn section(kind: &str, name: &str) -> String {
    format!("{kind}.{name}.limits")
}

fn listen(index: usize) -> String {
    format!("listen[{index}]")
}

/// The table for an operator.
pub struct Explained<'a>(pub &'a Config);

impl fmt::Display for Explained<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let config = self.0;
        self.table(f, "[host]", "host", &config.host.amounts())?;
        for tenant in &config.tenants {
            let key = section("tenants", &tenant.name);
            self.table(f, &format!("[{key}]"), &key, &tenant.limits.amounts())?;
        }
        for plugin in &config.plugins {
            let key = section("plugins", &plugin.name);
            let title = format!("[{key}] of the tenant {}", plugin.tenant);
            self.table(f, &title, &key, &plugin.limits.amounts())?;
        }
        for (index, listener) in config.listeners.iter().enumerate() {
            let address: &ListenAddress = &listener.address;
            let title = format!("[[listen]] {address}");
            self.table(f, &title, &listen(index), &listener.amounts())?;
        }
        let stack = units::size(GUEST_STACK_BYTES as u64);
        writeln!(f, "every instance")?;
        writeln!(f, "  {:<20} {stack:>9}  {:<9} {:<7} The instance ends.", "stack", "fixed", "trap")
    }
}

impl Explained<'_> {
    fn table(
        &self,
        f: &mut fmt::Formatter<'_>,
        title: &str,
        key: &str,
        amounts: &[Amount],
    ) -> fmt::Result {
        writeln!(f, "{title}")?;
        for (bound, amount) in amounts {
            let origin = match self.0.origins.line(&format!("{key}.{}", bound.name)) {
                Some(line) => format!("line {line}"),
                None => "default".to_owned(),
            };
            let mut value = bound.show(*amount);
            if bound.is_unbounded(*amount) {
                value = "no bound".to_owned();
            }
            let mut line = String::new();
            write!(
                line,
                "  {:<20} {value:>9}  {origin:<9} {:<7} {}",
                bound.name,
                bound.at.word(),
                bound.then
            )?;
            writeln!(f, "{}", line.trim_end())?;
        }
        writeln!(f)
    }
}
