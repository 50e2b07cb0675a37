//! What is pushed on other hosts: subscribed to for as long as somebody here is, and handed to the channels of the tenant.

use std::collections::HashMap;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Weak};
use std::time::Duration;

use async_nats::{Client, Message, Subscriber};
use futures_util::StreamExt;
use tokio::sync::oneshot;
use tokio::task::unconstrained;

use crate::clock::{Clock, Moment};
use crate::cluster::counters::LinkCounters;
use crate::cluster::hosts::HostId;
use crate::cluster::interest::Interest;
use crate::cluster::line::Line;
use crate::cluster::sequence::{self, Arrival, HEADER, SenderNumbers};
use crate::cluster::subject::{SubjectKind, Subjects};
use crate::mail::channels::Channels;
use crate::quota::budget::ByteBudget;

/// For how long a channel is silent about what it misses after it has told of it.
const TELL_AGAIN_AFTER: Duration = Duration::from_secs(10);

/// Who gets what comes for one tenant.
#[derive(Debug, Clone)]
pub(super) struct Receiver {
    pub(super) channels: Weak<Channels>,
    pub(super) counters: Arc<LinkCounters>,
    /// The tenant's account for what the host keeps.
    pub(super) memory: ByteBudget,
    pub(super) host: HostId,
    pub(super) subjects: Subjects,
    pub(super) tenant: String,
}

/// Subscribes to what is wanted and to nothing else, until the tenant has gone.
pub(super) async fn follow(receiver: Receiver, interest: Arc<Interest>, line: Arc<Line>) {
    let Some(client) = line.client().await else { return };
    // Dropping the sender ends the subscription.
    let mut ends: HashMap<String, oneshot::Sender<()>> = HashMap::new();
    while let Some(changed) = interest.next().await {
        for (name, is_wanted) in changed {
            ends.remove(&name);
            if is_wanted && let Some(end) = subscribe(&receiver, &client, &name).await {
                ends.insert(name, end);
            }
        }
        receiver.counters.subscriptions.store(ends.len(), Ordering::Relaxed);
    }
}

/// Begins to receive what is pushed to a name. Dropping what it answers ends it.
async fn subscribe(
    receiver: &Receiver,
    client: &Client,
    name: &str,
) -> Option<oneshot::Sender<()>> {
    let subject = receiver.subjects.of(SubjectKind::Channel, name);
    match client.subscribe(subject).await {
        Ok(subscriber) => {
            let (end, ended) = oneshot::channel();
            let feed = ChannelFeed {
                receiver: receiver.clone(),
                name: name.to_owned(),
                heard: SenderNumbers::new(receiver.memory.clone()),
                clock: Clock::system(),
                told: None,
            };
            // Takes all that is there at each turn: otherwise the client, which reads more at each of its own, would outrun it.
            tokio::spawn(unconstrained(feed.receive(subscriber, ended)));
            Some(end)
        }
        Err(error) => {
            let (tenant, cause) = (&*receiver.tenant, error.to_string());
            tracing::error!(tenant, cause, "a channel is not subscribed to on other hosts");
            None
        }
    }
}

/// One channel, as far as it is on other hosts.
struct ChannelFeed {
    receiver: Receiver,
    name: String,
    heard: SenderNumbers,
    clock: Clock,
    /// When something was missed and told last.
    told: Option<Moment>,
}

impl ChannelFeed {
    async fn receive(mut self, mut subscriber: Subscriber, mut ended: oneshot::Receiver<()>) {
        loop {
            tokio::select! {
                biased;
                _ = &mut ended => break,
                message = subscriber.next() => match message {
                    Some(message) => self.take(&message),
                    None => return,
                },
            }
        }
        // Where the connection is over there is nothing to give up.
        let _ = subscriber.unsubscribe().await;
    }

    /// Hands a message to those who are subscribed here.
    fn take(&mut self, message: &Message) {
        let header = message.headers.as_ref().and_then(|headers| headers.get(HEADER));
        let sent = header.and_then(|header| sequence::read(header.as_str()));
        if let Some((sender, place)) = sent {
            if sender == self.receiver.host.as_str() {
                return;
            }
            match self.heard.hear(sender, place) {
                Arrival::Next => {}
                Arrival::Again => return,
                Arrival::After(missed) => {
                    self.receiver.counters.missed.add(missed);
                    self.tell("messages of another host have not come");
                }
            }
        }
        // Who is no host of ours has no number to give.
        let Some(channels) = self.receiver.channels.upgrade() else { return };
        match channels.deliver(&self.name, &message.payload) {
            Ok(true) => self.receiver.counters.received.add(1),
            Ok(false) => {}
            Err(_) => {
                self.receiver.counters.left_out.add(1);
                self.tell("there is no room for messages of other hosts: left out");
            }
        }
    }

    fn tell(&mut self, what: &str) {
        let now = self.clock.now();
        if self.told.is_some_and(|told| now.since(told) < TELL_AGAIN_AFTER) {
            return;
        }
        self.told = Some(now);
        let counters = &self.receiver.counters;
        tracing::warn!(
            tenant = self.receiver.tenant,
            channel = self.name,
            missed = counters.missed.get(),
            left_out = counters.left_out.get(),
            "{what}"
        );
    }
}
