//! How long a host has an item of a cluster queue, compared with how long its handlers may run.

use std::time::Duration;

use super::error::{ConfigError, Problem};
use super::limits::Limits;
use super::model::Config;
use super::source::KeyPlace;
use super::units;

/// Time after its deadline in which a call must have ended; then it is abandoned, because its thread hangs in a host function or
/// has got no core.
const LONGEST_END_OF_CALL: Duration = Duration::from_secs(5);

impl Limits {
    /// The longest time from the beginning of an event until its call has ended or is abandoned.
    pub(crate) fn longest_call(&self) -> Duration {
        self.event_deadline + LONGEST_END_OF_CALL
    }
}

/// Compares the lease of shared queues with the handlers that get their items: another host gets an item only when none of
/// these can run any more.
pub(super) fn check(place: &KeyPlace<'_>, config: &Config) -> Result<(), ConfigError> {
    let Some(cluster) = &config.cluster else { return Ok(()) };
    let (lease, shares) = (cluster.limits.queue_lease, |name: &str| {
        config.tenants.iter().any(|tenant| tenant.name == name && tenant.sharing.queues)
    });
    for plugin in &config.plugins {
        let gets_items =
            shares(&plugin.tenant) || plugin.allow.channels.iter().any(|rule| shares(&rule.tenant));
        let deadline = plugin.limits.event_deadline;
        let least = plugin.limits.longest_call() * 2;
        if gets_items && lease < least {
            let shown =
                |time: Duration| units::micros(u64::try_from(time.as_micros()).unwrap_or(u64::MAX));
            let (name, least, deadline) = (&plugin.name, shown(least), shown(deadline));
            return Err(place.key("cluster").key("queue_lease").wrong(Problem::new(
                format!(
                    "it is too short for the handlers of {name}, whose event_deadline is {deadline}"
                ),
                format!(r#"write queue_lease = "{least}" or more, or a shorter event_deadline"#),
            )));
        }
    }
    Ok(())
}
