//! Channels: each message goes to all subscribers, in the same order for all.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::base::lock::{Mutex, MutexGuard};
use crate::mail::message::{Full, KEPT_BYTES, Message, Room, TenantBudgets};
use crate::mail::post::{Address, Delivery, Mail, Member, Members, Post};
use crate::mail::relay::{ChannelRelay, NoRelay};
use crate::quota::budget::{ByteBudget, Reservation};
use crate::quota::host_memory::{self, Admission, RELAY_BYTES};
use crate::quota::semaphore::Semaphore;

/// The channels of one tenant, by name. A channel exists while it has subscribers.
#[derive(Debug)]
pub struct Channels {
    by_name: Mutex<HashMap<String, Channel>>,
    names: Semaphore,
    tenant: usize,
    /// The most bytes in one channel.
    bytes_max: AtomicU64,
    budgets: TenantBudgets,
    /// The relay to other hosts, if the tenant shares its channels with them.
    relay: Option<Arc<dyn ChannelRelay>>,
}

/// Why a push is delivered to no subscriber.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PushFault {
    /// The channel or its tenant is full.
    Full,
    /// It could not be relayed to other hosts.
    NotRelayed(NoRelay),
}

impl From<Full> for PushFault {
    fn from(Full: Full) -> PushFault {
        PushFault::Full
    }
}

#[derive(Debug)]
struct Channel {
    budget: ByteBudget,
    /// The subscribers by reactor, for reactors that have had any.
    on: Vec<ReactorMembers>,
    _name: Admission,
    /// The memory of its subscription at other hosts.
    _relay: Option<Reservation>,
}

/// The subscribers on one reactor.
#[derive(Debug)]
struct ReactorMembers {
    reactor: usize,
    post: Post,
    /// Shared with the deliveries in progress.
    members: Arc<Members>,
}

impl Channels {
    pub fn new(
        tenant: usize,
        names: Semaphore,
        bytes_max: u64,
        budgets: TenantBudgets,
        relay: Option<Arc<dyn ChannelRelay>>,
    ) -> Arc<Channels> {
        let bytes_max = AtomicU64::new(bytes_max);
        let by_name = Mutex::default();
        let channels = Channels { by_name, names, tenant, bytes_max, budgets, relay };
        let channels = Arc::new(channels);
        if let Some(relay) = &channels.relay {
            relay.attach(Arc::downgrade(&channels));
        }
        channels
    }

    /// Sets the most names, including those of queues, and the most bytes in one channel.
    pub fn set_limits(&self, names: u32, bytes_max: u64) {
        self.names.set_limit(names);
        self.bytes_max.store(bytes_max, Ordering::Relaxed);
        let channels = self.lock();
        channels.values().for_each(|channel| channel.budget.set_max(bytes_max));
    }

    /// Adds a subscription; returns its position among the others.
    ///
    /// # Errors
    /// When the tenant has too many names in use, or no memory for another.
    pub fn subscribe(&self, name: &str, address: &Address, subscription: u32) -> Result<u64, Full> {
        let mut channels = self.lock();
        if !channels.contains_key(name) {
            let admission = host_memory::name(&self.names, &self.budgets.host_memory, name);
            let budget = ByteBudget::new(self.bytes_max.load(Ordering::Relaxed));
            let memory = &self.budgets.host_memory;
            let kept = self.relay.as_ref().map(|_| memory.reserve(RELAY_BYTES).ok_or(Full));
            let (name_kept, relay_kept) = (admission.ok_or(Full)?, kept.transpose()?);
            let channel = Channel { budget, on: Vec::new(), _name: name_kept, _relay: relay_kept };
            channels.insert(name.to_owned(), channel);
            self.relay.iter().for_each(|relay| relay.subscribed(name));
        }
        let Some(channel) = channels.get_mut(name) else { return Err(Full) };
        let known = channel.on.iter().position(|on| on.reactor == address.reactor);
        let on = known.unwrap_or_else(|| {
            let (reactor, post) = (address.reactor, address.post.clone());
            channel.on.push(ReactorMembers { reactor, post, members: Arc::default() });
            channel.on.len() - 1
        });
        Ok(channel.on[on].members.add(Member { instance: address.instance, subscription }))
    }

    /// Ends the subscription at this position on a reactor.
    pub fn unsubscribe(&self, name: &str, reactor: usize, place: u64) {
        let mut channels = self.lock();
        let Some(channel) = channels.get_mut(name) else { return };
        if let Some(on) = channel.on.iter().find(|on| on.reactor == reactor) {
            on.members.remove(place);
        }
        // A reactor's list is kept while another has members, so that positions are not assigned twice.
        if channel.on.iter().all(|on| on.members.len() == 0) {
            channels.remove(name);
            self.relay.iter().for_each(|relay| relay.unsubscribed(name));
        }
    }

    /// Sends a message to all subscribers but `except`, which is on the reactor given with it. Returns the budget in which the
    /// message counts until all have received it, here or in the cluster's outbox; none if it has no receiver.
    ///
    /// # Errors
    /// When the channel or the tenant has no room for it; no subscriber gets it then.
    pub fn push(
        &self,
        name: &str,
        data: Vec<u8>,
        except: Option<(usize, Member)>,
    ) -> Result<Option<ByteBudget>, PushFault> {
        // Locked until every reactor has the message, so that all subscribers get all messages in the same order.
        let channels = self.lock();
        let channel = channels.get(name);
        let Some(relay) = &self.relay else {
            let Some(channel) = channel else { return Ok(None) };
            channel.send(&self.message(Some(channel), data)?, self.tenant, except);
            return Ok(Some(channel.budget.clone()));
        };
        let room = relay.room(data.len()).map_err(PushFault::NotRelayed)?;
        let message = self.message(channel, data)?;
        channel.iter().for_each(|channel| channel.send(&message, self.tenant, except));
        relay.push(name, message, room);
        let own = channel.map(|channel| &channel.budget);
        let own = own.filter(|own| own.is_nearly_full() && !relay.outbox().is_nearly_full());
        Ok(Some(own.unwrap_or(relay.outbox()).clone()))
    }

    /// Sends a message of another host to all subscribers here; false if there are none.
    ///
    /// # Errors
    /// When the channel or the tenant has no room for it; no subscriber here gets it then.
    pub fn deliver(&self, name: &str, data: &[u8]) -> Result<bool, Full> {
        let channels = self.lock();
        let Some(channel) = channels.get(name) else { return Ok(false) };
        channel.send(&self.message(Some(channel), data.to_vec())?, self.tenant, None);
        Ok(true)
    }

    /// A message that counts for the tenant and, if the channel exists, in it.
    fn message(&self, channel: Option<&Channel>, data: Vec<u8>) -> Result<Arc<Message>, Full> {
        // Each reactor gets its own delivery of the same bytes.
        let ways = channel.map_or(0, |channel| channel.on.len().saturating_sub(1));
        let more = u64::try_from(ways).unwrap_or(u64::MAX).saturating_mul(KEPT_BYTES);
        let budget = channel.map(|channel| &channel.budget);
        let room = Room::reserve(data.len(), &self.budgets.messages, budget)?.with(more)?;
        Ok(Arc::new(room.fill(data)))
    }

    /// The number of subscriptions.
    pub fn num_subscribers(&self, name: &str) -> usize {
        let channels = self.lock();
        let on = channels.get(name).map_or(&[][..], |channel| &channel.on);
        on.iter().map(|on| on.members.len()).sum()
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<String, Channel>> {
        self.by_name.lock()
    }
}

impl Channel {
    /// Sends a message to each reactor that has subscribers.
    fn send(&self, message: &Arc<Message>, tenant: usize, except: Option<(usize, Member)>) {
        for on in self.on.iter().filter(|on| 0 < on.members.len()) {
            let except = except.filter(|(reactor, _)| *reactor == on.reactor);
            on.post.send(Mail::Message(Box::new(Delivery {
                tenant,
                message: message.clone(),
                members: on.members.clone(),
                except: except.map(|(_, member)| member),
                up_to: on.members.last(),
                after: 0,
            })));
        }
    }
}
