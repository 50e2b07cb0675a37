//! An item of a queue, from its queue to a pop and until its handler has ended.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use crate::mail::message::Message;

/// An item on its way to a pop. When dropped it returns to its queue, unless it has [arrived](Handout::arrive).
#[derive(Debug)]
pub struct Handout {
    queue: Arc<dyn TakeBack>,
    /// The name of the queue, and the item's position in it.
    from: (String, u64),
    item: Option<Message>,
    progress: HandoutProgress,
}

/// The progress of an item.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum HandoutProgress {
    OnItsWay,
    /// Its handler begins.
    Arrived,
    /// Its handler has returned.
    Handled,
}

/// The queue from which an item was handed out.
pub trait TakeBack: fmt::Debug + Send + Sync {
    /// An item of the queue `name` has arrived.
    fn arrived(&self, name: &str);

    /// An item of the queue `name` was not delivered: it goes back to the position `order`.
    fn take_back(self: Arc<Self>, name: &str, order: u64, item: Message);

    /// Whether a handler that may take this long can begin: no other pop gets the item meanwhile.
    fn may_begin(&self, takes: Duration) -> bool;

    /// The handler of an item that has arrived has returned.
    fn handled(&self);

    /// The handler of an item that has arrived has trapped, or its instance has ended.
    fn lost(&self, item: Message);
}

impl Handout {
    /// An item of the queue with the name and at the position `from`.
    pub fn new(queue: Arc<dyn TakeBack>, from: (String, u64), item: Message) -> Handout {
        Handout { queue, from, item: Some(item), progress: HandoutProgress::OnItsWay }
    }

    /// Whether a handler that may take this long can begin now.
    pub fn may_begin(&self, takes: Duration) -> bool {
        self.queue.may_begin(takes)
    }

    /// The item was delivered: it will not return to its queue.
    pub fn arrive(&mut self) {
        self.progress = HandoutProgress::Arrived;
        self.queue.arrived(&self.from.0);
    }

    /// Its handler has returned.
    pub fn handled(&mut self) {
        self.progress = HandoutProgress::Handled;
        self.queue.handled();
    }

    pub fn data(&self) -> &[u8] {
        self.item.as_ref().map_or(&[], Message::data)
    }

    /// Takes the item out without returning it to its queue.
    pub fn give_back(mut self) -> Option<Message> {
        self.item.take()
    }
}

impl Drop for Handout {
    fn drop(&mut self) {
        let Some(item) = self.item.take() else { return };
        match self.progress {
            HandoutProgress::OnItsWay => {
                self.queue.clone().take_back(&self.from.0, self.from.1, item);
            }
            HandoutProgress::Arrived => self.queue.lost(item),
            HandoutProgress::Handled => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;
    use crate::quota::budget::ByteBudget;

    /// Counts the outcomes of items.
    #[derive(Debug, Default)]
    struct Counting {
        arrived: AtomicUsize,
        back: AtomicUsize,
        handled: AtomicUsize,
        lost: AtomicUsize,
    }

    impl TakeBack for Counting {
        fn arrived(&self, name: &str) {
            assert_eq!(name, "jobs");
            self.arrived.fetch_add(1, Ordering::Relaxed);
        }

        fn take_back(self: Arc<Self>, name: &str, order: u64, item: Message) {
            assert_eq!((name, order, item.data()), ("jobs", 7, &b"x"[..]));
            self.back.fetch_add(1, Ordering::Relaxed);
        }

        fn may_begin(&self, takes: Duration) -> bool {
            takes < Duration::from_secs(1)
        }

        fn handled(&self) {
            self.handled.fetch_add(1, Ordering::Relaxed);
        }

        fn lost(&self, item: Message) {
            assert_eq!(item.data(), b"x");
            self.lost.fetch_add(1, Ordering::Relaxed);
        }
    }

    #[test]
    fn an_item_has_one_end_which_is_told_once() {
        let messages = ByteBudget::new(1 << 20);
        type Steps = fn(&mut Handout);
        let cases: [(Steps, [usize; 4]); 3] = [
            (|_| {}, [0, 1, 0, 0]),
            (Handout::arrive, [1, 0, 0, 1]),
            (
                |item| {
                    item.arrive();
                    item.handled();
                },
                [1, 0, 1, 0],
            ),
        ];
        for (steps, expected) in cases {
            let queue = Arc::new(Counting::default());
            let item = Message::new(b"x".to_vec(), &messages, None).expect("there is room");
            let mut item = Handout::new(queue.clone(), ("jobs".to_owned(), 7), item);
            assert!(item.may_begin(Duration::ZERO) && !item.may_begin(Duration::from_secs(1)));
            steps(&mut item);
            assert_eq!(item.data(), b"x");
            drop(item);
            let counts = [&queue.arrived, &queue.back, &queue.handled, &queue.lost];
            assert_eq!(counts.map(|count| count.load(Ordering::Relaxed)), expected);
        }
        assert_eq!(messages.held(), 0);
    }
}
