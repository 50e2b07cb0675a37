//! Failures of transcripts, for their authors.

use std::fmt;
use std::path::PathBuf;

use crate::author::transcript::diff::DiffLine;
use crate::author::transcript::heard::Heard;
use crate::log::text::GuestText;

/// The most log lines that are shown: the last ones.
const HEARD_MAX: usize = 20;

/// Why a transcript has failed.
#[derive(Debug)]
pub(crate) struct ScriptFailure {
    pub file: PathBuf,
    /// The line, from 1.
    pub line: usize,
    pub cause: String,
    /// The difference between expected and received lines, if they differ.
    pub diff: Vec<DiffLine>,
    /// The log since the last action.
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
