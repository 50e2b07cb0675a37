//! Log lines as transcripts compare and show them.

use std::fmt;

use serde_json::{Map, Value};

/// Fields that do not help the author of a transcript.
const NOT_SHOWN: [&str; 12] = [
    "time",
    "level",
    "message",
    "plugin",
    "tenant",
    "version",
    "stream",
    "handler",
    "connection",
    "operation",
    "count",
    "strikes",
];

/// A log line.
#[derive(Debug, Clone)]
pub(crate) struct Heard {
    /// `ERROR`, `WARN`, `INFO`, `DEBUG` or `TRACE`.
    pub level: String,
    pub message: String,
    /// Whether a guest has logged it.
    pub is_guests: bool,
    fields: Map<String, Value>,
}

impl Heard {
    /// Parses log lines, one JSON object each.
    pub(crate) fn lines(text: &[u8]) -> Vec<Heard> {
        let lines = text.split(|byte| *byte == b'\n').filter(|line| !line.is_empty());
        lines.filter_map(|line| Heard::of(serde_json::from_slice(line).ok()?)).collect()
    }

    fn of(mut fields: Map<String, Value>) -> Option<Heard> {
        let level = fields.remove("level")?.as_str()?.to_owned();
        let message = fields.remove("message")?.as_str()?.to_owned();
        Some(Heard { level, message, is_guests: fields.contains_key("stream"), fields })
    }

    /// Whether the host logs a failure: an instance has trapped, or a program did not start.
    pub(crate) fn is_failure(&self) -> bool {
        !self.is_guests && self.level == "ERROR"
    }
}

/// For people: the plugin, the message, then each field on a line of its own, or on several.
impl fmt::Display for Heard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:5} ", self.level)?;
        if let Some(plugin) = self.fields.get("plugin").and_then(Value::as_str) {
            write!(f, "{plugin}: ")?;
        }
        f.write_str(&self.message)?;
        for (key, value) in &self.fields {
            if NOT_SHOWN.contains(&key.as_str()) {
                continue;
            }
            // The log escapes line ends in texts of guests.
            match value.as_str().map(|text| text.replace("\\n", "\n")) {
                Some(text) if text.contains('\n') => {
                    write!(f, "\n        {key}:")?;
                    for line in text.lines() {
                        write!(f, "\n          {line}")?;
                    }
                }
                Some(text) => write!(f, "\n        {key}: {text}")?,
                None => write!(f, "\n        {key}: {value}")?,
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_shown_without_what_changes() {
        let text = br#"{"time":"2026-01-01T00:00:00Z","level":"INFO","plugin":"p","stream":"log","handler":"h","connection":1,"message":"hello"}
{"time":"2026-01-01T00:00:00Z","level":"ERROR","plugin":"p","tenant":"p","event":"receive-data","last_words":"one\\ntwo","count":1,"message":"trapped"}
"#;
        let lines = Heard::lines(text);
        assert_eq!(lines[0].to_string(), "INFO  p: hello");
        assert!(lines[0].is_guests && !lines[0].is_failure());
        assert_eq!(
            lines[1].to_string(),
            "ERROR p: trapped\n        event: receive-data\n        last_words:\n          one\n          two"
        );
        assert!(lines[1].is_failure());
    }
}
