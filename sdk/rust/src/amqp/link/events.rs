//! Delivers the session's events to the plugin's closures. Nothing is borrowed while one of them runs.

use sandloop_amqp::{
    ChannelId, Delivery as Arrival, Event, Failure, Request, Returned, Unreadable,
};

use super::{GOODBYE, Link};
use crate::{
    amqp::{
        delivery::Delivery,
        hooks::{ChannelHooks, Hook, Hooks},
    },
    deferrable::Deferrable,
};

impl Link {
    pub(super) fn tell(&self, event: Event) {
        match event {
            Event::Opened => {
                self.is_open_now();
                self.opened.succeed(());
            }
            Event::Recovered => {
                self.is_open_now();
                self.call(|hooks| Some(&mut hooks.recovered), |hook| hook());
            }
            Event::Answered(ticket, result) => {
                let answerer = self.hooks(|hooks| hooks.answers.remove(&ticket));
                if let Some(answerer) = answerer {
                    answerer(result);
                }
            }
            Event::Delivered(channel, delivery) => self.deliver(channel, *delivery),
            Event::Unreadable(_, what) => {
                let Unreadable { exchange, routing_key, reason, .. } = *what;
                crate::error!(
                    "a message from {exchange:?} with the key {routing_key:?} cannot be read, and is refused: {reason}"
                );
            }
            Event::Cancelled(channel, tag) => self.cancelled(channel, &tag),
            Event::Returned(channel, returned) => self.returned(channel, &returned),
            Event::Blocked(reason) => {
                self.call(|hooks| Some(&mut hooks.blocked), |hook| hook(&reason));
            }
            Event::Unblocked => {
                self.call(|hooks| Some(&mut hooks.unblocked), |hook| hook());
            }
            Event::Writable => {
                let actions = self.hooks(|hooks| std::mem::take(&mut hooks.writable));
                actions.into_iter().for_each(|action| action());
            }
            Event::ChannelClosed(channel, failure) => self.channel_closed(channel, &failure),
            Event::Disconnect(reason) => self.disconnect(reason),
            Event::Closed(failure) => self.over(failure),
        }
    }

    fn is_open_now(&self) {
        if let Some(timer) = self.waiting.take() {
            timer.cancel();
        }
        self.begin_to_last();
    }

    /// Calls a hook that may be called again, with nothing borrowed. False if there is none.
    pub(super) fn call<F: ?Sized>(
        &self,
        place: impl Fn(&mut Hooks) -> Option<&mut Hook<F>>,
        call: impl FnOnce(&mut F),
    ) -> bool {
        let Some(mut hook) = self.hooks(|hooks| place(hooks)?.take()) else { return false };
        call(&mut hook);
        // It may have replaced itself, or ended its channel.
        let unused = self.hooks(|hooks| match place(hooks) {
            Some(empty @ None) => empty.replace(hook),
            _ => Some(hook),
        });
        drop(unused);
        true
    }

    fn deliver(&self, channel: ChannelId, arrival: Arrival) {
        let key = (channel, arrival.consumer.clone());
        let consumer = self.hooks(|hooks| hooks.consumers.get(&key).cloned());
        if let (Some(consumer), Some(me)) = (consumer, self.me.upgrade()) {
            consumer.deliver(Delivery::new(me, arrival));
        }
    }

    fn returned(&self, channel: ChannelId, returned: &Returned) {
        let told = self.call(
            |hooks| Some(&mut hooks.channels.get_mut(&channel)?.returned),
            |hook| hook(returned),
        );
        if !told {
            let Returned { code, text, exchange, routing_key, .. } = returned;
            crate::warn!(
                "a message to {exchange:?} with the key {routing_key:?} came back: {code} {text}"
            );
        }
    }

    fn channel_closed(&self, channel: ChannelId, failure: &Failure) {
        let (hooks, consumers) = self.hooks(|hooks| {
            let gone: Vec<_> =
                hooks.consumers.keys().filter(|key| key.0 == channel).cloned().collect();
            let consumers: Vec<_> =
                gone.iter().filter_map(|key| hooks.consumers.remove(key)).collect();
            (hooks.channels.remove(&channel), consumers)
        });
        let ChannelHooks { error, kept, .. } = hooks.unwrap_or_default();
        let is_told = error.is_some();
        if let Some(action) = error {
            action(failure);
        }
        if matches!(failure, Failure::Closed) {
            return drop(consumers);
        }
        for consumer in consumers {
            consumer.cancelled();
        }
        match (kept, self.me.upgrade()) {
            (Some(kept), Some(me)) => kept.ended(&me, channel, &failure.to_string()),
            _ if is_told => {}
            _ => crate::warn!("{failure}"),
        }
    }

    /// The broker has ended a consumer.
    fn cancelled(&self, channel: ChannelId, tag: &str) {
        let Some(consumer) = self.take_consumer(channel, tag) else { return };
        let kept = self.hooks(|hooks| hooks.channels.get_mut(&channel)?.kept.take());
        let is_told = consumer.cancelled();
        match (kept, self.me.upgrade()) {
            (Some(kept), Some(me)) => {
                // Its other consumers are begun again with it. It may be closed already.
                let _ = self.request(channel, Request::Close);
                kept.ended(&me, channel, &consumer.epitaph());
            }
            _ if is_told => {}
            _ => crate::error!("{}", consumer.epitaph()),
        }
    }

    /// Ends the connection, because the session wants another one.
    fn disconnect(&self, reason: String) {
        *self.lost.borrow_mut() = Some(reason);
        while self.send() {}
        let Some(transport) = self.transport() else { return };
        if transport.outbound() == 0 {
            transport.close_after_writing();
        } else {
            // It does not read, and is not waited for.
            transport.close();
        }
    }

    fn over(&self, failure: Option<Failure>) {
        while self.send() {}
        self.stop_timers();
        let mut hooks = self.hooks(std::mem::take);
        if let Some(failure) = &failure {
            let channels = std::mem::take(&mut hooks.channels).into_values();
            channels.filter_map(|hooks| hooks.error).for_each(|action| action(failure));
        }
        if let Some(transport) = self.transport() {
            match failure {
                // The broker has closed its side.
                None => transport.close_after_writing(),
                // Wait for its end without reading: closing at once would cause a reset, and the broker could lose
                // the last frames.
                Some(_) => {
                    transport.half_close();
                    self.wait(GOODBYE, |link| link.hang_up("the broker did not say goodbye"));
                }
            }
        }
        match failure {
            None => {
                self.closed.succeed(());
                if !self.opened.is_settled() {
                    self.opened.fail(Failure::Closed);
                }
            }
            Some(failure) => {
                if !self.opened.is_settled() {
                    self.opened.fail(failure.clone());
                }
                self.closed.fail(failure);
            }
        }
        drop(hooks);
    }
}
