//! WebSocket (RFC 6455): the handshake, and messages over bytes that somebody else carries.
//!
//! The framing is tungstenite's, given bytes in place of a socket. No extension is offered or accepted: the
//! library has none.

pub mod handshake;
mod wire;

use std::{fmt, io};

use tungstenite::{
    Error, Message as Frame,
    error::CapacityError,
    protocol::{CloseFrame, Role, WebSocketConfig, frame::coding::CloseCode},
};

use self::wire::Wire;

/// What one side tells the other.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Message {
    /// Text.
    Text(String),
    /// Bytes.
    Binary(Vec<u8>),
}

/// Something that the peer did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// A message, its fragments put together.
    Message(Message),
    /// A ping; the pong is among the output already.
    Ping(Vec<u8>),
    /// A pong.
    Pong(Vec<u8>),
    /// The peer ends the connection, with its code and reason; none given is 1005. The answer to it is among the
    /// output already. Nothing follows.
    Close(u16, String),
}

/// What is wrong. The close frame that tells the peer is among the output already, and nothing follows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum WebSocketError {
    /// The peer broke the protocol; what it did.
    Protocol(String),
    /// A text is not in UTF-8.
    Utf8,
    /// A message is larger than this side takes.
    TooLarge,
}

impl WebSocketError {
    /// The code that the peer is told.
    #[must_use]
    pub fn code(&self) -> u16 {
        match self {
            WebSocketError::Protocol(_) => 1002,
            WebSocketError::Utf8 => 1007,
            WebSocketError::TooLarge => 1009,
        }
    }
}

impl fmt::Display for WebSocketError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            WebSocketError::Protocol(what) => {
                write!(f, "the peer broke the WebSocket protocol: {what}")
            }
            WebSocketError::Utf8 => f.write_str("a text message is not in UTF-8"),
            WebSocketError::TooLarge => f.write_str("a message is larger than this side takes"),
        }
    }
}

impl std::error::Error for WebSocketError {}

/// A message cannot be sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SendError {
    /// The connection is closing or closed.
    Closed,
    /// A ping has at most 125 bytes, a close reason at most 123.
    TooLong,
    /// A code that may not be sent: those are 1000, 1001, 1002, 1003, 1007 to 1014, and 3000 to 4999.
    Code,
}

impl fmt::Display for SendError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            SendError::Closed => "the WebSocket is closing or closed",
            SendError::TooLong => "a ping has at most 125 bytes, a close reason at most 123",
            SendError::Code => "a close code is 1000 to 1003, 1007 to 1014, or 3000 to 4999",
        })
    }
}

impl std::error::Error for SendError {}

/// One side of a WebSocket, after the handshake.
///
/// Bytes of the peer go in with [`receive`](Self::receive); [`poll`](Self::poll) says what they mean, until it
/// says none; then what [`take_output`](Self::take_output) gives goes to the peer, also after sending.
///
/// ```
/// use sandloop_http::websocket::{Event, Message, WebSocket};
///
/// let (mut server, mut client) = (WebSocket::server(1024), WebSocket::client(1024));
/// client.send(Message::Text("hello".into()))?;
/// server.receive(&client.take_output());
/// assert_eq!(server.poll(), Ok(Some(Event::Message(Message::Text("hello".into())))));
/// assert_eq!(server.poll(), Ok(None));
/// # Ok::<(), sandloop_http::websocket::SendError>(())
/// ```
#[derive(Debug)]
pub struct WebSocket {
    inner: tungstenite::WebSocket<Wire>,
    state: State,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Open,
    /// This side has said close and waits for the peer's word.
    Closing,
    Closed,
}

/// What is read at once. Held by every open WebSocket.
const READ_BYTES: usize = 4096;

impl WebSocket {
    /// The side that accepted. `message_max` bounds what it takes, in bytes.
    #[must_use]
    pub fn server(message_max: usize) -> WebSocket {
        WebSocket::new(Role::Server, message_max)
    }

    /// The side that asked.
    #[must_use]
    pub fn client(message_max: usize) -> WebSocket {
        WebSocket::new(Role::Client, message_max)
    }

    fn new(role: Role, message_max: usize) -> WebSocket {
        let config = WebSocketConfig::default()
            .read_buffer_size(READ_BYTES)
            .write_buffer_size(0)
            .max_message_size(Some(message_max))
            .max_frame_size(Some(message_max));
        let inner = tungstenite::WebSocket::from_raw_socket(Wire::default(), role, Some(config));
        WebSocket { inner, state: State::Open }
    }

    /// Bytes from the peer. They are kept until [`poll`](Self::poll) has taken them.
    pub fn receive(&mut self, bytes: &[u8]) {
        if self.state != State::Closed {
            self.inner.get_mut().push(bytes);
        }
    }

    /// The next thing that the peer did; none when more bytes are needed.
    ///
    /// # Errors
    /// Once, what the peer did wrong. The connection is closed then.
    pub fn poll(&mut self) -> Result<Option<Event>, WebSocketError> {
        if self.state == State::Closed {
            return Ok(None);
        }
        loop {
            match self.inner.read() {
                Ok(Frame::Text(text)) => {
                    return Ok(Some(Event::Message(Message::Text(text.as_str().to_owned()))));
                }
                Ok(Frame::Binary(bytes)) => {
                    return Ok(Some(Event::Message(Message::Binary(bytes.into()))));
                }
                Ok(Frame::Ping(bytes)) => return Ok(Some(Event::Ping(bytes.into()))),
                Ok(Frame::Pong(bytes)) => return Ok(Some(Event::Pong(bytes.into()))),
                Ok(Frame::Close(frame)) => {
                    self.flush();
                    self.state = State::Closed;
                    let (code, reason) = frame.map_or((1005, String::new()), |frame| {
                        (frame.code.into(), frame.reason.as_str().to_owned())
                    });
                    return Ok(Some(Event::Close(code, reason)));
                }
                Ok(Frame::Frame(_)) => {}
                Err(Error::Io(error)) if error.kind() == io::ErrorKind::WouldBlock => {
                    self.flush();
                    return Ok(None);
                }
                Err(error) => return self.fail(error),
            }
        }
    }

    /// Sends a message.
    ///
    /// # Errors
    /// `Closed`.
    pub fn send(&mut self, message: Message) -> Result<(), SendError> {
        self.write(match message {
            Message::Text(text) => Frame::text(text),
            Message::Binary(bytes) => Frame::binary(bytes),
        })
    }

    /// Asks the peer for a pong with these bytes.
    ///
    /// # Errors
    /// `Closed`, `TooLong`.
    pub fn ping(&mut self, bytes: &[u8]) -> Result<(), SendError> {
        if 125 < bytes.len() {
            return Err(SendError::TooLong);
        }
        self.write(Frame::Ping(bytes.to_vec().into()))
    }

    /// Ends the connection: after the peer has answered, [`poll`](Self::poll) says `Close`. What was sent before
    /// still arrives.
    ///
    /// # Errors
    /// `Closed`, `Code`, `TooLong`.
    pub fn close(&mut self, code: u16, reason: &str) -> Result<(), SendError> {
        if self.state != State::Open {
            return Err(SendError::Closed);
        }
        if 123 < reason.len() {
            return Err(SendError::TooLong);
        }
        let code = CloseCode::from(code);
        if !code.is_allowed() {
            return Err(SendError::Code);
        }
        self.say_close(code, reason);
        self.state = State::Closing;
        Ok(())
    }

    /// What goes to the peer. Empty when there is nothing.
    #[must_use]
    pub fn take_output(&mut self) -> Vec<u8> {
        self.inner.get_mut().take_output()
    }

    /// Whether everything is said: once the output is sent, the connection can be closed.
    #[must_use]
    pub fn is_closed(&self) -> bool {
        self.state == State::Closed
    }

    /// Whether messages can be sent.
    #[must_use]
    pub fn is_open(&self) -> bool {
        self.state == State::Open
    }

    fn write(&mut self, frame: Frame) -> Result<(), SendError> {
        if self.state != State::Open {
            return Err(SendError::Closed);
        }
        // The wire takes everything, so that this cannot fail.
        self.inner.send(frame).map_err(|_| SendError::Closed)
    }

    fn fail(&mut self, error: Error) -> Result<Option<Event>, WebSocketError> {
        let error = match error {
            Error::ConnectionClosed | Error::AlreadyClosed => {
                self.state = State::Closed;
                return Ok(None);
            }
            Error::Capacity(CapacityError::MessageTooLong { .. }) => WebSocketError::TooLarge,
            Error::Utf8(_) => WebSocketError::Utf8,
            error => WebSocketError::Protocol(error.to_string()),
        };
        if self.state == State::Open {
            self.say_close(CloseCode::from(error.code()), "");
        }
        self.state = State::Closed;
        Err(error)
    }

    fn say_close(&mut self, code: CloseCode, reason: &str) {
        let frame = CloseFrame { code, reason: reason.into() };
        self.ignore_end(|inner| inner.close(Some(frame)));
    }

    fn flush(&mut self) {
        self.ignore_end(tungstenite::WebSocket::flush);
    }

    /// The wire takes everything; the only error is that a server which was told to close has said its last word.
    fn ignore_end(
        &mut self,
        work: impl FnOnce(&mut tungstenite::WebSocket<Wire>) -> Result<(), Error>,
    ) {
        if let Err(error) = work(&mut self.inner) {
            debug_assert!(matches!(error, Error::ConnectionClosed | Error::AlreadyClosed));
        }
    }
}

#[cfg(test)]
mod tests;
