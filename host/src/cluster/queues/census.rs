//! The numbers of items and pops that wait in a queue of the cluster: queried at intervals, for the queues whose numbers are
//! wanted here.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use async_nats::Client;
use futures_util::StreamExt;
use serde_json::json;
use tokio::sync::Notify;
use tokio::task::JoinSet;
use tokio::time::{MissedTickBehavior, interval, timeout};

use crate::base::lock::{Mutex, MutexGuard};
use crate::clock::monotonic;
use crate::cluster::queues::demand::consumer_name;
use crate::cluster::queues::desk::Desk;
use crate::cluster::queues::jetstream::NO_CONSUMER;

/// The interval of the queries.
const PERIOD: Duration = Duration::from_secs(1);
/// How long a queue is queried after its numbers were last wanted.
const WANTED_FOR: Duration = Duration::from_secs(30);
/// The most queues that are queried at once; the numbers of others are unknown.
const QUEUES_MAX: usize = 64;
/// How long the other hosts may take to answer.
const ANSWERS_WITHIN: Duration = Duration::from_millis(300);

/// The last known numbers, by the name of a queue.
#[derive(Debug, Default)]
pub(super) struct Census {
    known: Mutex<HashMap<String, Known>>,
    /// Rings when the numbers of another queue are wanted.
    bell: Notify,
}

/// The known numbers of a queue.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct QueueCount {
    /// Items that wait.
    pub(super) size: usize,
    /// Pops that wait on other hosts.
    pub(super) waiting: usize,
}

#[derive(Debug)]
struct Known {
    count: QueueCount,
    /// When they were last wanted.
    wanted: Duration,
}

impl Census {
    /// The known numbers of a queue, which is queried from now on.
    pub(super) fn ask(&self, name: &str, now: Duration) -> QueueCount {
        let mut known = self.lock();
        if let Some(known) = known.get_mut(name) {
            known.wanted = now;
            return known.count;
        }
        if known.len() < QUEUES_MAX {
            known.insert(name.to_owned(), Known { count: QueueCount::default(), wanted: now });
            drop(known);
            self.bell.notify_one();
        }
        QueueCount::default()
    }

    /// The queues whose numbers are wanted.
    fn wanted(&self, now: Duration) -> Vec<String> {
        let mut known = self.lock();
        known.retain(|_, known| now.saturating_sub(known.wanted) < WANTED_FOR);
        known.keys().cloned().collect()
    }

    fn note(&self, name: &str, count: QueueCount) {
        if let Some(known) = self.lock().get_mut(name) {
            known.count = count;
        }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<String, Known>> {
        self.known.lock()
    }
}

/// Queries other hosts, and answers them, until its task is ended.
pub(super) async fn keep(desk: Arc<Desk>, census: Arc<Census>) {
    let client = desk.jet.client().clone();
    let Ok(mut questions) = client.subscribe(desk.streams.census_subject()).await else { return };
    let asking = tokio::spawn(ask_all(desk.clone(), client.clone(), census));
    while let Some(question) = questions.next().await {
        let Some(reply) = question.reply else { continue };
        let name = std::str::from_utf8(&question.payload).unwrap_or_default();
        let waiting = desk.queues.upgrade().map_or(0, |queues| queues.waiting_here(name));
        if waiting != 0 && client.publish(reply, waiting.to_string().into()).await.is_err() {
            break;
        }
    }
    asking.abort();
}

async fn ask_all(desk: Arc<Desk>, client: Client, census: Arc<Census>) {
    let mut ticks = interval(PERIOD);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    while desk.queues.strong_count() != 0 {
        tokio::select! {
            _ = ticks.tick() => {}
            () = census.bell.notified() => {}
        }
        let mut counting = JoinSet::new();
        for name in census.wanted(monotonic()) {
            counting.spawn(count(desk.clone(), client.clone(), census.clone(), name));
        }
        while counting.join_next().await.is_some() {}
    }
}

/// Queries the numbers of one queue.
async fn count(desk: Arc<Desk>, client: Client, census: Arc<Census>, name: String) {
    let Some(size) = size(&desk, &name).await else { return };
    let waiting = waiting_elsewhere(&desk, &client, &name).await;
    census.note(&name, QueueCount { size, waiting });
}

/// The number of items that wait, if that is known.
async fn size(desk: &Desk, name: &str) -> Option<usize> {
    let stream = desk.streams.items();
    let function = format!("CONSUMER.INFO.{stream}.{}", consumer_name(name));
    let waiting = match desk.jet.call(&function, &json!({})).await {
        Ok(info) => info["num_pending"].as_u64(),
        // No pop has ever waited for its items.
        Err(fault) if fault.is(NO_CONSUMER) => {
            let subject = desk.streams.item_subject(name);
            let wanted = json!({ "subjects_filter": subject });
            let info = desk.jet.call(&format!("STREAM.INFO.{stream}"), &wanted).await.ok()?;
            Some(info["state"]["subjects"][&subject].as_u64().unwrap_or(0))
        }
        Err(_) => None,
    };
    waiting.and_then(|waiting| usize::try_from(waiting).ok())
}

/// The number of pops that wait on other hosts: the sum of the answers within the time-out.
async fn waiting_elsewhere(desk: &Desk, client: &Client, name: &str) -> usize {
    let inbox = desk.streams.inbox(&desk.origin, desk.number());
    let Ok(mut answers) = client.subscribe(inbox.clone()).await else { return 0 };
    let (subject, name) = (desk.streams.census_subject(), name.to_owned());
    if client.publish_with_reply(subject, inbox, name.into()).await.is_err() {
        return 0;
    }
    let mut sum = 0_usize;
    let all = async {
        while let Some(answer) = answers.next().await {
            let count = std::str::from_utf8(&answer.payload).ok().and_then(|it| it.parse().ok());
            sum = sum.saturating_add(count.unwrap_or(0));
        }
    };
    // Always ends by its time-out: the number of answers is unknown.
    let _ = timeout(ANSWERS_WITHIN, all).await;
    sum
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_queue_is_asked_about_for_a_while_and_few_are_at_once() {
        let (census, second) = (Census::default(), Duration::from_secs(1));
        assert_eq!(census.ask("a", second).size, 0);
        census.note("a", QueueCount { size: 3, waiting: 1 });
        census.note("b", QueueCount { size: 4, waiting: 0 });
        assert_eq!((census.ask("a", second).size, census.ask("a", second).waiting), (3, 1));
        assert_eq!(census.ask("b", second).size, 0, "nobody wanted to know");
        for number in 0..1000 {
            census.ask(&number.to_string(), second);
        }
        assert_eq!(census.wanted(second).len(), QUEUES_MAX);
        assert!(census.wanted(second + WANTED_FOR).is_empty());
    }
}
