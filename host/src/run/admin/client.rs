//! A client of the admin listener, for commands that inspect a running host.

use std::fmt;
use std::io;
use std::time::Duration;

use serde_json::Value;
use socket2::{SockAddr, Type};

use crate::config::address::ListenAddress;
use crate::config::admin::AdminConfig;
use crate::net::blocking::Patience;

/// How long the host may take to answer. It may itself wait five seconds for reactors that do not turn.
const LONGEST_ANSWER: Duration = Duration::from_secs(10);
/// Bytes of an answer: a host of a thousand plugins has less.
const ANSWER_BYTES_MAX: usize = 64 << 20;
/// Bytes that are read at once.
const PIECE_BYTES: usize = 16 << 10;

/// Why a request failed.
#[derive(Debug)]
pub enum ClientError {
    /// The host cannot be reached.
    Unreachable(ListenAddress, io::Error),
    /// The host returned an error, or no valid answer: the status and the text.
    Refused(String),
}

impl fmt::Display for ClientError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ClientError::Unreachable(address, error) => write!(
                f,
                "{address}: {error}; is the host running, with this configuration, and may this user open it?"
            ),
            ClientError::Refused(words) => f.write_str(words),
        }
    }
}

impl std::error::Error for ClientError {}

/// Gets a path that answers JSON.
///
/// # Errors
/// When the host cannot be reached, or does not answer with JSON.
pub fn get(admin: &AdminConfig, path: &str) -> Result<Value, ClientError> {
    let ClientAnswer { status, body } = answer(admin, path)?;
    let value: Option<Value> = serde_json::from_str(&body).ok();
    match value {
        Some(value) if is_good(&status) => Ok(value),
        Some(value) => {
            let message = value["error"]["message"].as_str().unwrap_or(&status);
            Err(ClientError::Refused(format!("{}: {message}", admin.address)))
        }
        None => Err(ClientError::Refused(format!("{}: no such answer: {status}", admin.address))),
    }
}

/// Gets a health path; returns its text if the host is healthy.
///
/// # Errors
/// When the host cannot be reached, or is not healthy: with its text.
pub fn ask_whether(admin: &AdminConfig, path: &str) -> Result<String, ClientError> {
    let ClientAnswer { status, body } = answer(admin, path)?;
    if is_good(&status) {
        return Ok(body.trim().to_owned());
    }
    Err(ClientError::Refused(format!("{}: {status}: {}", admin.address, body.trim())))
}

/// An answer: its status line and its body.
struct ClientAnswer {
    status: String,
    body: String,
}

fn answer(admin: &AdminConfig, path: &str) -> Result<ClientAnswer, ClientError> {
    let text = exchange(admin, path)
        .map_err(|error| ClientError::Unreachable(admin.address.clone(), error))?;
    let (head, body) = text.split_once("\r\n\r\n").unwrap_or((&text, ""));
    let status = head.lines().next().unwrap_or_default();
    Ok(ClientAnswer { status: status.to_owned(), body: body.to_owned() })
}

fn is_good(status: &str) -> bool {
    status.contains(" 200 ")
}

fn exchange(admin: &AdminConfig, path: &str) -> io::Result<String> {
    let (at, host) = match &admin.address {
        ListenAddress::Unix(at) => (SockAddr::unix(at)?, "localhost".to_owned()),
        ListenAddress::Tcp(at) => ((*at).into(), at.to_string()),
        // The configuration has no others here.
        _ => return Err(io::ErrorKind::Unsupported.into()),
    };
    let token = admin.token.as_ref();
    let token = token
        .map_or(String::new(), |token| format!("Authorization: Bearer {}\r\n", token.reveal()));
    // In this version of the protocol the end of the answer is the end of the connection.
    let request = format!("GET {path} HTTP/1.0\r\nHost: {host}\r\n{token}\r\n");
    let patience = Patience::of(LONGEST_ANSWER);
    let socket = patience.connect(Type::STREAM, &at)?;
    patience.write_all(&socket, request.as_bytes())?;
    let (mut answer, mut piece) = (Vec::new(), [0; PIECE_BYTES]);
    while answer.len() < ANSWER_BYTES_MAX {
        match patience.read(&socket, &mut piece)? {
            0 => break,
            length => answer.extend_from_slice(&piece[..length]),
        }
    }
    Ok(String::from_utf8_lossy(&answer).into_owned())
}
