//! permessage-deflate (RFC 7692): the bytes of one message compressed, and those of another decompressed within a bound.

use std::fmt;

use flate2::{Compress, Compression, Decompress, FlushCompress, FlushDecompress, Status};

/// What ends each message before it is sent, and is not sent.
const TAIL: [u8; 4] = [0x00, 0x00, 0xff, 0xff];

/// The bytes decompressed at once.
const PIECE: usize = 4096;

/// Streams of one message that say that they are the last. Each costs more than its bytes, and one is usual.
const ENDS_MAX: u32 = 16;

/// Why a message cannot be decompressed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Puff {
    TooLarge,
    Invalid,
}

/// Decompresses messages of the peer.
pub(super) struct Inflater {
    /// Made when it is needed: it has 40 KiB.
    state: Option<Box<Decompress>>,
    keeps_context: bool,
    /// The number of ended streams in the current message.
    ends: u32,
}

impl Inflater {
    /// `keeps_context`: the peer refers to what its messages before had.
    pub(super) fn new(keeps_context: bool) -> Inflater {
        Inflater { state: None, keeps_context, ends: 0 }
    }

    /// Adds to `out` what these bytes of a message mean, up to `max` of it.
    pub(super) fn inflate(
        &mut self,
        mut bytes: &[u8],
        out: &mut Vec<u8>,
        max: usize,
    ) -> Result<(), Puff> {
        let state = self.state.get_or_insert_with(|| Box::new(Decompress::new(false)));
        let mut piece = [0; PIECE];
        loop {
            let (read, written) = (state.total_in(), state.total_out());
            let status = state.decompress(bytes, &mut piece, FlushDecompress::None);
            let (taken, given) = (state.total_in() - read, state.total_out() - written);
            bytes = &bytes[taken as usize..];
            // Bytes before a fault count, so that the first fault is the one reported.
            let new = &piece[..given as usize];
            let fitting = &new[..new.len().min(max - out.len())];
            out.try_reserve(fitting.len()).map_err(|_| Puff::TooLarge)?;
            out.extend_from_slice(fitting);
            if fitting.len() < new.len() {
                return Err(Puff::TooLarge);
            }
            let status = status.map_err(|_| Puff::Invalid)?;
            if status == Status::StreamEnd {
                self.ends += 1;
                if ENDS_MAX < self.ends {
                    return Err(Puff::Invalid);
                }
                // Another stream may follow in the same message, and does where a byte fills the last one up.
                state.reset(false);
            }
            if bytes.is_empty() && new.len() < PIECE {
                return Ok(());
            }
            if taken == 0 && given == 0 && status != Status::StreamEnd {
                return Err(Puff::Invalid);
            }
        }
    }

    /// The message is complete.
    pub(super) fn finish(&mut self, out: &mut Vec<u8>, max: usize) -> Result<(), Puff> {
        let result = self.inflate(&TAIL, out, max);
        self.ends = 0;
        if !self.keeps_context {
            self.state = None;
        }
        result
    }
}

impl fmt::Debug for Inflater {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Inflater")
            .field("keeps_context", &self.keeps_context)
            .finish_non_exhaustive()
    }
}

/// Compresses what this side sends.
pub(super) struct Deflater {
    /// Made when it is needed: it has 300 KiB.
    state: Option<Box<Compress>>,
    keeps_context: bool,
    threshold: usize,
}

impl Deflater {
    pub(super) fn new(keeps_context: bool, threshold: usize) -> Deflater {
        Deflater { state: None, keeps_context, threshold }
    }

    /// The compressed bytes of a message; none if it is better sent as it is.
    pub(super) fn deflate(&mut self, message: &[u8]) -> Option<Vec<u8>> {
        if message.len() < self.threshold {
            return None;
        }
        let state =
            self.state.get_or_insert_with(|| Box::new(Compress::new(Compression::fast(), false)));
        let compressed = compress(state, message);
        if self.keeps_context && compressed.is_some() {
            // The next message refers to the compressed one: it has to be sent, even if it has become longer.
            return compressed;
        }
        self.state = None;
        compressed.filter(|compressed| compressed.len() < message.len())
    }
}

fn compress(state: &mut Compress, mut message: &[u8]) -> Option<Vec<u8>> {
    let mut out = Vec::with_capacity(message.len() / 2 + 64);
    loop {
        let read = state.total_in();
        // It fails in no state that can come here; then the message goes as it is.
        state.compress_vec(message, &mut out, FlushCompress::Sync).ok()?;
        message = &message[(state.total_in() - read) as usize..];
        if message.is_empty() && out.len() < out.capacity() {
            break;
        }
        out.reserve(out.capacity().max(64));
    }
    let length = out.strip_suffix(&TAIL)?.len();
    out.truncate(length);
    Some(out)
}

impl fmt::Debug for Deflater {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Deflater")
            .field("keeps_context", &self.keeps_context)
            .finish_non_exhaustive()
    }
}
