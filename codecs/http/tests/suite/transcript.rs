//! What the decoders make of bytes, written down so that it does not depend on how the bytes were cut.

use sandloop_http::{
    Headers, Length, Limits, Method, RequestDecoder, RequestEvent, ResponseDecoder, ResponseEvent,
};

/// One line for a head, one for a body, one for an end; then why it stopped.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Transcript {
    pub lines: Vec<String>,
    data: Vec<u8>,
}

impl Transcript {
    fn line(&mut self, line: String) {
        self.flush();
        self.lines.push(line);
    }

    fn flush(&mut self) {
        if !self.data.is_empty() {
            let length = self.data.len();
            let shown = self.data[..length.min(40)].escape_ascii();
            self.lines.push(format!("data {length} {shown}"));
            self.data.clear();
        }
    }
}

/// The requests in these pieces, with the connection's end behind them.
pub fn of_requests<'a>(limits: Limits, pieces: impl Iterator<Item = &'a [u8]>) -> Transcript {
    let mut decoder = RequestDecoder::new(limits);
    let mut transcript = Transcript::default();
    for mut piece in pieces {
        loop {
            match decoder.decode(&mut piece) {
                Ok(None) => break,
                Ok(Some(RequestEvent::Head(head))) => {
                    check_fields(&head.headers);
                    let mut line =
                        format!("{} {} {:?}", head.method, head.target.as_str(), head.version);
                    line += &format!(" host={}{}", head.host(), length(head.length));
                    for (set, word) in [
                        (!head.keep_alive, " close"),
                        (head.expects_continue, " expects-continue"),
                        (head.wants_upgrade, " upgrade"),
                    ] {
                        line += if set { word } else { "" };
                    }
                    transcript.line(line);
                }
                Ok(Some(RequestEvent::Data(data))) => {
                    assert!(!data.is_empty());
                    transcript.data.extend(data);
                }
                Ok(Some(RequestEvent::End(trailers))) => transcript.line(end(&trailers)),
                Err(error) => {
                    assert_eq!(decoder.decode(&mut b"more".as_slice()).map(|_| ()), Err(error));
                    let status = error.status().map_or(0, |status| status.as_u16());
                    transcript.line(format!("{status} {error}"));
                    return transcript;
                }
            }
        }
        assert!(piece.is_empty(), "what is not taken is lost");
    }
    if let Err(error) = decoder.finish() {
        transcript.line(error.to_string());
    }
    transcript.flush();
    transcript
}

/// The responses to requests with this method in these pieces, with the connection's end behind them.
pub fn of_responses<'a>(
    limits: Limits,
    method: &Method,
    pieces: impl Iterator<Item = &'a [u8]>,
) -> Transcript {
    let mut decoder = ResponseDecoder::new(limits);
    let mut transcript = Transcript::default();
    let mut left = Vec::new();
    for mut piece in pieces {
        loop {
            match decoder.decode(&mut piece, method) {
                Ok(None) => break,
                Ok(Some(ResponseEvent::Informational(head))) => {
                    transcript.line(format!("informational {:?} {}", head.status, head.reason));
                }
                Ok(Some(ResponseEvent::Head(head))) => {
                    check_fields(&head.headers);
                    let mut line = format!("{:?} {:?} {}", head.version, head.status, head.reason);
                    line += &length(head.length);
                    line += if head.keep_alive { "" } else { " close" };
                    transcript.line(line);
                    for (name, value) in
                        head.headers.iter().filter(|(name, _)| name.starts_with("X-"))
                    {
                        transcript.line(format!("{name}: {}", value.escape_ascii()));
                    }
                }
                Ok(Some(ResponseEvent::Data(data))) => {
                    assert!(!data.is_empty());
                    transcript.data.extend(data);
                }
                Ok(Some(ResponseEvent::End(trailers))) => transcript.line(end(&trailers)),
                Err(error) => {
                    transcript.line(format!("error {error}"));
                    return transcript;
                }
            }
        }
        left.extend_from_slice(piece);
        assert!(piece.is_empty() || decoder.is_over(), "what is not taken is another protocol's");
    }
    match decoder.finish() {
        Ok(true) => transcript.line("end at close".to_owned()),
        Ok(false) => {}
        Err(error) => transcript.line(format!("error {error}")),
    }
    transcript.flush();
    if !left.is_empty() {
        transcript.line(format!("left {}", left.escape_ascii()));
    }
    transcript
}

fn length(length: Length) -> String {
    match length {
        Length::None => String::new(),
        Length::Known(bytes) => format!(" length={bytes}"),
        Length::Chunked => " chunked".to_owned(),
        Length::UntilClose => " until-close".to_owned(),
    }
}

fn end(trailers: &Headers) -> String {
    let fields = trailers.iter().map(|(name, value)| format!(" {name}={}", value.escape_ascii()));
    format!("end{}", fields.collect::<String>())
}

/// Whatever was let in, no field can be taken for two.
fn check_fields(headers: &Headers) {
    for (name, value) in headers.iter() {
        assert!(!name.is_empty() && name.bytes().all(|byte| byte.is_ascii_graphic()), "{name:?}");
        assert!(!value.iter().any(|byte| matches!(byte, 0 | b'\r' | b'\n')), "{name}: {value:?}");
    }
}
