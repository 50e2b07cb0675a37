//! Requests as much of one thing as it gets, and keeps it. Its peer chooses a function of the contract and a resource, as in
//! `channels.push most`.
//!
//! The tests that read the contract list the functions: `channels.push` is one of the host, `timers-handler.timer-fired` one of
//! the guest, which is caused. `most` is the largest number, `largest` the largest number of the largest, `endless` continues
//! until it is ended, and `trap` takes many and traps. The first two answer with the number that was granted.

#![expect(
    clippy::unit_arg,
    reason = "each function is one line of a table, whether it returns anything or not"
)]

#[path = "shared/wasi_calls.rs"]
mod wasi_calls;

use std::{cell::RefCell, fs, hint::black_box, io::Write, time::Duration};

use sandloop::bindings::sandloop::plugin as host;
use sandloop::bindings::sandloop::plugin::log::Level;
use sandloop::bindings::sandloop::plugin::types::{Address, Endpoint};
use sandloop::{
    Connection, Operation, Socket, TlsClient, TlsServer, connect,
    files::FileVersion,
    processes::{self, Process, ProcessId},
    try_defer,
};

/// More than any limit allows.
const ENOUGH: u32 = 200_000;
/// Of what is never refused.
const MANY: u32 = 5000;
/// The same of a function of WASI, each call of which may be a file thread's.
const MANY_OF_WASI: u32 = 200;
/// How many before a trap.
const SOME: u32 = 200;
/// The largest message, and a name as long as one may be.
const MESSAGE: usize = 1 << 20;
const NAME: usize = 255;
/// A timer that does not fire.
const LATER: u32 = 3_600_000;

thread_local! {
    /// The last connection's.
    static SOCKET: RefCell<Option<Socket>> = const { RefCell::new(None) };
    static HELD: RefCell<Held> = RefCell::default();
}

/// What the guest's own library holds.
#[derive(Default)]
struct Held {
    files: Vec<fs::File>,
    folders: Vec<fs::ReadDir>,
    sink: Option<ProcessId>,
    socket: Option<Socket>,
}

struct Keep {
    socket: Socket,
    /// What has come of a line.
    input: Vec<u8>,
}

/// Whether one more was granted; none where it is never refused.
type Granted = Option<bool>;

/// What is asked for, by its size.
struct Ask {
    number: u32,
    bytes: Vec<u8>,
    name: String,
}

impl Ask {
    fn new(number: u32, is_large: bool) -> Ask {
        let bytes = if is_large { vec![b'x'; MESSAGE] } else { Vec::new() };
        let mut name = format!("name {number}");
        if is_large {
            name = format!("{name:x<NAME$}");
        }
        Ask { number, bytes, name }
    }
}

/// Done, whatever was answered.
fn done<T>(_: T) -> Granted {
    None
}

#[expect(clippy::needless_pass_by_value, reason = "a call stands in its place")]
fn granted<T, E>(result: Result<T, E>) -> Granted {
    Some(result.is_ok())
}

/// A process that does nothing.
struct Nobody;

impl Nobody {
    fn new(_: &[u8]) -> Self {
        Nobody
    }
}

impl Process for Nobody {
    fn notified(&mut self, _: &[u8]) {}
}

fn sink() -> u32 {
    HELD.with_borrow_mut(|held| {
        let sink = held.sink.get_or_insert_with(|| processes::spawn("nobody", "", |_| {}));
        sink.to_u32()
    })
}

impl Keep {
    fn ask(&self, what: &str, ask: &Ask) -> Granted {
        let own = what.split_once('.').is_some_and(|(interface, _)| interface.ends_with("handler"));
        match what.split_once('.') {
            Some(("sockets", function)) => self.ask_socket(function, ask),
            Some(("files" | "file-versions", function)) => self.ask_files(function, ask),
            Some(("proxying", function)) => self.ask_proxying(function),
            Some(("socket-options", function)) => self.ask_options(function, ask),
            Some(("datagrams", "send-datagram")) => {
                granted(self.socket.send_datagram(&ask.bytes, "127.0.0.1", 9))
            }
            Some(("tls", function)) => self.ask_tls(function, ask),
            Some(("tls-handler", _)) => self.ask_tls("start-tls", ask),
            Some(("wasi", function)) => ask_wasi(function, ask),
            Some((
                "lifecycle" | "catalog" | "handler" | "drain-handler" | "handover-handler",
                _,
            )) => done(()),
            Some(("operations" | "mailbox" | "subscriptions", _)) => bring_about(what, ask),
            Some(_) if own => bring_about(what, ask),
            _ => ask_host(what, ask),
        }
    }

    fn ask_socket(&self, function: &str, ask: &Ask) -> Granted {
        let socket = &self.socket;
        match function {
            "connect" => {
                let to = Endpoint { host: "127.0.0.1".to_owned(), port: 9 };
                granted(host::sockets::connect(&Address::Tcp(to), ask.number))
            }
            "send-data" if ask.bytes.is_empty() => granted(socket.try_send_data(b"x")),
            "send-data" => granted(socket.try_send_data(&ask.bytes)),
            "close-connection" => done(socket.close_connection()),
            "close-connection-after-writing" => done(socket.close_connection_after_writing()),
            "half-close" => done(socket.half_close()),
            "keep-half-open" => done(socket.keep_half_open(ask.number.is_multiple_of(2))),
            "peer-finished" => done(socket.peer_finished()),
            "pause" => done(socket.pause()),
            "resume" => done(socket.resume()),
            "is-paused" => done(socket.is_paused()),
            "peer-address" => done(socket.peer_address()),
            "local-address" => done(socket.local_address()),
            "set-comm-inactivity-timeout" => {
                done(socket.set_comm_inactivity_timeout(Duration::from_secs(3600)))
            }
            "comm-inactivity-timeout" => done(socket.comm_inactivity_timeout()),
            "set-pending-connect-timeout" => {
                done(socket.set_pending_connect_timeout(Duration::from_secs(3600)))
            }
            "pending-connect-timeout" => done(socket.pending_connect_timeout()),
            "outbound-data-size" => done(socket.outbound_data_size()),
            "idle-time" => done(socket.idle_time()),
            "id" => done(socket.id()),
            other => panic!("no row for sockets.{other}"),
        }
    }
}

impl Keep {
    fn ask_files(&self, function: &str, ask: &Ask) -> Granted {
        // One that is there, to a peer that reads nothing of it, and one with a name as long as the largest message.
        let large = String::from_utf8_lossy(&ask.bytes);
        let path =
            if large.is_empty() { "data/name 0".to_owned() } else { format!("data/{large}") };
        match function {
            "send-file" => granted(self.socket.send_file(&path, 0..u64::MAX, |_| {})),
            "send-version" => {
                let Ok(metadata) = fs::metadata("data/name 0") else { return None };
                let version = FileVersion::of(&metadata).expect("the system tells the time");
                granted(self.socket.send_file_version(&path, 0..u64::MAX, version, |_| {}))
            }
            other => panic!("no row for files.{other}"),
        }
    }

    /// Proxied to what is connecting to nobody, again and again.
    fn ask_proxying(&self, function: &str) -> Granted {
        let target = HELD
            .with_borrow_mut(|held| held.socket.get_or_insert_with(|| self.socket.clone()).clone());
        match function {
            "proxy-incoming-to" => {
                let granted = self.socket.proxy_incoming_to(&target).is_ok();
                self.socket.stop_proxying();
                Some(granted)
            }
            "stop-proxying" => done(self.socket.stop_proxying()),
            "get-proxied-bytes" => done(self.socket.get_proxied_bytes()),
            other => panic!("no row for proxying.{other}"),
        }
    }

    fn ask_options(&self, function: &str, ask: &Ask) -> Granted {
        let socket = &self.socket;
        let some = Duration::from_secs(60);
        match function {
            "set-keepalive" => granted(socket.enable_keepalive(some, some, 3)),
            "keepalive" => done(socket.keepalive()),
            "set-nodelay" => granted(socket.set_nodelay(ask.number.is_multiple_of(2))),
            "nodelay" => done(socket.nodelay()),
            "connect-from" => {
                let to = Endpoint { host: "127.0.0.1".to_owned(), port: 9 };
                let from = Endpoint { host: "127.0.0.1".to_owned(), port: 0 };
                granted(host::socket_options::connect_from(&from, &Address::Tcp(to), ask.number))
            }
            "connection-count" => done(sandloop::connection_count()),
            other => panic!("no row for socket-options.{other}"),
        }
    }

    /// A handshake that nobody answers, on this connection and on many more.
    fn ask_tls(&self, function: &str, ask: &Ask) -> Granted {
        let socket = &self.socket;
        match function {
            "start-tls" => {
                let role = TlsClient::new(ask.name.replace(' ', "-"));
                let role = role.alpn([String::from_utf8_lossy(&ask.bytes).into_owned()]);
                done(socket.start_tls(TlsServer::new(ask.name.clone())));
                done(socket.start_tls(role));
                let make = |socket: Socket| {
                    socket.start_tls(TlsClient::new("localhost")).ok();
                    Keep { socket, input: Vec::new() }
                };
                granted(connect("127.0.0.1", 9, make))
            }
            "session" => done(socket.tls_session()),
            "peer-certificates" => done(socket.peer_certificates()),
            "end-of-stream" => done(socket.end_of_stream()),
            "failure" => done(socket.tls_failure()),
            other => panic!("no row for tls.{other}"),
        }
    }
}

fn ask_host(what: &str, ask: &Ask) -> Granted {
    let Ask { number, bytes, name } = ask;
    match what {
        "listeners.start-server" => {
            let at = Endpoint { host: "127.0.0.1".to_owned(), port: 0 };
            let address = match number % 2 {
                0 => host::listeners::ListenAddress::Tcp(at),
                _ => host::listeners::ListenAddress::Udp(at),
            };
            let option = String::from_utf8_lossy(&bytes[..bytes.len().min(60_000)]).into_owned();
            let options = [("large".to_owned(), option)];
            granted(host::listeners::start_server(&address, name, &options))
        }
        "listeners.stop-server" => done(host::listeners::stop_server(*number)),
        "datagrams.open-datagram-socket" => {
            let at = Endpoint { host: "127.0.0.1".to_owned(), port: 0 };
            granted(host::datagrams::open_datagram_socket(&at, *number))
        }
        "timers.add-timer" => granted(host::timers::add_timer(LATER)),
        "timers.add-periodic-timer" => granted(host::timers::add_periodic_timer(LATER)),
        "timers.cancel-timer" => done(host::timers::cancel_timer(*number)),
        "reactor.next-tick" => granted(host::reactor::next_tick()),
        "reactor.is-running" => done(host::reactor::is_running()),
        "reactor.stop" => done(host::reactor::stop()),
        "channels.subscribe" => granted(host::channels::subscribe(name)),
        "channels.unsubscribe" => done(host::channels::unsubscribe(*number)),
        "channels.push" => {
            if *number == 0 {
                let _ = host::channels::subscribe("kept");
            }
            granted(host::channels::push("kept", bytes, None))
        }
        "channels.num-subscribers" => done(host::channels::num_subscribers(name)),
        "queues.push" => granted(host::queues::push(name, bytes)),
        "queues.pop" => granted(host::queues::pop(name)),
        "queues.cancel-pop" => done(host::queues::cancel_pop(*number)),
        "queues.size" => done(host::queues::size(name)),
        "queues.num-waiting" => done(host::queues::num_waiting(name)),
        "processes.spawn" => granted(host::processes::spawn(None, name, bytes)),
        "processes.notify" => granted(host::processes::notify(sink(), bytes)),
        "processes.kill" => done(host::processes::kill(*number)),
        "processes.exit" => done(host::processes::exit()),
        // The host that has no cluster grants none.
        "cluster-processes.spawn" => {
            let place = host::cluster_processes::Placement::Key(name.clone());
            granted(host::cluster_processes::spawn(None, name, bytes, &place))
        }
        "cluster-processes.notify" => {
            granted(host::cluster_processes::notify(nobody(*number), bytes))
        }
        "cluster-processes.kill" => done(host::cluster_processes::kill(nobody(*number))),
        "cluster-processes.current" => done(host::cluster_processes::current()),
        "deferred.defer" => {
            let endless = |_: Vec<u8>| -> sandloop::Result {
                loop {
                    black_box(());
                }
            };
            // The argument has a frame of its own around it.
            let argument = bytes[..bytes.len().saturating_sub(64)].to_vec();
            granted(try_defer(Operation::with(argument, endless), |()| {}, |_| {}))
        }
        "log.log" if bytes.is_empty() => done(host::log::log(Level::Warn, "x")),
        "log.log" => done(host::log::log(Level::Warn, &"x".repeat(MESSAGE))),
        "watching.watch-file" if bytes.is_empty() => {
            granted(host::watching::watch_file("data/name 0"))
        }
        "watching.watch-file" => {
            granted(host::watching::watch_file(&format!("data/{}", String::from_utf8_lossy(bytes))))
        }
        "watching.unwatch" => done(host::watching::unwatch(*number)),
        "options.get" => done(host::options::get(name)),
        "options.all" => done(host::options::all()),
        other => panic!("no row for {other}"),
    }
}

/// A process of the cluster that nobody has.
fn nobody(number: u32) -> host::cluster_processes::ClusterProcess {
    host::cluster_processes::ClusterProcess {
        host_high: number,
        host_low: number,
        number_high: 0,
        number_low: number,
    }
}

/// Has a function of the guest's own called, and gives as much as it can where that answers.
fn bring_about(what: &str, ask: &Ask) -> Granted {
    match what {
        "timers-handler.timer-fired" => granted(host::timers::add_timer(0)),
        "ticks-handler.tick" => granted(host::reactor::next_tick()),
        "subscriptions.message" => {
            if ask.number < 10 {
                let _ = host::channels::subscribe("brought");
            }
            granted(host::channels::push("brought", &ask.bytes, None))
        }
        "queues-handler.popped" => {
            let _ = host::queues::pop("brought");
            granted(host::queues::push("brought", &ask.bytes))
        }
        "operations.run" | "deferred-handler.completed" => {
            let much = ask.bytes.len();
            let fail = |much: usize| -> sandloop::Result { Err("x".repeat(much).into()) };
            granted(try_defer(Operation::with(much, fail), |()| {}, |_| {}))
        }
        "processes-handler.exited" => {
            let process = host::processes::spawn(None, "nobody", &ask.bytes);
            granted(process.map(host::processes::kill))
        }
        "cluster-processes-handler.exited" => ask_host("cluster-processes.spawn", ask),
        // Its own socket is no target: that there is one more kind of event costs nothing.
        "watch-handler.watch-ended" => granted(host::watching::watch_file("data/none")),
        "watch-handler.file-modified"
        | "watch-handler.file-moved"
        | "watch-handler.file-deleted" => granted(host::watching::watch_file("data")),
        "files-handler.file-sent" => SOCKET.with_borrow(|socket| {
            let socket = socket.as_ref().expect("a connection");
            granted(socket.send_file("data/none", 0..u64::MAX, |_| {}))
        }),
        "proxy-handler.proxy-target-unbound" | "proxy-handler.proxy-completed" => done(()),
        // The library's error names the process that it does not know.
        "mailbox.spawned" => granted(host::processes::spawn(None, &ask.name, &ask.bytes)),
        "mailbox.notified" => granted(host::processes::notify(sink(), &ask.bytes)),
        other => panic!("no row for {other}"),
    }
}

/// What the guest's own library asks WASI for.
fn ask_wasi(function: &str, ask: &Ask) -> Granted {
    match function {
        // A line that never ends.
        "stdout" => {
            done(std::io::stdout().write_all(if ask.bytes.is_empty() { b"x" } else { &ask.bytes }))
        }
        "open" => granted(fs::File::open("data/name 0").map(|file| {
            HELD.with_borrow_mut(|held| held.files.push(file));
        })),
        "folder" => granted(fs::read_dir("data").map(|folder| {
            HELD.with_borrow_mut(|held| held.folders.push(folder));
        })),
        function => wasi_calls::ask(function, !ask.bytes.is_empty()),
    }
}

impl Connection for Keep {
    /// Of lines that come together the first is taken.
    fn receive_data(&mut self, data: &[u8]) {
        self.input.extend(data);
        let Some(end) = self.input.iter().rposition(|byte| *byte == b'\n') else { return };
        let rest = self.input.split_off(end + 1);
        let lines = std::mem::replace(&mut self.input, rest);
        let lines = String::from_utf8_lossy(&lines);
        let line = lines.lines().next().unwrap_or_default();
        let Some((what, resource)) = line.split_once(' ') else { return };
        let mut number = 0;
        let most = match resource {
            "endless" => u32::MAX,
            "trap" => SOME,
            _ => ENOUGH,
        };
        let many = if what.starts_with("wasi.") { MANY_OF_WASI } else { MANY };
        let mut ask = Ask::new(0, resource == "largest");
        while number < most {
            match self.ask(what, &ask) {
                Some(false) if resource != "endless" => break,
                None if resource != "endless" && many <= number => break,
                _ => {}
            }
            number += 1;
            ask.number = number;
            ask.name.replace_range(.., &format!("name {number}"));
            if !ask.bytes.is_empty() {
                ask.name = format!("{:x<NAME$}", ask.name);
            }
        }
        if resource == "trap" {
            std::process::abort();
        }
        self.socket.send_data(format!("{number}\n"));
    }
}

impl Keep {
    fn new(socket: Socket) -> Self {
        // What a guest does not read it never sees the end of: it is the guest's own to give it up.
        socket.set_comm_inactivity_timeout(Duration::from_secs(1));
        SOCKET.set(Some(socket.clone()));
        Keep { socket, input: Vec::new() }
    }
}

sandloop::plugin! { handlers: [Keep::new], processes: [Nobody::new] }
