//! Netstrings: the length in decimal, `:`, the bytes, `,`. <https://cr.yp.to/proto/netstrings.txt>

use crate::block::Block;

/// Why decoding has stopped.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NetstringError {
    /// The length is invalid: a byte that is no digit, no digit at all, or a leading zero.
    #[error("a netstring begins with its length in decimal, without zeros before it, and a colon")]
    Length,
    /// The length is above the limit.
    #[error("a netstring has more than {max} bytes; raise the limit if they may be longer")]
    TooLong {
        /// The limit.
        max: usize,
    },
    /// The string does not end with a comma.
    #[error("a netstring ends with a comma after as many bytes as it has said")]
    Comma,
    /// The sandbox has no memory for a string.
    #[error("there is no memory for a netstring; lower their limit or raise the sandbox's memory")]
    NoMemory,
}

/// Decodes netstrings.
///
/// ```
/// use sandloop_frames::netstring::NetstringDecoder;
///
/// let mut decoder = NetstringDecoder::new(1024);
/// let mut input = &b"5:hello,0:,"[..];
/// assert_eq!(decoder.decode(&mut input)?, Some(b"hello".to_vec()));
/// assert_eq!(decoder.decode(&mut input)?, Some(b"".to_vec()));
/// assert_eq!(decoder.decode(&mut input)?, None);
/// # Ok::<(), sandloop_frames::netstring::NetstringError>(())
/// ```
#[derive(Debug)]
pub struct NetstringDecoder {
    max: usize,
    state: State,
}

#[derive(Debug)]
enum State {
    /// With the value of the digits, if there were any.
    Length(Option<usize>),
    Body(Block),
    /// The string is complete except for its comma.
    Comma(Vec<u8>),
    Failed,
}

impl NetstringDecoder {
    /// `max` bounds a string, in bytes.
    #[must_use]
    pub fn new(max: usize) -> NetstringDecoder {
        NetstringDecoder { max, state: State::Length(None) }
    }

    /// The next string that these bytes complete; none when all were taken and more are needed.
    ///
    /// # Errors
    /// Once, at the first invalid byte. After that all bytes are ignored.
    pub fn decode(&mut self, input: &mut &[u8]) -> Result<Option<Vec<u8>>, NetstringError> {
        let result = self.step(input);
        if result.is_err() {
            self.state = State::Failed;
        }
        if matches!(self.state, State::Failed) {
            *input = &[];
        }
        result
    }

    fn step(&mut self, input: &mut &[u8]) -> Result<Option<Vec<u8>>, NetstringError> {
        loop {
            match &mut self.state {
                State::Length(size) => {
                    let Some((&byte, rest)) = input.split_first() else { return Ok(None) };
                    *input = rest;
                    self.state = after_length(*size, byte, self.max)?;
                }
                State::Body(block) => {
                    let body = block.take(input).map_err(|_| NetstringError::NoMemory)?;
                    let Some(body) = body else { return Ok(None) };
                    self.state = State::Comma(body);
                }
                State::Comma(body) => {
                    let Some((&byte, rest)) = input.split_first() else { return Ok(None) };
                    if byte != b',' {
                        return Err(NetstringError::Comma);
                    }
                    *input = rest;
                    let body = std::mem::take(body);
                    self.state = State::Length(None);
                    return Ok(Some(body));
                }
                State::Failed => return Ok(None),
            }
        }
    }
}

/// The state after a byte of the length.
fn after_length(size: Option<usize>, byte: u8, max: usize) -> Result<State, NetstringError> {
    match (size, byte) {
        (Some(size), b':') => Ok(State::Body(Block::new(size))),
        (None | Some(1..), b'0'..=b'9') => {
            let size = size.unwrap_or(0).checked_mul(10);
            let size = size.and_then(|size| size.checked_add(usize::from(byte - b'0')));
            let size = size.filter(|size| *size <= max).ok_or(NetstringError::TooLong { max })?;
            Ok(State::Length(Some(size)))
        }
        _ => Err(NetstringError::Length),
    }
}

/// Appends a string to `out`.
pub fn encode(body: &[u8], out: &mut Vec<u8>) {
    out.extend_from_slice(body.len().to_string().as_bytes());
    out.push(b':');
    out.extend_from_slice(body);
    out.push(b',');
}
