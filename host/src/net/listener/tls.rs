//! What the connections of a `tls://` listener begin their sessions with.

use std::io;
use std::sync::{Arc, Weak};

use parking_lot::RwLock;
use rustls::ServerConfig;

use crate::config::tls::TlsListen;
use crate::config::tls::stamp::Stamp;
use crate::net::connection::stream::Stream;
use crate::net::connection::tls::TlsStream;
use crate::net::listener::Endpoint;

/// What the connections of a `tls://` listener begin their sessions with. Those that are open keep what they began with.
#[derive(Debug)]
pub struct TlsServer {
    files: TlsListen,
    /// As the files were when they were read last.
    server: RwLock<Arc<ServerConfig>>,
}

impl TlsServer {
    /// What the files of a section say.
    pub fn new(files: TlsListen) -> TlsServer {
        let server = RwLock::new(files.server());
        TlsServer { files, server }
    }

    /// Whether it is made of the same files, of the same protocols, and asks its peers for the same.
    pub fn is_of(&self, files: &TlsListen) -> bool {
        self.files == *files
    }

    /// The session of a new connection.
    pub fn session(&self, socket: Stream) -> io::Result<Stream> {
        let server = self.server.read().clone();
        Ok(Stream::Tls(Box::new(TlsStream::server(socket, server)?)))
    }
}

/// Looks whether the files of a `tls://` listener have changed, and has new connections begin with what they are now.
#[derive(Debug)]
pub struct TlsWatch {
    address: String,
    tls: Weak<TlsServer>,
    /// What the files were when they were looked at last.
    seen: Vec<Option<Stamp>>,
}

impl TlsWatch {
    /// For what a section makes of its connections; none where they have no TLS.
    pub fn of(endpoint: &Endpoint) -> Option<TlsWatch> {
        let tls = endpoint.tls.as_ref()?;
        let seen = Stamp::of_all(tls.files.files());
        Some(TlsWatch {
            address: endpoint.accepted.listener.clone(),
            tls: Arc::downgrade(tls),
            seen,
        })
    }

    /// Whether connections begin with it still.
    pub fn is_served(&self) -> bool {
        0 < self.tls.strong_count()
    }

    /// Reads the files again if they are others. What cannot be used changes nothing, and the operator is told.
    pub fn look(&mut self) {
        let Some(tls) = self.tls.upgrade() else { return };
        // Before they are read: what changes meanwhile is seen the next time.
        let now = Stamp::of_all(tls.files.files());
        if now == self.seen {
            return;
        }
        self.seen = now;
        let address = &*self.address;
        match tls.files.read_again() {
            Ok(read) => {
                *tls.server.write() = read.server();
                tracing::info!(
                    address,
                    "new certificates: connections begin with them from now on"
                );
            }
            Err(problem) => {
                let (cause, remedy) = (&*problem.cause, &*problem.remedy);
                tracing::error!(
                    address,
                    cause,
                    remedy,
                    "the new certificates cannot be used: connections begin with those from before"
                );
            }
        }
    }
}
