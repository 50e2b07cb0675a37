//! The name of a queue, which the broker may give, and give anew with each connection.

use std::{cell::RefCell, fmt, rc::Rc};

/// A queue's name. Clones are the same one, so whatever was bound and consumed under a name that the broker gave
/// follows it when the broker gives another.
#[derive(Clone)]
pub struct QueueName(Rc<Name>);

struct Name {
    by_broker: bool,
    now: RefCell<Option<Rc<str>>>,
}

impl QueueName {
    /// A queue with this name; with an empty one, the broker gives it a name.
    #[must_use]
    pub fn new(name: &str) -> QueueName {
        let now = (!name.is_empty()).then(|| Rc::from(name));
        QueueName(Rc::new(Name { by_broker: name.is_empty(), now: RefCell::new(now) }))
    }

    /// The current name; none before the broker has assigned one.
    #[must_use]
    pub fn get(&self) -> Option<Rc<str>> {
        self.0.now.borrow().clone()
    }

    /// Whether the broker gives the name.
    #[must_use]
    pub fn is_by_broker(&self) -> bool {
        self.0.by_broker
    }

    /// The broker has said what the queue is called. It has a say in it only if it was asked.
    pub(crate) fn named(&self, name: &str) {
        if self.0.by_broker {
            *self.0.now.borrow_mut() = Some(Rc::from(name));
        }
    }

    /// The name to declare it with.
    pub(crate) fn to_declare(&self) -> Rc<str> {
        if self.0.by_broker { Rc::from("") } else { self.get().unwrap_or_default() }
    }

    /// Whether both mean the same queue at present.
    pub(crate) fn is_same(&self, other: &QueueName) -> bool {
        Rc::ptr_eq(&self.0, &other.0) || self.get().is_some_and(|name| Some(name) == other.get())
    }
}

impl fmt::Debug for QueueName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("QueueName").field(&self.get()).finish()
    }
}

impl PartialEq for QueueName {
    fn eq(&self, other: &QueueName) -> bool {
        self.is_same(other)
    }
}
