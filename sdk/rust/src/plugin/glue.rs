//! What the host calls: the exports of a plugin, each handed to the module that knows.

use std::{cell::RefCell, marker::PhantomData};

use super::{Handlers, find, find_process};
use crate::{
    bindings::{
        exports::sandloop::plugin::{
            catalog, deferred_handler, handler, handler::Origin, mailbox, operations,
            processes_handler, queues_handler, subscriptions, ticks_handler, timers_handler,
        },
        program::exports::sandloop::plugin::lifecycle,
        sandloop::plugin::sockets as host,
    },
    channels,
    connection::Connection,
    deferred, hooks,
    lifecycle::Program,
    processes::{self, ProcessId},
    queues, reactor,
    sockets::{self, Socket},
    timers,
    types::CloseReason,
};

/// The exports of every plugin.
pub struct Glue<H>(PhantomData<H>);

/// The host's hold on one connection.
pub struct Held<H> {
    connection: RefCell<Box<dyn Connection>>,
    handlers: PhantomData<H>,
}

impl<H: Handlers> handler::Guest for Glue<H> {
    type Connection = Held<H>;
}

impl<H: Handlers> handler::GuestConnection for Held<H> {
    fn new(socket: host::Socket, origin: Origin) -> Self {
        let socket = Socket::new(socket);
        let connection = match origin {
            Origin::Accepted(accepted) => {
                let class = find(H::HANDLERS, &accepted.handler).unwrap_or_else(|problem| {
                    panic!("listener {}: {problem}", accepted.listener);
                });
                (class.make)(socket, &accepted.options.into())
            }
            Origin::Connected(token) => match sockets::take_maker(token) {
                Some(make) => make(socket),
                None => panic!("no connect has the token {token}"),
            },
        };
        Held { connection: RefCell::new(connection), handlers: PhantomData }
    }

    fn post_init(&self) {
        self.connection.borrow_mut().post_init();
    }

    fn connection_completed(&self) {
        self.connection.borrow_mut().connection_completed();
    }

    fn receive_data(&self, data: Vec<u8>) {
        self.connection.borrow_mut().receive_data(&data);
    }

    fn drained(&self) {
        self.connection.borrow_mut().drained();
    }

    fn unbind(&self, reason: CloseReason) {
        self.connection.borrow_mut().unbind(reason);
    }
}

impl<H: Handlers> timers_handler::Guest for Glue<H> {
    fn timer_fired(id: u32) {
        timers::fire(id);
    }
}

impl<H: Handlers> ticks_handler::Guest for Glue<H> {
    fn tick(id: u32) {
        reactor::tick(id);
    }
}

impl<H: Handlers> operations::Guest for Glue<H> {
    fn run(operation: u32, argument: Vec<u8>) -> Result<Vec<u8>, String> {
        deferred::run_operation(operation, &argument)
    }
}

impl<H: Handlers> deferred_handler::Guest for Glue<H> {
    fn completed(job: u32, outcome: Result<Vec<u8>, deferred_handler::Failure>) {
        deferred::completed(job, outcome);
    }
}

impl<H: Handlers> mailbox::Guest for Glue<H> {
    fn spawned(process: u32, name: String, argument: Vec<u8>) -> Result<(), String> {
        let class = find_process(H::PROCESSES, &name)?;
        processes::begin(process, || (class.make)(ProcessId::from_u32(process), &argument));
        Ok(())
    }

    fn notified(message: Vec<u8>) {
        processes::notified(&message);
    }
}

impl<H: Handlers> processes_handler::Guest for Glue<H> {
    fn exited(process: u32, reason: processes_handler::ExitReason) {
        processes::exited(process, reason);
    }
}

impl<H: Handlers> subscriptions::Guest for Glue<H> {
    fn message(subscription: u32, message: Vec<u8>) {
        channels::message(subscription, &message);
    }
}

impl<H: Handlers> queues_handler::Guest for Glue<H> {
    fn popped(pop: u32, item: Vec<u8>) {
        queues::popped(pop, &item);
    }
}

impl<H: Handlers> catalog::Guest for Glue<H> {
    fn handlers() -> Vec<String> {
        H::HANDLERS.iter().map(|class| class.name().to_ascii_lowercase()).collect()
    }
}

/// The exports of a plugin with a program.
pub struct Start<P>(PhantomData<P>);

impl<P: Program> lifecycle::Guest for Start<P> {
    fn prepare() -> Result<(), String> {
        P::prepare().map_err(|error| error.to_string())
    }

    fn start() -> Result<(), String> {
        P::start().map_err(|error| error.to_string())
    }

    fn stopping() {
        hooks::run_shutdown_hooks();
        P::stopping();
    }

    fn stopped() {
        P::stopped();
    }
}

/// In the place of the exports, whose names no linker but WebAssembly's takes: a plugin that is compiled for
/// the developer's own machine, for its unit tests say, is checked all the same.
pub const fn check_connections<E>()
where
    E: handler::Guest
        + timers_handler::Guest
        + ticks_handler::Guest
        + catalog::Guest
        + operations::Guest
        + deferred_handler::Guest
        + mailbox::Guest
        + processes_handler::Guest
        + subscriptions::Guest
        + queues_handler::Guest,
{
}

/// As [`check_connections`].
pub const fn check_program<E: lifecycle::Guest>() {}
