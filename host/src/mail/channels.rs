//! Channels: each message goes to all subscribers, in the same order for all.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::base::lock::{Mutex, MutexGuard};
use crate::mail::message::{Full, KEPT_BYTES, Room, TenantBudgets};
use crate::mail::post::{Address, Delivery, Mail, Member, Members, Post};
use crate::quota::budget::ByteBudget;
use crate::quota::host_memory::{self, Admission};
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
}

#[derive(Debug)]
struct Channel {
    budget: ByteBudget,
    /// The subscribers by reactor, for reactors that have had any.
    on: Vec<ReactorMembers>,
    _name: Admission,
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
    ) -> Channels {
        let bytes_max = AtomicU64::new(bytes_max);
        Channels { by_name: Mutex::default(), names, tenant, bytes_max, budgets }
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
            let channel = Channel { budget, on: Vec::new(), _name: admission.ok_or(Full)? };
            channels.insert(name.to_owned(), channel);
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
        }
    }

    /// Sends a message to all subscribers but `except`, which is on the reactor given with it. Returns the budget in
    /// which the message counts until all have received it; none if there are no subscribers.
    ///
    /// # Errors
    /// When the channel or the tenant has no room for it; no subscriber gets it then.
    pub fn push(
        &self,
        name: &str,
        data: Vec<u8>,
        except: Option<(usize, Member)>,
    ) -> Result<Option<ByteBudget>, Full> {
        // Locked until every reactor has the message, so that all subscribers get all messages in the same order.
        let channels = self.lock();
        let Some(channel) = channels.get(name) else { return Ok(None) };
        // Each reactor gets its own delivery of the same bytes.
        let ways = channel.on.len().saturating_sub(1);
        let more = u64::try_from(ways).unwrap_or(u64::MAX).saturating_mul(KEPT_BYTES);
        let (messages, budget) = (&self.budgets.messages, &channel.budget);
        let room = Room::reserve(data.len(), messages, Some(budget))?.with(more)?;
        let message = Arc::new(room.fill(data));
        for on in channel.on.iter().filter(|on| 0 < on.members.len()) {
            let except = except.filter(|(reactor, _)| *reactor == on.reactor);
            on.post.send(Mail::Message(Delivery {
                tenant: self.tenant,
                message: message.clone(),
                members: on.members.clone(),
                except: except.map(|(_, member)| member),
                up_to: on.members.last(),
                after: 0,
            }));
        }
        Ok(Some(channel.budget.clone()))
    }

    /// The number of subscriptions.
    pub fn num_subscribers(&self, name: &str) -> usize {
        let channels = self.lock();
        let on = channels.get(name).map_or(&[][..], |channel| &channel.on);
        on.iter().map(|on| on.members.len()).sum()
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<String, Channel>> {
        // Each change is whole before anything can panic.
        self.by_name.lock()
    }
}
