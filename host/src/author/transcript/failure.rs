//! Why a transcript has not passed, for whoever has written it.

use std::fmt;
use std::path::PathBuf;

use crate::author::transcript::diff::DiffLine;
use crate::author::transcript::heard::Heard;
use crate::log::text::GuestText;

/// Lines of the log that are shown; of more, the last.
const HEARD_MAX: usize = 20;

/// Why a transcript has not passed.
#[derive(Debug)]
pub(crate) struct ScriptFailure {
    /// The transcript.
    pub file: PathBuf,
    /// The line, from 1.
    pub line: usize,
    /// What is wrong.
    pub cause: String,
    /// Where lines differ: what was expected and what came.
    pub diff: Vec<DiffLine>,
    /// What the log says since something was done last.
    pub heard: Vec<Heard>,
}

impl fmt::Display for ScriptFailure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}:{}: {}", GuestText::path(&self.file), self.line, self.cause)?;
        for line in &self.diff {
            writeln!(f, "    {line}")?;
        }
        let left_out = self.heard.len().saturating_sub(HEARD_MAX);
        if !self.heard.is_empty() {
            writeln!(f, "    the log since the last step that does something:")?;
        }
        if 0 < left_out {
            writeln!(f, "      ({left_out} lines before)")?;
        }
        for heard in &self.heard[left_out..] {
            writeln!(f, "      {heard}")?;
        }
        Ok(())
    }
}
