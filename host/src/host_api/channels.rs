//! `channels`: channels of the tenant, and this instance's subscriptions.

use crate::config::bound::Bound;
use crate::config::limits;
use crate::contract::bindings::{ErrorCode, channels};
use crate::contract::export::Export;
use crate::host_api::kept::KeptKind;
use crate::host_api::owned::{Place, Subscriptions};
use crate::host_api::state::HostState;
use crate::mail::channels::PushFault;
use crate::mail::post::Member;
use crate::mail::relay::NoRelay;
use crate::plugin::tenant::Tenant;

impl channels::Host for HostState {
    fn subscribe(&mut self, channel: String) -> Result<u32, ErrorCode> {
        self.needs("channels.subscribe", &[Export::Message])?;
        let (tenant, channel) = self.grant_channel("channels.subscribe", &channel)?;
        let address = self.address_while_running()?.clone();
        let max = self.plugin.config.limits.subscriptions;
        if max as usize <= self.subscriptions.len() {
            return Err(self.at_limit(&limits::SUBSCRIPTIONS));
        }
        self.keep_one(KeptKind::Subscription, Subscriptions::bytes_of(channel))?;
        let id = self.ids.next(|id| self.subscriptions.has(id));
        let place = tenant
            .channels
            .subscribe(channel, &address, id)
            .map_err(|_| self.at_limit_of(&limits::CHANNELS, tenant.limits().channels))?;
        let place = Place { tenant, name: channel.to_owned(), place };
        self.subscriptions.add(id, place, address.reactor);
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
        let budget =
            pushed.map_err(|fault| self.push_fault(fault, &limits::CHANNEL, "channel", &tenant))?;
        self.fill(budget);
        Ok(())
    }

    fn num_subscribers(&mut self, channel: String) -> u32 {
        let channel = self.grant_channel("channels.num-subscribers", &channel);
        let number = channel.map_or(0, |(tenant, name)| tenant.channels.num_subscribers(name));
        u32::try_from(number).unwrap_or(u32::MAX)
    }
}

impl HostState {
    /// Reports a push to a channel or queue of a tenant, which is a `noun` with this bound, that was refused.
    pub(super) fn push_fault(
        &self,
        fault: PushFault,
        bound: &'static Bound,
        noun: &str,
        tenant: &Tenant,
    ) -> ErrorCode {
        match fault {
            PushFault::Full => {
                self.at_limit_of(bound, format_args!("the {noun}'s or the tenant's"))
            }
            PushFault::NotRelayed(NoRelay::Full) => self.at_limit_of(
                &limits::CLUSTER_OUTBOX,
                limits::CLUSTER_OUTBOX.show(tenant.limits().cluster_outbox),
            ),
            PushFault::NotRelayed(NoRelay::TooLarge(longest)) => self
                .at_limit_of(&limits::MESSAGE, format_args!("{longest} bytes, by the NATS server")),
        }
    }
}
