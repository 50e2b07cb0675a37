//! The TLS configuration of a `tls://` listener.

use std::io;
use std::sync::{Arc, Weak};

use rustls::ServerConfig;

use crate::base::lock::RwLock;
use crate::config::tls::TlsListen;
use crate::config::tls::stamp::Stamp;
use crate::net::connection::stream::Stream;
use crate::net::connection::tls::TlsStream;
use crate::net::listener::Endpoint;

/// The TLS configuration of a `tls://` listener. Open connections keep the one that they began with.
#[derive(Debug)]
pub struct TlsServer {
    files: TlsListen,
    /// Made from the files when they were last read.
    server: RwLock<Arc<ServerConfig>>,
}

impl TlsServer {
    /// From the files of a section.
    pub fn new(files: TlsListen) -> TlsServer {
        let server = RwLock::new(files.server());
        TlsServer { files, server }
    }

    /// Whether files, protocols and client verification are the same as those of `files`.
    pub fn is_of(&self, files: &TlsListen) -> bool {
        self.files == *files
    }

    /// Begins the session of a new connection.
    pub fn session(&self, socket: Stream) -> io::Result<Stream> {
        let server = self.server.read().clone();
        Ok(Stream::Tls(Box::new(TlsStream::server(socket, server)?)))
    }
}

/// Checks the files of a `tls://` listener for changes and reads them again; new connections get the new ones.
#[derive(Debug)]
pub(crate) struct TlsWatch {
    address: String,
    tls: Weak<TlsServer>,
    /// The files' stamps at the last check.
    seen: Vec<Option<Stamp>>,
}

impl TlsWatch {
    /// A watch for an endpoint; none if it has no TLS.
    pub(crate) fn of(endpoint: &Endpoint) -> Option<TlsWatch> {
        let tls = endpoint.tls.as_ref()?;
        let seen = Stamp::of_all(tls.files.files());
        Some(TlsWatch {
            address: endpoint.accepted.listener.clone(),
            tls: Arc::downgrade(tls),
            seen,
        })
    }

    /// Whether a listener still uses it.
    pub(crate) fn is_served(&self) -> bool {
        0 < self.tls.strong_count()
    }

    /// Reads the files again if they have changed. If they cannot be used it logs that and keeps the old ones.
    pub(crate) fn look(&mut self) {
        let Some(tls) = self.tls.upgrade() else { return };
        // Taken before the files are read, so that a change during the read is noticed at the next check.
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
