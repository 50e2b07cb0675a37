//! What two sides agree on about compression: `Sec-WebSocket-Extensions` with `permessage-deflate` (RFC 7692, 7.1).

use crate::headers::Headers;

/// What this side wants of permessage-deflate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Deflate {
    /// Messages that this side sends may refer to those before: they become shorter, and the compressor's 300 KiB are
    /// held for as long as the WebSocket is.
    pub keep_own_context: bool,
    /// The same for the peer's messages; a decompressor has 40 KiB.
    pub keep_peers_context: bool,
    /// Shorter messages, in bytes, are sent as they are.
    pub threshold: usize,
}

impl Default for Deflate {
    /// Nothing is held between messages; from 256 bytes on.
    fn default() -> Deflate {
        Deflate { keep_own_context: false, keep_peers_context: false, threshold: 256 }
    }
}

/// The negotiated parameters, for [`WebSocket::with_deflate`](super::WebSocket::with_deflate).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Agreed {
    pub(super) own_context: bool,
    pub(super) peers_context: bool,
    pub(super) threshold: usize,
}

const NAME: &str = "permessage-deflate";
const FIELD: &str = "sec-websocket-extensions";
/// The compressors here know no smaller window.
const WINDOW_BITS: u8 = 15;

/// The parameters of an offer or an answer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Parameters {
    server_no_context: bool,
    client_no_context: bool,
    server_bits: Option<u8>,
    /// `Some(None)`: the client only says that it knows the parameter.
    client_bits: Option<Option<u8>>,
}

/// A server's answer to the offers of a client's request: the value of `Sec-WebSocket-Extensions`, and what was agreed on.
/// None where the client offers nothing that this side can do; the connection then goes without compression.
#[must_use]
pub fn accept_deflate(headers: &Headers, deflate: &Deflate) -> Option<(String, Agreed)> {
    let offers = parse(headers)?;
    let offer = offers.into_iter().find(|offer| {
        // A smaller window for what this side sends cannot be had.
        offer.server_bits.is_none_or(|bits| bits == WINDOW_BITS)
    })?;
    let agreed = Agreed {
        own_context: deflate.keep_own_context && !offer.server_no_context,
        peers_context: deflate.keep_peers_context && !offer.client_no_context,
        threshold: deflate.threshold,
    };
    let mut answer = NAME.to_owned();
    if !agreed.own_context {
        answer.push_str("; server_no_context_takeover");
    }
    if !agreed.peers_context {
        answer.push_str("; client_no_context_takeover");
    }
    if offer.server_bits.is_some() {
        answer.push_str("; server_max_window_bits=15");
    }
    Some((answer, agreed))
}

/// What a client offers: the value of `Sec-WebSocket-Extensions` in its request.
#[must_use]
pub fn offer_deflate(deflate: &Deflate) -> String {
    let mut offer = NAME.to_owned();
    if !deflate.keep_own_context {
        offer.push_str("; client_no_context_takeover");
    }
    if !deflate.keep_peers_context {
        offer.push_str("; server_no_context_takeover");
    }
    offer
}

/// What a server's answer to a client's offer means; none for an answer without extensions.
///
/// # Errors
/// The answer is none to this offer: the connection has to be given up.
pub fn agreed_deflate(
    headers: &Headers,
    offered: Option<&Deflate>,
) -> Result<Option<Agreed>, ExtensionError> {
    if !headers.contains(FIELD) {
        return Ok(None);
    }
    let offered = offered.ok_or(ExtensionError)?;
    let answer = match parse_strictly(headers).as_deref() {
        Some([Some(answer)]) => *answer,
        _ => return Err(ExtensionError),
    };
    let forgets = answer.server_no_context || offered.keep_peers_context;
    let is_window = answer.server_bits.is_none_or(|bits| (8..=WINDOW_BITS).contains(&bits));
    // The parameter for this side's window was not offered.
    if !forgets || !is_window || answer.client_bits.is_some() {
        return Err(ExtensionError);
    }
    Ok(Some(Agreed {
        own_context: offered.keep_own_context && !answer.client_no_context,
        peers_context: !answer.server_no_context,
        threshold: offered.threshold,
    }))
}

/// A server has accepted an extension that was not offered, or not in this way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ExtensionError;

impl std::fmt::Display for ExtensionError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("the server accepts an extension that was not offered, or not in this way")
    }
}

impl std::error::Error for ExtensionError {}

/// The offers of permessage-deflate that are well written; none if the field is not.
fn parse(headers: &Headers) -> Option<Vec<Parameters>> {
    Some(parse_strictly(headers)?.into_iter().flatten().collect())
}

/// Each extension of the field in its order: `None` stands for another one, or for wrong parameters.
fn parse_strictly(headers: &Headers) -> Option<Vec<Option<Parameters>>> {
    let mut all = Vec::new();
    for value in headers.get_all(FIELD) {
        let value = std::str::from_utf8(value).ok()?;
        for extension in split(value, ',')? {
            let mut parts = split(extension, ';')?.into_iter();
            let name = parts.next().unwrap_or_default();
            if !is_token(name) {
                return None;
            }
            let is_ours = name.eq_ignore_ascii_case(NAME);
            all.push(if is_ours { parameters(parts) } else { None });
        }
    }
    Some(all)
}

fn parameters<'a>(parts: impl Iterator<Item = &'a str>) -> Option<Parameters> {
    let mut all = Parameters::default();
    for part in parts {
        let (name, value) = match part.split_once('=') {
            Some((name, value)) => (name.trim_end(), Some(unquote(value.trim_start())?)),
            None => (part, None),
        };
        let is_new = match (name.to_ascii_lowercase().as_str(), value) {
            ("server_no_context_takeover", None) => {
                !std::mem::replace(&mut all.server_no_context, true)
            }
            ("client_no_context_takeover", None) => {
                !std::mem::replace(&mut all.client_no_context, true)
            }
            ("server_max_window_bits", Some(value)) => {
                all.server_bits.replace(bits(value)?).is_none()
            }
            ("client_max_window_bits", None) => all.client_bits.replace(None).is_none(),
            ("client_max_window_bits", Some(value)) => {
                all.client_bits.replace(Some(bits(value)?)).is_none()
            }
            _ => return None,
        };
        if !is_new {
            return None;
        }
    }
    Some(all)
}

/// 8 to 15, without zeros before it.
fn bits(value: &str) -> Option<u8> {
    let is_plain = value.bytes().all(|byte| byte.is_ascii_digit()) && !value.starts_with('0');
    value.parse().ok().filter(|bits| is_plain && (8..=15).contains(bits))
}

/// Splits outside of quotation marks; none if one is left open or a part is empty.
fn split(text: &str, separator: char) -> Option<Vec<&str>> {
    let mut parts = Vec::new();
    let (mut from, mut is_quoted, mut is_escaped) = (0, false, false);
    for (at, character) in text.char_indices() {
        match character {
            _ if is_escaped => is_escaped = false,
            '\\' if is_quoted => is_escaped = true,
            '"' => is_quoted = !is_quoted,
            _ if character == separator && !is_quoted => {
                parts.push(text[from..at].trim());
                from = at + character.len_utf8();
            }
            _ => {}
        }
    }
    parts.push(text[from..].trim());
    (!is_quoted && !parts.contains(&"")).then_some(parts)
}

/// A token, or one between quotation marks.
fn unquote(value: &str) -> Option<&str> {
    let inner = value.strip_prefix('"').and_then(|value| value.strip_suffix('"')).unwrap_or(value);
    is_token(inner).then_some(inner)
}

fn is_token(text: &str) -> bool {
    let is_special = |byte: u8| b"!#$%&'*+-.^_`|~".contains(&byte);
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || is_special(byte))
}

#[cfg(test)]
mod tests;
