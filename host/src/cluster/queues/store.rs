//! What was pushed here, on its way to the stream: kept and sent until JetStream says that it is stored.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use async_nats::HeaderMap;
use async_nats::header::NATS_MESSAGE_ID;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

use crate::cluster::queues::desk::Desk;
use crate::cluster::queues::work::{PushedItem, QueueWork};

/// Items of one tenant that JetStream has and has not answered for.
const UNANSWERED_MAX: usize = 256;
/// How long a fault lasts at least, and at most, until it is tried again.
const TRY_AGAIN_AFTER: (Duration, Duration) =
    (Duration::from_millis(100), Duration::from_millis(2000));

/// Stores what is pushed, in its order, until the tenant has gone and everything is stored.
pub(super) async fn keep(desk: &Arc<Desk>, work: &QueueWork) {
    let unanswered = Arc::new(Semaphore::new(UNANSWERED_MAX));
    let mut under_way = JoinSet::new();
    while let Some(item) = work.next_push().await {
        let Ok(permit) = unanswered.clone().acquire_owned().await else { return };
        while under_way.try_join_next().is_some() {}
        let desk = desk.clone();
        // Tasks of this thread begin in the order in which they are made.
        under_way.spawn(async move {
            store(&desk, item).await;
            drop(permit);
        });
    }
    while under_way.join_next().await.is_some() {}
}

async fn store(desk: &Desk, item: PushedItem) {
    let PushedItem { subject, payload } = item;
    let mut headers = HeaderMap::new();
    // JetStream takes one that comes twice once.
    headers.insert(NATS_MESSAGE_ID, format!("{}.{}", desk.host, desk.number()));
    let (mut pause, longest) = TRY_AGAIN_AFTER;
    loop {
        let done = desk.jet.store(subject.clone(), headers.clone(), payload.clone()).await;
        let Err(fault) = done else { break };
        desk.note_fault(&fault);
        tokio::time::sleep(pause).await;
        pause = (pause * 2).min(longest);
    }
    desk.note_success();
    desk.counters.stored.add(1);
    drop(payload);
    desk.counters.unstored.fetch_sub(1, Ordering::Relaxed);
}
