//! The names of the contract as they stand in a component.

#[allow(unreachable_pub, reason = "bindgen writes most of it")]
pub(crate) mod bindings;
pub(crate) mod callback;
pub(crate) mod export;
pub(crate) mod outcome;
#[allow(unreachable_pub, reason = "bindgen exports its type again")]
pub(crate) mod socket;

/// The package that every plugin is written against.
pub(crate) const PACKAGE: &str = "sandloop:plugin";
/// Its version.
pub(crate) const VERSION: &str = "0.1.1";

/// The interfaces that a plugin may import.
pub(crate) const IMPORTS: [&str; 20] = [
    "types",
    "sockets",
    "byte-counts",
    "proxying",
    "files",
    "file-versions",
    "watching",
    "socket-options",
    "listeners",
    "datagrams",
    "tls",
    "timers",
    "reactor",
    "deferred",
    "processes",
    "cluster-processes",
    "channels",
    "queues",
    "log",
    "options",
];
/// The interface that every plugin exports.
pub(crate) const HANDLER: &str = "handler";
/// What is in it.
pub(crate) const HANDLER_ITEMS: [&str; 7] = [
    "[constructor]connection",
    "[method]connection.post-init",
    "[method]connection.connection-completed",
    "[method]connection.receive-data",
    "[method]connection.drained",
    "[method]connection.unbind",
    "connection",
];
/// The packages of WASI 0.2 that a plugin may import from.
pub(crate) const WASI_PACKAGES: [&str; 7] = [
    "wasi:cli",
    "wasi:clocks",
    "wasi:filesystem",
    "wasi:http",
    "wasi:io",
    "wasi:random",
    "wasi:sockets",
];
/// What a component exports that serves HTTP and is no plugin of the contract's; any third number is as good.
pub(crate) const INCOMING_HANDLER: &str = "wasi:http/incoming-handler@0.2.0";
/// What is in it.
pub(crate) const HANDLE_REQUEST: &str = "handle";

/// The full name of an interface of the contract.
pub(crate) fn interface(name: &str) -> String {
    format!("{PACKAGE}/{name}@{VERSION}")
}

/// The third number of a version that this host speaks: its own, or an earlier one of the same first two, of which everything
/// is still there.
pub(crate) fn spoken(version: &str) -> Option<u32> {
    let third = |version: &str| {
        let (line, third) = version.rsplit_once('.')?;
        Some((line.to_owned(), number(third)?))
    };
    let (own, asked) = (third(VERSION)?, third(version)?);
    (asked.0 == own.0 && asked.1 <= own.1).then_some(asked.1)
}

/// A number as versions have it: digits alone, and no more zeros than it needs.
fn number(digits: &str) -> Option<u32> {
    let number: u32 = digits.parse().ok()?;
    (number.to_string() == digits).then_some(number)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn earlier_versions_are_spoken_too() {
        for (version, third) in [("0.1.0", 0), ("0.1.1", 1)] {
            assert_eq!(spoken(version), Some(third), "{version}");
        }
        for version in
            ["0.1.2", "0.2.0", "1.1.0", "0.1", "", "0.1.0-rc", "0.1.0+1", "0.1.01", "0.1.+1"]
        {
            assert_eq!(spoken(version), None, "{version}");
        }
    }
}
