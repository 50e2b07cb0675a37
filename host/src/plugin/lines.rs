//! Log lines of a plugin, within its limits.

use crate::clock::Moment;
use crate::config::limits;
use crate::contract::bindings::Level;
use crate::log::guest_lines::{GuestLines, LineOrigin};
use crate::plugin::Plugin;
use crate::plugin::counters::CounterKey;
use crate::plugin::subject::Subject;

/// The log lines of one call, which are sent to the log when this is dropped.
pub struct PluginLines<'a> {
    plugin: &'a Plugin,
    level: Level,
    stream: &'static str,
    subject: Option<Subject>,
    lines: GuestLines<'a>,
}

impl Plugin {
    /// Begins lines of this level and `stream`, about this connection.
    pub fn lines(
        &self,
        now: Moment,
        level: Level,
        stream: &'static str,
        subject: Option<Subject>,
    ) -> PluginLines<'_> {
        PluginLines {
            plugin: self,
            level,
            stream,
            subject,
            lines: GuestLines::new(&self.tenant.log, now, self.config.limits.log_line),
        }
    }
}

impl PluginLines<'_> {
    /// Adds a line, if the tenant's log rate allows it. `is_cut` says that the line was truncated.
    pub fn add(&mut self, line: &[u8], is_cut: bool) {
        let origin = LineOrigin {
            plugin: self.plugin.name(),
            level: self.level,
            stream: self.stream,
            handler: self.subject.as_ref().map(|subject| &subject.handler),
            connection: self.subject.as_ref().map(|subject| subject.connection),
        };
        self.lines.add(origin, line, is_cut);
    }
}

impl Drop for PluginLines<'_> {
    fn drop(&mut self) {
        for (bound, count) in
            [(&limits::LOG_PER_SECOND, self.lines.left_out), (&limits::LOG_LINE, self.lines.cut)]
        {
            if 0 < count {
                self.plugin.counters.add_many(CounterKey::Limit(bound.into()), count);
            }
        }
    }
}
