//! One side of a WebSocket.

use std::mem;

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

/// A frame of which so many bytes have come.
#[derive(Clone, Copy, Debug)]
struct Frame {
    header: Header,
    come: u64,
}

impl WebSocket {
    /// The side that accepted. `message_max` bounds what it takes, in bytes.
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
    /// Once, what the peer did wrong. The connection is closed then.
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

    fn step(&mut self) -> Result<Step, WebSocketError> {
        match self.frame {
            None => self.begin_frame(),
            Some(frame) if frame.come == frame.header.length => self.end_frame(frame.header),
            Some(frame) if self.has_input() => self.take_payload(frame).map(|()| Step::More),
            Some(_) => Ok(Step::Wait),
        }
    }

    fn begin_frame(&mut self) -> Result<Step, WebSocketError> {
        let parsed = Header::parse(self.input.rest()).map_err(protocol)?;
        let Some((header, size)) = parsed else { return Ok(Step::Wait) };
        self.input.skip(size);
        if header.mask.is_some() == self.is_client {
            return Err(protocol(match self.is_client {
                true => "a frame of the server is masked",
                false => "a frame of the client is not masked",
            }));
        }
        self.check_place(header)?;
        if let Opcode::Text | Opcode::Binary = header.opcode {
            let is_text = header.opcode == Opcode::Text;
            self.message = Some(Incoming::new(is_text, header.is_compressed));
        }
        if let Some(message) = self.message.as_mut().filter(|_| !header.opcode.is_control()) {
            message.announce(header.length, self.message_max)?;
        }
        self.frame = Some(Frame { header, come: 0 });
        Ok(Step::More)
    }

    /// Whether such a frame may come now.
    fn check_place(&self, header: Header) -> Result<(), WebSocketError> {
        let begins = matches!(header.opcode, Opcode::Text | Opcode::Binary);
        if header.is_compressed && !(begins && self.inflater.is_some()) {
            return Err(protocol("a frame is marked as compressed, and must not be"));
        }
        match self.message {
            Some(_) if begins => Err(protocol("a message begins inside another one")),
            None if header.opcode == Opcode::Continuation => {
                Err(protocol("a continuation of no message"))
            }
            _ => Ok(()),
        }
    }

    fn take_payload(&mut self, frame: Frame) -> Result<(), WebSocketError> {
        let Frame { header, come } = frame;
        let left = usize::try_from(header.length - come).unwrap_or(usize::MAX);
        let bytes = self.input.take(left);
        if let Some(mask) = header.mask {
            frame::apply_mask(bytes, mask, come);
        }
        self.frame = Some(Frame { header, come: come + bytes.len() as u64 });
        if header.opcode.is_control() {
            self.control.extend_from_slice(bytes);
            return check_close(header, &self.control, false);
        }
        match &mut self.message {
            Some(message) => message.add(bytes, &mut self.inflater, self.message_max),
            None => Ok(()),
        }
    }

    fn end_frame(&mut self, header: Header) -> Result<Step, WebSocketError> {
        self.frame = None;
        let control = mem::take(&mut self.control);
        match header.opcode {
            Opcode::Continuation | Opcode::Text | Opcode::Binary if header.is_final => {
                let Some(message) = self.message.take() else { return Ok(Step::More) };
                let message = message.finish(&mut self.inflater, self.message_max)?;
                Ok(Step::Event(Event::Message(message)))
            }
            Opcode::Continuation | Opcode::Text | Opcode::Binary => Ok(Step::More),
            Opcode::Ping => {
                if self.state == State::Open {
                    self.write(Opcode::Pong, &control);
                }
                Ok(Step::Event(Event::Ping(control)))
            }
            Opcode::Pong => Ok(Step::Event(Event::Pong(control))),
            Opcode::Close => {
                check_close(header, &control, true)?;
                Ok(Step::Event(self.closed_by_peer(&control)))
            }
        }
    }

    /// Answers a close with the same, unless this side has said it first.
    fn closed_by_peer(&mut self, payload: &[u8]) -> Event {
        if self.state == State::Open {
            self.write(Opcode::Close, payload);
        }
        self.end();
        match payload.split_first_chunk() {
            Some((code, reason)) => {
                let reason = String::from_utf8_lossy(reason).into_owned();
                Event::Close(u16::from_be_bytes(*code), reason)
            }
            None => Event::Close(1005, String::new()),
        }
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

enum Step {
    Event(Event),
    /// There may be more in what has come.
    More,
    /// More bytes are needed.
    Wait,
}

fn protocol(what: &str) -> WebSocketError {
    WebSocketError::Protocol(what.to_owned())
}

/// Whether these bytes can be those of a close frame, or the first of them.
fn check_close(header: Header, bytes: &[u8], is_complete: bool) -> Result<(), WebSocketError> {
    if header.opcode != Opcode::Close {
        return Ok(());
    }
    if header.length == 1 {
        return Err(protocol("a close frame has half a code"));
    }
    let Some((code, reason)) = bytes.split_first_chunk() else { return Ok(()) };
    if !is_sent(u16::from_be_bytes(*code)) {
        return Err(protocol("there is no such close code"));
    }
    match std::str::from_utf8(reason) {
        Err(error) if is_complete || error.error_len().is_some() => Err(WebSocketError::Utf8),
        _ => Ok(()),
    }
}

/// Codes that one side may tell the other: not those that stand for no code at all.
fn is_sent(code: u16) -> bool {
    matches!(code, 1000..=1003 | 1007..=1014 | 3000..=4999)
}
