//! Header lines, an empty line, and a body as long as `Content-Length` says: EventMachine's `HeaderAndContentProtocol`.

use std::{collections::BTreeMap, mem};

use crate::lines::{LineDecoder, LineError, LineEvent, LineLimits};

/// The limits of a [`ContentDecoder`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ContentLimits {
    /// Bytes of a header line, without its end.
    pub line: usize,
    /// Bytes of all header lines of a request together, without their ends; each counts for one more.
    pub headers: usize,
    /// Bytes of a body.
    pub content: usize,
}

impl Default for ContentLimits {
    /// 16 KiB, 64 KiB and 32 MiB.
    fn default() -> ContentLimits {
        let LineLimits { line, binary } = LineLimits::default();
        ContentLimits { line, headers: 64 * 1024, content: binary }
    }
}

/// A decoded event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ContentEvent {
    /// The first header line of a request.
    FirstLine(Vec<u8>),
    /// All header lines of a request, the first one too.
    Headers(Vec<Vec<u8>>),
    /// A complete request.
    Request {
        /// Its header lines.
        headers: Vec<Vec<u8>>,
        /// Its body; empty if there is no `Content-Length`.
        content: Vec<u8>,
    },
}

/// Why decoding has stopped.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ContentError {
    /// A header line is too long, or there is no memory for a body.
    #[error(transparent)]
    Line(#[from] LineError),
    /// The header lines of a request have more bytes than the limit.
    #[error(
        "the headers have more than {max} bytes; raise the limit of headers if they may be longer"
    )]
    HeadersTooLong {
        /// The limit.
        max: usize,
    },
    /// `Content-Length` occurs twice: two readers could understand it differently.
    #[error("Content-Length is there twice; a request has one")]
    LengthTwice,
    /// `Content-Length` is no number of bytes.
    #[error("Content-Length is no number of bytes; write decimal digits only")]
    Length,
    /// The body is announced with more bytes than the limit.
    #[error("a body has more than {max} bytes; raise the limit of content if bodies may be larger")]
    ContentTooLarge {
        /// The limit.
        max: usize,
    },
}

/// Decodes requests. Empty lines before a request are skipped.
///
/// ```
/// use sandloop_frames::content::{ContentDecoder, ContentEvent, ContentLimits};
///
/// let mut decoder = ContentDecoder::new(ContentLimits::default());
/// let mut input = &b"PUT a\nContent-Length: 2\n\nhi"[..];
/// assert_eq!(decoder.decode(&mut input)?, Some(ContentEvent::FirstLine(b"PUT a".to_vec())));
/// let headers = vec![b"PUT a".to_vec(), b"Content-Length: 2".to_vec()];
/// assert_eq!(decoder.decode(&mut input)?, Some(ContentEvent::Headers(headers.clone())));
/// let content = b"hi".to_vec();
/// assert_eq!(decoder.decode(&mut input)?, Some(ContentEvent::Request { headers, content }));
/// # Ok::<(), sandloop_frames::content::ContentError>(())
/// ```
#[derive(Debug)]
pub struct ContentDecoder {
    limits: ContentLimits,
    lines: LineDecoder,
    headers: Vec<Vec<u8>>,
    headers_bytes: usize,
    length: Option<usize>,
    /// A request without a body, whose headers were returned.
    complete: bool,
    failed: bool,
}

impl ContentDecoder {
    /// A decoder with these limits.
    #[must_use]
    pub fn new(limits: ContentLimits) -> ContentDecoder {
        let lines = LineLimits { line: limits.line, binary: limits.content };
        ContentDecoder {
            limits,
            lines: LineDecoder::new(lines),
            headers: Vec::new(),
            headers_bytes: 0,
            length: None,
            complete: false,
            failed: false,
        }
    }

    /// The next event that these bytes complete; none when all were taken and more are needed.
    ///
    /// # Errors
    /// Once, at the first invalid line. After that all bytes are ignored.
    pub fn decode(&mut self, input: &mut &[u8]) -> Result<Option<ContentEvent>, ContentError> {
        if self.failed {
            *input = &[];
            return Ok(None);
        }
        let result = self.step(input);
        if result.is_err() {
            self.failed = true;
            self.headers = Vec::new();
            *input = &[];
        }
        result
    }

    fn step(&mut self, input: &mut &[u8]) -> Result<Option<ContentEvent>, ContentError> {
        if mem::take(&mut self.complete) {
            return Ok(Some(self.request(Vec::new())));
        }
        loop {
            match self.lines.decode(input)? {
                None => return Ok(None),
                Some(LineEvent::Line(line)) if line.is_empty() => {
                    if !self.headers.is_empty() {
                        self.end_headers();
                        return Ok(Some(ContentEvent::Headers(self.headers.clone())));
                    }
                }
                Some(LineEvent::Line(line)) => {
                    self.add_header(&line)?;
                    if self.headers.len() == 1 {
                        return Ok(Some(ContentEvent::FirstLine(line)));
                    }
                }
                Some(LineEvent::Binary(content)) => return Ok(Some(self.request(content))),
                Some(LineEvent::BinaryEnd) => {}
            }
        }
    }

    fn add_header(&mut self, line: &[u8]) -> Result<(), ContentError> {
        self.headers_bytes += line.len() + 1;
        if self.limits.headers < self.headers_bytes {
            return Err(ContentError::HeadersTooLong { max: self.limits.headers });
        }
        if let Some((name, value)) = split_header(line)
            && name.eq_ignore_ascii_case(b"content-length")
        {
            if self.length.is_some() {
                return Err(ContentError::LengthTwice);
            }
            self.length = Some(parse_length(value, self.limits.content)?);
        }
        self.headers.push(line.to_vec());
        Ok(())
    }

    fn end_headers(&mut self) {
        let length = self.length.unwrap_or(0);
        self.complete = length == 0;
        if !self.complete {
            self.lines.set_text_mode(length);
        }
    }

    fn request(&mut self, content: Vec<u8>) -> ContentEvent {
        self.length = None;
        self.headers_bytes = 0;
        ContentEvent::Request { headers: mem::take(&mut self.headers), content }
    }
}

/// The name and the value of a header line, without the space around the colon.
fn split_header(line: &[u8]) -> Option<(&[u8], &[u8])> {
    let colon = memchr::memchr(b':', line)?;
    let name = line[..colon].trim_ascii_end();
    let is_name = !name.is_empty() && !name.iter().any(u8::is_ascii_whitespace);
    is_name.then(|| (name, line[colon + 1..].trim_ascii_start()))
}

fn parse_length(value: &[u8], max: usize) -> Result<usize, ContentError> {
    let digits = value.trim_ascii_end();
    if digits.is_empty() || !digits.iter().all(u8::is_ascii_digit) {
        return Err(ContentError::Length);
    }
    let add = |size: Option<usize>, digit: &u8| {
        size?.checked_mul(10)?.checked_add(usize::from(digit - b'0'))
    };
    let size = digits.iter().fold(Some(0), add);
    size.filter(|size| *size <= max).ok_or(ContentError::ContentTooLarge { max })
}

/// The header lines by name, in lower case and with `_` for `-`: EventMachine's `headers_2_hash`. Of lines with one name
/// the last counts; a line without a name, such as the first one of HTTP, is left out.
#[must_use]
pub fn headers_2_hash(headers: &[Vec<u8>]) -> BTreeMap<String, Vec<u8>> {
    let entry = |line: &Vec<u8>| {
        let (name, value) = split_header(line)?;
        let name = String::from_utf8_lossy(name).to_lowercase().replace('-', "_");
        Some((name, value.to_vec()))
    };
    headers.iter().filter_map(entry).collect()
}
