//! What a program has made and named.

use std::{cell::RefCell, collections::HashMap};

use sandloop::{
    Completion, DefaultDeferrable, Pool, Server, Socket, Subscription, TickLoop, Timer, Watch,
    deferrable::Waiting, iterator::Iterator, spawn::SpawnedProcess,
};

pub type Deferrable = DefaultDeferrable<String, String>;

#[derive(Clone)]
pub enum Thing {
    Timer(Timer),
    Socket(Socket),
    Server(Server),
    /// The port of a UDP socket.
    Port(u16),
    Deferrable(Deferrable),
    Waiting(Waiting),
    Completion(Completion<String>),
    Process(SpawnedProcess<String>),
    TickLoop(TickLoop),
    Iterator(Iterator<String>),
    Pool(Pool<String>),
    Subscription(Subscription),
    Watch(Watch),
}

thread_local! {
    static THINGS: RefCell<HashMap<String, Thing>> = RefCell::default();
    static COUNTS: RefCell<HashMap<String, u32>> = RefCell::default();
}

pub fn put(name: &str, thing: Thing) {
    let old = THINGS.with_borrow_mut(|things| things.insert(name.to_owned(), thing));
    drop(old);
}

fn get(name: &str) -> Thing {
    THINGS
        .with_borrow(|things| things.get(name).cloned())
        .unwrap_or_else(|| panic!("nothing is named {name:?}"))
}

/// Where a listener or a UDP socket is.
pub fn port(name: &str) -> u16 {
    match get(name) {
        Thing::Port(port) => port,
        Thing::Server(server) => server.port().expect("a TCP listener"),
        _ => panic!("{name:?} is something else"),
    }
}

/// How often this was called with this name, this time included.
pub fn count(name: &str) -> String {
    COUNTS.with_borrow_mut(|counts| {
        let count = counts.entry(name.to_owned()).or_default();
        *count += 1;
        count.to_string()
    })
}

macro_rules! getters {
    ($($name:ident => $variant:ident($type:ty)),+ $(,)?) => {$(
        pub fn $name(name: &str) -> $type {
            match get(name) {
                Thing::$variant(thing) => thing,
                _ => panic!("{name:?} is something else"),
            }
        }
    )+};
}

getters! {
    timer => Timer(Timer),
    socket => Socket(Socket),
    server => Server(Server),
    deferrable => Deferrable(Deferrable),
    waiting => Waiting(Waiting),
    completion => Completion(Completion<String>),
    process => Process(SpawnedProcess<String>),
    tick_loop => TickLoop(TickLoop),
    iterator => Iterator(Iterator<String>),
    pool => Pool(Pool<String>),
    subscription => Subscription(Subscription),
    watch => Watch(Watch),
}
