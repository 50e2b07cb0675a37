//! The exports of a plugin, each forwarded to its module.

use std::{cell::RefCell, fmt::Display, marker::PhantomData, time::Duration};

use super::{
    Classes,
    class::{find_handler, find_process},
};
use crate::{
    bindings::{
        exports::sandloop::plugin::{
            catalog, cluster_processes_handler, deferred_handler, drain_handler, files_handler,
            handler, handler::Origin, mailbox, operations, processes_handler, proxy_handler,
            queues_handler, subscriptions, ticks_handler, timers_handler, tls_handler,
            watch_handler,
        },
        program::exports::sandloop::plugin::{handover_handler, lifecycle},
        sandloop::plugin::sockets as host,
    },
    channels, cluster_processes,
    connection::Connection,
    deferred, files, hooks,
    lifecycle::Program,
    processes::{self, ProcessId},
    queues, reactor,
    sockets::{self, Made, Socket},
    timers,
    types::CloseReason,
    watching,
};

/// The exports of every plugin.
pub struct Glue<C>(PhantomData<C>);

/// The host's hold on one connection.
pub struct Held<C> {
    connection: RefCell<Box<dyn Connection>>,
    /// Identifies the connection of a file.
    socket: Socket,
    /// Whether it was a connection before, which has had its `post_init`.
    is_again: bool,
    classes: PhantomData<C>,
}

impl<C: Classes> handler::Guest for Glue<C> {
    type Connection = Held<C>;
}

impl<C: Classes> handler::GuestConnection for Held<C> {
    fn new(socket: host::Socket, origin: Origin) -> Self {
        let socket = Socket::new(socket.into());
        let made = match origin {
            Origin::Accepted(accepted) => {
                let class =
                    find_handler(C::HANDLERS, &accepted.handler).unwrap_or_else(|problem| {
                        panic!("listener {}: {problem}", accepted.listener);
                    });
                let connection = (class.make)(socket.clone(), &accepted.options.into());
                Made { connection, socket, is_again: false }
            }
            Origin::Connected(token) => match sockets::take_maker(token) {
                Some(make) => make(socket),
                None => panic!("no connect has the token {token}"),
            },
        };
        let Made { connection, socket, is_again } = made;
        Held { connection: RefCell::new(connection), socket, is_again, classes: PhantomData }
    }

    fn post_init(&self) {
        if !self.is_again {
            self.connection.borrow_mut().post_init();
        }
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
        sockets::unbind(&self.socket, &self.connection, reason);
    }
}

impl<C: Classes> tls_handler::Guest for Glue<C> {
    fn completed(of: handler::ConnectionBorrow<'_>) {
        of.get::<Held<C>>().connection.borrow_mut().tls_completed();
    }

    fn verify_peer(of: handler::ConnectionBorrow<'_>, chain: Vec<Vec<u8>>) -> bool {
        of.get::<Held<C>>().connection.borrow_mut().verify_peer(&chain)
    }
}

impl<C: Classes> drain_handler::Guest for Glue<C> {
    fn draining(of: handler::ConnectionBorrow<'_>, milliseconds: u32) -> drain_handler::Drain {
        let within = Duration::from_millis(milliseconds.into());
        of.get::<Held<C>>().connection.borrow_mut().draining(within)
    }
}

impl<C: Classes> timers_handler::Guest for Glue<C> {
    fn timer_fired(id: u32) {
        timers::fire(id);
    }
}

impl<C: Classes> ticks_handler::Guest for Glue<C> {
    fn tick(id: u32) {
        reactor::tick(id);
    }
}

impl<C: Classes> operations::Guest for Glue<C> {
    fn run(operation: u32, argument: Vec<u8>) -> Result<Vec<u8>, String> {
        deferred::run_operation(operation, &argument)
    }
}

impl<C: Classes> deferred_handler::Guest for Glue<C> {
    fn completed(job: u32, outcome: Result<Vec<u8>, deferred_handler::Failure>) {
        deferred::completed(job, outcome);
    }
}

impl<C: Classes> mailbox::Guest for Glue<C> {
    fn spawned(process: u32, name: String, argument: Vec<u8>) -> Result<(), String> {
        let class = find_process(C::PROCESSES, &name)?;
        let id = ProcessId::from_u32(process);
        let made = processes::become_process(id, || (class.make)(id, &argument));
        made.map_err(|error| words(&error))
    }

    fn notified(message: Vec<u8>) {
        processes::notified(&message);
    }
}

impl<C: Classes> processes_handler::Guest for Glue<C> {
    fn exited(process: u32, reason: processes_handler::ExitReason) {
        processes::exited(process, reason);
    }
}

impl<C: Classes> cluster_processes_handler::Guest for Glue<C> {
    fn exited(
        process: cluster_processes_handler::ClusterProcess,
        reason: cluster_processes_handler::ExitReason,
    ) {
        cluster_processes::exited(process, reason);
    }
}

impl<C: Classes> subscriptions::Guest for Glue<C> {
    fn message(subscription: u32, message: Vec<u8>) {
        channels::message(subscription, &message);
    }
}

impl<C: Classes> queues_handler::Guest for Glue<C> {
    fn popped(pop: u32, item: Vec<u8>) {
        queues::popped(pop, &item);
    }
}

impl<C: Classes> proxy_handler::Guest for Glue<C> {
    fn proxy_target_unbound(source: handler::ConnectionBorrow<'_>) {
        source.get::<Held<C>>().connection.borrow_mut().proxy_target_unbound();
    }

    fn proxy_completed(source: handler::ConnectionBorrow<'_>) {
        source.get::<Held<C>>().connection.borrow_mut().proxy_completed();
    }
}

impl<C: Classes> files_handler::Guest for Glue<C> {
    fn file_sent(
        on: handler::ConnectionBorrow<'_>,
        file: u32,
        outcome: Result<files_handler::ByteCount, files_handler::FileError>,
    ) {
        files::file_sent(&on.get::<Held<C>>().socket, file, outcome.map(u64::from));
    }
}

impl<C: Classes> watch_handler::Guest for Glue<C> {
    fn file_modified(watch: u32) {
        watching::modified(watch);
    }

    fn file_moved(watch: u32) {
        watching::moved(watch);
    }

    fn file_deleted(watch: u32) {
        watching::deleted(watch);
    }

    fn watch_ended(watch: u32, error: watch_handler::WatchError) {
        watching::ended(watch, error);
    }
}

impl<C: Classes> catalog::Guest for Glue<C> {
    fn handlers() -> Vec<String> {
        C::HANDLERS.iter().map(|class| class.name().to_ascii_lowercase()).collect()
    }
}

/// The exports of a plugin with a program.
pub struct Start<P>(PhantomData<P>);

impl<P: Program> lifecycle::Guest for Start<P> {
    fn prepare() -> Result<(), String> {
        P::prepare().map_err(|error| words(&error))
    }

    fn start() -> Result<(), String> {
        P::start().map_err(|error| words(&error))
    }

    fn stopping() {
        hooks::run_shutdown_hooks();
        P::stopping();
    }

    fn stopped() {
        P::stopped();
    }
}

impl<P: Program> handover_handler::Guest for Start<P> {
    fn save() -> Option<Vec<u8>> {
        P::save()
    }

    fn restore(state: Vec<u8>) -> Result<(), String> {
        P::restore(&state).map_err(|error| words(&error))
    }
}

/// An error for the operator. The number that the generated code shows behind an error of the contract tells him nothing.
fn words(error: &dyn Display) -> String {
    let text = error.to_string();
    let numbered = text.strip_suffix(')').and_then(|text| text.rsplit_once(" (error "));
    match numbered {
        Some((words, number)) if number.bytes().all(|it| it.is_ascii_digit()) => words.to_owned(),
        _ => text,
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
        + cluster_processes_handler::Guest
        + subscriptions::Guest
        + queues_handler::Guest
        + proxy_handler::Guest
        + files_handler::Guest
        + watch_handler::Guest
        + tls_handler::Guest
        + drain_handler::Guest,
{
}

/// As [`check_connections`].
pub const fn check_program<E: lifecycle::Guest + handover_handler::Guest>() {}

#[cfg(test)]
mod tests {
    use super::words;
    use crate::types::ErrorCode;

    #[test]
    fn an_error_of_the_contract_has_no_number() {
        let check = |error: &dyn std::fmt::Display, expected| assert_eq!(words(error), expected);
        check(&ErrorCode::Denied, "denied");
        check(&format!("port: {}", ErrorCode::InvalidArgument), "port: invalid-argument");
        check(&"no such file (error two)", "no such file (error two)");
        check(&"none", "none");
    }
}
