//! A message that comes: its fragments put together, decompressed, and looked at as far as they have come.

use super::{
    Message, WebSocketError,
    deflate::{Inflater, Puff},
};

/// A message that is not complete.
#[derive(Debug)]
pub(super) struct Incoming {
    is_text: bool,
    content: Vec<u8>,
    /// Bytes of a text that are known to be UTF-8.
    checked: usize,
    /// Bytes of its frames, of which it was announced that they come or that have come.
    announced: u64,
    is_compressed: bool,
}

impl Incoming {
    pub(super) fn new(is_text: bool, is_compressed: bool) -> Incoming {
        Incoming { is_text, content: Vec::new(), checked: 0, announced: 0, is_compressed }
    }

    /// A frame of `length` bytes belongs to it. What will not be taken is refused before it is read.
    pub(super) fn announce(&mut self, length: u64, max: usize) -> Result<(), WebSocketError> {
        self.announced = self.announced.saturating_add(length);
        let max = max as u64;
        // What cannot be compressed becomes a little longer by it.
        let max = if self.is_compressed { max.saturating_add(max / 8 + 64) } else { max };
        if max < self.announced { Err(WebSocketError::TooLarge) } else { Ok(()) }
    }

    /// Bytes of it, without their mask.
    pub(super) fn add(
        &mut self,
        bytes: &[u8],
        inflater: &mut Option<Inflater>,
        max: usize,
    ) -> Result<(), WebSocketError> {
        match inflater.as_mut().filter(|_| self.is_compressed) {
            Some(inflater) => {
                let result = inflater.inflate(bytes, &mut self.content, max);
                self.check(false)?;
                result.map_err(error_of)
            }
            None => {
                self.content.try_reserve(bytes.len()).map_err(|_| WebSocketError::TooLarge)?;
                self.content.extend_from_slice(bytes);
                self.check(false)
            }
        }
    }

    /// It is complete.
    pub(super) fn finish(
        mut self,
        inflater: &mut Option<Inflater>,
        max: usize,
    ) -> Result<Message, WebSocketError> {
        if let Some(inflater) = inflater.as_mut().filter(|_| self.is_compressed) {
            let result = inflater.finish(&mut self.content, max);
            self.check(false)?;
            result.map_err(error_of)?;
        }
        self.check(true)?;
        if !self.is_text {
            return Ok(Message::Binary(self.content));
        }
        String::from_utf8(self.content).map(Message::Text).map_err(|_| WebSocketError::Utf8)
    }

    /// Finds the first byte of a text that cannot be UTF-8, whatever follows.
    fn check(&mut self, is_complete: bool) -> Result<(), WebSocketError> {
        if !self.is_text {
            return Ok(());
        }
        match std::str::from_utf8(&self.content[self.checked..]) {
            Ok(_) => self.checked = self.content.len(),
            Err(error) if error.error_len().is_some() || is_complete => {
                return Err(WebSocketError::Utf8);
            }
            Err(error) => self.checked += error.valid_up_to(),
        }
        Ok(())
    }
}

fn error_of(puff: Puff) -> WebSocketError {
    match puff {
        Puff::TooLarge => WebSocketError::TooLarge,
        Puff::Invalid => WebSocketError::Deflate,
    }
}
