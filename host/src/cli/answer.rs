//! The output of commands: answers and errors.

use std::fmt;
use std::io::{self, Write};
use std::process::ExitCode;

use sandloop_host::log::text::GuestText;
use sandloop_host::run::error::StartError;

/// The most bytes of a message, or of a line about one item.
const MESSAGE_BYTES: usize = 64 << 10;

/// The error of a command, and its exit code.
pub(super) struct Complaint(pub(super) String, pub(super) u8);

impl From<StartError> for Complaint {
    fn from(error: StartError) -> Complaint {
        Complaint(error.to_string(), error.exit_code())
    }
}

/// Prints the error of a command.
pub fn failed(cause: &dyn fmt::Display, code: u8) -> ExitCode {
    // If this cannot be written there is still the exit code. Names in the error may contain any bytes.
    let _ = writeln!(io::stderr(), "error: {}", shown(cause));
    code.into()
}

/// A message or a line, in which a name cannot begin another line or move the cursor.
pub(super) fn shown(text: impl fmt::Display) -> GuestText {
    GuestText::of(text, MESSAGE_BYTES)
}

/// Prints a line. A name in it cannot make it several, or move the cursor.
pub(super) fn print_line(line: impl fmt::Display) {
    print(&format!("{}\n", shown(line)));
}

/// Prints an answer. It is no error if the reader has closed the pipe; other errors are printed.
pub(super) fn print(text: &str) {
    let mut output = io::stdout();
    let written = output.write_all(text.as_bytes()).and_then(|()| output.flush());
    if let Err(error) = written
        && error.kind() != io::ErrorKind::BrokenPipe
    {
        let _ = writeln!(io::stderr(), "warning: standard output is not written: {error}");
    }
}
