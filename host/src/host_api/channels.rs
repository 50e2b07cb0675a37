//! `channels`: the tenant's, with this instance's subscriptions.

use std::collections::HashMap;
use std::sync::Arc;

use super::HostState;
use super::bindings::{ErrorCode, channels};
use crate::reactor::Address;
use crate::tenant::Tenant;
use crate::tenant::channels::Member;

/// The subscriptions of one instance. They end with it.
#[derive(Debug, Default)]
pub struct Subscriptions {
    /// Where their messages go; known as soon as there is one.
    address: Option<Address>,
    /// Whose channel each is to, and what it is called there.
    channels: HashMap<u32, (Arc<Tenant>, String)>,
}

impl Subscriptions {
    /// Whether it has not ended.
    pub fn has(&self, subscription: u32) -> bool {
        self.channels.contains_key(&subscription)
    }

    fn end(&mut self, subscription: u32) {
        let channel = self.channels.remove(&subscription);
        if let (Some((tenant, channel)), Some(address)) = (channel, &self.address) {
            tenant.channels.unsubscribe(&channel, address, subscription);
        }
    }
}

impl Drop for Subscriptions {
    fn drop(&mut self) {
        let all: Vec<u32> = self.channels.keys().copied().collect();
        for subscription in all {
            self.end(subscription);
        }
    }
}

impl channels::Host for HostState {
    fn subscribe(&mut self, channel: String) -> Result<u32, ErrorCode> {
        if !self.plugin.exports.has_subscriptions() {
            return Err(ErrorCode::Unsupported);
        }
        let (tenant, channel) = self.grant_channel("channels.subscribe", &channel)?;
        let address = self.address_while_running()?.clone();
        let max = self.plugin.config.limits.subscriptions;
        if max as usize <= self.subscriptions.channels.len() {
            return Err(self.at_limit("subscriptions", max));
        }
        let id = self.ids.next(|id| self.subscriptions.has(id));
        tenant
            .channels
            .subscribe(channel, &address, id)
            .map_err(|_| self.at_limit("channels", tenant.limits.channels))?;
        self.subscriptions.address = Some(address);
        self.subscriptions.channels.insert(id, (tenant, channel.to_owned()));
        Ok(id)
    }

    fn unsubscribe(&mut self, subscription: u32) {
        self.subscriptions.end(subscription);
    }

    fn push(
        &mut self,
        channel: String,
        message: Vec<u8>,
        except: Option<u32>,
    ) -> Result<(), ErrorCode> {
        let (tenant, channel) = self.grant_channel("channels.push", &channel)?;
        self.check_size(&message)?;
        let except = except.zip(self.address.as_ref()).map(|(subscription, address)| {
            (address.reactor, Member { instance: address.instance, subscription })
        });
        let pushed = tenant.channels.push(channel, message, except);
        let meter =
            pushed.map_err(|_| self.at_limit("channel", "the channel's or the tenant's"))?;
        self.fill(meter);
        Ok(())
    }

    fn num_subscribers(&mut self, channel: String) -> u32 {
        let channel = self.grant_channel("channels.num-subscribers", &channel);
        let number = channel.map_or(0, |(tenant, name)| tenant.channels.num_subscribers(name));
        u32::try_from(number).unwrap_or(u32::MAX)
    }
}
