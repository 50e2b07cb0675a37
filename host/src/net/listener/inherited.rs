//! Socket activation: sockets that the process that has started the host has opened for it, as systemd does
//! (sd_listen_fds(3)).

use std::path::Path;

use listenfd::ListenFd;
use socket2::{Socket, Type};

use crate::base::lock::Mutex;
use crate::base::os;
use crate::config::address::ListenAddress;
use crate::net::listener::error::BindFault;

/// The first descriptor that is passed: SD_LISTEN_FDS_START.
const FIRST: usize = 3;

/// Descriptors that were passed and that no section has taken yet.
static HANDED_OVER: Mutex<Vec<HandedOver>> = Mutex::new(Vec::new());

/// A socket that was passed, and its address.
type Inherited = (Socket, ListenAddress);

/// A descriptor that was passed.
struct HandedOver {
    number: usize,
    name: String,
    /// The socket, or a description of another kind of descriptor.
    socket: Result<Inherited, String>,
}

/// Takes the descriptors that were passed, and clears the variables of the environment so that no child process takes
/// them too. To be called first in `main`: later the host's own descriptors have such numbers, and threads read the
/// environment.
pub fn take_over() {
    let names = std::env::var("LISTEN_FDNAMES").unwrap_or_default();
    let mut names = names.split(':');
    let mut all = ListenFd::from_env();
    let taken = (0..all.len()).map(|place| HandedOver {
        number: FIRST + place,
        name: names.next().unwrap_or_default().to_owned(),
        socket: take(&mut all, place),
    });
    HANDED_OVER.lock().extend(taken);
}

/// Takes the socket with this number or name.
pub(super) fn find(wanted: &str) -> Result<Inherited, BindFault> {
    let mut all = HANDED_OVER.lock();
    let is_wanted = |one: &HandedOver| one.name == wanted || one.number.to_string() == wanted;
    let Some(place) = all.iter().position(is_wanted) else {
        let others: Vec<String> = all.iter().map(HandedOver::to_string).collect();
        let others = if others.is_empty() {
            "which hands over none".to_owned()
        } else {
            format!("which hands over {}", others.join(", "))
        };
        return Err(BindFault::NotInherited(others));
    };
    all.swap_remove(place).socket.map_err(BindFault::NotAListener)
}

impl std::fmt::Display for HandedOver {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let HandedOver { number, name, .. } = self;
        match &**name {
            "" | "unknown" => write!(f, "{number}"),
            name => write!(f, "{number} ({name:?})"),
        }
    }
}

/// The address of sockets that the previous process has handed over and had itself been passed.
pub(super) fn address_of(sockets: &[Socket]) -> Result<ListenAddress, BindFault> {
    let wrong = || BindFault::NotAListener("no socket of a kind that is served".to_owned());
    let socket = sockets.first().ok_or_else(wrong)?;
    let (address, kind) = (socket.local_addr()?, socket.r#type()?);
    Ok(match (address.as_socket(), kind) {
        (Some(address), Type::STREAM) => ListenAddress::Tcp(address),
        (Some(address), Type::DGRAM) => ListenAddress::Udp(address),
        (Some(_), _) => return Err(wrong()),
        (None, _) => ListenAddress::Unix(address.as_pathname().unwrap_or(Path::new("")).to_owned()),
    })
}

fn take(all: &mut ListenFd, place: usize) -> Result<Inherited, String> {
    if let Ok(Some(listener)) = all.take_tcp_listener(place) {
        let address = listener.local_addr().map_err(|error| error.to_string())?;
        return listening(listener.into(), ListenAddress::Tcp(address));
    }
    if let Ok(Some(listener)) = all.take_unix_listener(place) {
        let address = listener.local_addr().map_err(|error| error.to_string())?;
        let path = address.as_pathname().unwrap_or(Path::new(""));
        return listening(listener.into(), ListenAddress::Unix(path.to_owned()));
    }
    match all.take_udp_socket(place) {
        Ok(Some(socket)) => {
            let address = socket.local_addr().map_err(|error| error.to_string())?;
            prepared(socket.into(), ListenAddress::Udp(address))
        }
        Ok(None) | Err(_) => Err("no socket of a kind that is served".to_owned()),
    }
}

fn listening(socket: Socket, address: ListenAddress) -> Result<Inherited, String> {
    if !os::is_listening(&socket).map_err(|error| error.to_string())? {
        return Err(format!("a socket at {address} that does not listen"));
    }
    prepared(socket, address)
}

fn prepared(socket: Socket, address: ListenAddress) -> Result<Inherited, String> {
    socket.set_nonblocking(true).map_err(|error| error.to_string())?;
    Ok((socket, address))
}
