//! Channels: one to all, in one order for all.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::mail::message::{Full, Message};
use crate::mail::post::{Address, Delivery, Mail, Member, Post};
use crate::quota::budget::ByteBudget;
use crate::quota::semaphore::{Permit, Semaphore};

/// The channels of one tenant, by name. One is there while somebody is subscribed to it.
#[derive(Debug)]
pub struct Channels {
    by_name: Mutex<HashMap<String, Channel>>,
    names: Semaphore,
    tenant: usize,
    /// Most bytes that one channel holds.
    bytes_max: u64,
    messages: ByteBudget,
}

#[derive(Debug)]
struct Channel {
    budget: ByteBudget,
    rooms: Vec<ReactorMembers>,
    _name: Permit,
}

/// The subscribers on one reactor.
#[derive(Debug)]
struct ReactorMembers {
    reactor: usize,
    post: Post,
    /// Shared with the messages that are on their way to them.
    members: Arc<Vec<Member>>,
}

impl Channels {
    pub fn new(tenant: usize, names: Semaphore, bytes_max: u64, messages: ByteBudget) -> Channels {
        Channels { by_name: Mutex::default(), names, tenant, bytes_max, messages }
    }

    /// Adds a subscription.
    ///
    /// # Errors
    /// When the tenant has too many names in use.
    pub fn subscribe(&self, name: &str, address: &Address, subscription: u32) -> Result<(), Full> {
        let mut channels = self.lock();
        if !channels.contains_key(name) {
            let permit = self.names.try_acquire().ok_or(Full)?;
            let budget = ByteBudget::new(self.bytes_max);
            let channel = Channel { budget, rooms: Vec::new(), _name: permit };
            channels.insert(name.to_owned(), channel);
        }
        let Some(channel) = channels.get_mut(name) else { return Err(Full) };
        let member = Member { instance: address.instance, subscription };
        match channel.rooms.iter_mut().find(|room| room.reactor == address.reactor) {
            // A message that is on its way keeps the list it was pushed to.
            Some(room) => Arc::make_mut(&mut room.members).push(member),
            None => channel.rooms.push(ReactorMembers {
                reactor: address.reactor,
                post: address.post.clone(),
                members: Arc::new(vec![member]),
            }),
        }
        Ok(())
    }

    /// Ends a subscription.
    pub fn unsubscribe(&self, name: &str, address: &Address, subscription: u32) {
        let mut channels = self.lock();
        let Some(channel) = channels.get_mut(name) else { return };
        let member = Member { instance: address.instance, subscription };
        if let Some(room) = channel.rooms.iter_mut().find(|room| room.reactor == address.reactor) {
            Arc::make_mut(&mut room.members).retain(|known| *known != member);
        }
        channel.rooms.retain(|room| !room.members.is_empty());
        if channel.rooms.is_empty() {
            channels.remove(name);
        }
    }

    /// Sends a message to all subscribers but `except`, which is on the reactor that is named with it. Answers the
    /// sum that it counts in until all have it; none where nobody is subscribed.
    ///
    /// # Errors
    /// When too much is on its way already; nobody gets it then.
    pub fn push(
        &self,
        name: &str,
        data: Vec<u8>,
        except: Option<(usize, Member)>,
    ) -> Result<Option<ByteBudget>, Full> {
        // Held until every reactor has it: so all see all messages in one order.
        let channels = self.lock();
        let Some(channel) = channels.get(name) else { return Ok(None) };
        let message = Arc::new(Message::new(data, &self.messages, Some(&channel.budget))?);
        for room in &channel.rooms {
            let except = except.filter(|(reactor, _)| *reactor == room.reactor);
            room.post.send(Mail::Message(Delivery {
                tenant: self.tenant,
                message: message.clone(),
                members: room.members.clone(),
                except: except.map(|(_, member)| member),
                delivered: 0,
            }));
        }
        Ok(Some(channel.budget.clone()))
    }

    /// How many subscriptions it has.
    pub fn num_subscribers(&self, name: &str) -> usize {
        let channels = self.lock();
        let rooms = channels.get(name).map_or(&[][..], |channel| &channel.rooms);
        rooms.iter().map(|room| room.members.len()).sum()
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<String, Channel>> {
        // Each change is whole before anything can panic.
        self.by_name.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
