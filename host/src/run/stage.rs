//! Of tests: a whole host whose loop the test itself turns, on a clock that is moved by hand.

use std::collections::BTreeMap;
use std::io::{Read, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::time::Duration;

use rcgen::{CertifiedKey, generate_simple_self_signed};

use crate::carrier::Carrier;
use crate::carrier::apart::CallApart;
use crate::clock::{Clock, Hand, monotonic};
use crate::config::address::ListenAddress;
use crate::config::model::Config;
use crate::net::listener;
use crate::plugin::Plugin;
use crate::run::prepare::Prepared;

/// How long a host that is turned by hand may take for anything: its loop is quick, and on a busy machine other threads, which
/// it may have to wait for, are not.
pub(super) const PATIENCE: Duration = Duration::from_secs(60);

/// A host, and a folder for its files.
pub(super) struct HandTurned {
    pub(super) carrier: Carrier,
    pub(super) hand: Hand,
    pub(super) prepared: Prepared,
    /// Of listeners, by the plugin.
    addresses: BTreeMap<String, SocketAddr>,
    folder: tempfile::TempDir,
}

/// A component that `cargo xtask plugins` makes, as a configuration names it.
pub(super) fn component(name: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("../target/plugins/{name}.wasm"));
    let found: Result<PathBuf, _> = path.canonicalize();
    let path = found.unwrap_or_else(|error| panic!("{name}: {error}; run `cargo xtask plugins`"));
    format!("component = {path:?}")
}

/// A folder with a folder `data` of files in it, and with a certificate.
pub(super) fn folder() -> tempfile::TempDir {
    let folder = tempfile::tempdir().expect("a temporary directory");
    std::fs::create_dir(folder.path().join("data")).expect("a folder");
    for number in 0..10 {
        std::fs::write(folder.path().join(format!("data/name {number}")), "x").expect("a file");
    }
    let CertifiedKey { cert, signing_key } =
        generate_simple_self_signed(vec!["localhost".to_owned()]).expect("a certificate");
    std::fs::write(folder.path().join("cert.pem"), cert.pem()).expect("a file");
    std::fs::write(folder.path().join("key.pem"), signing_key.serialize_pem()).expect("a file");
    folder
}

impl HandTurned {
    /// Serves this configuration, which lies in that folder.
    pub(super) fn new(folder: tempfile::TempDir, text: &str) -> HandTurned {
        let config = Config::parse(&folder.path().join("plugins.toml"), text);
        let config = config.unwrap_or_else(|error| panic!("{error}"));
        let (clock, hand) = Clock::manual();
        let mut prepared = Prepared::new(&config, &clock).unwrap_or_else(|error| panic!("{error}"));
        let mut reactor = prepared.reactors.remove(0);
        let mut addresses = BTreeMap::new();
        for (place, section) in config.listeners.iter().enumerate() {
            let bound = listener::bind(&config, place, section.plugin).expect("a port");
            for listener in bound.listen(&config, place).expect("a listener") {
                if let ListenAddress::Tcp(address)
                | ListenAddress::Tls(address)
                | ListenAddress::Udp(address) = listener.endpoint.address
                {
                    addresses.insert(config.plugins[section.plugin].name.clone(), address);
                }
                reactor.listen(listener).expect("a listener");
            }
        }
        HandTurned { carrier: Carrier::new(reactor), hand, prepared, addresses, folder }
    }

    /// Where its files are.
    pub(super) fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Where a plugin listens.
    pub(super) fn address(&self, plugin: &str) -> SocketAddr {
        self.addresses[plugin]
    }

    /// A peer of a plugin, which waits for nothing.
    pub(super) fn connect(&self, plugin: &str) -> TcpStream {
        let stream = TcpStream::connect(self.address(plugin)).expect("a connection");
        stream.set_nonblocking(true).expect("a socket");
        stream
    }

    /// One turn, which is not the last.
    pub(super) fn turn(&mut self) {
        assert!(self.carrier.turn().expect("a poll"), "the loop goes on");
    }

    /// Turns until it is so; false if it never is.
    pub(super) fn turn_until(&mut self, mut is_so: impl FnMut(&mut HandTurned) -> bool) -> bool {
        let until = monotonic() + PATIENCE;
        while monotonic() < until {
            self.turn();
            if is_so(self) {
                return true;
            }
        }
        false
    }

    /// The next call that the loop would enter a guest of such a plugin for, left to whoever asks; none if there is none within
    /// this time.
    pub(super) fn entered(
        &mut self,
        is_meant: impl Fn(&Plugin) -> bool,
        within: Duration,
    ) -> Option<CallApart> {
        let (until, mut taken) = (monotonic() + within, None);
        while taken.is_none() && monotonic() < until {
            self.carrier.turn_apart(&is_meant, |call| taken = Some(call)).expect("a poll");
        }
        taken
    }

    /// Whether a peer of an echo is answered.
    pub(super) fn echoes(&mut self, peer: &mut TcpStream) -> bool {
        peer.write_all(b"x").expect("a peer");
        self.turn_until(|_| matches!(peer.read(&mut [0; 8]), Ok(1)))
    }
}
