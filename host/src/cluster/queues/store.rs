//! Pushed items on their way to the stream: kept and sent until JetStream confirms that they are stored.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use async_nats::HeaderMap;
use async_nats::header::NATS_MESSAGE_ID;
use bytes::Bytes;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

use crate::cluster::queues::desk::Desk;
use crate::cluster::queues::jetstream::{JetFault, SentMessage};
use crate::cluster::queues::work::{PushedItem, QueueWork};

/// The most items of one tenant that are sent and not confirmed.
const UNANSWERED_MAX: usize = 256;
/// The shortest and the longest pause after a fault.
const TRY_AGAIN_AFTER: (Duration, Duration) =
    (Duration::from_millis(100), Duration::from_millis(2000));

/// Stores pushed items in order, until the tenant is gone and everything is stored.
pub(super) async fn keep(desk: &Arc<Desk>, work: &QueueWork) {
    let unanswered = Arc::new(Semaphore::new(UNANSWERED_MAX));
    let mut under_way = JoinSet::new();
    while let Some(PushedItem { subject, payload }) = work.next_push().await {
        let Ok(permit) = unanswered.clone().acquire_owned().await else { return };
        while under_way.try_join_next().is_some() {}
        let mut headers = HeaderMap::new();
        // JetStream takes one that comes twice once.
        headers.insert(NATS_MESSAGE_ID, format!("{}.{}", desk.origin, desk.number()));
        let item = Unstored { subject, headers, payload };
        // Sent here, one after the other: tasks that wait for room in the client's queue overtake each other.
        let sent =
            desk.jet.send(item.subject.clone(), item.headers.clone(), item.payload.clone()).await;
        let desk = desk.clone();
        under_way.spawn(async move {
            store(&desk, item, sent).await;
            drop(permit);
        });
    }
    while under_way.join_next().await.is_some() {}
}

/// An item that is not known to be stored.
struct Unstored {
    subject: String,
    headers: HeaderMap,
    payload: Bytes,
}

async fn store(desk: &Desk, item: Unstored, sent: Result<SentMessage, JetFault>) {
    let Unstored { subject, headers, payload } = item;
    let mut stored = match sent {
        Ok(sent) => sent.stored().await,
        Err(fault) => Err(fault),
    };
    let (mut pause, longest) = TRY_AGAIN_AFTER;
    while let Err(fault) = stored {
        desk.note_fault(&fault);
        tokio::time::sleep(pause).await;
        pause = (pause * 2).min(longest);
        let again = desk.jet.store(subject.clone(), headers.clone(), payload.clone()).await;
        stored = again.map(drop);
    }
    desk.note_success();
    desk.counters.stored.add(1);
    drop(payload);
    desk.counters.unstored.fetch_sub(1, Ordering::Relaxed);
}
