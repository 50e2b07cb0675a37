//! The other end of a connection: sends raw bytes, and checks the answers.

use std::io::{self, ErrorKind, Read, Write};
use std::net::{Ipv4Addr, Shutdown, SocketAddr};
use std::path::Path;
use std::time::{Duration, Instant};

use socket2::{Domain, SockAddr, Socket, Type};

use crate::PATIENCE;

/// One end of a TCP or Unix connection. Every wait has [`PATIENCE`] as its deadline.
#[derive(Debug)]
pub struct Peer {
    socket: Socket,
}

impl Peer {
    /// Connects to an address as the host's log gives it.
    pub fn connect(address: &str) -> Peer {
        Peer::try_connect(address).unwrap_or_else(|error| panic!("connect to {address}: {error}"))
    }

    /// Like [`Peer::connect`], but may fail.
    ///
    /// # Errors
    /// Those of the system.
    pub fn try_connect(address: &str) -> io::Result<Peer> {
        Peer::connect_with(address, |_| Ok(()))
    }

    /// Connects to a host that accepts and closes at once: this side may notice it as early as here.
    #[track_caller]
    pub fn expect_turned_away(address: &str) {
        if let Ok(mut peer) = Peer::try_connect(address) {
            peer.expect_closed();
        }
    }

    /// Connects with a small receive buffer: the host has to keep what the peer does not read.
    pub fn connect_narrow(address: &str) -> Peer {
        Peer::connect_with(address, |socket| socket.set_recv_buffer_size(4096))
            .unwrap_or_else(|error| panic!("connect to {address}: {error}"))
    }

    /// Connects from this address of the machine, on a port that the kernel picks.
    pub fn connect_from(source: Ipv4Addr, address: &str) -> Peer {
        Peer::try_connect_from(source, address)
            .unwrap_or_else(|error| panic!("connect from {source} to {address}: {error}"))
    }

    /// Like [`Peer::connect_from`], but may fail: the reset of a host may be noticed as early as here.
    ///
    /// # Errors
    /// Those of the system.
    pub fn try_connect_from(source: Ipv4Addr, address: &str) -> io::Result<Peer> {
        let source = SocketAddr::from((source, 0));
        Peer::connect_with(address, |socket| socket.bind(&source.into()))
    }

    fn connect_with(
        address: &str,
        prepare: impl FnOnce(&Socket) -> io::Result<()>,
    ) -> io::Result<Peer> {
        let address = parse(address);
        let socket = Socket::new(address.domain(), Type::STREAM, None)?;
        prepare(&socket)?;
        socket.connect_timeout(&address, PATIENCE).or_else(|error| match address.domain() {
            // A Unix socket connects at once or not at all, without a time-out.
            Domain::UNIX => socket.connect(&address),
            _ => Err(error),
        })?;
        Peer::new(socket)
    }

    fn new(socket: Socket) -> io::Result<Peer> {
        socket.set_nonblocking(false)?;
        socket.set_read_timeout(Some(PATIENCE))?;
        socket.set_write_timeout(Some(PATIENCE))?;
        Ok(Peer { socket })
    }

    /// A second handle on the same socket, to send and read at the same time.
    pub fn twin(&self) -> Peer {
        Peer { socket: self.socket.try_clone().expect("the process may open files") }
    }

    /// This end's address, such as `127.0.0.1:41234`; empty for a Unix socket.
    pub fn local_address(&self) -> String {
        let address = self.socket.local_addr().expect("an open socket has an address");
        address.as_socket().map(|address| address.to_string()).unwrap_or_default()
    }

    /// Sends all of it.
    pub fn send(&mut self, bytes: impl AsRef<[u8]>) {
        self.socket.write_all(bytes.as_ref()).expect("the host takes what it is sent");
    }

    /// Sends bytes that the host need not accept: it may close at any time.
    pub fn try_send(&mut self, bytes: impl AsRef<[u8]>) {
        // The next read notices that it is closed.
        let _ = self.socket.write_all(bytes.as_ref());
    }

    /// Sends until the host accepts no more, although it answers `neighbour` meanwhile; returns the number of bytes.
    #[track_caller]
    pub fn send_until_stalled(&mut self, neighbour: &mut Peer, chunk: &[u8], most: usize) -> usize {
        let mut sent = 0;
        loop {
            // A busy machine may be as silent as a host that does not read.
            let more = self.send_until_stuck(chunk, most - sent, Duration::from_millis(300));
            sent += more;
            if more == 0 || sent == most {
                return sent;
            }
            neighbour.expect_echo("still here\n");
        }
    }

    /// Sends until the host accepts no more for `patience`; returns the number of bytes.
    pub fn send_until_stuck(&mut self, chunk: &[u8], most: usize, patience: Duration) -> usize {
        self.socket.set_write_timeout(Some(patience)).expect("an open socket");
        let mut sent = 0;
        while sent < most {
            match self.socket.write(&chunk[..chunk.len().min(most - sent)]) {
                Ok(count) => sent += count,
                Err(error) if is_timeout(&error) => break,
                Err(error) => panic!("after {sent} bytes: {error}"),
            }
        }
        self.socket.set_write_timeout(Some(PATIENCE)).expect("an open socket");
        sent
    }

    /// Ends the write side: the host sees the end of the stream.
    pub fn finish(&mut self) {
        self.socket.shutdown(Shutdown::Write).expect("an open socket");
    }

    /// Ends the write side; the host may have closed before.
    pub fn try_finish(&mut self) {
        // The next read notices that it is closed.
        let _ = self.socket.shutdown(Shutdown::Write);
    }

    /// Closes with a reset.
    pub fn reset(self) {
        self.socket.set_linger(Some(Duration::ZERO)).expect("an open socket");
    }

    /// Reads exactly these bytes.
    #[track_caller]
    pub fn expect(&mut self, expected: impl AsRef<[u8]>) {
        let expected = expected.as_ref();
        let mut got = vec![0; expected.len()];
        let mut filled = 0;
        while filled < got.len() {
            match self.socket.read(&mut got[filled..]) {
                Ok(0) => break,
                Ok(count) => filled += count,
                Err(error) => panic!(
                    "{error} after {:?}, with {:?} expected",
                    Text(&got[..filled]),
                    Text(expected)
                ),
            }
        }
        assert!(
            got[..filled] == *expected,
            "got {:?}, not {:?}",
            Text(&got[..filled]),
            Text(expected)
        );
    }

    /// Reads one line; returns it without its end.
    #[track_caller]
    pub fn line(&mut self) -> String {
        let mut line = Vec::new();
        let mut byte = [0];
        loop {
            match self.socket.read(&mut byte) {
                Ok(0) => panic!("the connection ended after {:?}", Text(&line)),
                Ok(_) if byte[0] == b'\n' => break,
                Ok(_) => line.push(byte[0]),
                Err(error) => panic!("{error} after {:?}", Text(&line)),
            }
        }
        String::from_utf8(line).expect("the line is text")
    }

    /// Reads some bytes, up to the length of the buffer; 0 at the end of the stream.
    ///
    /// # Errors
    /// Those of the system.
    pub fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.socket.read(buffer)
    }

    /// Reads to the end of the stream, which must be an orderly one.
    #[track_caller]
    pub fn rest(&mut self) -> Vec<u8> {
        let mut rest = Vec::new();
        if let Err(error) = self.socket.read_to_end(&mut rest) {
            panic!("{error} after {} bytes", rest.len());
        }
        rest
    }

    /// The stream has ended in an orderly way and nothing came before.
    #[track_caller]
    pub fn expect_end(&mut self) {
        let rest = self.rest();
        assert!(rest.is_empty(), "{:?} before the end", Text(&rest));
    }

    /// The host closes the connection, orderly or by a reset; earlier bytes are ignored.
    #[track_caller]
    pub fn expect_closed(&mut self) {
        let mut buffer = [0; 65536];
        loop {
            match self.socket.read(&mut buffer) {
                Ok(0) => return,
                Ok(_) => {}
                Err(error) if error.kind() == ErrorKind::ConnectionReset => return,
                Err(error) => panic!("the host does not close: {error}"),
            }
        }
    }

    /// Whether nothing comes for this long and the connection does not end.
    #[track_caller]
    pub fn is_silent_for(&mut self, time: Duration) -> bool {
        self.socket.set_read_timeout(Some(time)).expect("an open socket");
        let silent = match self.socket.read(&mut [0]) {
            Err(error) if is_timeout(&error) => true,
            Err(error) => panic!("{error}"),
            Ok(_) => false,
        };
        self.socket.set_read_timeout(Some(PATIENCE)).expect("an open socket");
        silent
    }

    /// Whether the host neither closes nor resets the connection for this long; its bytes are not read.
    pub fn is_open_for(&mut self, time: Duration) -> bool {
        self.socket.set_read_timeout(Some(time)).expect("an open socket");
        let open = match self.socket.read(&mut [0; 4096]) {
            Ok(count) => 0 < count,
            Err(error) => error.kind() == ErrorKind::WouldBlock,
        };
        self.socket.set_read_timeout(Some(PATIENCE)).expect("an open socket");
        open
    }

    /// Whether nothing can be read at this moment; available bytes are not consumed.
    #[track_caller]
    pub fn is_idle(&mut self) -> bool {
        self.socket.set_nonblocking(true).expect("an open socket");
        let idle = match self.socket.peek(&mut [std::mem::MaybeUninit::uninit()]) {
            Err(error) if error.kind() == ErrorKind::WouldBlock => true,
            Err(error) => panic!("{error}"),
            Ok(_) => false,
        };
        self.socket.set_nonblocking(false).expect("an open socket");
        idle
    }

    /// Reads this number of bytes, whatever they are.
    #[track_caller]
    pub fn expect_count(&mut self, count: usize) {
        let mut bytes = vec![0; count];
        if let Err(error) = self.socket.read_exact(&mut bytes) {
            panic!("{count} bytes did not come: {error}");
        }
    }

    /// Checks that nothing has come so far.
    #[track_caller]
    pub fn expect_nothing_yet(&mut self) {
        self.socket.set_nonblocking(true).expect("an open socket");
        let mut buffer = [0; 1024];
        match self.socket.read(&mut buffer) {
            Err(error) if error.kind() == ErrorKind::WouldBlock => {}
            Ok(0) => panic!("the connection has ended"),
            Ok(count) => panic!("{:?} came", Text(&buffer[..count])),
            Err(error) => panic!("{error}"),
        }
        self.socket.set_nonblocking(false).expect("an open socket");
    }

    /// Sends, and reads the same bytes back.
    #[track_caller]
    pub fn expect_echo(&mut self, bytes: impl AsRef<[u8]>) {
        self.send(bytes.as_ref());
        self.expect(bytes);
    }

    /// Whether one echo comes back before the end of the connection.
    pub fn answers(&mut self, bytes: &str) -> bool {
        let mut answer = vec![0; bytes.len()];
        self.socket.write_all(bytes.as_bytes()).is_ok()
            && self.socket.read_exact(&mut answer).is_ok()
            && answer == bytes.as_bytes()
    }

    /// The duration of one echo.
    #[track_caller]
    pub fn time_echo(&mut self, bytes: &[u8]) -> Duration {
        let start = Instant::now();
        self.expect_echo(bytes);
        start.elapsed()
    }
}

/// A number of bytes of which some wait in the host if its peer is [narrow](Peer::connect_narrow) and does not read.
#[track_caller]
pub fn more_than_the_kernel_holds() -> usize {
    const BYTES: usize = 8_000_000;
    const SOME: usize = 1 << 20;
    const FILE: &str = "/proc/sys/net/ipv4/tcp_wmem";
    let text = std::fs::read_to_string(FILE).expect("the kernel tells the sizes of its buffers");
    let holds: usize =
        text.split_whitespace().nth(2).and_then(|most| most.parse().ok()).expect("a third number");
    assert!(
        holds + SOME <= BYTES,
        "{FILE}: the kernel holds up to {holds} bytes for one connection: set the third number to at most {}",
        BYTES - SOME
    );
    BYTES
}

/// A local server for guests that connect.
#[derive(Debug)]
pub struct Server {
    socket: Socket,
    address: String,
}

impl Server {
    /// Listens on a port that the kernel picks.
    pub fn tcp() -> Server {
        Server::listening(128)
    }

    /// Listens on a Unix socket.
    pub fn unix(path: &Path) -> Server {
        let socket = Socket::new(Domain::UNIX, Type::STREAM, None).expect("a socket");
        socket.bind(&SockAddr::unix(path).expect("a short path")).expect("a new path");
        socket.listen(128).expect("a bound socket");
        socket.set_read_timeout(Some(PATIENCE)).expect("an open socket");
        Server { socket, address: path.display().to_string() }
    }

    /// Holds a port without a listener: connecting is refused, and no other test gets the port.
    pub fn refusing() -> Server {
        let socket = Socket::new(Domain::IPV4, Type::STREAM, None).expect("a socket");
        bind_any(socket)
    }

    /// Listens on a port and accepts nothing: connecting is neither answered nor refused.
    pub fn silent() -> (Server, Vec<Socket>) {
        let server = Server::listening(0);
        let address = parse(&format!("tcp://{}", server.address));
        // A peer that comes when the queue is full is not answered. These fill it, and wait.
        let queue = (0..4)
            .map(|_| {
                let socket = Socket::new(Domain::IPV4, Type::STREAM, None).expect("a socket");
                socket.set_nonblocking(true).expect("an open socket");
                // The attempt is in progress, which is an error here.
                let _ = socket.connect(&address);
                socket
            })
            .collect();
        (server, queue)
    }

    fn listening(backlog: i32) -> Server {
        let socket = Socket::new(Domain::IPV4, Type::STREAM, None).expect("a socket");
        let server = bind_any(socket);
        server.socket.listen(backlog).expect("a bound socket");
        // On a listener this is the deadline of accept.
        server.socket.set_read_timeout(Some(PATIENCE)).expect("an open socket");
        server
    }

    /// `127.0.0.1:41234`, or the path.
    pub fn address(&self) -> &str {
        &self.address
    }

    /// The port.
    pub fn port(&self) -> u16 {
        let (_, port) = self.address.rsplit_once(':').expect("a TCP server");
        port.parse().expect("a number")
    }

    /// The next connection.
    #[track_caller]
    pub fn accept(&self) -> Peer {
        match self.socket.accept() {
            Ok((socket, _)) => Peer::new(socket).expect("an open socket"),
            Err(error) => panic!("nobody connects: {error}"),
        }
    }
}

fn bind_any(socket: Socket) -> Server {
    let any = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
    socket.bind(&any.into()).expect("a free port");
    let address = socket.local_addr().expect("a bound socket");
    let address = address.as_socket().expect("an IP address").to_string();
    Server { socket, address }
}

fn parse(address: &str) -> SockAddr {
    if let Some(path) = address.strip_prefix("unix://") {
        return SockAddr::unix(path).expect("a short path");
    }
    let endpoint = address.strip_prefix("tcp://").unwrap_or(address);
    let endpoint: SocketAddr =
        endpoint.parse().unwrap_or_else(|_| panic!("`{address}` is not an address"));
    endpoint.into()
}

fn is_timeout(error: &io::Error) -> bool {
    matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut)
}

/// Bytes in a readable form for a failure, cut to a limited length.
struct Text<'a>(&'a [u8]);

impl std::fmt::Debug for Text<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.0 {
            long if 200 < long.len() => {
                write!(f, "\"{}…\" ({} bytes)", long[..200].escape_ascii(), long.len())
            }
            short => write!(f, "\"{}\"", short.escape_ascii()),
        }
    }
}
