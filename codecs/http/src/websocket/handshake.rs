//! From HTTP to WebSocket: both sides of the handshake.

use std::fmt;

use base64::{Engine as _, engine::general_purpose::STANDARD};

use http::{Method, StatusCode};

use crate::{headers::Headers, request::RequestHead, response::ResponseHead};

/// Why a request is no handshake that this side accepts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HandshakeError {
    /// No `Upgrade: websocket` with `Connection: Upgrade`.
    NoUpgrade,
    /// A method other than `GET`.
    Method,
    /// A version other than 13.
    Version,
    /// The key is not 16 bytes in base64, or is there twice.
    Key,
}

impl HandshakeError {
    /// The status of the response.
    #[must_use]
    pub fn status(self) -> StatusCode {
        match self {
            HandshakeError::NoUpgrade | HandshakeError::Version => StatusCode::UPGRADE_REQUIRED,
            HandshakeError::Method => StatusCode::METHOD_NOT_ALLOWED,
            HandshakeError::Key => StatusCode::BAD_REQUEST,
        }
    }

    /// The fields that such an answer must have.
    #[must_use]
    pub fn headers(self) -> Headers {
        let mut headers = Headers::new();
        let (name, value) = match self {
            HandshakeError::NoUpgrade => ("Upgrade", "websocket"),
            HandshakeError::Version => ("Sec-WebSocket-Version", "13"),
            HandshakeError::Method => ("Allow", "GET"),
            HandshakeError::Key => return headers,
        };
        set(&mut headers, name, value);
        // RFC 9110, 15.5.22.
        if self.status() == StatusCode::UPGRADE_REQUIRED {
            set(&mut headers, "Upgrade", "websocket");
        }
        headers
    }
}

impl fmt::Display for HandshakeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            HandshakeError::NoUpgrade => "the request does not ask for `Upgrade: websocket`",
            HandshakeError::Method => "a WebSocket handshake is a GET",
            HandshakeError::Version => "only WebSocket version 13 is spoken here",
            HandshakeError::Key => "Sec-WebSocket-Key is not 16 bytes in base64",
        })
    }
}

impl std::error::Error for HandshakeError {}

/// Whether a request asks for a WebSocket, well or not.
#[must_use]
pub fn is_handshake(head: &RequestHead) -> bool {
    head.wants_upgrade && head.headers.has_member("upgrade", "websocket")
}

/// The fields of the `101` that accepts a request, but for a subprotocol.
///
/// # Errors
/// Why it cannot be accepted; with the status and the fields for the answer.
pub fn accept(head: &RequestHead) -> Result<Headers, HandshakeError> {
    if !is_handshake(head) {
        return Err(HandshakeError::NoUpgrade);
    }
    if head.method != Method::GET {
        return Err(HandshakeError::Method);
    }
    if head.headers.get("sec-websocket-version") != Some("13") {
        return Err(HandshakeError::Version);
    }
    let mut keys = head.headers.get_all("sec-websocket-key");
    let key = match (keys.next(), keys.next()) {
        (Some(key), None) if STANDARD.decode(key).is_ok_and(|key| key.len() == 16) => key,
        _ => return Err(HandshakeError::Key),
    };
    let mut headers = Headers::new();
    set(&mut headers, "Upgrade", "websocket");
    set(&mut headers, "Sec-WebSocket-Accept", &accept_key(key));
    Ok(headers)
}

/// The subprotocols that a client offers, the ones it likes best first.
pub fn protocols(head: &RequestHead) -> impl Iterator<Item = &str> {
    let values = head.headers.get_all("sec-websocket-protocol");
    values
        .filter_map(|value| std::str::from_utf8(value).ok())
        .flat_map(|value| value.split(','))
        .map(str::trim)
}

/// A client's key: 16 random bytes, which the caller brings.
#[must_use]
pub fn key(random: [u8; 16]) -> String {
    STANDARD.encode(random)
}

/// The fields of a client's handshake with this key.
#[must_use]
pub fn request_headers(key: &str) -> Headers {
    let mut headers = Headers::new();
    set(&mut headers, "Upgrade", "websocket");
    set(&mut headers, "Sec-WebSocket-Key", key);
    set(&mut headers, "Sec-WebSocket-Version", "13");
    headers
}

/// Whether a response accepts the handshake with this key. What it says about extensions is for
/// [`agreed_deflate`](super::extension::agreed_deflate).
#[must_use]
pub fn is_accepted(head: &ResponseHead, key: &str) -> bool {
    let expected = accept_key(key.as_bytes());
    head.status == StatusCode::SWITCHING_PROTOCOLS
        && head.headers.has_member("connection", "upgrade")
        && head.headers.has_member("upgrade", "websocket")
        && head.headers.get("sec-websocket-accept") == Some(&expected)
}

fn accept_key(key: &[u8]) -> String {
    const GUID: &[u8] = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11";
    let mut hash = sha1_smol::Sha1::new();
    hash.update(key);
    hash.update(GUID);
    STANDARD.encode(hash.digest().bytes())
}

fn set(headers: &mut Headers, name: &str, value: &str) {
    let set = headers.set(name, value);
    debug_assert!(set.is_ok(), "{name} and its value are plain");
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Limits, RequestDecoder, RequestEvent, ResponseDecoder, ResponseEvent};

    const REQUEST: &str = "GET /chat HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\nConnection: keep-alive, Upgrade\r\n\
                           Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\
                           Sec-WebSocket-Protocol: chat, superchat\r\n\r\n";

    fn request(text: &str) -> RequestHead {
        let mut decoder = RequestDecoder::new(Limits::SERVER);
        match decoder.decode(&mut text.as_bytes()) {
            Ok(Some(RequestEvent::Head(head))) => head,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn the_handshake_of_the_rfc() {
        let head = request(REQUEST);
        let headers = accept(&head).unwrap();
        assert_eq!(headers.get("sec-websocket-accept"), Some("s3pPLMBiTxaQ9kYGzzhZRbK+xOo="));
        assert_eq!(protocols(&head).collect::<Vec<_>>(), ["chat", "superchat"]);
    }

    #[test]
    fn bad_handshakes_are_refused() {
        let check = |from: &str, to: &str, error: HandshakeError| {
            assert_eq!(accept(&request(&REQUEST.replace(from, to))), Err(error));
        };
        check("Upgrade: websocket", "Upgrade: h2c", HandshakeError::NoUpgrade);
        check("keep-alive, Upgrade", "keep-alive", HandshakeError::NoUpgrade);
        check("HTTP/1.1", "HTTP/1.0", HandshakeError::NoUpgrade);
        check("GET", "POST", HandshakeError::Method);
        check("Version: 13", "Version: 12", HandshakeError::Version);
        check("dGhl", "dGhlIHN", HandshakeError::Key);
        check("dGhlIHNhbXBsZSBub25jZQ==", "dGhl", HandshakeError::Key);
        check("Sec-WebSocket-Key", "X-Key", HandshakeError::Key);
        assert_eq!(HandshakeError::Version.headers().get("sec-websocket-version"), Some("13"));
    }

    #[test]
    fn a_client_knows_whether_it_is_accepted() {
        let key = key(*b"the sample nonce");
        assert_eq!(key, "dGhlIHNhbXBsZSBub25jZQ==");
        assert_eq!(request_headers(&key).get("upgrade"), Some("websocket"));
        let check = |accept: &str, expected: bool| {
            let text = format!(
                "HTTP/1.1 101 Switching Protocols\r\nUpgrade: WebSocket\r\nConnection: Upgrade\r\n\
                 Sec-WebSocket-Accept: {accept}\r\n\r\n"
            );
            let mut decoder = ResponseDecoder::new(Limits::CLIENT);
            let mut input = text.as_bytes();
            let Ok(Some(ResponseEvent::Head(head))) = decoder.decode(&mut input, &Method::GET)
            else {
                panic!()
            };
            assert_eq!(is_accepted(&head, &key), expected);
        };
        check("s3pPLMBiTxaQ9kYGzzhZRbK+xOo=", true);
        check("s3pPLMBiTxaQ9kYGzzhZRbK+xOp=", false);
    }
}
