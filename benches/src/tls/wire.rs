//! rustls over a socket, for the native server and for the clients.

use std::{
    io::{self, Read, Write},
    net::{self, SocketAddr},
    ops::{Deref, DerefMut},
    sync::Arc,
};

use anyhow::{Context as _, Result, ensure};
use mio::net::TcpStream;
use rustls::pki_types::ServerName;
use rustls::{ClientConfig, ClientConnection, ConnectionCommon, ServerConfig, ServerConnection};

use crate::{load, native::Wire};

/// A session over a socket that is ready for a poll.
pub struct Secured<S> {
    /// None where there could be no session: the connection ends at its first read.
    session: Option<S>,
    socket: TcpStream,
}

impl Secured<ServerConnection> {
    /// The server's side.
    pub fn accept(socket: TcpStream, config: Arc<ServerConfig>) -> Self {
        Secured { session: ServerConnection::new(config).ok(), socket }
    }
}

impl Secured<ClientConnection> {
    /// The client's side, with its handshake done.
    pub fn connect(
        address: SocketAddr,
        index: usize,
        config: &Arc<ClientConfig>,
    ) -> Result<Secured<ClientConnection>> {
        let mut stream = load::connect(address, index)?;
        let name = ServerName::try_from("localhost")?;
        let mut session = ClientConnection::new(Arc::clone(config), name)?;
        while session.is_handshaking() {
            session.complete_io(&mut stream).context("a handshake")?;
        }
        stream.set_nonblocking(true)?;
        Ok(Secured { session: Some(session), socket: TcpStream::from_std(stream) })
    }
}

impl<S, D> Secured<S>
where
    S: DerefMut + Deref<Target = ConnectionCommon<D>>,
    D: rustls::SideData,
{
    fn stream(&mut self) -> io::Result<rustls::Stream<'_, S, TcpStream>> {
        let session = self.session.as_mut().ok_or(io::ErrorKind::NotConnected)?;
        Ok(rustls::Stream::new(session, &mut self.socket))
    }
}

impl<S, D> Read for Secured<S>
where
    S: DerefMut + Deref<Target = ConnectionCommon<D>>,
    D: rustls::SideData,
{
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.stream()?.read(buffer)
    }
}

impl<S, D> Write for Secured<S>
where
    S: DerefMut + Deref<Target = ConnectionCommon<D>>,
    D: rustls::SideData,
{
    fn write(&mut self, data: &[u8]) -> io::Result<usize> {
        self.stream()?.write(data)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.stream()?.flush()
    }
}

impl<S, D> Wire for Secured<S>
where
    S: DerefMut + Deref<Target = ConnectionCommon<D>>,
    D: rustls::SideData,
{
    /// A read gives what one record had.
    const SHORT_READ_IS_THE_LAST: bool = false;

    fn socket(&mut self) -> &mut TcpStream {
        &mut self.socket
    }
}

/// Shakes hands, sends a message, waits for it to come back, and says the end.
pub fn echo_once(
    mut session: ClientConnection,
    mut socket: net::TcpStream,
    message: &[u8],
) -> Result<()> {
    let mut stream = rustls::Stream::new(&mut session, &mut socket);
    stream.write_all(message).context("a handshake")?;
    let mut reply = vec![0; message.len()];
    stream.read_exact(&mut reply).context("a reply")?;
    ensure!(reply == message, "the reply differs from the message");
    session.send_close_notify();
    session.complete_io(&mut socket).context("an end")?;
    Ok(())
}
