//! The streams of one tenant: its items, their claims, and its dead letters.

use std::time::Duration;

use serde_json::{Value, json};

use crate::cluster::line::stem;
use crate::cluster::queues::jetstream::{JetFault, JetStream, NO_STREAM, OTHER_STREAM};
use crate::cluster::queues::work::QueueWork;
use crate::cluster::subject::{SubjectKind, Subjects};
use crate::config::cluster::ClusterConfig;

/// The time within which a duplicate message is not stored.
const DUPLICATES_WITHIN: Duration = Duration::from_secs(120);
/// The most queues of one tenant from which hosts request items at once.
pub(super) const CONSUMERS_MAX: usize = 1024;
/// Records of one claim that are kept.
const RECORDS_KEPT: usize = 8;
/// The number of leases for which claims are remembered.
const LEASES_REMEMBERED: u32 = 4;
/// The pause after a fault.
const TRY_AGAIN_AFTER: Duration = Duration::from_millis(500);

/// Their names, subjects and configuration.
#[derive(Debug, Clone)]
pub(crate) struct QueueStreams {
    /// How long a claim is valid without a renewal.
    pub(super) lease: Duration,
    /// The most handlers that an item gets.
    pub(super) deliveries: u32,
    subjects: Subjects,
    /// `PREFIX.TENANT`.
    stem: String,
    /// `PREFIX=TENANT`: neither a prefix nor a tenant has this character.
    name: String,
    is_durable: bool,
    replicas: u32,
    bytes_max: u64,
}

impl QueueStreams {
    /// The streams of a tenant.
    pub(crate) fn new(config: &ClusterConfig, tenant: &str) -> QueueStreams {
        QueueStreams {
            lease: config.limits.queue_lease,
            deliveries: config.limits.queue_deliveries,
            subjects: Subjects::new(&config.prefix, tenant),
            stem: stem(config, Some(tenant)),
            name: format!("{}={tenant}", config.prefix),
            is_durable: config.queues_are_durable,
            replicas: config.limits.queue_replicas,
            bytes_max: config.limits.queue_store,
        }
    }

    /// The stream of the items.
    pub(super) fn items(&self) -> String {
        format!("{}=queues", self.name)
    }

    /// The stream of the claims.
    pub(super) fn claims(&self) -> String {
        format!("{}=claims", self.name)
    }

    fn dead(&self) -> String {
        format!("{}=dead", self.name)
    }

    /// The subject of the items of one queue.
    pub(super) fn item_subject(&self, name: &str) -> String {
        self.subjects.of(SubjectKind::Queue, name)
    }

    /// The subject of the claims of an item.
    pub(super) fn claim_subject(&self, item: u64) -> String {
        format!("{}.=claim.{item}", self.stem)
    }

    /// The subject of the dead letters of one queue.
    pub(super) fn dead_subject(&self, name: &str) -> String {
        self.subjects.of(SubjectKind::DeadLetter, name)
    }

    /// A subject for answers to one link of this tenant.
    pub(super) fn inbox(&self, origin: &str, number: u64) -> String {
        format!("{}.=inbox.{origin}.q{number}", self.stem)
    }

    /// The subject on which hosts query each other's numbers of waiting pops.
    pub(super) fn census_subject(&self) -> String {
        format!("{}.=waiting", self.stem)
    }

    /// The configurations of all streams.
    fn all(&self) -> [Value; 3] {
        let of = |name: String, subjects: String, more: Value| {
            let mut stream = json!({
                "name": name,
                "subjects": [subjects],
                "retention": "limits",
                "storage": if self.is_durable { "file" } else { "memory" },
                "num_replicas": self.replicas,
                "max_bytes": self.bytes_max,
                "max_msgs": -1,
                "max_consumers": -1,
                "max_age": 0,
                "discard": "new",
                "duplicate_window": nanoseconds(DUPLICATES_WITHIN),
            });
            if let (Some(stream), Value::Object(more)) = (stream.as_object_mut(), more) {
                stream.extend(more);
            }
            stream
        };
        let of_items = json!({ "retention": "workqueue", "max_consumers": CONSUMERS_MAX });
        let remembered = self.lease.saturating_mul(LEASES_REMEMBERED);
        let of_claims = json!({
            // More than one, so that the first one after another is known.
            "max_msgs_per_subject": RECORDS_KEPT,
            // The claims of running handlers are younger than those that are discarded for room.
            "discard": "old",
            "max_age": nanoseconds(remembered),
            "duplicate_window": nanoseconds(remembered.min(DUPLICATES_WITHIN)),
        });
        let claims = format!("{}.=claim.*", self.stem);
        let items = format!("{}.{}.*", self.stem, SubjectKind::Queue.part());
        let dead = format!("{}.{}.*", self.stem, SubjectKind::DeadLetter.part());
        [
            of(self.items(), items, of_items),
            of(self.claims(), claims, of_claims),
            of(self.dead(), dead, json!({ "discard": "old" })),
        ]
    }
}

/// A time in the unit of JetStream.
pub(super) fn nanoseconds(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
}

/// Makes the streams, or updates their configuration; tries again until that succeeds or the tenant is gone.
pub(super) async fn make(streams: &QueueStreams, jet: &JetStream, tenant: &str, work: &QueueWork) {
    let mut told = None;
    while !work.is_over() {
        let fault = match make_all(streams, jet).await {
            Ok(()) => break,
            Err(fault) => fault,
        };
        if told.as_ref() != Some(&fault) {
            let cause = fault.to_string();
            tracing::error!(
                tenant,
                cause,
                "there are no queues for the cluster: what is pushed waits"
            );
            told = Some(fault);
        }
        tokio::time::sleep(TRY_AGAIN_AFTER).await;
    }
    if !work.is_over() {
        tracing::info!(tenant, "the queues are in the cluster");
    }
}

/// Makes each stream once.
///
/// # Errors
/// The first request that fails.
pub(super) async fn make_all(streams: &QueueStreams, jet: &JetStream) -> Result<(), JetFault> {
    for stream in streams.all() {
        let name = stream["name"].as_str().unwrap_or_default().to_owned();
        match jet.call(&format!("STREAM.INFO.{name}"), &json!({})).await {
            Ok(known) if is_as(&known["config"], &stream) => continue,
            Ok(_) => {
                jet.call(&format!("STREAM.UPDATE.{name}"), &stream).await?;
                continue;
            }
            Err(fault) if fault.is(NO_STREAM) => {}
            Err(fault) => return Err(fault),
        }
        match jet.call(&format!("STREAM.CREATE.{name}"), &stream).await {
            // Another host was faster.
            Err(fault) if fault.is(OTHER_STREAM) => {
                jet.call(&format!("STREAM.UPDATE.{name}"), &stream).await?;
            }
            made => drop(made?),
        }
    }
    Ok(())
}

/// Checks each stream, which may not exist yet.
///
/// # Errors
/// When JetStream does not answer, or refuses this user.
pub(crate) async fn find(streams: &QueueStreams, jet: &JetStream) -> Result<(), JetFault> {
    for name in [streams.items(), streams.claims(), streams.dead()] {
        match jet.call(&format!("STREAM.INFO.{name}"), &json!({})).await {
            Err(fault) if !fault.is(NO_STREAM) => return Err(fault),
            _ => {}
        }
    }
    Ok(())
}

/// Whether a stream has the wanted configuration.
fn is_as(known: &Value, wanted: &Value) -> bool {
    wanted.as_object().is_some_and(|wanted| wanted.iter().all(|(key, value)| known[key] == *value))
}
