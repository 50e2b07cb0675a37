//! The engine's messages about errors in guests. They contain names of the guest, so all are escaped.

use std::fmt;
use std::fmt::Display;

use wasmtime::WasmBacktrace;

use crate::log::text::{BACKTRACE_BYTES, GuestText, NAME_BYTES};

/// The guest's frames, innermost first, on one line.
pub(crate) fn backtrace(error: &wasmtime::Error) -> GuestText {
    match error.downcast_ref::<WasmBacktrace>() {
        Some(backtrace) => GuestText::of(Frames(backtrace), BACKTRACE_BYTES),
        None => GuestText::default(),
    }
}

/// An error with all its causes, in one line.
pub(crate) fn chain(error: &wasmtime::Error) -> GuestText {
    GuestText::cause(Chain(error))
}

/// The innermost cause of a trap, in one line.
pub(crate) fn cause(error: &wasmtime::Error) -> GuestText {
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
        let mut frames = self.0.frames().iter().peekable();
        let mut separator = "";
        while let Some(frame) = frames.next() {
            f.write_str(separator)?;
            separator = " < ";
            let name = frame.func_name().map(function);
            let machinery = name.as_ref().and_then(|name| Machinery::of(name.as_str()));
            if let Some(machinery) = machinery {
                let mut count = 1;
                let is_same = |frame: &&wasmtime::FrameInfo| {
                    let name = frame.func_name().map(function);
                    name.and_then(|name| Machinery::of(name.as_str())) == Some(machinery)
                };
                while frames.next_if(is_same).is_some() {
                    count += 1;
                }
                write!(f, "[{count} of {machinery}]")?;
                continue;
            }
            match name {
                Some(name) => f.write_str(name.as_str())?,
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

/// Frames between a fault and the author's code, which say nothing about it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Machinery {
    /// A standard library.
    Library,
    /// An interpreter of JavaScript or Python.
    Interpreter,
}

impl Machinery {
    fn of(function: &str) -> Option<Machinery> {
        // `<core::iter::Map<…> as …>::next` is the library's, `<mine::Type as core::…>::next` is not.
        let begin = function.trim_start_matches(['<', '&', '*']);
        let has = |begins: &[&str]| begins.iter().any(|it| begin.starts_with(it));
        if has(&LIBRARY) || LIBRARY_WHOLE.contains(&begin) {
            return Some(Machinery::Library);
        }
        has(&INTERPRETER).then_some(Machinery::Interpreter)
    }
}

/// Prefixes of functions of standard libraries: those of Rust and of C.
const LIBRARY: [&str; 9] =
    ["std::", "core::", "alloc::", "__rust", "rust_", "__wasi", "__libc", "dlmalloc", "wasip2::"];
/// Whole names of such functions.
const LIBRARY_WHOLE: [&str; 4] = ["abort", "exit", "_Exit", "_start"];
/// Prefixes of functions of interpreters: SpiderMonkey, QuickJS, CPython.
const INTERPRETER: [&str; 10] =
    ["js::", "JS::", "JS_", "mozilla::", "__JS_", "Interpret(", "Py", "_Py", "pythonapi", "pyo3::"];

impl Display for Machinery {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Machinery::Library => "the standard library",
            Machinery::Interpreter => "the interpreter",
        })
    }
}

/// The name of a function in its source. A name that is too long to be shown is not parsed.
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
    fn what_stands_between_is_told_from_the_authors_own() {
        for (name, expected) in [
            ("std::panicking::panic_with_hook", Some(Machinery::Library)),
            ("__rustc::__rust_abort", Some(Machinery::Library)),
            ("abort", Some(Machinery::Library)),
            ("<core::iter::Map<I, F> as core::iter::Iterator>::next", Some(Machinery::Library)),
            ("<<alloc::vec::Vec<T>>::IntoIter as Drop>::drop", Some(Machinery::Library)),
            ("_PyEval_EvalFrameDefault", Some(Machinery::Interpreter)),
            ("js::RunScript(JSContext*, js::RunState&)", Some(Machinery::Interpreter)),
            ("<mine::Echo as sandloop::connection::Connection>::receive_data", None),
            ("<mine::Range as core::iter::Iterator>::next", None),
            ("aborted::handle", None),
            ("standard::thing", None),
            ("sandloop:plugin/handler@0.1.1#[method]connection.receive-data", None),
            ("", None),
        ] {
            assert_eq!(Machinery::of(name), expected, "{name}");
        }
    }

    #[test]
    fn an_error_with_all_its_causes_is_short() {
        let error = wasmtime::Error::msg("inner\n").context("x".repeat(1 << 20)).context("outer");
        let text = chain(&error).as_str().to_owned();
        assert!(text.starts_with("outer: xxx") && text.len() <= 512, "{text}");
        assert_eq!(cause(&error).as_str(), "inner\\n");
    }
}
