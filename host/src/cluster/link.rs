//! The channels of one tenant, and the way from them to other hosts and back.

use std::sync::{Arc, OnceLock, Weak};

use async_nats::HeaderMap;
use bytes::Bytes;

use crate::base::lock::Mutex;
use crate::cluster::counters::LinkCounters;
use crate::cluster::hosts::HostId;
use crate::cluster::incoming::{self, Receiver};
use crate::cluster::interest::Interest;
use crate::cluster::line::Line;
use crate::cluster::outgoing::Outgoing;
use crate::cluster::sequence::{HEADER, Numbering, SequencePlace};
use crate::cluster::subject::{SubjectKind, Subjects};
use crate::config::model::TenantConfig;
use crate::mail::channels::Channels;
use crate::mail::message::{KEPT_BYTES, Message};
use crate::mail::relay::{ChannelRelay, NoRelay};
use crate::quota::budget::{ByteBudget, Reservation};

/// Bytes that the header of a message takes at most; NATS counts them as the message's.
const HEADER_BYTES_MAX: usize = 256;

/// The link of one tenant.
#[derive(Debug)]
pub struct Link {
    /// Which of the host's links it is.
    number: usize,
    /// What is counted of it.
    pub counters: Arc<LinkCounters>,
    /// Its connection.
    pub line: Arc<Line>,
    host: HostId,
    subjects: Subjects,
    outbox: ByteBudget,
    memory: ByteBudget,
    numbering: Mutex<Numbering>,
    interest: Arc<Interest>,
    /// Follows the interest; begins when it is known whose it is.
    receiver: OnceLock<()>,
    runtime: tokio::runtime::Handle,
    tenant: String,
}

/// Where a link is: which one, on which host, under which prefix.
pub(super) struct LinkSite {
    /// Which of the host's links it is.
    pub(super) number: usize,
    pub(super) host: HostId,
    /// The first part of every subject.
    pub(super) prefix: String,
    /// The runtime of the thread of the cluster.
    pub(super) runtime: tokio::runtime::Handle,
}

/// The accounts of a tenant that its link works with.
#[derive(Debug, Clone)]
pub struct LinkAccounts {
    /// What waits to go to other hosts.
    pub outbox: ByteBudget,
    /// What the host keeps for it.
    pub memory: ByteBudget,
}

/// The bytes of a message while NATS has them. With the last of them goes what they count.
struct CountedPayload {
    message: Arc<Message>,
    _room: Reservation,
}

impl AsRef<[u8]> for CountedPayload {
    fn as_ref(&self) -> &[u8] {
        self.message.data()
    }
}

impl Link {
    /// The link of a tenant by a connection.
    pub(super) fn new(
        site: LinkSite,
        tenant: &TenantConfig,
        accounts: LinkAccounts,
        line: Arc<Line>,
    ) -> Arc<Link> {
        Arc::new(Link {
            number: site.number,
            counters: Arc::default(),
            line,
            host: site.host,
            subjects: Subjects::new(&site.prefix, &tenant.name),
            outbox: accounts.outbox,
            memory: accounts.memory,
            numbering: Mutex::default(),
            interest: Arc::default(),
            receiver: OnceLock::new(),
            runtime: site.runtime,
            tenant: tenant.name.clone(),
        })
    }
}

impl ChannelRelay for Link {
    fn attach(&self, channels: Weak<Channels>) {
        self.receiver.get_or_init(|| {
            let receiver = Receiver {
                channels,
                counters: self.counters.clone(),
                memory: self.memory.clone(),
                host: self.host.clone(),
                subjects: self.subjects.clone(),
                tenant: self.tenant.clone(),
            };
            let (interest, line) = (self.interest.clone(), self.line.clone());
            self.runtime.spawn(incoming::follow(receiver, interest, line));
        });
    }

    fn room(&self, length: usize) -> Result<Reservation, NoRelay> {
        let longest = self.line.payload_max().saturating_sub(HEADER_BYTES_MAX);
        if longest < length {
            self.counters.too_large.add(1);
            return Err(NoRelay::TooLarge(longest));
        }
        let bytes = u64::try_from(length).unwrap_or(u64::MAX).saturating_add(KEPT_BYTES);
        self.outbox.reserve(bytes).ok_or_else(|| {
            self.counters.refused.add(1);
            NoRelay::Full
        })
    }

    fn push(&self, name: &str, message: Arc<Message>, room: Reservation) {
        let subject = self.subjects.of(SubjectKind::Channel, name);
        let mut numbering = self.numbering.lock();
        let SequencePlace { run, number } = numbering.next(name);
        drop(numbering);
        let mut headers = HeaderMap::new();
        headers.insert(HEADER, format!("{} {run} {number}", self.host));
        let payload = Bytes::from_owner(CountedPayload { message, _room: room });
        let counters = self.counters.clone();
        self.line.outgoing.add(self.number, Outgoing { subject, headers, payload, counters });
    }

    fn subscribed(&self, name: &str) {
        self.interest.change(name, true);
    }

    fn unsubscribed(&self, name: &str) {
        self.interest.change(name, false);
    }

    fn outbox(&self) -> &ByteBudget {
        &self.outbox
    }
}

impl Drop for Link {
    fn drop(&mut self) {
        self.interest.end();
    }
}
