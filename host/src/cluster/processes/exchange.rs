//! What hosts tell each other about processes: at intervals, and in answer to messages.

use std::collections::BTreeMap;
use std::sync::{Arc, Weak};
use std::time::Duration;

use async_nats::Message;
use futures_util::{FutureExt, StreamExt};
use tokio::time::{MissedTickBehavior, interval};

use crate::clock::Moment;
use crate::cluster::line::Line;
use crate::cluster::processes::ProcessLink;
use crate::cluster::processes::offers::PLUGINS_MAX;
use crate::cluster::processes::word::{self, NUMBERS_MAX, ProcessHead, ProcessWord};
use crate::cluster::sequence::{Arrival, SequencePlace};
use crate::contract::outcome::ClusterExit;
use crate::mail::cluster_process::ClusterPid;
use crate::mail::mailboxes::Undelivered;
use crate::mail::process_service::WantedProcess;

/// The number of intervals without a word after which a host is lost.
const SILENCES: u32 = 3;

/// The most messages that are taken before hosts are looked for.
const TAKEN_AT_ONCE: usize = 4096;

/// Receives and tells until the link is gone. `subjects` are that of this host, and that of all.
pub(super) async fn keep(link: Weak<ProcessLink>, line: Arc<Line>, subjects: [String; 2]) {
    let Some(client) = line.client().await else { return };
    let Some(period) = link.upgrade().map(|link| link.ping) else { return };
    let [own, all] = subjects;
    let (Ok(mut own), Ok(mut of_all)) =
        (client.subscribe(own).await, client.subscribe(all.clone()).await)
    else {
        return;
    };
    let Some(bell) = link.upgrade().map(|link| link.bell.clone()) else { return };
    let mut ticks = interval(period);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            message = own.next() => {
                let (Some(message), Some(link)) = (message, link.upgrade()) else { return };
                link.take(&message);
            }
            message = of_all.next() => {
                let (Some(message), Some(link)) = (message, link.upgrade()) else { return };
                link.take_offer(&message);
            }
            // The others know at once that it serves, and not after an interval.
            () = bell.notified() => ticks.reset_immediately(),
            _ = ticks.tick() => {
                let Some(link) = link.upgrade() else { return };
                // What has come is handled before anybody counts as silent.
                for _ in 0..TAKEN_AT_ONCE {
                    let Some(Some(message)) = own.next().now_or_never() else { break };
                    link.take(&message);
                }
                link.look_around(link.clock.now());
                // A late offer would be useless, so that none is queued.
                if line.is_connected() {
                    let offer = word::write(link.own, link.offer(period), &[]);
                    // If it is lost, the next one comes.
                    let _ = client.publish(all.clone(), offer.into()).await;
                    link.tell_parents();
                }
            }
        }
    }
}

impl ProcessLink {
    /// Announces that this host leaves.
    pub(in crate::cluster) fn leave(&self) {
        let offer = word::write(self.own, self.offer(Duration::ZERO), &[]);
        // Behind the ends of processes. If it is lost the others notice the silence.
        if let Ok(room) = self.room(offer.len()) {
            self.push(self.subjects.of_all_processes(), offer, room);
        }
    }

    fn offer(&self, again_in: Duration) -> ProcessWord {
        let free = self.service.get().map(|service| service.free(&self.tenant));
        let free: BTreeMap<_, _> =
            free.into_iter().flatten().take(PLUGINS_MAX).filter(|_| !again_in.is_zero()).collect();
        ProcessWord::Offer {
            host: self.host.as_str().to_owned(),
            again_in_ms: u64::try_from(again_in.as_millis()).unwrap_or(u64::MAX),
            free,
        }
    }

    /// How long a host may be silent.
    fn patience(&self, host: u64) -> Duration {
        let period = self.offers.of(host).map_or(self.ping, |(period, _)| period.max(self.ping));
        // A word and its answer, each a little late.
        period * SILENCES + period / 2
    }

    fn host_name(&self, host: u64) -> String {
        self.offers.of(host).map_or_else(|| format!("{host:016x}"), |(_, name)| name)
    }

    /// Ends what was on silent hosts, or for them.
    fn look_around(&self, now: Moment) {
        let patience = |host| self.patience(host);
        let ended = self.residents.end_silent(self.own, patience, now);
        self.tell_orphans(ended, "silent hosts");
        let mut lost = BTreeMap::<_, Vec<u64>>::new();
        for (number, child, reason) in self.children.take_silent(self.own, patience, now) {
            lost.entry((child.host, reason.name())).or_default().push(number);
            self.counters.count_exit(reason);
            child.tell(number, reason);
        }
        for ((host, reason), numbers) in lost {
            self.tell_lost(host, numbers.len(), reason);
            // If they are there after all, they are not wanted any more.
            self.say_kill(host, &numbers);
        }
        self.offers.forget_silent(SILENCES, now);
    }

    /// Tells the hosts of the parents of processes here which are there, and which have ended.
    fn tell_parents(&self) {
        for (parent, news) in self.residents.news(self.own) {
            for some in news.alive.chunks(NUMBERS_MAX) {
                self.say(parent, ProcessWord::Alive(some.to_vec()));
            }
            for (number, reason) in news.ended {
                self.say_exited(parent, number, reason);
            }
        }
    }

    fn take_offer(&self, message: &Message) {
        match word::read(&message.payload) {
            Some((ProcessHead { from, word: word @ ProcessWord::Offer { .. } }, _)) => {
                self.hear_offer(from, word);
            }
            _ => self.counters.ignored.add(1),
        }
    }

    fn hear_offer(&self, from: u64, word: ProcessWord) {
        let ProcessWord::Offer { host, again_in_ms, free } = word else { return };
        if self.is_own(from) {
            return;
        }
        if again_in_ms != 0 {
            if !self.offers.has(from) {
                // It knows this host before it is asked for anything.
                self.say(from, self.offer(self.ping));
            }
            let period = Duration::from_millis(again_in_ms);
            return self.offers.hear(from, host, free, period, self.clock.now());
        }
        let lost = self.children.lose(from);
        self.tell_lost(from, lost.len(), ClusterExit::HostLost.name());
        for (number, child) in lost {
            self.counters.count_exit(ClusterExit::HostLost);
            child.tell(number, ClusterExit::HostLost);
        }
        let ended = self.residents.orphan(from, self.clock.now());
        self.tell_orphans(ended, &self.host_name(from));
        self.offers.leave(from);
    }

    fn tell_lost(&self, host: u64, count: usize, reason: &str) {
        if count != 0 {
            let (tenant, host) = (&*self.tenant, self.host_name(host));
            tracing::warn!(tenant, host, count, reason, "processes on another host are lost");
        }
    }

    fn tell_orphans(&self, count: usize, host: &str) {
        if count != 0 {
            self.counters.orphans.add(u64::try_from(count).unwrap_or_default());
            let tenant = &*self.tenant;
            tracing::warn!(tenant, host, count, "processes of parents on another host are ended");
        }
    }

    /// Handles a message for this host.
    fn take(&self, message: &Message) {
        let Some((ProcessHead { from, word }, payload)) = word::read(&message.payload) else {
            return self.counters.ignored.add(1);
        };
        let now = self.clock.now();
        if let ProcessWord::Offer { .. } = word {
            return self.hear_offer(from, word);
        }
        // A host says where it is before it says anything else.
        if self.is_own(from) || !self.offers.has(from) {
            return self.counters.ignored.add(1);
        }
        match word {
            ProcessWord::Spawn { number, parent, plugin, name } => {
                let argument = payload.to_vec();
                let wanted = WantedProcess { parent: &parent, plugin: &plugin, name, argument };
                self.spawn_here(from, number, wanted);
            }
            ProcessWord::Notify { number, run, place } => {
                self.notify_here(from, number, SequencePlace { run, number: place }, payload);
            }
            ProcessWord::Alive(numbers) => {
                let (known, unknown) = self.children.hear(from, &numbers, now);
                if !known.is_empty() {
                    self.say(from, ProcessWord::Known(known));
                }
                if !unknown.is_empty() {
                    self.say(from, ProcessWord::Kill(unknown));
                }
            }
            ProcessWord::Known(numbers) => self.residents.confirm(from, &numbers, now),
            ProcessWord::Kill(numbers) => {
                let unknown = self.residents.kill(from, &numbers).into_iter();
                for number in unknown.take(NUMBERS_MAX) {
                    self.say_exited(from, number, ClusterExit::Killed);
                }
            }
            ProcessWord::Exited { number, reason } => {
                if let Some(reason) = ClusterExit::named(&reason) {
                    self.exited(from, number, reason);
                }
            }
            ProcessWord::Heard(number) => self.residents.forget(from, number),
            ProcessWord::Offer { .. } => {}
        }
    }

    /// Another host wants a process here. It is created when that host has confirmed that it does.
    fn spawn_here(&self, from: u64, number: u64, wanted: WantedProcess<'_>) {
        let is_taken = self.residents.has(number) || self.children.host_of(number).is_some();
        if is_taken {
            return self.counters.ignored.add(1);
        }
        let pid = ClusterPid { host: self.own, number };
        if self.admit(from, pid, wanted) {
            self.say(from, ProcessWord::Alive(vec![number]));
        } else {
            self.counters.turned_away.add(1);
            self.say_exited(from, number, ClusterExit::Unavailable);
        }
    }

    fn notify_here(&self, from: u64, number: u64, at: SequencePlace, message: &[u8]) {
        let sender = format!("{from:x} {number:x}");
        match self.heard.lock().hear(&sender, at, 1) {
            Arrival::Next => {}
            Arrival::Again => return,
            Arrival::After(missed) => self.counters.traffic.missed.add(missed),
        }
        // One that has ended is not missed by anybody.
        let Some(door) = self.residents.door(number) else { return };
        match door.processes.notify(door.process, message.to_vec(), door.tenant) {
            Ok(_) => self.counters.traffic.received.add(1),
            Err(Undelivered::Gone) => {}
            Err(Undelivered::Full) => {
                self.counters.traffic.left_out.add(1);
                if !self.counters.has_told_full.swap(true, std::sync::atomic::Ordering::Relaxed) {
                    let (tenant, host) = (&*self.tenant, self.host_name(from));
                    tracing::warn!(
                        tenant,
                        host,
                        "a mailbox has no room for messages of another host: left out, here and later"
                    );
                }
            }
        }
    }

    /// A process on another host has ended.
    fn exited(&self, from: u64, number: u64, reason: ClusterExit) {
        if let Some(child) = self.children.end(from, number) {
            self.counters.count_exit(reason);
            child.tell(number, reason);
        }
        self.say(from, ProcessWord::Heard(number));
    }
}
