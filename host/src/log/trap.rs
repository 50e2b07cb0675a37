//! The engine's words about what went wrong in a guest. They hold names of the guest's, so all of them pass the gate.

use std::fmt;
use std::fmt::Display;

use wasmtime::WasmBacktrace;

use crate::log::text::{BACKTRACE_BYTES, GuestText, NAME_BYTES};

/// The guest's frames, innermost first, on one line.
pub fn backtrace(error: &wasmtime::Error) -> GuestText {
    match error.downcast_ref::<WasmBacktrace>() {
        Some(backtrace) => GuestText::of(Frames(backtrace), BACKTRACE_BYTES),
        None => GuestText::default(),
    }
}

/// An error with all its causes, in one line.
pub fn chain(error: &wasmtime::Error) -> GuestText {
    GuestText::cause(Chain(error))
}

/// The innermost cause of a trap, in one line.
pub fn cause(error: &wasmtime::Error) -> GuestText {
    GuestText::cause(error.root_cause())
}

struct Chain<'a>(&'a wasmtime::Error);

impl Display for Chain<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (number, cause) in self.0.chain().enumerate() {
            f.write_str(if number == 0 { "" } else { ": " })?;
            write!(f, "{cause}")?;
        }
        Ok(())
    }
}

struct Frames<'a>(&'a WasmBacktrace);

impl Display for Frames<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (number, frame) in self.0.frames().iter().enumerate() {
            f.write_str(if number == 0 { "" } else { " < " })?;
            match frame.func_name() {
                Some(name) => f.write_str(function(name).as_str())?,
                None => write!(f, "function {}", frame.func_index())?,
            }
            let symbol = frame.symbols().first();
            if let Some((file, line)) = symbol.and_then(|it| it.file().zip(it.line())) {
                write!(f, " ({}:{line})", GuestText::name(file))?;
            }
        }
        Ok(())
    }
}

/// A function's name as its source has it. A name that is longer than it can be shown is not looked into.
fn function(name: &str) -> GuestText {
    if NAME_BYTES < name.len() {
        return GuestText::name(name);
    }
    GuestText::name(format_args!("{:#}", rustc_demangle::demangle(name)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_functions_name_is_short() {
        assert_eq!(function("_ZN3foo3bar17h0123456789abcdefE").as_str(), "foo::bar");
        assert_eq!(function(&"_ZN".repeat(40_000)).as_str().len(), NAME_BYTES);
        assert!(function(&"\u{1b}".repeat(99_000)).as_str().len() <= NAME_BYTES);
    }

    #[test]
    fn an_error_with_all_its_causes_is_short() {
        let error = wasmtime::Error::msg("inner\n").context("x".repeat(1 << 20)).context("outer");
        let text = chain(&error).as_str().to_owned();
        assert!(text.starts_with("outer: xxx") && text.len() <= 512, "{text}");
        assert_eq!(cause(&error).as_str(), "inner\\n");
    }
}
