//! Passes a text to the host: the option `call` is the function of the contract, `text` the kind of text.
//!
//! The test that reads the contract lists the calls: `channels.push` is a function of the host, `mailbox.spawned` one of the
//! guest, whose answer has the text. It answers `ok` if it is still alive.

use std::io::Write;
use std::time::SystemTime;

use sandloop::bindings::sandloop::plugin as host;
use sandloop::bindings::sandloop::plugin::listeners::ListenAddress;
use sandloop::bindings::sandloop::plugin::log::Level;
use sandloop::bindings::sandloop::plugin::types::{Address, Endpoint};
use sandloop::files::FileVersion;
use sandloop::processes::{self, Process};
use sandloop::{Connection, Operation, Program, Socket, TlsClient, TlsServer, try_defer};

/// So many bytes of one text.
const MUCH: usize = 5 << 20;
/// So many lines of one byte.
const LINES: usize = 50_000;

struct Texts {
    socket: Socket,
    call: String,
    kind: String,
}

/// What the host answers is not what this is about.
fn ignore<T>(_: T) {}

/// The text of this kind.
fn text(kind: &str) -> String {
    let long = |piece: &str| piece.repeat(MUCH / piece.len());
    match kind {
        "escapes" => long("\u{1b}"),
        "newlines" => long("\n"),
        "replaced" => long("\u{fffd}"),
        "direction" => long("\u{202e}"),
        "nul" => long("\0"),
        "quotes" => long("\\\""),
        "lines" => "x".to_owned(),
        other => panic!("no text of the kind {other:?}"),
    }
}

impl Texts {
    fn new(socket: Socket) -> Self {
        let option = |key| sandloop::options::get(key).unwrap_or_default();
        Texts { socket, call: option("call"), kind: option("text") }
    }

    fn name(&self, text: &str) {
        let absolute = format!("/other/{text}");
        match &*self.call {
            "log.log" => host::log::log(Level::Warn, text),
            "files.send-file" => {
                let send = |path: &str| ignore(self.socket.send_file(path, 0..u64::MAX, |_| {}));
                send(text);
                send(&format!("data/{text}"));
            }
            "file-versions.send-version" => {
                let version = FileVersion::new(0, SystemTime::UNIX_EPOCH).expect("not before 1970");
                let send = |path: &str| {
                    ignore(self.socket.send_file_version(path, 0..u64::MAX, version, |_| {}));
                };
                send(text);
                send(&format!("data/{text}"));
            }
            "watching.watch-file" => {
                ignore(host::watching::watch_file(text));
                ignore(host::watching::watch_file(&format!("data/{text}")));
            }
            "options.get" => ignore(host::options::get(text)),
            "channels.subscribe" => ignore(host::channels::subscribe(&absolute)),
            "channels.push" => ignore(host::channels::push(&absolute, b"", None)),
            "channels.num-subscribers" => ignore(host::channels::num_subscribers(text)),
            "queues.push" => ignore(host::queues::push(&absolute, b"")),
            "queues.pop" => ignore(host::queues::pop(text)),
            "queues.size" => ignore(host::queues::size(&absolute)),
            "queues.num-waiting" => ignore(host::queues::num_waiting(text)),
            "processes.spawn" => {
                ignore(host::processes::spawn(Some(text), "", b""));
                ignore(host::processes::spawn(None, text, b""));
            }
            "cluster-processes.spawn" => {
                use host::cluster_processes::{Placement, spawn};
                ignore(spawn(Some(text), "", b"", &Placement::LeastLoaded));
                ignore(spawn(None, text, b"", &Placement::Key(text.to_owned())));
            }
            "sockets.connect" => {
                let to = |target| ignore(host::sockets::connect(&target, 0));
                to(Address::Unix(text.to_owned()));
                to(Address::Tcp(Endpoint { host: text.to_owned(), port: 80 }));
                // As long as an address may be.
                let short: String = text.chars().take(20).collect();
                to(Address::Unix(format!("/run/{short}")));
                to(Address::Tcp(Endpoint { host: short, port: 80 }));
            }
            "socket-options.connect-from" => {
                let short: String = text.chars().take(20).collect();
                for host in [text, &short, "127.0.0.1"] {
                    let local = Endpoint { host: host.to_owned(), port: 1 };
                    let to = Address::Tcp(Endpoint { host: short.clone(), port: 80 });
                    ignore(host::socket_options::connect_from(&local, &to, 0));
                }
            }
            "listeners.start-server" => {
                let short: String = text.chars().take(20).collect();
                let at = |address| {
                    ignore(host::listeners::start_server(&address, text, &[]));
                    ignore(host::listeners::start_server(&address, &short, &[]));
                };
                at(ListenAddress::Unix(text.to_owned()));
                at(ListenAddress::Unix(format!("/run/{short}")));
                at(ListenAddress::Tcp(Endpoint { host: text.to_owned(), port: 80 }));
                at(ListenAddress::Udp(Endpoint { host: short.clone(), port: 80 }));
            }
            "datagrams.open-datagram-socket" => {
                let local = Endpoint { host: text.to_owned(), port: 80 };
                ignore(host::datagrams::open_datagram_socket(&local, 0));
            }
            "datagrams.send-datagram" => ignore(self.socket.send_datagram("x", text, 80)),
            "tls.start-tls" => {
                ignore(self.socket.start_tls(TlsServer::new(text)));
                ignore(self.socket.start_tls(TlsClient::new(text).profile(text).alpn([text])));
                ignore(self.socket.start_tls(TlsClient::new("localhost").profile(text)));
            }
            // The SDK's error names the process that it does not know.
            "mailbox.spawned" => {
                ignore(processes::try_spawn(
                    &text[..text.floor_char_boundary(900_000)],
                    "",
                    |_| {},
                ));
            }
            "operations.run" => {
                let fail = |kind: String| -> sandloop::Result<()> { Err(self::text(&kind).into()) };
                ignore(try_defer(Operation::with(self.kind.clone(), fail), |()| {}, |_| {}));
            }
            "stdout" => ignore(std::io::stdout().write_all(text.as_bytes())),
            "stderr" => ignore(std::io::stderr().write_all(text.as_bytes())),
            "bytes" => ignore(std::io::stderr().write_all(&b"\xff\xfe".repeat(text.len() / 2))),
            "file" => ignore(std::fs::File::open(text)),
            "environment" => ignore(std::env::var(text.replace(['\0', '='], ""))),
            "panic" => panic!("{text}"),
            // Has been called already, or calls by itself.
            "lifecycle.start"
            | "lifecycle.prepare"
            | "catalog.handlers"
            | "handover-handler.restore" => {}
            other => panic!("no call {other:?}"),
        }
    }
}

impl Connection for Texts {
    fn receive_data(&mut self, _: &[u8]) {
        let text = text(&self.kind);
        let times = if self.kind == "lines" { LINES } else { 1 };
        for _ in 0..times {
            self.name(&text);
            if matches!(&*self.call, "stdout" | "stderr") {
                println!();
                eprintln!();
            }
        }
        self.socket.send_data("ok\n");
    }
}

struct Around;

impl Program for Around {
    fn prepare() -> sandloop::Result {
        refuse("lifecycle.prepare")
    }

    fn start() -> sandloop::Result {
        refuse("lifecycle.start")
    }

    fn save() -> Option<Vec<u8>> {
        Some(Vec::new())
    }

    fn restore(_: &[u8]) -> sandloop::Result {
        refuse("handover-handler.restore")
    }
}

fn refuse(call: &str) -> sandloop::Result {
    let option = |key| sandloop::options::get(key).unwrap_or_default();
    if option("call") == call { Err(text(&option("text")).into()) } else { Ok(()) }
}

/// A process that is there for its kind to have one.
struct Nobody;

impl Nobody {
    fn new(_: &[u8]) -> Self {
        Nobody
    }
}

impl Process for Nobody {
    fn notified(&mut self, _: &[u8]) {}
}

sandloop::plugin! { handlers: [Texts::new], processes: [Nobody::new], program: Around }
