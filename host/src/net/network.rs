//! The network: the operating system's, or that of a test's script.

use std::collections::VecDeque;
use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;

use crate::base::lock::Mutex;
use crate::config::address::ListenAddress;
use crate::net::connection::stream::Stream;
use crate::net::datagram::DatagramSocket;
use crate::net::outbound::Attempt;
use crate::net::stand_in::datagrams::{DatagramEnd, DatagramWays, StandInDatagrams};
use crate::net::stand_in::{self, Arrivals, SaidEnds, StandInListener, StandInPeer};

/// The source of sockets. Clones share it.
#[derive(Debug, Clone, Default)]
pub enum Network {
    /// The operating system.
    #[default]
    System,
    /// A script's: nothing leaves the process, and only the script moves the time.
    Scripted(Arc<ScriptedNetwork>),
}

/// The network of a script.
#[derive(Debug, Default)]
pub struct ScriptedNetwork(Mutex<ScriptedPlaces>);

#[derive(Debug, Default)]
struct ScriptedPlaces {
    listeners: Vec<ScriptedListener>,
    /// Outgoing connections that the script has not taken yet.
    dials: VecDeque<Dial>,
    /// Names that were resolved; the index makes the address.
    names: Vec<String>,
    /// The number of ports that were assigned.
    ports: u16,
    /// The number of numbers that were assigned.
    numbers: u64,
}

#[derive(Debug, Clone)]
struct ScriptedListener {
    address: ListenAddress,
    way: ScriptedWay,
}

/// How a script gets to it.
#[derive(Debug, Clone)]
enum ScriptedWay {
    Streams(Arc<Arrivals>),
    Datagrams(Arc<DatagramWays>),
}

/// The script's end of a connection or of datagrams with the host.
#[derive(Debug)]
pub enum ScriptEnd {
    /// A connection.
    Stream(StandInPeer),
    /// Datagrams, from an address and back.
    Datagrams(DatagramEnd),
}

/// An outgoing connection of a plugin.
#[derive(Debug)]
pub struct Dial {
    /// The target, as the plugin has named it.
    pub target: String,
    /// The script's end; a connection has not answered yet.
    pub end: ScriptEnd,
}

/// The first port that is assigned for a port 0.
const FIRST_PORT: u16 = 40_001;
/// The prefix of the addresses that names resolve to; nothing is ever sent there.
const NAMED: [u8; 3] = [1, 2, 3];

impl Network {
    /// Begins to connect, from `local` if one is given.
    ///
    /// # Errors
    /// Those of the system.
    pub fn begin(&self, attempt: &Attempt, local: Option<SocketAddr>) -> io::Result<Stream> {
        match self {
            Network::System => attempt.begin(local),
            Network::Scripted(network) => network.dial(attempt, local),
        }
    }

    /// Resolves a name in a scripted network; none if the resolver has to.
    pub fn look_up(&self, host: &str, port: u16) -> Option<VecDeque<Attempt>> {
        match self {
            Network::System => None,
            Network::Scripted(network) => Some(network.look_up(host, port)),
        }
    }
}

impl ScriptedNetwork {
    /// Listens at an address; port 0 is replaced by one that is assigned.
    ///
    /// # Errors
    /// When the system has no file descriptors left.
    pub fn listen(&self, address: &ListenAddress) -> io::Result<(StandInListener, ListenAddress)> {
        let listener = StandInListener::new()?;
        let mut places = self.0.lock();
        let mut address = address.clone();
        if let ListenAddress::Tcp(at) | ListenAddress::Tls(at) = &mut address
            && at.port() == 0
        {
            at.set_port(places.next_port());
        }
        let arrivals = listener.arrivals();
        let way = ScriptedWay::Streams(arrivals);
        places.listeners.push(ScriptedListener { address: address.clone(), way });
        Ok((listener, address))
    }

    /// A UDP socket at an address; port 0 is replaced by one that is assigned.
    ///
    /// # Errors
    /// When the system has no more sockets.
    pub fn bind(&self, mut address: SocketAddr) -> io::Result<(DatagramSocket, SocketAddr)> {
        let mut places = self.0.lock();
        if address.port() == 0 {
            address.set_port(places.next_port());
        }
        let socket = StandInDatagrams::new(address)?;
        let way = ScriptedWay::Datagrams(socket.ways());
        places.listeners.push(ScriptedListener { address: ListenAddress::Udp(address), way });
        Ok((DatagramSocket::scripted(socket), address))
    }

    /// The addresses of all listeners, in the order in which they were opened.
    pub fn addresses(&self) -> Vec<ListenAddress> {
        let mut places = self.0.lock();
        places.listeners.retain(|listener| !listener.way.is_closed());
        places.listeners.iter().map(|listener| listener.address.clone()).collect()
    }

    /// Connects a peer to this address.
    ///
    /// # Errors
    /// When there is no listener.
    pub fn connect(&self, to: &ListenAddress) -> io::Result<ScriptEnd> {
        let mut places = self.0.lock();
        let peer = SocketAddr::new(Ipv4Addr::LOCALHOST.into(), places.next_port());
        let listener = places.listeners.iter().find(|listener| listener.address == *to);
        let listener = listener.ok_or(io::ErrorKind::ConnectionRefused)?;
        let arrivals = match &listener.way {
            ScriptedWay::Streams(arrivals) => arrivals,
            ScriptedWay::Datagrams(ways) => {
                return Ok(ScriptEnd::Datagrams(DatagramWays::peer(ways, peer)));
            }
        };
        let ends = match &listener.address {
            ListenAddress::Tcp(at) | ListenAddress::Tls(at) | ListenAddress::Udp(at) => {
                let is_any = at.ip().is_unspecified();
                let ip = if is_any { Ipv4Addr::LOCALHOST.into() } else { at.ip() };
                SaidEnds::Tcp { peer, local: SocketAddr::new(ip, at.port()) }
            }
            ListenAddress::Unix(path) => SaidEnds::Unix(path.to_string_lossy().into_owned()),
            ListenAddress::Inherited(_) => SaidEnds::Unix(String::new()),
        };
        let (host, peer) = stand_in::pair(ends)?;
        arrivals.add(host)?;
        Ok(ScriptEnd::Stream(peer))
    }

    /// A number that was not returned before.
    pub fn next_number(&self) -> u64 {
        let mut places = self.0.lock();
        places.numbers += 1;
        places.numbers
    }

    /// Takes the next outgoing connection, if there is one.
    pub fn take_dial(&self) -> Option<Dial> {
        let mut places = self.0.lock();
        if let Some(dial) = places.dials.pop_front() {
            return Some(dial);
        }
        let end = places.listeners.iter().find_map(|listener| match &listener.way {
            ScriptedWay::Datagrams(ways) => DatagramWays::take_stranger(ways),
            ScriptedWay::Streams(_) => None,
        })?;
        let target = format!("udp:{}", places.named(end.address()));
        Some(Dial { target, end: ScriptEnd::Datagrams(end) })
    }

    fn dial(&self, attempt: &Attempt, local: Option<SocketAddr>) -> io::Result<Stream> {
        let mut places = self.0.lock();
        let port = places.next_port();
        let (ends, target) = match attempt {
            Attempt::Tcp(peer) => {
                let from = SocketAddr::new(Ipv4Addr::LOCALHOST.into(), port);
                let local = local.filter(|local| local.port() != 0).unwrap_or(from);
                (SaidEnds::Tcp { peer: *peer, local }, places.named(*peer))
            }
            Attempt::Unix(path) => (SaidEnds::Unix(path.clone()), format!("unix:{path}")),
        };
        let (host, peer) = stand_in::connecting(ends)?;
        places.dials.push_back(Dial { target, end: ScriptEnd::Stream(peer) });
        Ok(Stream::StandIn(Box::new(host)))
    }

    fn look_up(&self, host: &str, port: u16) -> VecDeque<Attempt> {
        let ip = if host == "localhost" {
            Ipv4Addr::LOCALHOST
        } else {
            let mut places = self.0.lock();
            let known = places.names.iter().position(|name| name == host);
            let place = known.unwrap_or_else(|| {
                places.names.push(host.to_owned());
                places.names.len() - 1
            });
            let [a, b, c] = NAMED;
            // If there are more names than addresses, the last ones share one.
            Ipv4Addr::new(a, b, c, u8::try_from(place).unwrap_or(u8::MAX))
        };
        [Attempt::Tcp(SocketAddr::new(ip.into(), port))].into()
    }
}

impl ScriptedWay {
    fn is_closed(&self) -> bool {
        match self {
            ScriptedWay::Streams(arrivals) => Arrivals::are_closed(arrivals),
            ScriptedWay::Datagrams(ways) => ways.are_closed(),
        }
    }
}

impl ScriptedPlaces {
    fn next_port(&mut self) -> u16 {
        self.ports = self.ports.wrapping_add(1);
        (FIRST_PORT - 1).wrapping_add(self.ports)
    }

    /// The name that an address was resolved from, or the address.
    fn named(&self, address: SocketAddr) -> String {
        let IpAddr::V4(ip) = address.ip() else { return address.to_string() };
        let [a, b, c, place] = ip.octets();
        let name = self.names.get(usize::from(place)).filter(|_| [a, b, c] == NAMED);
        name.map_or_else(|| address.to_string(), |name| format!("{name}:{}", address.port()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_dialled_by_its_name() {
        let network = ScriptedNetwork::default();
        for (host, shown) in [
            ("one.example", "one.example:80"),
            ("two.example", "two.example:80"),
            ("one.example", "one.example:80"),
            ("localhost", "127.0.0.1:80"),
        ] {
            let addresses = network.look_up(host, 80);
            network.dial(&addresses[0], None).unwrap();
            assert_eq!(network.take_dial().unwrap().target, shown);
        }
        assert!(network.take_dial().is_none());
    }

    #[test]
    fn who_listens_is_found_until_it_is_closed() {
        let network = ScriptedNetwork::default();
        let any = ListenAddress::Tcp("0.0.0.0:0".parse().unwrap());
        let (listener, address) = network.listen(&any).unwrap();
        assert_eq!(address.to_string(), "tcp://0.0.0.0:40001");
        assert_eq!(network.addresses(), std::slice::from_ref(&address));
        network.connect(&address).unwrap();
        assert!(listener.accept().is_ok());
        drop(listener);
        assert_eq!(network.addresses(), []);
        assert!(network.connect(&address).is_err());
    }
}
