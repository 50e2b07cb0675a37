//! A TCP load balancer. Bytes go from client to target and back in the host; the plugin only chooses.
//!
//! Options: `targets`, divided by spaces; `balance`: `least-connections` or `source` (whoever comes from one address has one
//! target while it is up); `connect_timeout` (3000) and `idle_timeout` (0, which is never), in milliseconds; `check_every`
//! (2000, 0 for no checks), `check_down` (3) and `check_up` (2); `proxy_protocol`: `v1` or `v2`.
//!
//! It needs `isolation = "plugin"`, so that connections are counted together, and `allow.connect` for each target.

mod balance;
mod header;
mod settings;

use std::cell::{OnceCell, RefCell};
use std::rc::Rc;

use sandloop::{
    CloseReason, Connection, Program, ProxyError, Socket, add_periodic_timer, connect_to, options,
};

use crate::balance::{Balance, Lease};
use crate::settings::Settings;

thread_local! {
    static SHARED: OnceCell<Rc<Shared>> = const { OnceCell::new() };
}

struct Shared {
    settings: Settings,
    balance: Rc<RefCell<Balance>>,
}

fn shared() -> Rc<Shared> {
    SHARED.with(|shared| shared.get().expect("the host prepares a program first").clone())
}

struct Start;

impl Program for Start {
    fn prepare() -> sandloop::Result {
        let settings = Settings::read(&options::all())?;
        let balance = Balance::new(settings.targets.len(), settings.thresholds);
        let made = Shared { settings, balance: Rc::new(RefCell::new(balance)) };
        SHARED.with(|shared| shared.get_or_init(|| Rc::new(made)).clone());
        Ok(())
    }

    fn start() -> sandloop::Result {
        let shared = shared();
        if let Some(every) = shared.settings.check_every {
            add_periodic_timer(every, move || check_all(&shared));
        }
        Ok(())
    }
}

/// A connection that was accepted. It is not read until its target is there.
struct Client {
    socket: Socket,
    shared: Rc<Shared>,
    target: Rc<RefCell<Option<Socket>>>,
}

impl Client {
    fn new(socket: Socket) -> Self {
        Client { socket, shared: shared(), target: Rc::default() }
    }
}

impl Connection for Client {
    fn post_init(&mut self) {
        self.socket.pause();
        self.socket.set_comm_inactivity_timeout(self.shared.settings.idle_timeout);
        let (shared, client) = (self.shared.clone(), self.socket.clone());
        try_next(Attempt { shared, client, target: self.target.clone(), tried: Vec::new() });
    }

    fn unbind(&mut self, _: CloseReason) {
        if let Some(target) = self.target.take() {
            target.close_connection_after_writing();
        }
    }
}

/// A client in search of a target.
struct Attempt {
    shared: Rc<Shared>,
    client: Socket,
    target: Rc<RefCell<Option<Socket>>>,
    tried: Vec<usize>,
}

/// Connects to the best target that was not tried yet; without one the client is closed.
fn try_next(mut attempt: Attempt) {
    let settings = &attempt.shared.settings;
    let source = attempt.client.peer_address().filter(|_| settings.is_sticky);
    let source = source.map(|address| header::host_of(&address).to_owned());
    let lease = Balance::lease(&attempt.shared.balance, source.as_deref(), &attempt.tried);
    let Some(lease) = lease else {
        sandloop::warn!("no target takes connection {}", attempt.client.id());
        return attempt.client.close_connection();
    };
    attempt.tried.push(lease.target());
    let address = settings.targets[lease.target()].clone();
    let attempt = Rc::new(RefCell::new(Some(attempt)));
    let own = attempt.clone();
    let make = move |socket| Target { socket, lease, attempt: own.take(), client: None };
    if let Err(error) = connect_to(&address, make) {
        sandloop::warn!("{address}: {error}");
        // Not `try_next`: what is denied once is denied again, and a limit is the client's to wait for.
        if let Some(attempt) = attempt.take() {
            attempt.client.close_connection();
        }
    }
}

/// The other side of a client.
struct Target {
    socket: Socket,
    lease: Lease,
    attempt: Option<Attempt>,
    /// Once it is connected.
    client: Option<Socket>,
}

impl Target {
    fn join(&self, attempt: &Attempt) -> Result<(), ProxyError> {
        let client = &attempt.client;
        if let Some(version) = attempt.shared.settings.proxy_protocol {
            self.socket.send_data(header::of(version, client));
        }
        client.proxy_incoming_to(&self.socket)?;
        self.socket.proxy_incoming_to(client)
    }
}

impl Connection for Target {
    fn post_init(&mut self) {
        let Some(attempt) = &self.attempt else { return };
        let settings = &attempt.shared.settings;
        // Above 0, as the settings are.
        let _ = self.socket.set_pending_connect_timeout(settings.connect_timeout);
        self.socket.set_comm_inactivity_timeout(settings.idle_timeout);
        attempt.target.replace(Some(self.socket.clone()));
    }

    fn connection_completed(&mut self) {
        let Some(attempt) = self.attempt.take() else { return };
        self.lease.report(true);
        if self.join(&attempt).is_err() {
            // The client has gone.
            return self.socket.close_connection();
        }
        attempt.client.resume();
        self.client = Some(attempt.client);
    }

    fn unbind(&mut self, reason: CloseReason) {
        if let Some(client) = &self.client {
            return client.close_connection_after_writing();
        }
        let Some(attempt) = self.attempt.take() else { return };
        if reason != CloseReason::Closed {
            self.lease.report(false);
            attempt.target.take();
            try_next(attempt);
        }
    }
}

/// Whether a target takes a connection; nothing is asked of it.
struct Check {
    socket: Socket,
    shared: Rc<Shared>,
    target: usize,
    is_up: bool,
}

fn check_all(shared: &Rc<Shared>) {
    for (target, address) in shared.settings.targets.iter().enumerate() {
        let own = shared.clone();
        let make = move |socket| Check { socket, shared: own, target, is_up: false };
        if let Err(error) = connect_to(address, make) {
            sandloop::warn!("check of {address}: {error}");
        }
    }
}

impl Connection for Check {
    fn post_init(&mut self) {
        // Above 0, as the settings are.
        let _ = self.socket.set_pending_connect_timeout(self.shared.settings.connect_timeout);
    }

    fn connection_completed(&mut self) {
        self.is_up = true;
        if let Some(version) = self.shared.settings.proxy_protocol {
            self.socket.send_data(header::of_nobody(version));
        }
        self.socket.close_connection_after_writing();
    }

    fn unbind(&mut self, reason: CloseReason) {
        if reason == CloseReason::Stopped {
            return;
        }
        let changed = self.shared.balance.borrow_mut().report(self.target, self.is_up);
        if let Some(is_up) = changed {
            let address = &self.shared.settings.targets[self.target];
            sandloop::warn!("{address} is {}", if is_up { "up" } else { "down" });
        }
    }
}

sandloop::plugin! { handlers: ["proxy" => Client::new], program: Start }
