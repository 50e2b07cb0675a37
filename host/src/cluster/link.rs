//! The link of one tenant: passes messages between its channels and other hosts.

use std::sync::{Arc, OnceLock, Weak};

use crate::base::lock::Mutex;
use crate::cluster::counters::LinkCounters;
use crate::cluster::hosts::HostId;
use crate::cluster::incoming::{self, Receiver};
use crate::cluster::interest::Interest;
use crate::cluster::line::Line;
use crate::cluster::pack::{Push, PushSender};
use crate::cluster::subject::Subjects;
use crate::config::model::TenantConfig;
use crate::mail::channels::Channels;
use crate::mail::message::Message;
use crate::mail::relay::{ChannelRelay, NoRelay};
use crate::quota::budget::{ByteBudget, Reservation};

/// The link of one tenant.
#[derive(Debug)]
pub struct Link {
    /// Its number on this host.
    number: usize,
    /// Its counters.
    pub counters: Arc<LinkCounters>,
    /// Its connection.
    pub line: Arc<Line>,
    sender: Arc<PushSender>,
    outbox: ByteBudget,
    memory: ByteBudget,
    interest: Arc<Interest>,
    /// Set when the task that follows the interest has begun; it needs the channels.
    receiver: OnceLock<()>,
    runtime: tokio::runtime::Handle,
    tenant: String,
}

/// The identity of a link: its number, its host, its prefix.
pub(super) struct LinkSite {
    /// Its number on this host.
    pub(super) number: usize,
    pub(super) host: HostId,
    /// The first part of every subject.
    pub(super) prefix: String,
    /// The runtime of the thread of the cluster.
    pub(super) runtime: tokio::runtime::Handle,
}

/// The budgets of a tenant that its link uses.
#[derive(Debug, Clone)]
pub(crate) struct LinkAccounts {
    /// Messages that wait to be sent to other hosts.
    pub outbox: ByteBudget,
    /// Host memory of the tenant.
    pub memory: ByteBudget,
}

impl Link {
    /// The link of a tenant over a connection.
    pub(super) fn new(
        site: LinkSite,
        tenant: &TenantConfig,
        accounts: LinkAccounts,
        line: Arc<Line>,
    ) -> Arc<Link> {
        let counters: Arc<LinkCounters> = Arc::default();
        let sender = PushSender {
            host: site.host,
            subjects: Subjects::new(&site.prefix, &tenant.name),
            counters: counters.clone(),
            numbering: Mutex::default(),
        };
        Arc::new(Link {
            number: site.number,
            counters,
            line,
            sender: Arc::new(sender),
            outbox: accounts.outbox,
            memory: accounts.memory,
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
                host: self.sender.host.clone(),
                subjects: self.sender.subjects.clone(),
                tenant: self.tenant.clone(),
            };
            let (interest, line) = (self.interest.clone(), self.line.clone());
            self.runtime.spawn(incoming::follow(receiver, interest, line));
        });
    }

    fn room(&self, length: usize) -> Result<Reservation, NoRelay> {
        let counters = &self.counters;
        self.line.room(&self.outbox, length, &counters.too_large, &counters.refused)
    }

    fn push(&self, name: &str, message: Arc<Message>, room: Reservation) {
        self.line.push(self.number, &self.sender, name, Push { message, room });
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
