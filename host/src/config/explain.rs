//! `sandloop check --explain`: every bound with its value, its origin, and what happens when it is reached.

use std::fmt::{self, Write as _};

use super::address::ListenAddress;
use super::limits::GUEST_STACK_BYTES;
use super::model::Config;
use super::origins::{listen, section};
use super::units;
use super::values::Amount;

/// The table for an operator.
pub struct Explained<'a>(pub &'a Config);

impl fmt::Display for Explained<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let config = self.0;
        self.table(f, "[host]", "host", &config.host.limits.amounts())?;
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
            self.table(f, &title, &listen(index), &listener.limits.amounts())?;
        }
        if let Some(admin) = &config.admin {
            let title = format!("[admin] {}", admin.address);
            self.table(f, &title, "admin", &admin.limits.amounts())?;
        }
        if let Some(cluster) = &config.cluster {
            self.table(f, "[cluster]", "cluster", &cluster.limits.amounts())?;
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
            let origin = match self.0.origins.find(&format!("{key}.{}", bound.name)) {
                Some(origin) => origin.seen_from(&self.0.file),
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
