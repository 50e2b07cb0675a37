//! What commands print: answers, and why one has failed.

use std::fmt;
use std::io::{self, Write};
use std::process::ExitCode;

use sandloop_host::log::text::GuestText;
use sandloop_host::run::error::StartError;

/// The most bytes shown of a message, or of a line about one thing.
const MESSAGE_BYTES: usize = 64 << 10;

/// What ends a command early, and with which code.
pub(super) struct Complaint(pub(super) String, pub(super) u8);

impl From<StartError> for Complaint {
    fn from(error: StartError) -> Complaint {
        Complaint(error.to_string(), error.exit_code())
    }
}

/// Tells why a command has failed.
pub fn failed(cause: &dyn fmt::Display, code: u8) -> ExitCode {
    // Whoever does not read it has the code. Names in it may be anybody's, and have anything in them.
    let _ = writeln!(io::stderr(), "error: {}", shown(cause));
    code.into()
}

/// A message or a line, in which a name cannot make another line or move the cursor.
pub(super) fn shown(text: impl fmt::Display) -> GuestText {
    GuestText::of(text, MESSAGE_BYTES)
}

/// Prints a line. A name in it cannot make it several, or move the cursor.
pub(super) fn print_line(line: impl fmt::Display) {
    print(&format!("{}\n", shown(line)));
}

/// Prints an answer. A reader who has read enough is no error; whatever else keeps it from being written is told.
pub(super) fn print(text: &str) {
    let mut output = io::stdout();
    let written = output.write_all(text.as_bytes()).and_then(|()| output.flush());
    if let Err(error) = written
        && error.kind() != io::ErrorKind::BrokenPipe
    {
        let _ = writeln!(io::stderr(), "warning: standard output is not written: {error}");
    }
}
