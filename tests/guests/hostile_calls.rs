//! Makes invalid calls of the host, chosen by its listener's option `attack`, and answers `done` if it survives.

use std::{cell::RefCell, time::Duration};

use sandloop::{
    Address, Channel, CloseReason, Connection, Options, Queue, Socket, add_timer, connect,
    connect_to, defer, next_tick, processes, processes::ProcessId, stop,
};

thread_local! {
    /// Sockets of connections that have ended, and of others.
    static OTHERS: RefCell<Vec<Socket>> = const { RefCell::new(Vec::new()) };
}

struct Calls {
    socket: Socket,
    attack: String,
    target: String,
}

impl Calls {
    fn new(socket: Socket, options: &Options) -> Self {
        OTHERS.with_borrow_mut(|others| others.push(socket.clone()));
        let option = |name| options.get(name).unwrap_or_default().to_owned();
        Calls { socket, attack: option("attack"), target: option("target") }
    }

    fn attack(&self) {
        let all = OTHERS.with_borrow(Clone::clone);
        match &*self.attack {
            "close-others" => all.iter().for_each(Socket::close_connection),
            "stale-handles" => all.iter().for_each(use_everything),
            "forged-ids" => {
                for id in (0..10_000).chain(u32::MAX - 100..=u32::MAX) {
                    let process = ProcessId::from_u32(id);
                    let _ = process.try_notify("forged");
                    process.kill();
                }
            }
            "set-and-cancel" => loop {
                add_timer(Duration::from_secs(3600), || {}).cancel();
            },
            "kill-nobody" => (0..=u32::MAX).for_each(|id| ProcessId::from_u32(id).kill()),
            "slow-server" => {
                let target = self.target.parse().expect("the option `target`");
                let _ = connect_to(&target, Pushy);
            }
            "closed-port" => {
                let target: Address = self.target.parse().expect("the option `target`");
                while connect_to(&target, closed(&target)).is_ok() {}
            }
            "double-close" => {
                for _ in 0..1000 {
                    self.socket.close_connection_after_writing();
                    self.socket.close_connection();
                    let _ = self.socket.half_close();
                }
            }
            "pause-resume" => {
                for _ in 0..10_000 {
                    self.socket.pause();
                    self.socket.resume();
                }
            }
            "stop" => stop(),
            "names" => {
                for name in ["", "/", "/other", "/other/x", "a\nb", &"x".repeat(256)] {
                    let _ = Channel::new(name).try_push("x");
                    let _ = Channel::new(name).try_subscribe(|_| {});
                    let _ = Queue::new(name).try_push("x");
                    let _ = Queue::new(name).try_pop(|_| {});
                }
            }
            "other-plugins" => {
                for name in ["echo", "neighbour", "nobody", ""] {
                    let _ = processes::spawn_of(name, "x", "x", |_| {});
                }
            }
            "inside" => {
                for host in ["127.0.0.1", "localhost", "0.0.0.0", "::1", "169.254.169.254", "127.1"]
                {
                    let _ = connect(host, 80, Silent);
                }
            }
            "own-listener" => {
                let own = self.socket.local_address();
                if let Some(Address::Tcp(end)) = own {
                    let _ = connect(&end.host, end.port, Silent);
                }
            }
            "huge-message" => {
                let message = vec![0; 8 << 20];
                let _ = Channel::new("x").try_push(&message);
                let _ = Queue::new("x").try_push(&message);
                let _ = processes::try_spawn("x", &message, |_| {});
            }
            "huge-line" => sandloop::info!("{}", "x".repeat(12 << 20)),
            "escapes" => sandloop::error!("\x1b[2J\x1b[H\u{202e}\r\nERROR faked plugin=\"echo\""),
            "tick-storm" => storm(),
            "timer-storm" => {
                for _ in 0..5000 {
                    add_timer(Duration::ZERO, || {});
                }
            }
            "defer-storm" => (0..500).for_each(|_| defer(nothing, |()| {}, |_| {})),
            "push-to-itself" => {
                for _ in 0..100 {
                    Channel::new("loop").subscribe(|message| Channel::new("loop").push(message));
                }
                Channel::new("loop").push("x");
            }
            "queue-to-itself" => pass_on(),
            "send-much" => while self.socket.try_send_data([0; 65536]).is_ok() {},
            "use-after-unbind" => self.socket.close_connection(),
            "slow-sleep" => std::thread::sleep(Duration::from_secs(3600)),
            other => panic!("no attack {other:?}"),
        }
    }
}

fn nothing() -> sandloop::Result {
    Ok(())
}

/// A tick that asks for two more, as far as it gets them.
fn storm() {
    for _ in 0..2 {
        let _ = sandloop::reactor::try_next_tick(storm);
    }
}

/// An item that goes round for ever.
fn pass_on() {
    Queue::new("loop").push("x");
    Queue::new("loop").pop(|_| pass_on());
}

/// Every call that a socket has.
fn use_everything(socket: &Socket) {
    let _ = socket.try_send_data("late");
    let _ = socket.half_close();
    socket.keep_half_open(true);
    socket.pause();
    socket.resume();
    socket.set_comm_inactivity_timeout(Duration::from_millis(1));
    let _ = socket.set_pending_connect_timeout(Duration::from_millis(1));
    let _ = (socket.peer_address(), socket.local_address(), socket.id(), socket.is_paused());
    let _ = (socket.outbound_data_size(), socket.idle_time(), socket.peer_finished());
    socket.close_connection_after_writing();
    socket.close_connection();
}

/// Sends to a server as much as it can, and again.
struct Pushy(Socket);

impl Connection for Pushy {
    fn post_init(&mut self) {
        // It would wait for ever for a server that never reads.
        self.0.set_comm_inactivity_timeout(Duration::from_millis(200));
        while self.0.try_send_data([0; 65536]).is_ok() {}
    }

    fn connection_completed(&mut self) {
        while self.0.try_send_data([0; 65536]).is_ok() {}
    }
}

/// Comes again when it was not let in.
struct Stubborn(Address);

fn closed(target: &Address) -> impl FnOnce(Socket) -> Stubborn + use<> {
    let target = target.clone();
    |_| Stubborn(target)
}

impl Connection for Stubborn {
    fn unbind(&mut self, _: CloseReason) {
        let _ = connect_to(&self.0, closed(&self.0));
    }
}

struct Silent(#[expect(dead_code, reason = "held, not used")] Socket);

impl Connection for Silent {}

impl Connection for Calls {
    fn receive_data(&mut self, _: &[u8]) {
        self.attack();
        next_tick({
            let socket = self.socket.clone();
            move || socket.send_data("done\n")
        });
    }

    fn unbind(&mut self, _: CloseReason) {
        if self.attack == "use-after-unbind" {
            use_everything(&self.socket);
            let socket = self.socket.clone();
            // Where this instance serves others as well, it goes on afterwards.
            add_timer(Duration::ZERO, move || use_everything(&socket));
            next_tick({
                let socket = self.socket.clone();
                move || use_everything(&socket)
            });
        }
        OTHERS.with_borrow_mut(|others| others.truncate(64));
    }
}

sandloop::plugin! { handlers: [Calls::new] }
