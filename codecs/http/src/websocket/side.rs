//! One side of a WebSocket.

mod reading;

use std::mem;

use self::reading::Step;
use super::{
    Event, Message,
    deflate::{Deflater, Inflater},
    error::{SendError, WebSocketError},
    extension::Agreed,
    frame::{self, CONTROL_MAX, Header, Opcode},
    incoming::Incoming,
    input::Input,
};

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
    is_client: bool,
    message_max: usize,
    state: State,
    input: Input,
    output: Vec<u8>,
    /// The frame whose bytes come.
    frame: Option<Frame>,
    message: Option<Incoming>,
    /// The bytes of a control frame.
    control: Vec<u8>,
    inflater: Option<Inflater>,
    deflater: Option<Deflater>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Open,
    /// This side has said close and waits for the peer's word.
    Closing,
    Closed,
}

/// A frame that has come in part.
#[derive(Clone, Copy, Debug)]
struct Frame {
    header: Header,
    come: u64,
}

impl WebSocket {
    /// The server's side. `message_max` limits the size of received messages, in bytes.
    #[must_use]
    pub fn server(message_max: usize) -> WebSocket {
        WebSocket::new(false, message_max)
    }

    /// The side that asked.
    #[must_use]
    pub fn client(message_max: usize) -> WebSocket {
        WebSocket::new(true, message_max)
    }

    fn new(is_client: bool, message_max: usize) -> WebSocket {
        WebSocket {
            is_client,
            message_max,
            state: State::Open,
            input: Input::default(),
            output: Vec::new(),
            frame: None,
            message: None,
            control: Vec::new(),
            inflater: None,
            deflater: None,
        }
    }

    /// Compresses messages as was agreed on, and takes compressed ones. `message_max` bounds them decompressed.
    #[must_use]
    pub fn with_deflate(mut self, agreed: Agreed) -> WebSocket {
        self.set_deflate(agreed);
        self
    }

    /// As [`with_deflate`](Self::with_deflate), for a side that was made before its handshake was over. Messages that were
    /// sent until then are not compressed.
    pub fn set_deflate(&mut self, agreed: Agreed) {
        self.inflater = Some(Inflater::new(agreed.peers_context));
        self.deflater = Some(Deflater::new(agreed.own_context, agreed.threshold));
    }

    /// Bytes from the peer. They are kept until [`poll`](Self::poll) has taken them.
    pub fn receive(&mut self, bytes: &[u8]) {
        if self.state != State::Closed {
            self.input.push(bytes);
        }
    }

    /// Whether bytes have come that [`poll`](Self::poll) has not taken.
    #[must_use]
    pub fn has_input(&self) -> bool {
        !self.input.rest().is_empty()
    }

    /// The next thing that the peer did; none when more bytes are needed.
    ///
    /// # Errors
    /// The peer's fault, returned once. The connection is closed then.
    pub fn poll(&mut self) -> Result<Option<Event>, WebSocketError> {
        while self.state != State::Closed {
            match self.step() {
                Ok(Step::More) => {}
                Ok(Step::Event(event)) => return Ok(Some(event)),
                Ok(Step::Wait) => break,
                Err(error) => {
                    self.fail(&error);
                    return Err(error);
                }
            }
        }
        self.input.release();
        Ok(None)
    }

    /// Sends a message.
    ///
    /// # Errors
    /// `Closed`.
    pub fn send(&mut self, message: Message) -> Result<(), SendError> {
        if self.state != State::Open {
            return Err(SendError::Closed);
        }
        let (opcode, bytes) = match message {
            Message::Text(text) => (Opcode::Text, text.into_bytes()),
            Message::Binary(bytes) => (Opcode::Binary, bytes),
        };
        let compressed = self.deflater.as_mut().and_then(|deflater| deflater.deflate(&bytes));
        let payload = compressed.as_deref().unwrap_or(&bytes);
        frame::write(&mut self.output, opcode, compressed.is_some(), payload, self.is_client);
        Ok(())
    }

    /// Asks the peer for a pong with these bytes.
    ///
    /// # Errors
    /// `Closed`, `TooLong`.
    pub fn ping(&mut self, bytes: &[u8]) -> Result<(), SendError> {
        if CONTROL_MAX < bytes.len() {
            return Err(SendError::TooLong);
        }
        if self.state != State::Open {
            return Err(SendError::Closed);
        }
        self.write(Opcode::Ping, bytes);
        Ok(())
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
        if CONTROL_MAX - 2 < reason.len() {
            return Err(SendError::TooLong);
        }
        if !is_sent(code) {
            return Err(SendError::Code);
        }
        self.say_close(code, reason);
        self.state = State::Closing;
        Ok(())
    }

    /// What goes to the peer. Empty when there is nothing.
    #[must_use]
    pub fn take_output(&mut self) -> Vec<u8> {
        mem::take(&mut self.output)
    }

    /// The number of bytes that [`take_output`](Self::take_output) would return.
    #[must_use]
    pub fn output_size(&self) -> usize {
        self.output.len()
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

    fn fail(&mut self, error: &WebSocketError) {
        if self.state == State::Open {
            self.say_close(error.code(), "");
        }
        self.end();
    }

    fn end(&mut self) {
        self.state = State::Closed;
        self.input = Input::default();
        (self.message, self.inflater, self.deflater) = (None, None, None);
    }

    fn say_close(&mut self, code: u16, reason: &str) {
        self.write(Opcode::Close, &[&code.to_be_bytes(), reason.as_bytes()].concat());
    }

    fn write(&mut self, opcode: Opcode, payload: &[u8]) {
        frame::write(&mut self.output, opcode, false, payload, self.is_client);
    }
}

/// Codes that one side may tell the other: not those that stand for no code at all.
fn is_sent(code: u16) -> bool {
    matches!(code, 1000..=1003 | 1007..=1014 | 3000..=4999)
}
