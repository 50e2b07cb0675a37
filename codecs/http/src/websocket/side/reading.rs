//! Reads frames as they come.

use std::mem;

use super::{Frame, State, WebSocket, is_sent};
use crate::websocket::{
    Event,
    error::WebSocketError,
    frame::{self, Header, Opcode},
    incoming::Incoming,
};

/// What a look at the input came to.
pub(super) enum Step {
    Event(Event),
    /// The input may contain more.
    More,
    /// More bytes are needed.
    Wait,
}

impl WebSocket {
    /// Decodes a header, a part of a frame's payload, or the end of a frame.
    pub(super) fn step(&mut self) -> Result<Step, WebSocketError> {
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
