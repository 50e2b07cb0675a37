//! The format of lines: text for people, or one JSON object; for the journal with its priority.

use std::fmt;
use std::fmt::Debug;
use std::io::IsTerminal;
use std::os::fd::AsFd;
use std::sync::OnceLock;

use tracing::field::{Field, Visit};
use tracing::{Event, Level, Subscriber};
use tracing_subscriber::fmt::format::{Format, Writer};
use tracing_subscriber::fmt::time::{FormatTime, SystemTime};
use tracing_subscriber::fmt::{FmtContext, FormatEvent, FormatFields};
use tracing_subscriber::registry::LookupSpan;

use crate::config::model::LogFormat;
use crate::log::scope::LINE_BYTES_MAX;

/// The format of this process, which is set once.
static WRITTEN_IN: OnceLock<LogFormat> = OnceLock::new();

/// The keys that every JSON line has, besides `message`.
const OWN_KEYS: [&str; 2] = ["time", "level"];

/// The format of lines on one stream.
pub(super) struct LineFormat {
    format: LogFormat,
    text: Format,
    /// Whether the stream is the journal, which reads a number before the line as its priority.
    is_journal: bool,
}

impl LineFormat {
    /// The format of the configuration, on this stream.
    pub(super) fn new(format: LogFormat, stream: &impl AsFd) -> LineFormat {
        let is_journal =
            std::env::var("JOURNAL_STREAM").is_ok_and(|name| is_journal(&name, stream));
        LineFormat { format, text: Format::default().with_target(false), is_journal }
    }

    /// JSON objects, for no stream.
    pub(super) fn objects() -> LineFormat {
        let text = Format::default().with_target(false);
        LineFormat { format: LogFormat::Json, text, is_journal: false }
    }

    /// Sets the format for guests' lines.
    pub(super) fn settle(&self) {
        // A second host in one process keeps the format of the first.
        let _ = WRITTEN_IN.set(self.format);
    }
}

/// The format of this process.
pub(super) fn written_in() -> LogFormat {
    WRITTEN_IN.get().copied().unwrap_or_default()
}

/// Whether a stream shows colours: a terminal, unless its user has disabled them (no-color.org).
pub(super) fn has_colours(stream: &impl IsTerminal) -> bool {
    let is_unwanted = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
    stream.is_terminal() && !is_unwanted
}

/// Whether a stream is the one in `JOURNAL_STREAM`, which has its device and inode: systemd.exec(5).
fn is_journal(name: &str, stream: &impl AsFd) -> bool {
    let Some((device, inode)) = name.split_once(':') else { return false };
    let Ok(stat) = rustix::fs::fstat(stream) else { return false };
    device.parse() == Ok(stat.st_dev) && inode.parse() == Ok(stat.st_ino)
}

/// The priority in the numbers of syslog: sd-daemon(3).
fn priority(level: Level) -> u8 {
    match level {
        Level::ERROR => 3,
        Level::WARN => 4,
        Level::INFO => 6,
        _ => 7,
    }
}

impl<S, N> FormatEvent<S, N> for LineFormat
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
{
    fn format_event(
        &self,
        context: &FmtContext<'_, S, N>,
        mut writer: Writer<'_>,
        event: &Event<'_>,
    ) -> fmt::Result {
        if self.is_journal {
            write!(writer, "<{}>", priority(*event.metadata().level()))?;
        }
        match self.format {
            LogFormat::Text => self.text.format_event(context, writer, event),
            LogFormat::Json => {
                let mut line = JsonLine::begin(*event.metadata().level());
                event.record(&mut line);
                writeln!(writer, "{}", line.end())
            }
        }
    }
}

/// The JSON object of a line.
struct JsonLine {
    text: String,
    message: String,
}

impl JsonLine {
    fn begin(level: Level) -> JsonLine {
        let mut time = String::new();
        // Writing to a String cannot fail.
        let _ = SystemTime.format_time(&mut Writer::new(&mut time));
        let text = format!("{{\"time\":{},\"level\":\"{level}\"", quoted(&time));
        JsonLine { text, message: quoted("") }
    }

    fn add(&mut self, field: &Field, value: &str) {
        if field.name() == "message" {
            value.clone_into(&mut self.message);
            return;
        }
        let own = if OWN_KEYS.contains(&field.name()) { "field_" } else { "" };
        let key = quoted(&format!("{own}{}", field.name()));
        self.text.push_str(&format!(",{key}:{value}"));
    }

    /// Adds the message, which comes last. A line that is too long is replaced by one that says so.
    fn end(self) -> String {
        let JsonLine { text, message } = self;
        let fits = |text: &str, message: &str| text.len() + message.len() < LINE_BYTES_MAX - 64;
        if fits(&text, &message) {
            return format!("{text},\"message\":{message}}}");
        }
        "{\"level\":\"ERROR\",\"message\":\"a line of the log was too long\"}".to_owned()
    }
}

impl Visit for JsonLine {
    fn record_i64(&mut self, field: &Field, value: i64) {
        self.add(field, &value.to_string());
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.add(field, &value.to_string());
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.add(field, &value.to_string());
    }

    fn record_f64(&mut self, field: &Field, value: f64) {
        match serde_json::Number::from_f64(value) {
            Some(number) => self.add(field, &number.to_string()),
            None => self.add(field, &quoted(&value.to_string())),
        }
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.add(field, &quoted(value));
    }

    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        // In JSON, texts of guests do not have the quotes of the text format.
        self.add(field, &quoted(&format!("{value:#?}")));
    }
}

/// The text as a JSON string.
fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

#[cfg(test)]
mod tests {
    use std::fs::File;
    use std::os::unix::fs::MetadataExt;
    use std::sync::{Arc, Mutex};

    use tracing_subscriber::fmt::MakeWriter;

    use super::*;
    use crate::log::text::GuestText;

    #[derive(Clone, Default)]
    struct Kept(Arc<Mutex<Vec<u8>>>);

    impl std::io::Write for Kept {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0.lock().expect("no panic").extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    impl<'a> MakeWriter<'a> for Kept {
        type Writer = Kept;

        fn make_writer(&'a self) -> Kept {
            self.clone()
        }
    }

    fn written(format: LogFormat, is_journal: bool, tell: impl FnOnce()) -> String {
        let kept = Kept::default();
        let format = LineFormat { format, text: Format::default().with_target(false), is_journal };
        let subscriber = tracing_subscriber::fmt()
            .with_max_level(Level::TRACE)
            .with_ansi(false)
            .event_format(format)
            .with_writer(kept.clone())
            .finish();
        tracing::subscriber::with_default(subscriber, tell);
        let bytes = kept.0.lock().expect("no panic").clone();
        String::from_utf8(bytes).expect("text")
    }

    /// A line with any text of a guest is one JSON object that contains the escaped text.
    #[test]
    fn every_text_makes_one_object() {
        let every_character = (0..=0x2100).chain([0xe000, 0xfeff, 0x1_f600]);
        let every_character: String = every_character.filter_map(char::from_u32).collect();
        for text in ["", "plain", "\"", "\\", "\\\"", "{\"a\":1}", "\u{1b}[2J\n", &every_character]
        {
            let text = GuestText::of(text, 1 << 20);
            let line = written(LogFormat::Json, false, || {
                tracing::warn!(
                    handler = ?text,
                    shown = %text,
                    name = text.as_str(),
                    count = 3_u64,
                    gone = -1_i64,
                    whole = true,
                    part = f64::NAN,
                    time = "mine",
                    none = None::<u64>,
                    "said: {text}"
                );
            });
            assert_eq!(line.matches('\n').count(), 1, "{line}");
            let object: serde_json::Value = serde_json::from_str(&line).expect("one object");
            for key in ["handler", "shown", "name"] {
                assert_eq!(object[key], text.as_str(), "{key}");
            }
            assert_eq!(object["message"], format!("said: {text}"));
            assert_eq!((&object["count"], &object["gone"]), (&3.into(), &(-1).into()));
            assert_eq!((&object["whole"], &object["part"]), (&true.into(), &"NaN".into()));
            assert_eq!((&object["level"], &object["field_time"]), (&"WARN".into(), &"mine".into()));
            assert!(object["time"].as_str().is_some_and(|time| time.ends_with('Z')), "{line}");
            assert_eq!(object.get("none"), None);
        }
    }

    #[test]
    fn what_is_too_long_is_still_an_object() {
        let text = "x".repeat(LINE_BYTES_MAX);
        let line = written(LogFormat::Json, false, || tracing::info!("{text}"));
        let object: serde_json::Value = serde_json::from_str(&line).expect("one object");
        assert_eq!(object["message"], "a line of the log was too long");
    }

    #[test]
    fn the_journal_is_told_how_important_a_line_is() {
        let lines = || {
            tracing::error!("a");
            tracing::warn!("b");
            tracing::info!("c");
            tracing::debug!("d");
        };
        for format in [LogFormat::Text, LogFormat::Json] {
            let told = written(format, true, lines);
            let begins: Vec<&str> = told.lines().map(|line| &line[..3]).collect();
            assert_eq!(begins, ["<3>", "<4>", "<6>", "<7>"]);
            assert!(!written(format, false, lines).contains('<'));
        }
    }

    #[test]
    fn the_journal_is_known_by_its_device_and_inode() {
        let file = File::open("/dev/null").expect("it is there");
        let there = file.metadata().expect("it is open");
        let name = format!("{}:{}", there.dev(), there.ino());
        assert!(is_journal(&name, &file));
        for other in ["", ":", "1:2", "x:y", &format!("{name}0"), &format!("{}:", there.dev())] {
            assert!(!is_journal(other, &file), "{other}");
        }
    }
}
