//! Content codings: gzip and deflate, both ways, in pieces.

use std::{
    fmt,
    io::{self, Write},
};

use flate2::{
    Compression,
    write::{DeflateDecoder, GzDecoder, GzEncoder, ZlibDecoder, ZlibEncoder},
};

use crate::{fields::list, headers::Headers};

/// A content coding.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Coding {
    /// `gzip`, also `x-gzip`.
    Gzip,
    /// `deflate`: zlib's format; raw deflate, which some servers send, is accepted too.
    Deflate,
}

impl Coding {
    /// Its name in the fields.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Coding::Gzip => "gzip",
            Coding::Deflate => "deflate",
        }
    }

    /// The coding in `Content-Encoding`; none for `identity`, several codings, or an unknown one.
    #[must_use]
    pub fn of(headers: &Headers) -> Option<Coding> {
        let mut codings = headers.get_all("content-encoding").flat_map(list);
        let coding = codings.next().and_then(Coding::named)?;
        codings.next().is_none().then_some(coding)
    }

    /// The supported coding that the client prefers, by `Accept-Encoding`; none if it accepts none.
    #[must_use]
    pub fn wanted(headers: &Headers) -> Option<Coding> {
        let mut best = (None, 0);
        for member in headers.get_all("accept-encoding").flat_map(list) {
            let mut parts = member.split(|byte| *byte == b';');
            let name = crate::fields::trim(parts.next().unwrap_or_default());
            let quality = parts.next().map_or(1000, quality);
            let coding = if name == b"*" { Some(Coding::Gzip) } else { Coding::named(name) };
            if coding.is_some() && best.1 < quality {
                best = (coding, quality);
            }
        }
        best.0
    }

    fn named(name: &[u8]) -> Option<Coding> {
        let is = |known: &str| name.eq_ignore_ascii_case(known.as_bytes());
        if is("gzip") || is("x-gzip") {
            Some(Coding::Gzip)
        } else {
            is("deflate").then_some(Coding::Deflate)
        }
    }
}

/// `q=0.5` in thousandths; 0 for what cannot be read.
fn quality(parameter: &[u8]) -> u32 {
    let text = std::str::from_utf8(crate::fields::trim(parameter)).unwrap_or_default();
    let value = text.strip_prefix("q=").or_else(|| text.strip_prefix("Q="));
    let value: Option<f32> = value.and_then(|value| value.parse().ok());
    value.filter(|value| (0.0..=1.0).contains(value)).map_or(0, |value| (value * 1000.0) as u32)
}

/// Compresses a body, piece by piece.
pub struct Compressor(Encoder);

enum Encoder {
    Gzip(GzEncoder<Vec<u8>>),
    Deflate(ZlibEncoder<Vec<u8>>),
}

impl Compressor {
    /// With zlib's usual level.
    #[must_use]
    pub fn new(coding: Coding) -> Compressor {
        Compressor(match coding {
            Coding::Gzip => Encoder::Gzip(GzEncoder::new(Vec::new(), Compression::default())),
            Coding::Deflate => {
                Encoder::Deflate(ZlibEncoder::new(Vec::new(), Compression::default()))
            }
        })
    }

    /// Compresses a piece; appends finished output to `out`.
    pub fn write(&mut self, data: &[u8], out: &mut Vec<u8>) {
        self.drive(out, |encoder| encoder.write_all(data));
    }

    /// Appends the compressed form of everything written so far, so that the peer can read it now.
    pub fn flush(&mut self, out: &mut Vec<u8>) {
        self.drive(out, |encoder| encoder.flush());
    }

    /// Appends the rest and the end.
    pub fn finish(mut self, out: &mut Vec<u8>) {
        let finished = match &mut self.0 {
            Encoder::Gzip(encoder) => encoder.try_finish(),
            Encoder::Deflate(encoder) => encoder.try_finish(),
        };
        debug_assert!(finished.is_ok(), "memory takes everything");
        self.drive(out, |_| Ok(()));
    }

    fn drive(&mut self, out: &mut Vec<u8>, work: impl FnOnce(&mut dyn Write) -> io::Result<()>) {
        let (done, ready) = match &mut self.0 {
            Encoder::Gzip(encoder) => (work(encoder), encoder.get_mut()),
            Encoder::Deflate(encoder) => (work(encoder), encoder.get_mut()),
        };
        debug_assert!(done.is_ok(), "memory takes everything");
        out.append(ready);
    }
}

impl fmt::Debug for Compressor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Compressor").finish_non_exhaustive()
    }
}

/// Why compressed bytes cannot be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CodingError {
    /// The bytes are invalid in the coding, or a checksum is wrong.
    Corrupt,
    /// They decompress to more than [`Bounds`] allows (a decompression bomb).
    TooLarge,
    /// They end too early.
    Truncated,
}

impl fmt::Display for CodingError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            CodingError::Corrupt => "the body is not compressed as its Content-Encoding says",
            CodingError::TooLarge => "the decompressed body is larger than this side takes",
            CodingError::Truncated => "the compressed body ends too early",
        })
    }
}

impl std::error::Error for CodingError {}

/// The limits of decompression.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bounds {
    /// Bytes in all.
    pub size: u64,
    /// Bytes for each compressed one, beyond the first MiB. Deflate itself reaches 1032.
    pub ratio: u64,
}

impl Default for Bounds {
    /// Any size, 200 for one.
    fn default() -> Bounds {
        Bounds { size: u64::MAX, ratio: 200 }
    }
}

/// What needs no ratio: the first bytes of a good body may well be very small.
const FREE: u64 = 1 << 20;
/// Compressed bytes that are processed at once; they decompress to a MiB at most.
const STEP: usize = 1024;

/// Decompresses a body, piece by piece. Zeros, spaces and line ends may follow the compressed bytes, since some servers
/// append padding or a line.
pub struct Decompressor {
    coding: Coding,
    decoder: Option<Decoder>,
    end: End,
    bounds: Bounds,
    taken: u64,
    /// The first byte of `deflate`, until the second tells which form it is.
    first: Option<u8>,
}

/// The progress at the end.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum End {
    /// Nothing.
    #[default]
    Open,
    /// The compressed bytes have ended; with gzip, more of them may follow.
    Member,
    /// In padding: nothing else may follow.
    Padding,
}

enum Decoder {
    Gzip(GzDecoder<Bounded>),
    Zlib(ZlibDecoder<Bounded>),
    Raw(DeflateDecoder<Bounded>),
}

impl Decompressor {
    /// For one body.
    #[must_use]
    pub fn new(coding: Coding, bounds: Bounds) -> Decompressor {
        let (decoder, end) = (None, End::Open);
        Decompressor { coding, decoder, end, bounds, taken: 0, first: None }
    }

    /// Decompresses bytes into `sink`, in pieces of at most a MiB.
    ///
    /// # Errors
    /// `Corrupt`, `TooLarge`. Bytes before the error were passed to `sink`.
    pub fn write(&mut self, data: &[u8], mut sink: impl FnMut(&[u8])) -> Result<(), CodingError> {
        // Steps have the same boundaries however the bytes are split, so that the limit is checked at the same bytes.
        let mut data = data;
        while !data.is_empty() {
            let room = STEP - (self.taken % STEP as u64) as usize;
            let (step, rest) = data.split_at(room.min(data.len()));
            self.step(step, &mut sink)?;
            data = rest;
        }
        Ok(())
    }

    /// The body is complete.
    ///
    /// # Errors
    /// `Truncated`, `Corrupt`, `TooLarge`.
    pub fn finish(mut self, mut sink: impl FnMut(&[u8])) -> Result<(), CodingError> {
        let Some(decoder) = &mut self.decoder else {
            // No bytes at all are an empty body.
            return if self.taken == 0 { Ok(()) } else { Err(CodingError::Truncated) };
        };
        let finished = if self.end == End::Open { decoder.try_finish() } else { Ok(()) };
        let bounded = decoder.bounded();
        sink(&bounded.ready);
        finished.map_err(|_| bounded.reason(CodingError::Truncated))
    }

    fn step(&mut self, data: &[u8], sink: &mut impl FnMut(&[u8])) -> Result<(), CodingError> {
        self.taken += data.len() as u64;
        let mut data = data;
        let mut joined;
        if self.decoder.is_none() {
            if let Some(first) = self.first.take() {
                joined = vec![first];
                joined.extend_from_slice(data);
                data = &joined;
            }
            match (self.coding, data) {
                (Coding::Deflate, [only]) => {
                    self.first = Some(*only);
                    return Ok(());
                }
                _ => self.decoder = Some(self.decoder_for(data)),
            }
        }
        let steps = self.taken.next_multiple_of(STEP as u64);
        let allowed = self.bounds.size.min(steps.saturating_mul(self.bounds.ratio).max(FREE));
        let Some(decoder) = &mut self.decoder else { return Ok(()) };
        decoder.bounded().allowed = allowed;
        let written = decoder.write(data, &mut self.end);
        let bounded = decoder.bounded();
        sink(&bounded.ready);
        bounded.ready.clear();
        written.map_err(|_| bounded.reason(CodingError::Corrupt))
    }

    fn decoder_for(&self, data: &[u8]) -> Decoder {
        let zlib = |first: u8, second: u8| {
            first & 0x0f == 8 && (u16::from(first) << 8 | u16::from(second)) % 31 == 0
        };
        let bounded = Bounded::default();
        match (self.coding, data) {
            (Coding::Gzip, _) => Decoder::Gzip(GzDecoder::new(bounded)),
            (Coding::Deflate, [first, second, ..]) if zlib(*first, *second) => {
                Decoder::Zlib(ZlibDecoder::new(bounded))
            }
            (Coding::Deflate, _) => Decoder::Raw(DeflateDecoder::new(bounded)),
        }
    }
}

/// What each member of a gzip begins with.
const GZIP: u8 = 0x1f;

impl Decoder {
    fn write(&mut self, mut data: &[u8], end: &mut End) -> io::Result<()> {
        while let [first, rest @ ..] = data {
            match (&*end, first) {
                (End::Open, _) => match self.writer().write(data)? {
                    0 => {
                        self.try_finish()?;
                        *end = End::Member;
                    }
                    taken => data = &data[taken..],
                },
                (End::Member, &GZIP) if matches!(self, Decoder::Gzip(_)) => {
                    *self = Decoder::Gzip(GzDecoder::new(std::mem::take(self.bounded())));
                    *end = End::Open;
                }
                (_, 0 | b' ' | b'\t' | b'\r' | b'\n') => {
                    *end = End::Padding;
                    data = rest;
                }
                _ => return Err(io::ErrorKind::InvalidData.into()),
            }
        }
        // The decoders hold back what they have made until they are given more or flushed.
        if *end == End::Open { self.writer().flush() } else { Ok(()) }
    }

    fn try_finish(&mut self) -> io::Result<()> {
        match self {
            Decoder::Gzip(decoder) => decoder.try_finish(),
            Decoder::Zlib(decoder) => decoder.try_finish(),
            Decoder::Raw(decoder) => decoder.try_finish(),
        }
    }

    fn writer(&mut self) -> &mut dyn Write {
        match self {
            Decoder::Gzip(decoder) => decoder,
            Decoder::Zlib(decoder) => decoder,
            Decoder::Raw(decoder) => decoder,
        }
    }

    fn bounded(&mut self) -> &mut Bounded {
        match self {
            Decoder::Gzip(decoder) => decoder.get_mut(),
            Decoder::Zlib(decoder) => decoder.get_mut(),
            Decoder::Raw(decoder) => decoder.get_mut(),
        }
    }
}

impl fmt::Debug for Decompressor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Decompressor").field("coding", &self.coding).finish_non_exhaustive()
    }
}

/// Collects decompressed bytes, up to a limit.
#[derive(Debug, Default)]
struct Bounded {
    ready: Vec<u8>,
    produced: u64,
    allowed: u64,
    exceeded: bool,
}

impl Bounded {
    fn reason(&self, otherwise: CodingError) -> CodingError {
        if self.exceeded { CodingError::TooLarge } else { otherwise }
    }
}

impl Write for Bounded {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let produced = self.produced.saturating_add(bytes.len() as u64);
        if self.allowed < produced {
            self.exceeded = true;
            return Err(io::ErrorKind::OutOfMemory.into());
        }
        self.produced = produced;
        self.ready.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests;
