//! Steps about channels, queues and deferred work.

use std::time::Duration;

use sandloop::{Channel, Operation, Queue, defer, spawn::Step};

use crate::{
    run, say,
    script::{On, Words},
    things::{self, Thing, put},
};

pub fn step(words: &Words, _argument: &str, on: &On) -> Step<String> {
    let word = |index: usize| words.get(index).to_owned();
    let running = |name: String| {
        let on = on.clone();
        move |value: &[u8]| {
            run(&name, &String::from_utf8_lossy(value), &on);
        }
    };
    match words.operation() {
        // They are there as soon as they are used.
        "channel" | "queue" => {}
        "subscribe" => {
            let subscription = Channel::new(&word(0)).subscribe(running(word(2)));
            put(&word(1), Thing::Subscription(subscription));
        }
        "unsubscribe" => things::subscription(&word(1)).unsubscribe(),
        "once" => {
            Channel::new(&word(0)).pop(running(word(1)));
        }
        "publish" => Channel::new(&word(0)).push(word(1)),
        "push" => Queue::new(&word(0)).push(word(1)),
        "subscribers" => {
            say(&format!("subscribers {}", Channel::new(&word(0)).num_subscribers()));
        }
        "pop" => {
            Queue::new(&word(0)).pop(running(word(1)));
        }
        "size" => {
            let queue = Queue::new(&word(0));
            say(&format!("size {} waiting {}", queue.size(), queue.num_waiting()));
        }
        "defer" => {
            let (well, ill) = (word(2), word(3));
            let (on, same) = (on.clone(), on.clone());
            let milliseconds: u64 = word(0).parse().expect("a number");
            defer(
                Operation::with((milliseconds, word(1)), work),
                move |value: String| {
                    run(&well, &value, &on);
                },
                move |failure| {
                    run(&ill, &failure.to_string(), &same);
                },
            );
        }
        other => panic!("no such step: {other}"),
    }
    Step::Done
}

/// Takes so long and answers the word, or fails with it where it begins with `!`.
fn work((milliseconds, word): (u64, String)) -> sandloop::Result<String> {
    std::thread::sleep(Duration::from_millis(milliseconds));
    match word.strip_prefix('!') {
        Some(error) => Err(error.into()),
        None => Ok(word),
    }
}
