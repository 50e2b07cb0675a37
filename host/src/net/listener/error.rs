//! Errors of listeners, with their remedies.

use std::path::PathBuf;
use std::{fmt, io};

use rustix::io::Errno;

use crate::config::address::ListenAddress;
use crate::config::admin::AdminConfig;
use crate::config::model::Config;

/// An address that cannot be served. The message names the line of `plugins.toml` and the remedy.
#[derive(Debug)]
pub struct BindError {
    file: PathBuf,
    line: usize,
    /// The index of the listener; none for that of `[admin]`.
    place: Option<usize>,
    address: ListenAddress,
    fault: BindFault,
}

#[derive(Debug)]
pub(crate) enum BindFault {
    InUse,
    Forbidden,
    LiveServer,
    NotASocket,
    /// The folder of the path does not exist.
    NoFolder(PathBuf),
    ReadOnly,
    /// Another process holds the lock of the path's folder.
    FolderBusy,
    /// The process that has started the host has passed no such socket, but these.
    NotInherited(String),
    /// The descriptor that was passed is no listening socket.
    NotAListener(String),
    /// The socket that was passed carries datagrams; a stream socket is needed.
    NoStream,
    /// The address is not one of this machine's.
    NotHere,
    /// The machine does not support the address family.
    NoFamily,
    /// The owner or group of the socket could not be set.
    Owner(io::Error),
    /// The mode of the socket could not be set.
    Mode(io::Error),
    Other(io::Error),
}

impl BindError {
    pub(crate) fn new(config: &Config, place: usize, fault: BindFault) -> BindError {
        let section = &config.listeners[place];
        let (file, address) = (section.file.clone(), section.address.clone());
        BindError { file, line: section.line, place: Some(section.place), address, fault }
    }

    pub(super) fn of_admin(config: &Config, admin: &AdminConfig, fault: BindFault) -> BindError {
        let (file, address) = (config.file.clone(), admin.address.clone());
        BindError { file, line: admin.line, place: None, address, fault }
    }

    /// The configuration key that has to change.
    fn key(&self) -> &'static str {
        match self.fault {
            BindFault::Owner(_) => "owner",
            BindFault::Mode(_) => "mode",
            BindFault::NoStream => "proxy_protocol",
            _ => "address",
        }
    }

    fn is_unix(&self) -> bool {
        matches!(self.address, ListenAddress::Unix(_))
    }
}

impl From<io::Error> for BindFault {
    fn from(error: io::Error) -> BindFault {
        match Errno::from_io_error(&error) {
            Some(Errno::ADDRINUSE) => BindFault::InUse,
            Some(Errno::ACCESS | Errno::PERM) => BindFault::Forbidden,
            Some(Errno::ROFS) => BindFault::ReadOnly,
            Some(Errno::ADDRNOTAVAIL) => BindFault::NotHere,
            Some(Errno::AFNOSUPPORT) => BindFault::NoFamily,
            _ => BindFault::Other(error),
        }
    }
}

impl std::error::Error for BindError {}

impl fmt::Display for BindError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let BindError { file, line, place, address, fault } = self;
        let section = place.map_or("admin".to_owned(), |place| format!("listen[{place}]"));
        write!(f, "{}:{line}: {section}.{}: {address}: ", file.display(), self.key())?;
        match fault {
            BindFault::InUse if self.is_unix() => f.write_str(
                "another process has just taken this path; stop it or choose another path",
            ),
            BindFault::InUse => {
                f.write_str("another process has this address; stop it or choose another port")
            }
            BindFault::Forbidden if self.is_unix() => f.write_str(
                "permission denied; choose a folder that this user may write, or let him write there",
            ),
            BindFault::Forbidden => f.write_str(
                "permission denied; choose a port from 1024 on, or give the process CAP_NET_BIND_SERVICE",
            ),
            BindFault::LiveServer => f.write_str(
                "a live server answers at this path; stop it or choose another path",
            ),
            BindFault::NotASocket => f.write_str(
                "something that is not a socket stands at this path; move it or choose another path",
            ),
            BindFault::NoFolder(folder) => write!(
                f,
                "there is no folder {:?}; make it, or write a path in one that is there",
                folder.display().to_string()
            ),
            BindFault::ReadOnly => f.write_str(
                "its file system is read-only; write a path in a folder that can be written, as below /run",
            ),
            BindFault::FolderBusy => f.write_str(
                "another process holds its folder; wait until that has started, or write a path in another folder",
            ),
            BindFault::NotInherited(others) => write!(
                f,
                "no such socket was handed over with LISTEN_FDS, {others}; start the host by a systemd socket unit, or \
                 write the address itself"
            ),
            BindFault::NotAListener(what) => write!(
                f,
                "what was handed over is {what}; hand over a listening TCP or Unix stream socket, or a bound UDP one"
            ),
            BindFault::NoStream => f.write_str(
                "what was handed over is a UDP socket, whose datagrams begin with no header; leave the key out",
            ),
            BindFault::NotHere => f.write_str(
                "this machine does not have this address; write one that `ip address` shows, or 0.0.0.0 or [::] for every one",
            ),
            BindFault::NoFamily => f.write_str(
                "this system has no addresses of this kind; write one of another kind, such as an IPv4 address",
            ),
            BindFault::Owner(error) => write!(
                f,
                "the socket cannot be given to this owner and group: {error}; start the host as root, or write a group \
                 that this user is in"
            ),
            BindFault::Mode(error) => {
                write!(f, "the socket cannot have this mode: {error}; leave the key out")
            }
            BindFault::Other(error) => write!(f, "{error}; choose an address of this machine"),
        }
    }
}
