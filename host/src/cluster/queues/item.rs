//! One item on this host: claimed, handed to a pop, kept while its handler runs, and acknowledged or given back.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use async_nats::HeaderMap;
use async_nats::header::NATS_MESSAGE_ID;
use bytes::Bytes;
use serde_json::json;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::time::{sleep, timeout};

use crate::clock::monotonic;
use crate::cluster::queues::claims::{Claiming, ItemClaim};
use crate::cluster::queues::demand::Expected;
use crate::cluster::queues::desk::Desk;
use crate::cluster::queues::jetstream::JetFault;
use crate::cluster::queues::streams::nanoseconds;
use crate::cluster::sealed::CountedPayload;
use crate::mail::handout::{Handout, TakeBack};
use crate::mail::message::Message;

/// The pause before an item is delivered again whose first handler was lost; it doubles each time, up to the longest.
const FIRST_PAUSE: Duration = Duration::from_millis(100);
const LONGEST_PAUSE: Duration = Duration::from_secs(30);
/// The pause before an item is delivered again for which this host has no room.
const NO_ROOM_PAUSE: Duration = Duration::from_secs(1);
/// The pause after a fault.
const TRY_AGAIN_AFTER: Duration = Duration::from_millis(200);
/// The number of times in each lease that a host renews its claim.
const RENEWALS: u32 = 3;
/// The header of a dead letter with the number of handlers that were lost with it.
const DELIVERIES_HEADER: &str = "Sandloop-Deliveries";

/// An item that has arrived.
#[derive(Debug)]
pub(super) struct Arrived {
    /// The name of its queue.
    pub(super) name: Arc<str>,
    /// Its number in the stream.
    pub(super) number: u64,
    /// The subject of its acknowledgement.
    pub(super) ack: String,
    pub(super) payload: Bytes,
}

/// The outcome of an item that was handed out.
#[derive(Debug)]
enum HandoutEnd {
    /// Its handler has returned.
    Handled,
    /// Its handler was lost.
    Lost(Message),
    /// No handler has begun.
    Untold,
}

/// Reports the end of an item's handler, and whether it may begin.
#[derive(Debug)]
struct ItemTicket {
    /// Until when no other host gets the item, in nanoseconds of the system's clock.
    until: Arc<AtomicU64>,
    end: UnboundedSender<HandoutEnd>,
}

impl ItemTicket {
    fn end(&self, end: HandoutEnd) {
        // Fails only if the host has ended and no task waits for it.
        let _ = self.end.send(end);
    }
}

impl TakeBack for ItemTicket {
    fn arrived(&self, _name: &str) {}

    fn take_back(self: Arc<Self>, _name: &str, _order: u64, _item: Message) {
        self.end(HandoutEnd::Untold);
    }

    fn may_begin(&self, takes: Duration) -> bool {
        nanoseconds(monotonic().saturating_add(takes)) < self.until.load(Ordering::Relaxed)
    }

    fn handled(&self) {
        self.end(HandoutEnd::Handled);
    }

    fn lost(&self, item: Message) {
        self.end(HandoutEnd::Lost(item));
    }
}

/// Counts an item while this host has it.
struct InHand(Arc<Desk>);

impl InHand {
    fn new(desk: Arc<Desk>) -> InHand {
        desk.counters.in_hand.fetch_add(1, Ordering::Relaxed);
        InHand(desk)
    }
}

impl Drop for InHand {
    fn drop(&mut self) {
        self.0.counters.in_hand.fetch_sub(1, Ordering::Relaxed);
    }
}

/// Handles an item from its arrival to its end. `expected` is dropped as soon as it is known whether a pop gets it.
pub(super) async fn look_after(desk: Arc<Desk>, mut item: Arrived, expected: Expected) {
    let Some(queues) = desk.queues.upgrade() else {
        return desk.nak(&item.ack, Duration::ZERO).await;
    };
    let _in_hand = InHand::new(desk.clone());
    // Frees the client's buffer, of which it is a part, at once.
    let payload = std::mem::take(&mut item.payload).to_vec();
    let Ok(message) = queues.message(&item.name, payload) else {
        drop(expected);
        return desk.nak(&item.ack, NO_ROOM_PAUSE).await;
    };
    let mut expected = Some(expected);
    let claim = match desk.claim(item.number, || drop(expected.take())).await {
        Claiming::Mine(claim) => claim,
        // Its holder renews it, or it is delivered again.
        Claiming::Elsewhere => return,
        Claiming::Gone => return desk.finish_ack(&item, None).await,
    };
    desk.note_success();
    if 1 < claim.deliveries {
        desk.counters.redelivered.add(1);
    }
    if desk.streams.deliveries < claim.deliveries {
        drop(expected);
        return desk.bury(&item, claim, message).await;
    }
    if let Some(expected) = &mut expected {
        expected.in_turn().await;
    }
    let (end, ended) = unbounded_channel();
    let until = Arc::new(AtomicU64::new(nanoseconds(claim.until)));
    let ticket = Arc::new(ItemTicket { until: until.clone(), end });
    let handout = Handout::new(ticket, (item.name.as_ref().to_owned(), item.number), message);
    queues.deliver(&item.name, handout);
    drop((expected, queues));
    desk.await_end(item, claim, &until, ended).await;
}

impl Desk {
    /// Keeps the claim of an item until its handler has ended, and handles the outcome.
    async fn await_end(
        &self,
        item: Arrived,
        mut claim: ItemClaim,
        until: &AtomicU64,
        mut ended: UnboundedReceiver<HandoutEnd>,
    ) {
        let mut pause = self.streams.lease / RENEWALS;
        let mut is_mine = true;
        let end = loop {
            match timeout(pause, ended.recv()).await {
                Ok(end) => break end.unwrap_or(HandoutEnd::Untold),
                Err(_) if is_mine => {
                    pause = self.keep(&item, &mut claim, until, &mut is_mine).await;
                }
                Err(_) => {}
            }
        };
        match end {
            HandoutEnd::Handled => {
                self.finish_ack(&item, Some(claim).filter(|_| is_mine)).await;
                self.counters.handled.add(1);
            }
            HandoutEnd::Lost(message) => {
                self.counters.handlers_lost.add(1);
                if self.streams.deliveries <= claim.deliveries && is_mine {
                    return self.bury(&item, claim, message).await;
                }
                drop(message);
                let pause = pause_after(claim.deliveries);
                self.give_back(&item, claim, 0, pause).await;
            }
            HandoutEnd::Untold => {
                self.counters.given_back.add(1);
                self.give_back(&item, claim, 1, Duration::ZERO).await;
            }
        }
    }

    /// Renews the claim of an item; returns the time until the next renewal.
    async fn keep(
        &self,
        item: &Arrived,
        claim: &mut ItemClaim,
        until: &AtomicU64,
        is_mine: &mut bool,
    ) -> Duration {
        let before = claim.until;
        *is_mine = self.renew(claim).await;
        let end = if *is_mine { claim.until } else { Duration::ZERO };
        until.store(nanoseconds(end), Ordering::Relaxed);
        if *is_mine {
            self.jet.say(&item.ack, "+WPI".to_owned()).await;
        }
        if before < claim.until { self.streams.lease / RENEWALS } else { TRY_AGAIN_AFTER }
    }

    /// Gives an item back. All of its handlers count as lost, except for `untold` of them.
    async fn give_back(&self, item: &Arrived, claim: ItemClaim, untold: u32, pause: Duration) {
        let lost = claim.deliveries.saturating_sub(untold);
        self.release(claim, lost).await;
        self.nak(&item.ack, pause).await;
    }

    async fn nak(&self, ack: &str, pause: Duration) {
        let word = match nanoseconds(pause) {
            0 => "-NAK".to_owned(),
            delay => format!("-NAK {}", json!({ "delay": delay })),
        };
        self.jet.say(ack, word).await;
    }

    /// Acknowledges an item until JetStream confirms that; no other host gets it meanwhile.
    async fn finish_ack(&self, item: &Arrived, mut claim: Option<ItemClaim>) {
        let mut renewed = monotonic();
        loop {
            match self.jet.acknowledge(&item.ack).await {
                Ok(()) => return self.note_success(),
                // Its consumer is gone, or has no leader.
                Err(JetFault::Nobody) if self.remove(item.number).await => return,
                Err(fault) => self.note_fault(&fault),
            }
            if let Some(claim) = &mut claim
                && self.streams.lease / RENEWALS < monotonic().saturating_sub(renewed)
            {
                self.renew(claim).await;
                renewed = monotonic();
            }
            sleep(TRY_AGAIN_AFTER).await;
        }
    }

    /// Removes an item from the stream; returns whether it is gone.
    async fn remove(&self, number: u64) -> bool {
        let function = format!("STREAM.MSG.DELETE.{}", self.streams.items());
        let removed = self.jet.call(&function, &json!({ "seq": number, "no_erase": true })).await;
        removed.is_ok() || !self.has_item(number).await
    }

    /// Makes an item a dead letter.
    async fn bury(&self, item: &Arrived, mut claim: ItemClaim, message: Message) {
        let lost = claim.deliveries.min(self.streams.deliveries);
        let payload = CountedPayload::bytes(Arc::new(message), None);
        let mut headers = HeaderMap::new();
        headers.insert(NATS_MESSAGE_ID, format!("dead.{}", item.number));
        headers.insert(DELIVERIES_HEADER, lost.to_string());
        let subject = self.streams.dead_subject(&item.name);
        loop {
            match self.jet.store(subject.clone(), headers.clone(), payload.clone()).await {
                Ok(_) => break,
                Err(fault) => self.note_fault(&fault),
            }
            if !self.renew(&mut claim).await {
                return;
            }
            sleep(TRY_AGAIN_AFTER).await;
        }
        self.counters.dead_lettered.add(1);
        tracing::error!(
            tenant = self.tenant,
            queue = &*item.name,
            handlers = lost,
            subject,
            "an item is a dead letter: no handler has survived it"
        );
        self.finish_ack(item, Some(claim)).await;
    }
}

/// The pause before an item is delivered again after `lost` handlers were lost with it.
fn pause_after(lost: u32) -> Duration {
    let doubled = 2_u32.saturating_pow(lost.saturating_sub(1));
    FIRST_PAUSE.saturating_mul(doubled).min(LONGEST_PAUSE)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_item_waits_twice_as_long_each_time() {
        let pauses = [1, 2, 3, 9, 10, 1000, u32::MAX].map(|lost| pause_after(lost).as_millis());
        assert_eq!(pauses, [100, 200, 400, 25_600, 30_000, 30_000, 30_000]);
    }
}
