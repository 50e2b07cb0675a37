//! Calls whose results a component could not receive because it lacks an export: logged once.

use crate::clock::Moment;
use crate::contract;
use crate::contract::export::Export;
use crate::plugin::Plugin;
use crate::plugin::counters::CounterKey;
use crate::plugin::subject::{Subject, plugin_line};

impl Plugin {
    /// Whether its component has all these exports. The first one that it lacks is logged once, with the name of the call in the
    /// contract that needs it.
    pub fn has_all(
        &self,
        now: Moment,
        call: &'static str,
        exports: &[Export],
        subject: impl FnOnce() -> Option<Subject>,
    ) -> bool {
        let Some(missing) = exports.iter().find(|export| !self.exports.has(**export)) else {
            return true;
        };
        if self.counters.count(CounterKey::Missing(call), now) == Some(1) {
            let interface = contract::interface(missing.interface());
            let remedy = format!("export {interface} in the component's world");
            let subject = subject();
            self.tell(now, || {
                plugin_line!(warn, self, about subject.as_ref(),
                    call,
                    remedy,
                    "unsupported"
                );
            });
        }
        false
    }

    /// Logs once that its tenant has no processes in the cluster, which this call needs.
    pub fn lacks_cluster(&self, now: Moment, call: &'static str) {
        if self.counters.count(CounterKey::Missing(call), now) == Some(1) {
            let tenant = &self.config.tenant;
            let remedy = format!("add processes = \"cluster\" to [tenants.{tenant}]");
            self.tell(now, || {
                plugin_line!(warn, self, about None::<&Subject>, call, remedy, "unsupported");
            });
        }
    }
}
