//! Requests to JetStream and its answers, as far as queues need them: JSON over subjects of NATS.

use std::fmt;
use std::time::Duration;

use async_nats::jetstream::context::{PublishAckFuture, PublishError, PublishErrorKind};
use async_nats::jetstream::message::PublishMessage;
use async_nats::jetstream::{self, Context};
use async_nats::{Client, HeaderMap, Request, RequestErrorKind};
use bytes::Bytes;
use serde_json::Value;
use tokio::time::timeout;

/// The time-out of a request. A cluster that elects a leader takes longer; the request is repeated.
const PATIENCE: Duration = Duration::from_secs(2);

/// There is no message of this number, or none on this subject.
pub(super) const NO_MESSAGE: u64 = 10037;
/// There is no stream of this name.
pub(super) const NO_STREAM: u64 = 10059;
/// There is a stream of this name with another configuration.
pub(super) const OTHER_STREAM: u64 = 10058;
/// The last message on the subject is another than the one that was expected.
pub(super) const WRONG_LAST: u64 = 10071;
/// There is no consumer of this name.
pub(super) const NO_CONSUMER: u64 = 10014;

/// JetStream on one connection.
#[derive(Debug, Clone)]
pub(crate) struct JetStream {
    client: Client,
    context: Context,
}

/// A message that was sent to be stored.
#[derive(Debug)]
pub(super) struct SentMessage(PublishAckFuture);

impl SentMessage {
    /// Waits until it is stored.
    ///
    /// # Errors
    /// When that is not known.
    pub(super) async fn stored(self) -> Result<(), JetFault> {
        self.0.await.map(drop).map_err(|error| not_stored(&error))
    }
}

fn not_stored(error: &PublishError) -> JetFault {
    match error.kind() {
        PublishErrorKind::StreamNotFound => JetFault::Nobody,
        PublishErrorKind::TimedOut => JetFault::NoAnswer,
        _ => JetFault::Broken(error.to_string()),
    }
}

/// Why a request has failed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum JetFault {
    /// No answer has come in time.
    NoAnswer,
    /// No responder: JetStream is not enabled, or the stream has no leader at the moment.
    Nobody,
    /// JetStream has refused it.
    Refused {
        /// JetStream's error code.
        code: u64,
        /// JetStream's error text.
        cause: String,
    },
    /// It was not sent, or the answer is not one of JetStream's.
    Broken(String),
}

impl JetStream {
    /// For a client, which may not be connected yet.
    pub(crate) fn new(client: Client) -> JetStream {
        let mut context = jetstream::new(client.clone());
        context.set_timeout(PATIENCE);
        JetStream { client, context }
    }

    pub(super) fn client(&self) -> &Client {
        &self.client
    }

    /// Calls a function of its interface, such as `STREAM.INFO.name`.
    pub(crate) async fn call(&self, function: &str, argument: &Value) -> Result<Value, JetFault> {
        let argument = Bytes::from(argument.to_string());
        let answer = self.ask(format!("$JS.API.{function}"), None, argument).await?;
        understand(&answer)
    }

    /// Sends a message to be stored on a subject of a stream. What is sent by one task is stored in its order.
    ///
    /// # Errors
    /// When it was not sent.
    pub(super) async fn send(
        &self,
        subject: String,
        headers: HeaderMap,
        payload: Bytes,
    ) -> Result<SentMessage, JetFault> {
        let message = PublishMessage::build().headers(headers).payload(payload);
        let sent = self.context.send_publish(subject, message).await;
        sent.map(SentMessage).map_err(|error| not_stored(&error))
    }

    /// Stores a message on a subject of a stream. Returns its number there.
    pub(super) async fn store(
        &self,
        subject: String,
        headers: HeaderMap,
        payload: Bytes,
    ) -> Result<u64, JetFault> {
        let answer = understand(&self.ask(subject, Some(headers), payload).await?)?;
        answer["seq"].as_u64().ok_or_else(|| JetFault::Broken(answer.to_string()))
    }

    /// Acknowledges an item, and waits for the confirmation.
    pub(super) async fn acknowledge(&self, subject: &str) -> Result<(), JetFault> {
        self.ask(subject.to_owned(), None, Bytes::from_static(b"+ACK")).await.map(drop)
    }

    /// Sends a message about an item, without waiting for an answer.
    pub(super) async fn say(&self, subject: &str, word: String) {
        // If it is lost, the item is delivered again when its time is over.
        let _ = timeout(PATIENCE, self.client.publish(subject.to_owned(), word.into())).await;
    }

    async fn ask(
        &self,
        subject: String,
        headers: Option<HeaderMap>,
        payload: Bytes,
    ) -> Result<Bytes, JetFault> {
        let request = Request { payload: Some(payload), headers, ..Request::new() };
        let request = request.timeout(Some(PATIENCE));
        // While it is not connected the client first waits for room.
        let asked = timeout(PATIENCE * 2, self.client.send_request(subject, request)).await;
        let Ok(answer) = asked else { return Err(JetFault::NoAnswer) };
        answer.map(|answer| answer.payload).map_err(|error| match error.kind() {
            RequestErrorKind::TimedOut => JetFault::NoAnswer,
            RequestErrorKind::NoResponders => JetFault::Nobody,
            _ => JetFault::Broken(error.to_string()),
        })
    }
}

/// The answer, unless it has an error.
fn understand(answer: &[u8]) -> Result<Value, JetFault> {
    let value: Value =
        serde_json::from_slice(answer).map_err(|error| JetFault::Broken(error.to_string()))?;
    let Some(error) = value.get("error") else { return Ok(value) };
    let code = error["err_code"].as_u64().or(error["code"].as_u64()).unwrap_or(0);
    let cause = error["description"].as_str().unwrap_or("no reason given").to_owned();
    Err(JetFault::Refused { code, cause })
}

impl JetFault {
    /// Whether this is JetStream's error with this code.
    pub(super) fn is(&self, number: u64) -> bool {
        matches!(self, JetFault::Refused { code, .. } if *code == number)
    }
}

impl fmt::Display for JetFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            JetFault::NoAnswer => f.write_str("JetStream has not answered in time"),
            JetFault::Nobody => {
                f.write_str("nobody answers for JetStream: it is not enabled, or has no leader")
            }
            JetFault::Refused { code, cause } => write!(f, "JetStream refuses: {cause} ({code})"),
            JetFault::Broken(cause) => write!(f, "JetStream was not asked: {cause}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_went_wrong_is_told_from_what_did_not() {
        let refused =
            br#"{"error":{"code":400,"err_code":10071,"description":"wrong last sequence: 3"}}"#;
        assert!(understand(refused).is_err_and(|fault| fault.is(WRONG_LAST)));
        assert!(understand(br#"{"error":{"code":503}}"#).is_err_and(|fault| fault.is(503)));
        assert_eq!(understand(br#"{"seq":3}"#).map(|it| it["seq"].as_u64()), Ok(Some(3)));
        assert!(matches!(understand(b"-ERR"), Err(JetFault::Broken(_))));
        assert!(matches!(understand(b""), Err(JetFault::Broken(_))));
    }
}
