//! The parser of transcripts: one line is one step.

use std::collections::BTreeSet;
use std::fmt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::author::transcript::step::{Expectation, PeerState, ScriptAction, ScriptStep, What};
use crate::author::transcript::text;

/// The most bytes of a transcript.
pub(crate) const BYTES_MAX: u64 = 16 << 20;

/// A parsed transcript.
#[derive(Debug, PartialEq)]
pub(crate) struct Script {
    /// Options of plugins: the plugin if it is named, the key, and the value in TOML.
    pub options: Vec<OptionLine>,
    /// Actions and expectations.
    pub steps: Vec<ScriptStep>,
}

/// A line that sets an option of a plugin.
#[derive(Debug, PartialEq)]
pub(crate) struct OptionLine {
    /// The number of the line, from 1.
    pub line: usize,
    /// The plugin, if it is named.
    pub plugin: Option<String>,
    pub key: String,
    pub value: toml::Value,
}

/// A line that is not a step.
#[derive(Debug, PartialEq)]
pub struct ScriptError {
    /// The transcript.
    pub file: PathBuf,
    /// The line, from 1.
    pub line: usize,
    /// The cause, and what is valid there.
    pub cause: String,
}

impl fmt::Display for ScriptError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}: {}", self.file.display(), self.line, self.cause)
    }
}

/// The first word of each kind of line, and its forms.
const VERBS: [(&str, &str); 10] = [
    ("connect", "`connect`, `connect NAME`, `connect to HANDLER` or `connect NAME to HANDLER`"),
    ("close", "`close` or `close NAME`"),
    ("end", "`end` or `end NAME`"),
    ("reset", "`reset` or `reset NAME`"),
    ("dialled", "`dialled NAME` or `dialled NAME HOST:PORT`"),
    ("accept", "`accept` or `accept NAME`"),
    ("refuse", "`refuse` or `refuse NAME`"),
    ("log", "`log LEVEL TEXT` with error, warn, info, debug or trace"),
    ("option", "`option KEY = VALUE`, as in option server = \"127.0.0.1:7000\""),
    ("stop", "`stop`"),
];

/// The levels of the log.
const LEVELS: [&str; 5] = ["error", "warn", "info", "debug", "trace"];

impl Script {
    /// Parses the text of a file.
    ///
    /// # Errors
    /// The first line that is not a step.
    pub(crate) fn parse(file: &Path, text: &str) -> Result<Script, ScriptError> {
        let mut reader = Reader::default();
        for (index, line) in text.lines().enumerate() {
            let line = line.strip_suffix('\r').unwrap_or(line);
            reader.line(index + 1, line).map_err(|cause| {
                let file = file.to_owned();
                ScriptError { file, line: index + 1, cause }
            })?;
        }
        let Reader { options, steps, .. } = reader;
        Ok(Script { options, steps })
    }
}

#[derive(Default)]
struct Reader {
    options: Vec<OptionLine>,
    steps: Vec<ScriptStep>,
    /// Connections of earlier lines.
    names: BTreeSet<String>,
}

impl Reader {
    fn line(&mut self, number: usize, line: &str) -> Result<(), String> {
        let bare = line.trim();
        if bare.is_empty() || bare.starts_with('#') {
            return Ok(());
        }
        if line.starts_with([' ', '\t']) {
            return Err("a line begins without a blank".to_owned());
        }
        if let Some(option) = bare.strip_prefix("option ") {
            let option = self.option(number, option)?;
            self.options.push(option);
            return Ok(());
        }
        let what = self.what(line)?;
        self.steps.push(ScriptStep { line: number, what });
        Ok(())
    }

    fn what(&mut self, line: &str) -> Result<What, String> {
        if let Some(duration) = line.strip_prefix('@') {
            return Ok(What::Do(ScriptAction::Advance(self::duration(duration)?)));
        }
        let end = line.find(|c: char| !is_of_name(c)).unwrap_or(line.len());
        let (name, rest) = line.split_at(end);
        let mut rest = rest.chars();
        match rest.next() {
            Some('>') => {
                let bytes = text::bytes(behind_blank(rest.as_str(), '>')?)?;
                Ok(What::Do(ScriptAction::Send(self.known(name)?, bytes)))
            }
            Some('<') => {
                let bytes = text::bytes(behind_blank(rest.as_str(), '<')?)?;
                Ok(What::Expect(Expectation::Receive(self.known(name)?, bytes)))
            }
            Some('!') => self.state(name, rest.as_str().trim()),
            _ => self.verb(line),
        }
    }

    fn state(&self, name: &str, word: &str) -> Result<What, String> {
        if word == "stopped" && name.is_empty() {
            return Ok(What::Expect(Expectation::Stopped));
        }
        let state = PeerState::ALL.iter().find(|(known, _)| *known == word);
        let (_, state) = state.ok_or_else(|| {
            format!(
                "{word:?} is no state; write `{name}! closed`, `{name}! ended`, `{name}! reset`, `{name}! open` or `! stopped`"
            )
        })?;
        Ok(What::Expect(Expectation::Is(self.known(name)?, *state)))
    }

    fn verb(&mut self, line: &str) -> Result<What, String> {
        let mut words = line.split_whitespace();
        let verb = words.next().unwrap_or_default();
        let Some((_, usage)) = VERBS.iter().find(|(known, _)| *known == verb) else {
            return Err(no_step(verb));
        };
        let wrong = || format!("write {usage}");
        if verb == "log" {
            return log(line).ok_or_else(wrong);
        }
        let words: Vec<&str> = words.collect();
        if verb == "connect" {
            let (name, to) = match *words {
                [] => ("", None),
                ["to", to] => ("", Some(to)),
                [name] => (name, None),
                [name, "to", to] => (name, Some(to)),
                _ => return Err(wrong()),
            };
            return Ok(What::Do(ScriptAction::Connect(self.declare(name)?, to.map(str::to_owned))));
        }
        if verb == "dialled" {
            let (name, to) = match *words {
                [] => ("", None),
                [to] if to.contains(':') => ("", Some(to)),
                [name] => (name, None),
                [name, to] => (name, Some(to)),
                _ => return Err(wrong()),
            };
            let to = to.map(|to| match to.strip_prefix("localhost:") {
                Some(port) => format!("127.0.0.1:{port}"),
                None => to.to_owned(),
            });
            return Ok(What::Expect(Expectation::Dialled(self.declare(name)?, to)));
        }
        if verb == "stop" {
            return if words.is_empty() { Ok(What::Do(ScriptAction::Stop)) } else { Err(wrong()) };
        }
        let name = match *words {
            [] => "",
            [name] => name,
            _ => return Err(wrong()),
        };
        let name = self.known(name)?;
        Ok(What::Do(match verb {
            "close" => ScriptAction::Close(name),
            "end" => ScriptAction::End(name),
            "reset" => ScriptAction::Reset(name),
            "accept" => ScriptAction::Accept(name),
            "refuse" => ScriptAction::Refuse(name),
            _ => return Err(wrong()),
        }))
    }

    fn option(&self, line: usize, text: &str) -> Result<OptionLine, String> {
        if !self.steps.is_empty() {
            return Err("options stand before the first step: plugins begin with them".to_owned());
        }
        let wrong = |cause: &str| format!("{cause}; write {}", VERBS[8].1);
        let (key, value) = text.split_once('=').ok_or_else(|| wrong("there is no ="))?;
        let key = key.trim();
        let (plugin, key) = match key.split_once('.') {
            Some((plugin, key)) => (Some(plugin.to_owned()), key),
            None => (None, key),
        };
        if key.is_empty() || !key.chars().all(is_of_name) {
            return Err(wrong(&format!("{key:?} is no key")));
        }
        let table: Result<toml::Table, _> = format!("value = {}", value.trim()).parse();
        let value = table.ok().and_then(|mut table| table.remove("value"));
        let value = value.ok_or_else(|| wrong("the value is not as in plugins.toml"))?;
        Ok(OptionLine { line, plugin, key: key.to_owned(), value })
    }

    /// Declares a connection.
    fn declare(&mut self, name: &str) -> Result<String, String> {
        if !name.chars().all(is_of_name) || name == "to" {
            return Err(format!(
                "{name:?} is no name of a connection; write letters, digits, - and _"
            ));
        }
        self.names.insert(name.to_owned());
        Ok(name.to_owned())
    }

    /// Checks that a connection is declared. The one without a name is declared by its first use.
    fn known(&self, name: &str) -> Result<String, String> {
        if name.is_empty() || self.names.contains(name) {
            return Ok(name.to_owned());
        }
        Err(format!(
            "there is no connection {name:?} yet; `connect {name}` makes one, and `dialled {name}` names one of the plugin's"
        ))
    }
}

fn is_of_name(c: char) -> bool {
    c.is_ascii_alphanumeric() || c == '-' || c == '_'
}

/// The text after the blank that separates it; nothing at all is an empty line.
fn behind_blank(rest: &str, sign: char) -> Result<&str, String> {
    match rest.strip_prefix(' ') {
        Some(text) => Ok(text),
        None if rest.is_empty() => Ok(""),
        None => Err(format!("write a blank behind {sign}")),
    }
}

fn log(line: &str) -> Option<What> {
    let rest = line.strip_prefix("log ")?;
    let (level, text) = rest.split_once(' ')?;
    let level = LEVELS.iter().find(|known| **known == level)?;
    let text = text.trim();
    (!text.is_empty()).then(|| What::Expect(Expectation::Log(level, text.to_owned())))
}

fn duration(text: &str) -> Result<Duration, String> {
    let text = text.trim();
    let end = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (number, unit) = text.split_at(end);
    let milliseconds = match unit {
        "ms" => 1,
        "s" => 1000,
        "m" => 60_000,
        "h" => 3_600_000,
        _ => 0,
    };
    let number: Option<u64> = number.parse().ok();
    let whole = number.and_then(|number| number.checked_mul(milliseconds));
    // More than the longest timer of a plugin is longer than any plugin waits.
    let whole = whole.filter(|_| 0 < milliseconds).filter(|whole| *whole <= u64::from(u32::MAX));
    whole.map(Duration::from_millis).ok_or_else(|| {
        format!(
            "{text:?} is no time; write a number with ms, s, m or h, as in @5s; 49 days at most"
        )
    })
}

fn no_step(word: &str) -> String {
    let near = VERBS.iter().map(|(verb, _)| (*verb, strsim::damerau_levenshtein(verb, word)));
    let near = near.min_by_key(|(_, distance)| *distance).filter(|(_, distance)| *distance <= 2);
    let hint = near.map(|(verb, _)| format!(" (did you mean `{verb}`?)")).unwrap_or_default();
    let verbs: Vec<&str> = VERBS.iter().map(|(verb, _)| *verb).collect();
    format!(
        "{word:?} is no step{hint}; a line begins with >, <, !, @, #, {}",
        verbs.join(", ").replace(", stop", " or stop")
    )
}

#[cfg(test)]
mod tests;
