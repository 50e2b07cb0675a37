//! Steps about deferrables, completions, spawned processes and tick loops.

use std::ops::ControlFlow;

use sandloop::{
    Completion, DefaultDeferrable, Deferrable as _, Status,
    completion::State,
    spawn::{Step, spawn_with, yield_and_notify, yield_to},
    tick_loop,
};

use crate::{
    lists, milliseconds, run, say,
    script::{On, Words},
    things::{self, Thing, put},
};

pub fn step(words: &Words, argument: &str, on: &On) -> Step<String> {
    let word = |index: usize| words.get(index).to_owned();
    match words.operation() {
        "deferrable" => put(&word(0), Thing::Deferrable(DefaultDeferrable::new())),
        "callback" => {
            let waiting = things::deferrable(&word(0)).add_callback(running(word(1)));
            put(&format!("callback {}", word(1)), Thing::Waiting(waiting));
        }
        "errback" => {
            let waiting = things::deferrable(&word(0)).add_errback(running(word(1)));
            put(&format!("errback {}", word(1)), Thing::Waiting(waiting));
        }
        "cancel_callback" => {
            let waiting = things::waiting(&format!("callback {}", word(1)));
            things::deferrable(&word(0)).cancel_callback(waiting);
        }
        "cancel_errback" => {
            let waiting = things::waiting(&format!("errback {}", word(1)));
            things::deferrable(&word(0)).cancel_errback(waiting);
        }
        "succeed" => {
            things::deferrable(&word(0)).succeed(word(1));
        }
        "fail" => {
            things::deferrable(&word(0)).fail(word(1));
        }
        "unknown" => {
            things::deferrable(&word(0)).set_deferred_status(Status::Unknown);
        }
        "timeout" => {
            things::deferrable(&word(0)).timeout(milliseconds(&word(1)), word(2));
        }
        "cancel_timeout" => {
            things::deferrable(&word(0)).cancel_timeout();
        }
        "completion" => put(&word(0), Thing::Completion(Completion::new())),
        "stateback" => {
            things::completion(&word(0)).stateback(state(&word(1)), running(word(2)));
        }
        "completed" => {
            things::completion(&word(0)).completion(running(word(1)));
        }
        "change" => things::completion(&word(0)).change_state(state(&word(1)), word(2)),
        "state" => {
            let completion = things::completion(&word(0));
            let state = match completion.state() {
                State::Unknown => "unknown",
                State::Succeeded => "succeeded",
                State::Failed => "failed",
                State::Other(name) => name,
            };
            say(&format!("state {state} {}", completion.is_completed()));
        }
        _ => return processes(words, argument, on),
    }
    Step::Done
}

fn processes(words: &Words, argument: &str, on: &On) -> Step<String> {
    let word = |index: usize| words.get(index).to_owned();
    match words.operation() {
        "spawn" => {
            let name = word(1);
            let process =
                spawn_with(move |me, value: String| run(&name, &value, &On::Process(me.clone())));
            put(&word(0), Thing::Process(process));
        }
        "notify" => things::process(&word(0)).notify(word(1)),
        "notify_self" => match on {
            On::Process(process) => process.notify(word(0)),
            _ => panic!("this block is not about a process"),
        },
        "yield" => {
            let (name, on) = (word(0), on.clone());
            return yield_to(move |value: String| run(&name, &value, &on));
        }
        "yield_and_notify" => {
            let (name, on) = (word(0), on.clone());
            return yield_and_notify(String::new(), move |value: String| run(&name, &value, &on));
        }
        "tick_loop" => {
            let (name, last) = (word(1), word(2));
            let mut calls = 0_u32;
            let made = tick_loop(move || {
                calls += 1;
                run(&name, &calls.to_string(), &On::Nothing);
                if calls.to_string() == last {
                    ControlFlow::Break(())
                } else {
                    ControlFlow::Continue(())
                }
            });
            put(&word(0), Thing::TickLoop(made));
        }
        "restart" => things::tick_loop(&word(0)).start(),
        "halt" => things::tick_loop(&word(0)).stop(),
        "on_stop" => {
            let name = word(1);
            things::tick_loop(&word(0)).on_stop(move || {
                run(&name, "", &On::Nothing);
            });
        }
        "stopped" => say(&format!("stopped {}", things::tick_loop(&word(0)).is_stopped())),
        _ => return lists::step(words, argument, on),
    }
    Step::Done
}

fn running(name: String) -> impl FnOnce(&String) {
    move |value| {
        run(&name, value, &On::Nothing);
    }
}

fn state(name: &str) -> State {
    match name {
        "unknown" => State::Unknown,
        "succeeded" => State::Succeeded,
        "failed" => State::Failed,
        "half" => State::Other("half"),
        other => panic!("no state {other:?}"),
    }
}
