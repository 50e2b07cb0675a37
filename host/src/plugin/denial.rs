//! Denials: calls that are not granted, counted and logged in one line.

use crate::clock::Moment;
use crate::config::allow::Objection;
use crate::config::model::Policy;
use crate::log::text::GuestText;
use crate::plugin::Plugin;
use crate::plugin::counters::CounterKey;
use crate::plugin::incidents::DenialIncident;
use crate::plugin::subject::{Subject, plugin_line};

/// A call that `[plugins.<name>.allow]` does not grant.
#[derive(Debug, Clone)]
pub struct Denial<'a> {
    /// The call's name in the contract.
    pub call: &'static str,
    /// What was requested.
    pub target: Option<GuestText>,
    /// The reason, if it is another one than a missing rule.
    pub cause: Option<String>,
    /// The key that would grant it.
    pub grant: Grant<'a>,
    pub subject: Option<Subject>,
}

/// A key of `[plugins.<name>.allow]` and the value that would grant a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Grant<'a> {
    /// `connect`, with a rule; none if no rule can list the name.
    Connect(Option<&'a str>),
    /// `listen`, with a rule; none if no rule can list the path.
    Listen(Option<&'a str>),
    /// `spawn`, with a plugin.
    Spawn(&'a str),
    /// `channels`, with a tenant and a name.
    Channels(&'a str),
    /// `read`.
    Read,
    /// `stop`.
    Stop,
    /// No key grants it.
    Nothing,
    /// A profile of this name in `tls`, with a key that it lacks.
    Profile(&'a str, &'static str),
}

impl Grant<'_> {
    /// Whether the call can be allowed by a policy that only audits: not if the thing itself is missing.
    fn can_be_missing(self) -> bool {
        !matches!(self, Grant::Profile(..) | Grant::Nothing)
    }
}

impl Plugin {
    /// Counts and logs a denial. True if the policy only audits, so that the call is allowed.
    pub fn deny(&self, now: Moment, denial: &Denial<'_>) -> bool {
        let policy = self.config.policy;
        let lets_through = policy == Policy::Audit && denial.grant.can_be_missing();
        let count = self.counters.count(CounterKey::Denial(denial.call), now);
        let Some(count) = count else { return lets_through };
        self.counters.incidents.denied(|| DenialIncident {
            at: now,
            call: denial.call,
            target: denial.target.clone(),
            cause: denial.cause.clone(),
            remedy: self.remedy(denial.grant),
            connection: denial.subject.as_ref().map(Subject::named),
            let_through: lets_through,
            count,
        });
        self.tell(now, || {
            plugin_line!(warn, self, about denial.subject.as_ref(),
                call = denial.call,
                target = denial.target.as_ref().map(debug),
                cause = denial.cause,
                remedy = self.remedy(denial.grant),
                policy = policy.name(),
                count,
                "{}",
                if lets_through { "not granted, let through" } else { "denied" }
            );
        });
        lets_through
    }

    /// The remedy: what to write into which section.
    fn remedy(&self, grant: Grant<'_>) -> String {
        let allow = &self.config.allow;
        let line = match grant {
            Grant::Connect(None) | Grant::Listen(None) => {
                return "no rule lists exactly this: the plugin has to ask for another name"
                    .to_owned();
            }
            Grant::Connect(Some(rule)) => entry("connect", allow.connect.is_empty(), rule),
            Grant::Listen(Some(rule)) => entry("listen", allow.listen.is_empty(), rule),
            Grant::Nothing => return "no key grants it: connect by the contract".to_owned(),
            Grant::Spawn(plugin) => entry("spawn", allow.spawn.is_empty(), plugin),
            Grant::Channels(channel) => entry("channels", allow.channels.is_empty(), channel),
            Grant::Read => "the folder to `read`".to_owned(),
            Grant::Stop => "`stop = true`".to_owned(),
            Grant::Profile(profile, line) => {
                let (name, file) = (self.name(), self.config.file.display());
                return format!("add {line} under [plugins.{name}.tls.{profile}] in {file}");
            }
        };
        let (name, file) = (self.name(), self.config.file.display());
        format!("add {line} under [plugins.{name}.allow] in {file}")
    }
}

/// The text for one more entry of a list, which may be missing.
fn entry(key: &str, is_missing: bool, value: &str) -> String {
    if is_missing { format!("`{key} = [{value:?}]`") } else { format!("{value:?} to `{key}`") }
}

/// The log's text for an objection to a connection.
pub(crate) fn objection_text(objection: Objection) -> Option<String> {
    match objection {
        Objection::NotListed => None,
        Objection::NotPublic(kind) => {
            Some(format!("this is a {kind} address, which only a rule for addresses lists"))
        }
        Objection::OwnListener => {
            Some("this host listens there, which only a rule for exactly that lists".to_owned())
        }
        Objection::LeadsElsewhere => {
            Some("the path leads out of what the rule covers, through a link".to_owned())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_gets_one_more_entry_or_is_made() {
        assert_eq!(entry("spawn", true, "worker"), r#"`spawn = ["worker"]`"#);
        assert_eq!(entry("spawn", false, "worker"), r#""worker" to `spawn`"#);
    }
}
