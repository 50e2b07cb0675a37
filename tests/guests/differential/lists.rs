//! Steps about iterators and pools.

use std::{cell::RefCell, rc::Rc};

use sandloop::{
    Deferrable as _, Pool,
    iterator::{Iterator, Return},
    spawn::Step,
};

use crate::{
    after, run, say,
    script::{On, Words},
    shared,
    things::{self, Thing, put},
};

pub fn step(words: &Words, argument: &str, on: &On) -> Step<String> {
    let word = |index: usize| words.get(index).to_owned();
    match words.operation() {
        "iterator" => {
            let items: Vec<String> =
                word(1).split(',').filter(|item| !item.is_empty()).map(str::to_owned).collect();
            let concurrency = word(2).parse().expect("a number");
            put(&word(0), Thing::Iterator(Iterator::new(items, concurrency)));
        }
        "concurrency" => {
            things::iterator(&word(0)).set_concurrency(word(1).parse().expect("a number"));
        }
        "each" => {
            let (name, done) = (word(1), word(2));
            things::iterator(&word(0)).each(
                move |item, next| {
                    run(&name, &item, &On::Item(Rc::new(RefCell::new(Some(next)))));
                },
                move || {
                    run(&done, "", &On::Nothing);
                },
            );
        }
        "map" => {
            let (name, done) = (word(1), word(2));
            things::iterator(&word(0)).map(
                move |item, back| {
                    run(&name, &item, &On::Mapped(Rc::new(RefCell::new(Some(back)))));
                },
                move |all: Vec<String>| {
                    run(&done, &all.join("+"), &On::Nothing);
                },
            );
        }
        "inject" => {
            let done = word(2);
            things::iterator(&word(0)).inject(
                word(1),
                |sum, item, back: Return<String>| back.r#return(format!("{sum}{item}")),
                move |sum| {
                    run(&done, &sum, &On::Nothing);
                },
            );
        }
        "next" => next(on),
        "next_in" => {
            let on = on.clone();
            after(&word(0), move || next(&on));
        }
        "return_in" => {
            let On::Mapped(item) = on.clone() else { panic!("this block maps nothing") };
            let value = word(1);
            after(&word(0), move || {
                let back = item.borrow_mut().take().expect("returned once");
                back.r#return(value);
            });
        }
        _ => return pools(words, argument, on),
    }
    Step::Done
}

fn next(on: &On) {
    let On::Item(item) = on else { panic!("this block is not about an item") };
    let next = item.borrow_mut().take().expect("done once");
    next.next();
}

fn pools(words: &Words, argument: &str, on: &On) -> Step<String> {
    let word = |index: usize| words.get(index).to_owned();
    match words.operation() {
        "pool" => {
            let pool = Pool::new();
            word(1).split(',').for_each(|resource| pool.add(resource.to_owned()));
            put(&word(0), Thing::Pool(pool));
        }
        "perform" => {
            let name = word(1);
            things::pool(&word(0)).perform(move |resource| {
                let deferrable = things::Deferrable::new();
                put(&format!("work {name}"), Thing::Deferrable(deferrable.clone()));
                say(&format!("{name} has {resource}"));
                deferrable
            });
        }
        "done" => things::deferrable(&format!("work {}", word(0))).succeed(String::new()),
        "spoil" => things::deferrable(&format!("work {}", word(0))).fail(String::new()),
        "on_error" => {
            let name = word(1);
            things::pool(&word(0)).on_error(move |resource: String| {
                run(&name, &resource, &On::Nothing);
            });
        }
        "add" => things::pool(&word(0)).add(word(1)),
        "remove" => things::pool(&word(0)).remove(&word(1)),
        "pool_state" => {
            let pool = things::pool(&word(0));
            let contents = pool.contents().join(",");
            say(&format!("waiting {} of {contents}", pool.num_waiting()));
        }
        _ => return shared::step(words, argument, on),
    }
    Step::Done
}
