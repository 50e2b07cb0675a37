//! Leases: each has an entry in a key-value bucket of JetStream with its owner. A write is accepted only upon the last
//! revision.
//!
//! No two clocks are compared. The owner gives a lease up at most its length after it last *asked* for a renewal that was
//! granted, and another host takes it at least its length after it first *saw* the last entry: that is always later. The bucket
//! has no time-to-live, which would be measured by the calendars of its servers.

use std::error::Error;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use async_nats::Client;
use async_nats::jetstream::context::{
    Context, CreateStreamError, CreateStreamErrorKind, GetStreamError, GetStreamErrorKind,
    KeyValueError,
};
use async_nats::jetstream::kv::{Store, UpdateErrorKind};
use async_nats::jetstream::response::Response;
use async_nats::jetstream::stream::{
    Config, DiscardPolicy, LastRawMessageError, LastRawMessageErrorKind,
};
use async_nats::jetstream::{self, ErrorCode};
use serde::{Deserialize, Serialize};

use crate::clock::Moment;
use crate::cluster::line::Line;
use crate::config::limits::CLUSTER_LEASE;

/// Replicas of the bucket if the servers are a cluster: one of them may fail.
const REPLICAS: usize = 3;
/// The history of a key: this number of hosts may write upon the same revision at once, and each sees whose write was the
/// first.
const ENTRIES: i64 = 64;
/// The most bytes of an entry, which has the name of a host and a few numbers.
const ENTRY_BYTES_MAX: i32 = 1024;

/// The content of an entry.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct LeaseRecord {
    /// The owner; none if the lease was given back.
    pub(super) owner: Option<String>,
    /// How long the lease belongs to the owner after its request.
    pub(super) lease_ms: u64,
}

/// A waiting host's view of a lease.
#[derive(Debug, Default)]
pub(super) struct LeaseView {
    /// The last revision, 0 if there is none, and when it was first seen.
    seen: Option<(u64, Moment)>,
}

/// An entry that was read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct LeaseEntry {
    /// Its revision; 0 if there is none.
    pub(super) revision: u64,
    /// Its content, if it is valid.
    pub(super) record: Option<LeaseRecord>,
}

impl LeaseView {
    /// How long to wait from `now`, when the entry was read, before the lease may be taken; zero if it is free. `lease` is the
    /// wait without a valid entry: a new bucket may have replaced one that was lost.
    pub(super) fn wait(&mut self, entry: &LeaseEntry, lease: Duration, now: Moment) -> Duration {
        let since = match self.seen {
            Some((revision, since)) if revision == entry.revision => since,
            _ => now,
        };
        self.seen = Some((entry.revision, since));
        let patience = match &entry.record {
            None => lease,
            // Also its own: if the answer was lost, another host may have been quicker.
            Some(LeaseRecord { owner: Some(_), lease_ms }) => {
                // An invalid time does not block the lease for ever.
                let longest = Duration::from_micros(CLUSTER_LEASE.max);
                Duration::from_millis(*lease_ms).clamp(lease.min(longest), longest)
            }
            Some(LeaseRecord { owner: None, .. }) => Duration::ZERO,
        };
        (since + patience).since(now)
    }
}

/// Why an entry was not written.
#[derive(Debug)]
pub(super) enum LeaseWriteError {
    /// It has another revision.
    Changed,
    /// It is unknown whether it was.
    Unknown(String),
}

/// The bucket of the leases, found or made at its first use.
pub(super) struct Leases {
    line: Arc<Line>,
    bucket: String,
    patience: Duration,
    store: Option<Store>,
}

impl fmt::Debug for Leases {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Leases").field("bucket", &self.bucket).finish_non_exhaustive()
    }
}

/// The name of the bucket of a cluster with this prefix.
pub(super) fn bucket(prefix: &str) -> String {
    format!("{prefix}-leases")
}

/// The stream behind a bucket.
fn stream(bucket: &str) -> String {
    format!("KV_{bucket}")
}

/// The subject of the entries of a key.
fn subject(bucket: &str, key: &str) -> String {
    format!("$KV.{bucket}.{key}")
}

impl Leases {
    /// The leases of the cluster with this prefix, on this connection; `patience` is the time-out of a request.
    pub(super) fn new(line: Arc<Line>, prefix: &str, patience: Duration) -> Leases {
        Leases { line, bucket: bucket(prefix), patience, store: None }
    }

    /// Reads the entry of a key.
    pub(super) async fn read(&mut self, key: &str) -> Result<LeaseEntry, String> {
        let store = self.store().await?;
        last(&store, key).await.map_err(|error| {
            self.forget_unless(error.kind() == LastRawMessageErrorKind::Other);
            cause(&error)
        })
    }

    /// Writes an entry upon this revision, 0 for none; returns the new revision.
    pub(super) async fn write(
        &mut self,
        key: &str,
        record: &LeaseRecord,
        revision: u64,
    ) -> Result<u64, LeaseWriteError> {
        let text = serde_json::to_vec(record).map_err(|error| unknown(&error))?;
        let store = self.store().await.map_err(LeaseWriteError::Unknown)?;
        match store.update(key, text.into(), revision).await {
            Ok(written) => match next(&store, key, revision).await {
                Ok(first) if first == written => Ok(written),
                Ok(_) => Err(LeaseWriteError::Changed),
                Err(error) => Err(unknown(&error)),
            },
            Err(error) if error.kind() == UpdateErrorKind::WrongLastRevision => {
                Err(LeaseWriteError::Changed)
            }
            Err(error) => {
                self.forget_unless(error.kind() == UpdateErrorKind::TimedOut);
                Err(unknown(&error))
            }
        }
    }

    /// If there was an answer, the bucket may be gone.
    fn forget_unless(&mut self, is_silent: bool) {
        if !is_silent {
            self.store = None;
        }
    }

    /// The bucket. Without a connection a request would be sent later, when it is outdated.
    async fn store(&mut self) -> Result<Store, String> {
        if !self.line.is_connected() {
            return Err("NATS is not reached".to_owned());
        }
        if let Some(store) = &self.store {
            return Ok(store.clone());
        }
        let client = self.line.client().await.ok_or("there is no connection to NATS")?;
        let store = open(&client, &self.bucket, self.patience).await?;
        self.store = Some(store.clone());
        Ok(store)
    }
}

/// The entry of a key, from the leader of the bucket: the client's own `entry` asks any server, which may not have yet what
/// another host has announced.
async fn last(store: &Store, key: &str) -> Result<LeaseEntry, LastRawMessageError> {
    match store.stream.get_last_raw_message_by_subject(&subject(&store.name, key)).await {
        Ok(message) => {
            // The mark of a deleted entry has no content.
            let record = serde_json::from_slice(&message.payload).ok();
            Ok(LeaseEntry { revision: message.sequence, record })
        }
        Err(error) if error.kind() == LastRawMessageErrorKind::NoMessageFound => {
            Ok(LeaseEntry { revision: 0, record: None })
        }
        Err(error) => Err(error),
    }
}

/// The revision of the first entry of a key after this one, from the leader. A cluster of nats-server 2.9 may accept two entries
/// upon the same revision if they come at the same moment: they still have an order, and the first of them counts.
async fn next(store: &Store, key: &str, revision: u64) -> Result<u64, LastRawMessageError> {
    let request = store.stream.raw_message_builder().sequence(revision + 1);
    let found = request.next_by_subject(subject(&store.name, key)).send().await?;
    Ok(found.sequence)
}

/// Finds the bucket, or makes it.
pub(super) async fn open(
    client: &Client,
    bucket: &str,
    patience: Duration,
) -> Result<Store, String> {
    let mut context = jetstream::new(client.clone());
    context.set_timeout(patience);
    match context.get_key_value(bucket).await {
        Ok(store) => return Ok(store),
        Err(error) if is_missing(&error) => {}
        Err(error) => return Err(cause(&error)),
    }
    match make(&context, bucket, REPLICAS).await {
        Err(error) if is_alone(&error) => make(&context, bucket, 1).await,
        made => made,
    }
    .map_err(|error| cause(&error))?;
    context.get_key_value(bucket).await.map_err(|error| cause(&error))
}

/// Checks whether JetStream is enabled and gives this client access to the leases. Makes and writes nothing.
pub(super) async fn try_out(
    client: &Client,
    prefix: &str,
    patience: Duration,
) -> Result<(), String> {
    let mut context = jetstream::new(client.clone());
    context.set_timeout(patience);
    // The client's own `query_account` cannot read the answer of nats-server 2.9.
    match context.request("INFO", &()).await.map_err(|error| cause(&error))? {
        Response::<serde_json::Value>::Ok(_) => {}
        Response::Err { error } => return Err(cause(&error)),
    }
    match context.get_key_value(bucket(prefix)).await {
        Ok(store) => last(&store, "check").await.map(drop).map_err(|error| cause(&error)),
        // It is made when it is needed.
        Err(error) if is_missing(&error) => Ok(()),
        Err(error) => Err(cause(&error)),
    }
}

/// The remedy for a refusal.
pub(super) fn remedy(prefix: &str) -> String {
    let bucket = bucket(prefix);
    format!(
        "enable JetStream in the server's configuration, for this account too, and let this user publish to \"$JS.API.>\" and \"$KV.{bucket}.>\""
    )
}

/// Makes the stream of the bucket, as every client of NATS does; `create_key_value` queries the account first, and cannot read
/// the answer of nats-server 2.9.
async fn make(
    context: &Context,
    bucket: &str,
    num_replicas: usize,
) -> Result<(), CreateStreamError> {
    let config = Config {
        name: stream(bucket),
        description: Some("who runs which singleton of Sandloop".to_owned()),
        subjects: vec![subject(bucket, ">")],
        max_messages_per_subject: ENTRIES,
        max_message_size: ENTRY_BYTES_MAX,
        discard: DiscardPolicy::New,
        allow_rollup: true,
        deny_delete: true,
        allow_direct: true,
        num_replicas,
        ..Config::default()
    };
    context.create_stream(config).await.map(drop)
}

/// Whether the bucket does not exist yet.
fn is_missing(error: &KeyValueError) -> bool {
    let source = error.source().and_then(|source| source.downcast_ref::<GetStreamError>());
    let kind = source.map(GetStreamError::kind);
    matches!(kind, Some(GetStreamErrorKind::JetStream(error))
        if error.error_code() == ErrorCode::STREAM_NOT_FOUND)
}

/// Whether the server is in no cluster, and keeps one replica only.
fn is_alone(error: &CreateStreamError) -> bool {
    matches!(error.kind(), CreateStreamErrorKind::JetStream(error)
        if error.error_code() == ErrorCode::STREAM_REPLICAS_NOT_SUPPORTED)
}

fn unknown(error: &dyn Error) -> LeaseWriteError {
    LeaseWriteError::Unknown(cause(error))
}

/// The text of an error, with its causes.
fn cause(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut inner = error.source();
    while let Some(source) = inner {
        let more = source.to_string();
        if !text.contains(&more) {
            text = format!("{text}: {more}");
        }
        inner = source.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    const LEASE: Duration = Duration::from_secs(10);

    fn at(milliseconds: u64) -> Moment {
        Moment::from_start(Duration::from_millis(milliseconds))
    }

    fn of(owner: Option<&str>, seconds: u64) -> Option<LeaseRecord> {
        Some(LeaseRecord { owner: owner.map(str::to_owned), lease_ms: seconds * 1000 })
    }

    /// Checks how long a waiting `me` waits after each of these reads, in milliseconds.
    #[track_caller]
    fn check(reads: &[(u64, u64, Option<LeaseRecord>, u64)]) {
        let mut view = LeaseView::default();
        for (now, revision, record, waits) in reads {
            let entry = LeaseEntry { revision: *revision, record: record.clone() };
            let wait = view.wait(&entry, LEASE, at(*now));
            assert_eq!(wait, Duration::from_millis(*waits), "at {now} ms");
        }
    }

    #[test]
    fn somebody_elses_is_waited_for_as_long_as_nothing_changes() {
        check(&[
            (0, 4, of(Some("you"), 10), 10_000),
            (4000, 4, of(Some("you"), 10), 6000),
            // Renewed: the wait begins again.
            (9000, 7, of(Some("you"), 10), 10_000),
            (18_999, 7, of(Some("you"), 10), 1),
            (19_000, 7, of(Some("you"), 10), 0),
        ]);
    }

    #[test]
    fn what_is_free_is_taken_at_once() {
        check(&[(0, 4, of(None, 10), 0)]);
        check(&[(0, 4, of(Some("you"), 10), 10_000), (1000, 5, of(None, 10), 0)]);
    }

    #[test]
    fn where_nothing_is_written_somebody_may_have_what_was() {
        check(&[(0, 0, None, 10_000), (9999, 0, None, 1), (10_000, 0, None, 0)]);
        // Deleted by hand: the owner notices at its next renewal.
        check(&[(0, 4, of(Some("you"), 10), 10_000), (9000, 5, None, 10_000)]);
    }

    #[test]
    fn the_owners_own_lease_counts_where_it_is_longer() {
        check(&[(0, 4, of(Some("you"), 60), 60_000), (60_000, 4, of(Some("you"), 60), 0)]);
        check(&[(0, 4, of(Some("you"), 1), 10_000)]);
        let hour = 3_600_000;
        check(&[(0, 4, of(Some("you"), u64::MAX / 1000), hour)]);
    }
}
