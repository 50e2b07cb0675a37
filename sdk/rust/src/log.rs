//! Lines in the operator's log, under the plugin's name: [`trace!`](crate::trace),
//! [`debug!`](crate::debug), [`info!`](crate::info), [`warn!`](crate::warn), [`error!`](crate::error).
//!
//! Standard output and standard error become lines too, of level info and warn, unless the operator
//! asked for them raw (`stdout = "inherit"`).

use std::fmt;

#[doc(inline)]
pub use crate::bindings::sandloop::plugin::log::Level;
use crate::host::log as host;

/// Writes one line. Control characters are escaped by the host.
pub fn log(level: Level, message: &str) {
    host::log(level, message);
}

/// The functions behind the macros.
#[doc(hidden)]
pub fn write(level: Level, message: fmt::Arguments<'_>) {
    match message.as_str() {
        Some(message) => log(level, message),
        None => log(level, &message.to_string()),
    }
}

/// Logs a line of level trace, written as for `println!`.
#[macro_export]
macro_rules! trace {
    ($($message:tt)+) => { $crate::log::write($crate::log::Level::Trace, ::std::format_args!($($message)+)) };
}

/// Logs a line of level debug, written as for `println!`.
#[macro_export]
macro_rules! debug {
    ($($message:tt)+) => { $crate::log::write($crate::log::Level::Debug, ::std::format_args!($($message)+)) };
}

/// Logs a line of level info, written as for `println!`.
#[macro_export]
macro_rules! info {
    ($($message:tt)+) => { $crate::log::write($crate::log::Level::Info, ::std::format_args!($($message)+)) };
}

/// Logs a line of level warn, written as for `println!`.
#[macro_export]
macro_rules! warn {
    ($($message:tt)+) => { $crate::log::write($crate::log::Level::Warn, ::std::format_args!($($message)+)) };
}

/// Logs a line of level error, written as for `println!`.
#[macro_export]
macro_rules! error {
    ($($message:tt)+) => { $crate::log::write($crate::log::Level::Error, ::std::format_args!($($message)+)) };
}
