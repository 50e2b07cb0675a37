//! Runs the program of one scenario on Sandloop. tests/differential/interpreter.rb does the same on EventMachine, and
//! tests/suite/differential.rs compares the outputs.

#[path = "differential/frames.rs"]
mod frames;
#[path = "differential/lightweight.rs"]
mod lightweight;
#[path = "differential/lists.rs"]
mod lists;
#[path = "differential/own_sockets.rs"]
mod own_sockets;
#[path = "differential/script.rs"]
mod script;
#[path = "differential/shared.rs"]
mod shared;
#[path = "differential/sockets.rs"]
mod sockets;
#[path = "differential/things.rs"]
mod things;

use std::time::Duration;

use sandloop::{
    PeriodicTimer, Program, Timer, add_shutdown_hook, add_timer, is_running, next_tick, options,
    schedule, spawn::Step, stop,
};

use crate::{
    script::{On, Words, block},
    things::{Thing, count, put, timer},
};

struct Differential;

impl Program for Differential {
    fn prepare() -> sandloop::Result {
        script::load(&options::get("script").ok_or("option `script` is missing")?)?;
        run("before", "", &On::Nothing);
        Ok(())
    }

    fn start() -> sandloop::Result {
        run("start", "", &On::Nothing);
        Ok(())
    }

    fn stopped() {
        run("after", "", &On::Nothing);
    }
}

/// Runs a block; `argument` stands for `$`, `on` is what it is about. What its last step yields is what it yields.
pub fn run(name: &str, argument: &str, on: &On) -> Step<String> {
    let mut yielded = Step::Done;
    for words in block(name) {
        yielded = step(&words.with(argument), argument, on);
    }
    yielded
}

/// Prints a line of the trace.
pub fn say(text: &str) {
    println!("{text}");
}

/// A word that is a number of milliseconds.
pub fn milliseconds(word: &str) -> Duration {
    Duration::from_millis(word.parse().expect("a number of milliseconds"))
}

fn step(words: &Words, argument: &str, on: &On) -> Step<String> {
    let word = |index: usize| words.get(index).to_owned();
    // What is done later.
    let later = |index: usize| {
        let (name, argument, on) = (word(index), argument.to_owned(), on.clone());
        move || {
            run(&name, &argument, &on);
        }
    };
    match words.operation() {
        "say" => say(&words.rest()),
        "stop" => stop(),
        "running" => say(&format!("running {}", is_running())),
        "call" => schedule(later(0)),
        "tick" if words.len() == 2 => {
            let (name, argument, on) = (word(0), word(1), on.clone());
            next_tick(move || {
                run(&name, &argument, &on);
            });
        }
        "tick" => next_tick(later(0)),
        "hook" => add_shutdown_hook(later(0)),
        "timer" => {
            let made = Timer::new(milliseconds(&word(0)), later(1));
            put(&word(2), Thing::Timer(made));
        }
        "periodic" => {
            let action = later(1);
            let made = PeriodicTimer::new(milliseconds(&word(0)), move |_| action());
            put(&word(2), Thing::Timer(made.into()));
        }
        "cancel" => timer(&word(0)).cancel(),
        "count" => {
            if count(&word(0)) == word(1) {
                run(&word(2), argument, on);
            }
        }
        _ => return sockets::step(words, argument, on),
    }
    Step::Done
}

/// Calls a block after so many milliseconds with something that is used up.
pub fn after(milliseconds_word: &str, action: impl FnOnce() + 'static) {
    add_timer(milliseconds(milliseconds_word), action);
}

sandloop::plugin! {
    handlers: [
        sockets::Scripted::accepted,
        "lines" => frames::Lines::accepted,
        "content" => frames::Content::accepted,
        "objects" => frames::Objects::accepted,
    ],
    program: Differential,
}
