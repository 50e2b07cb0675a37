//! Requests items of a queue, exactly as many as pops wait for on this host.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use async_nats::{Message, StatusCode, Subscriber};
use futures_util::StreamExt;
use serde_json::json;
use sha2::{Digest, Sha256};
use tokio::sync::{Notify, oneshot, watch};
use tokio::task::JoinSet;
use tokio::time::{interval, sleep};

use crate::clock::monotonic;
use crate::cluster::queues::desk::Desk;
use crate::cluster::queues::item::{Arrived, look_after};
use crate::cluster::queues::streams::{CONSUMERS_MAX, nanoseconds};
use crate::cluster::queues::work::QueueWork;

/// The most items of one queue that a host requests at once.
const ASKED_MAX: usize = 256;
/// How long JetStream keeps a request for items.
const ASKED_FOR: Duration = Duration::from_secs(30);
/// The interval of its heartbeats meanwhile.
const HEARTBEAT: Duration = Duration::from_secs(2);
/// The silence after which a request counts as lost.
const SILENCE_MAX: Duration = Duration::from_secs(5);
/// How long a consumer without requests is kept.
const CONSUMER_IDLE: Duration = Duration::from_secs(300);
/// The most items of one queue that all hosts have at once.
const UNACKNOWLEDGED_MAX: usize = 20_000;
/// How long a queue is followed after its last pop: most pop again.
const LINGERS: Duration = Duration::from_secs(10);
/// The pause after a fault.
const TRY_AGAIN_AFTER: Duration = Duration::from_millis(500);

/// An item that has arrived, until it is known whether a pop gets it.
#[derive(Debug)]
pub(super) struct Expected {
    claimed: Arc<Claimed>,
    /// Ends when that is known of the item before.
    before: Option<oneshot::Receiver<()>>,
    /// Ends with this.
    _known: oneshot::Sender<()>,
}

/// The number of those of one queue.
#[derive(Debug, Default)]
struct Claimed {
    count: AtomicUsize,
    bell: Notify,
}

impl Expected {
    /// The next one of its queue; `last` is what the one after it waits for.
    fn new(claimed: &Arc<Claimed>, last: &mut Option<oneshot::Receiver<()>>) -> Expected {
        claimed.count.fetch_add(1, Ordering::Relaxed);
        let (known, is_known) = oneshot::channel();
        Expected { claimed: claimed.clone(), before: last.replace(is_known), _known: known }
    }

    /// Waits for the items that have come before: they are handed out in their order.
    pub(super) async fn in_turn(&mut self) {
        if let Some(before) = self.before.take() {
            // An error is the end of the one before.
            let _ = before.await;
        }
    }
}

impl Drop for Expected {
    fn drop(&mut self) {
        self.claimed.count.fetch_sub(1, Ordering::Relaxed);
        self.claimed.bell.notify_one();
    }
}

/// Requests items of each queue with waiting pops, until the tenant is gone and all its items are finished.
pub(super) async fn follow(desk: &Arc<Desk>, work: &QueueWork) {
    // Dropping a sender ends the requests.
    let mut asking: HashMap<String, watch::Sender<usize>> = HashMap::new();
    let mut tasks = JoinSet::new();
    // Queues beyond the maximum number of consumers.
    let mut later: HashMap<String, usize> = HashMap::new();
    loop {
        let changed = tokio::select! {
            changed = work.changed() => changed,
            Some(ended) = tasks.join_next() => {
                if let Ok(name) = ended {
                    let again = asking.remove(&name).map_or(0, |waiting| *waiting.borrow());
                    later.insert(name, again);
                }
                Some(std::mem::take(&mut later))
            }
        };
        let Some(changed) = changed else { break };
        for (name, pops) in changed {
            if let Some(waiting) = asking.get(&name) {
                waiting.send_replace(pops);
            } else if pops == 0 {
                later.remove(&name);
            } else if CONSUMERS_MAX <= asking.len() {
                later.insert(name, pops);
            } else {
                let (waiting, wanted) = watch::channel(pops);
                tasks.spawn(ask_for(desk.clone(), name.clone(), wanted));
                asking.insert(name, waiting);
            }
        }
        desk.counters.names.store(asking.len(), Ordering::Relaxed);
    }
    asking.clear();
    while tasks.join_next().await.is_some() {}
}

/// Requests items of one queue while pops wait for them. Returns its name.
async fn ask_for(desk: Arc<Desk>, name: String, mut wanted: watch::Receiver<usize>) -> String {
    let consumer = consumer_name(&name);
    let inbox = desk.streams.inbox(&desk.origin, desk.number());
    let Ok(subscriber) = desk.jet.client().subscribe(format!("{inbox}.*")).await else {
        return name;
    };
    while !make_consumer(&desk, &name, &consumer).await {
        let over = async { wanted.wait_for(|pops| *pops == 0).await.is_ok() };
        tokio::select! {
            () = sleep(TRY_AGAIN_AFTER) => {}
            _ = over => return name,
        }
    }
    let asking = Asking {
        function: format!("$JS.API.CONSUMER.MSG.NEXT.{}.{consumer}", desk.streams.items()),
        name: name.as_str().into(),
        consumer,
        claimed: Arc::default(),
        last: None,
        questions: BTreeMap::new(),
        inbox,
        desk,
    };
    asking.go_on(subscriber, &mut wanted).await;
    name
}

/// The name of a consumer has no dots and a bounded length; that of a queue may have dots and be long.
pub(super) fn consumer_name(name: &str) -> String {
    Sha256::digest(name).iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Makes the consumer of a queue, or finds it; false if that fails.
async fn make_consumer(desk: &Desk, name: &str, consumer: &str) -> bool {
    let stream = desk.streams.items();
    let wanted = json!({
        "stream_name": stream,
        "config": {
            "durable_name": consumer,
            "deliver_policy": "all",
            "ack_policy": "explicit",
            "replay_policy": "instant",
            // Claims determine the holder of an item: it may be offered to others before they end.
            "ack_wait": nanoseconds(desk.streams.lease / 2),
            "max_deliver": -1,
            "max_ack_pending": UNACKNOWLEDGED_MAX,
            "max_waiting": UNACKNOWLEDGED_MAX,
            "filter_subject": desk.streams.item_subject(name),
            "inactive_threshold": nanoseconds(CONSUMER_IDLE.max(desk.streams.lease * 2)),
        },
    });
    let function = format!("CONSUMER.DURABLE.CREATE.{stream}.{consumer}");
    let made = desk.jet.call(&function, &wanted).await;
    made.inspect_err(|fault| desk.note_fault(fault)).is_ok()
}

/// The requests for items of one queue.
struct Asking {
    desk: Arc<Desk>,
    name: Arc<str>,
    consumer: String,
    /// The subject of requests.
    function: String,
    /// The subject of answers, which is followed by the number of the request.
    inbox: String,
    claimed: Arc<Claimed>,
    /// Ends when it is known whether a pop gets the item that came last.
    last: Option<oneshot::Receiver<()>>,
    /// The requests that are not fully answered, by number.
    questions: BTreeMap<u64, Question>,
}

/// A request for items.
struct Question {
    left: usize,
    /// When it counts as lost.
    lost_at: Duration,
}

impl Asking {
    async fn go_on(mut self, mut answers: Subscriber, wanted: &mut watch::Receiver<usize>) {
        let mut ticks = interval(HEARTBEAT / 2);
        let mut used = monotonic();
        loop {
            wanted.mark_unchanged();
            // The current number, since the reported one may be late.
            let queues = self.desk.queues.upgrade();
            let pops = queues.map_or(0, |queues| queues.waiting_here(&self.name));
            self.ask(pops).await;
            if pops != 0 || !self.questions.is_empty() {
                used = monotonic();
            } else if LINGERS < monotonic().saturating_sub(used) {
                return;
            }
            let claimed = self.claimed.clone();
            tokio::select! {
                changed = wanted.changed() => if changed.is_err() { return },
                answer = answers.next() => match answer {
                    Some(answer) => self.take(answer).await,
                    None => return,
                },
                () = claimed.bell.notified() => {}
                _ = ticks.tick() => {
                    let (now, before) = (monotonic(), self.questions.len());
                    self.questions.retain(|_, question| now < question.lost_at);
                    // A silent consumer is gone or has no leader. Its fault is noted, and the next request is sent all the same.
                    if self.questions.len() < before {
                        make_consumer(&self.desk, &self.name, &self.consumer).await;
                    }
                }
            }
        }
    }

    /// Requests items for the pops that no request covers.
    async fn ask(&mut self, pops: usize) {
        let asked: usize = self.questions.values().map(|question| question.left).sum();
        let coming = asked + self.claimed.count.load(Ordering::Relaxed);
        let missing = pops.min(ASKED_MAX).saturating_sub(coming);
        if missing == 0 {
            return;
        }
        let number = self.desk.number();
        let question = json!({
            "batch": missing,
            "expires": nanoseconds(ASKED_FOR),
            "idle_heartbeat": nanoseconds(HEARTBEAT),
        });
        let (subject, inbox) = (self.function.clone(), format!("{}.{number}", self.inbox));
        let question = question.to_string().into();
        // A client that is gone sends no request, and the task ends with its subscription.
        let _ = self.desk.jet.client().publish_with_reply(subject, inbox, question).await;
        let lost_at = monotonic() + SILENCE_MAX;
        self.questions.insert(number, Question { left: missing, lost_at });
    }

    /// Handles an item, or the status of a request.
    async fn take(&mut self, answer: Message) {
        if let Some(status) = answer.status {
            let number = answer.subject.rsplit('.').next().and_then(|it| it.parse().ok());
            let Some(number) = number else { return };
            match status {
                StatusCode::IDLE_HEARTBEAT => {
                    if let Some(question) = self.questions.get_mut(&number) {
                        question.lost_at = monotonic() + SILENCE_MAX;
                    }
                }
                // The consumer is gone, was idle for too long, or has no leader: it is made if necessary.
                StatusCode::NO_RESPONDERS | StatusCode::REQUEST_TERMINATED => {
                    self.questions.remove(&number);
                    if !make_consumer(&self.desk, &self.name, &self.consumer).await {
                        sleep(TRY_AGAIN_AFTER).await;
                    }
                }
                _ => drop(self.questions.remove(&number)),
            }
            return;
        }
        let Some((number, ack)) = answer.reply.and_then(|ack| {
            let number = number_of(&ack)?;
            Some((number, ack.to_string()))
        }) else {
            return;
        };
        self.is_answered();
        let item = Arrived { name: self.name.clone(), number, ack, payload: answer.payload };
        let expected = Expected::new(&self.claimed, &mut self.last);
        tokio::spawn(look_after(self.desk.clone(), item, expected));
    }

    /// An item does not name its request; the oldest one is taken to be answered. If that was wrong, the rest of a request is
    /// silent, and soon counts as lost.
    fn is_answered(&mut self) {
        let Some(mut oldest) = self.questions.first_entry() else { return };
        let question = oldest.get_mut();
        question.left = question.left.saturating_sub(1);
        question.lost_at = monotonic() + SILENCE_MAX;
        if question.left == 0 {
            oldest.remove();
        }
    }
}

/// The number of an item in its stream, from the subject of its acknowledgement:
/// `$JS.ACK.STREAM.CONSUMER.DELIVERED.NUMBER.…`, or with a domain and an account before the stream.
fn number_of(ack: &str) -> Option<u64> {
    let parts: Vec<&str> = ack.split('.').collect();
    let place = match (parts.first(), parts.get(1), parts.len()) {
        (Some(&"$JS"), Some(&"ACK"), 9) => 5,
        (Some(&"$JS"), Some(&"ACK"), 11..) => 7,
        _ => return None,
    };
    parts.get(place)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_number_of_an_item_is_where_its_kind_of_server_has_it() {
        for (ack, number) in [
            ("$JS.ACK.s=t=queues.c.1.42.7.1700000000.3", Some(42)),
            ("$JS.ACK.domain.hash.s=t=queues.c.1.42.7.1700000000.3.x", Some(42)),
            ("$JS.ACK.domain.hash.s=t=queues.c.1.42.7.1700000000.3", Some(42)),
            ("$JS.ACK.s.c.1.42.7.1700000000", None),
            ("$JS.NAK.s.c.1.42.7.1700000000.3", None),
            ("$JS.ACK.s.c.1.many.7.1700000000.3", None),
            ("", None),
        ] {
            assert_eq!(number_of(ack), number, "{ack:?}");
        }
    }

    #[test]
    fn every_queue_has_a_consumer_whose_name_is_one() {
        let long = "x.".repeat(127);
        let names = ["a", "a.b", ">", "ü", &long].map(consumer_name);
        assert!(names.iter().all(|name| name.len() == 64 && name.is_ascii()));
        assert_eq!(names.iter().collect::<std::collections::HashSet<_>>().len(), names.len());
    }
}
