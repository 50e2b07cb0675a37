//! What a broker knows: exchanges, queues, bindings, consumers, and which of them go by themselves.

use std::collections::{BTreeMap, BTreeSet};

/// Everything that was declared, bound and consumed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Model {
    /// With whether they are `auto_delete`.
    pub exchanges: BTreeMap<String, bool>,
    pub queues: BTreeMap<String, Queue>,
    pub bindings: BTreeSet<Binding>,
    /// By channel and tag.
    pub consumers: BTreeMap<(u16, String), String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Queue {
    pub exclusive: bool,
    pub auto_delete: bool,
}

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Binding {
    pub source: String,
    pub destination: Destination,
}

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Destination {
    Exchange(String),
    Queue(String),
}

impl Model {
    pub fn bind(&mut self, source: &str, destination: Destination) {
        self.bindings.insert(Binding { source: source.to_owned(), destination });
    }

    pub fn unbind(&mut self, source: &str, destination: Destination) {
        let binding = Binding { source: source.to_owned(), destination };
        if self.bindings.remove(&binding) {
            self.end_exchange_if_unused(source);
        }
    }

    pub fn delete_exchange(&mut self, name: &str) {
        self.exchanges.remove(name);
        self.bindings.retain(|binding| binding.source != name);
        self.unbind_all(&Destination::Exchange(name.to_owned()));
    }

    /// The consumers that end with it.
    pub fn delete_queue(&mut self, name: &str) -> Vec<(u16, String)> {
        self.queues.remove(name);
        self.unbind_all(&Destination::Queue(name.to_owned()));
        let of_it = |(_, queue): &(&(u16, String), &String)| queue.as_str() == name;
        let gone: Vec<_> =
            self.consumers.iter().filter(of_it).map(|(consumer, _)| consumer.clone()).collect();
        self.consumers.retain(|_, queue| queue != name);
        gone
    }

    pub fn cancel(&mut self, channel: u16, tag: &str) {
        let Some(queue) = self.consumers.remove(&(channel, tag.to_owned())) else { return };
        let unused = !self.consumers.values().any(|other| *other == queue);
        if unused && self.queues.get(&queue).is_some_and(|queue| queue.auto_delete) {
            self.delete_queue(&queue);
        }
    }

    /// What goes with a connection.
    pub fn end_connection(&mut self) {
        let consumers: Vec<_> = self.consumers.keys().cloned().collect();
        consumers.iter().for_each(|(channel, tag)| self.cancel(*channel, tag));
        let exclusive = |(_, queue): &(&String, &Queue)| queue.exclusive;
        let queues: Vec<_> =
            self.queues.iter().filter(exclusive).map(|(name, _)| name.clone()).collect();
        queues.iter().for_each(|name| drop(self.delete_queue(name)));
    }

    fn unbind_all(&mut self, destination: &Destination) {
        let of_it = |binding: &&Binding| binding.destination == *destination;
        let sources: Vec<_> =
            self.bindings.iter().filter(of_it).map(|binding| binding.source.clone()).collect();
        for source in sources {
            self.unbind(&source, destination.clone());
        }
    }

    fn end_exchange_if_unused(&mut self, name: &str) {
        let used = self.bindings.iter().any(|binding| binding.source == name);
        if !used && self.exchanges.get(name) == Some(&true) {
            self.delete_exchange(name);
        }
    }
}
