//! Length prefixes: a length of four bytes in big-endian order, then the bytes. The framing of EventMachine's
//! `ObjectProtocol`.

use crate::block::Block;

/// Why decoding has stopped, or a frame cannot be encoded.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PrefixedError {
    /// A frame is larger than the limit.
    #[error(
        "a frame of {size} bytes is larger than {max}; raise the limit if frames may be larger"
    )]
    TooLarge {
        /// The size of the frame.
        size: usize,
        /// The limit.
        max: usize,
    },
    /// The sandbox has no memory for a frame.
    #[error(
        "there is no memory for a frame; lower the limit of frames or raise the sandbox's memory"
    )]
    NoMemory,
}

/// Decodes frames.
///
/// ```
/// use sandloop_frames::prefixed::{PrefixedDecoder, encode};
///
/// let mut bytes = Vec::new();
/// encode(b"hello", &mut bytes)?;
/// assert_eq!(bytes, b"\0\0\0\x05hello");
/// let mut decoder = PrefixedDecoder::new(1024);
/// assert_eq!(decoder.decode(&mut &bytes[..])?, Some(b"hello".to_vec()));
/// # Ok::<(), sandloop_frames::prefixed::PrefixedError>(())
/// ```
#[derive(Debug)]
pub struct PrefixedDecoder {
    max: usize,
    state: State,
}

#[derive(Debug)]
enum State {
    /// With the received bytes of the length.
    Length(Block),
    Body(Block),
    Failed,
}

const LENGTH: usize = size_of::<u32>();

impl PrefixedDecoder {
    /// `max` bounds a frame, in bytes.
    #[must_use]
    pub fn new(max: usize) -> PrefixedDecoder {
        PrefixedDecoder { max, state: State::Length(Block::new(LENGTH)) }
    }

    /// The next frame that these bytes complete; none when all were taken and more are needed.
    ///
    /// # Errors
    /// Once, as soon as the length is known. After that all bytes are ignored.
    pub fn decode(&mut self, input: &mut &[u8]) -> Result<Option<Vec<u8>>, PrefixedError> {
        let result = self.step(input);
        if result.is_err() {
            self.state = State::Failed;
        }
        if matches!(self.state, State::Failed) {
            *input = &[];
        }
        result
    }

    fn step(&mut self, input: &mut &[u8]) -> Result<Option<Vec<u8>>, PrefixedError> {
        loop {
            match &mut self.state {
                State::Length(block) => {
                    let Some(length) = take(block, input)? else { return Ok(None) };
                    let size = length.iter().fold(0, |size, byte| size << 8 | usize::from(*byte));
                    if self.max < size {
                        return Err(PrefixedError::TooLarge { size, max: self.max });
                    }
                    self.state = State::Body(Block::new(size));
                }
                State::Body(block) => {
                    let body = take(block, input)?;
                    if body.is_some() {
                        self.state = State::Length(Block::new(LENGTH));
                    }
                    return Ok(body);
                }
                State::Failed => return Ok(None),
            }
        }
    }
}

fn take(block: &mut Block, input: &mut &[u8]) -> Result<Option<Vec<u8>>, PrefixedError> {
    block.take(input).map_err(|_| PrefixedError::NoMemory)
}

/// Appends a frame to `out`.
///
/// # Errors
/// `TooLarge` if the length does not fit into four bytes; nothing was appended.
pub fn encode(body: &[u8], out: &mut Vec<u8>) -> Result<(), PrefixedError> {
    let Ok(length) = u32::try_from(body.len()) else {
        return Err(PrefixedError::TooLarge { size: body.len(), max: u32::MAX as usize });
    };
    out.extend_from_slice(&length.to_be_bytes());
    out.extend_from_slice(body);
    Ok(())
}
