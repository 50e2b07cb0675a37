//! Messages of other hosts: each name is subscribed to while an instance on this host is, and messages are passed to the tenant's
//! channels.

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

/// The shortest time between two log lines about missed messages of one channel.
const TELL_AGAIN_AFTER: Duration = Duration::from_secs(10);

/// The receiver of the messages of one tenant.
#[derive(Debug, Clone)]
pub(super) struct Receiver {
    pub(super) channels: Weak<Channels>,
    pub(super) counters: Arc<LinkCounters>,
    /// The tenant's budget of host memory.
    pub(super) memory: ByteBudget,
    pub(super) host: HostId,
    pub(super) subjects: Subjects,
    pub(super) tenant: String,
}

/// Subscribes to the names that are wanted, until the tenant is gone.
pub(super) async fn follow(receiver: Receiver, interest: Arc<Interest>, line: Arc<Line>) {
    let Some(client) = line.client().await else { return };
    // Dropping a sender ends that subscription.
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

/// Subscribes to a name. Dropping the returned sender ends the subscription.
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
            // Takes all messages at each turn: otherwise the client, which reads more in each of its turns, would overrun it.
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

/// A channel of other hosts.
struct ChannelFeed {
    receiver: Receiver,
    name: String,
    heard: SenderNumbers,
    clock: Clock,
    /// The time of the last log line about missed messages.
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
        // Fails if the connection is lost, and the subscription with it.
        let _ = subscriber.unsubscribe().await;
    }

    /// Passes the messages in one of NATS to the subscribers on this host.
    fn take(&mut self, message: &Message) {
        let header = message.headers.as_ref().and_then(|headers| headers.get(HEADER));
        let sent = header.and_then(|it| sequence::read(it.as_str(), message.payload.len()));
        let Some(channels) = self.receiver.channels.upgrade() else { return };
        // A message of another program has no number.
        let Some(sent) = sent else { return self.deliver(&channels, &message.payload) };
        if sent.sender == self.receiver.host.as_str() {
            return;
        }
        match self.heard.hear(sent.sender, sent.first, sent.count()) {
            Arrival::Next => {}
            Arrival::Again => return,
            Arrival::After(missed) => {
                self.receiver.counters.missed.add(missed);
                self.tell("messages of another host have not come");
            }
        }
        sent.messages(&message.payload).for_each(|message| self.deliver(&channels, message));
    }

    fn deliver(&mut self, channels: &Channels, message: &[u8]) {
        match channels.deliver(&self.name, message) {
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
