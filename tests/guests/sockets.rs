//! Opens and closes listeners and UDP sockets at the commands of its peer, a line each, and answers each line with one:
//!
//! `start tcp HOST PORT HANDLER`, `start udp …`, `start unix PATH HANDLER` → `ok NUMBER ADDRESS`, or `no ERROR`; `stop NUMBER`;
//! `many N` and `cycle N` (N listeners, and N one after the other); `options COUNT BYTES` (a listener with COUNT options of
//! BYTES bytes) → `ok ADDRESS`; `sleep MILLISECONDS`; `datagrams HOST PORT` → `ok HOST PORT`; `from HOST PORT HOST PORT`
//! (connects from there); `count`; `options` (of this connection's socket); `trap`.
//!
//! The handler `told` answers with the listener's address, its options, and the number of connections that its sandbox has had;
//! then it is an echo. A UDP socket echoes; `to HOST PORT TEXT` sends to another address, `big N` answers with N bytes; errors
//! are printed.

use std::{cell::Cell, cell::RefCell, time::Duration};

use sandloop::{
    Address, CloseReason, Connection, ListenAddress, ListenError, Options, Server, Socket,
    bind_connect, connection_count, listeners::start_server_with, open_datagram_socket,
    start_server, types::Endpoint,
};

thread_local! {
    static SERVERS: RefCell<Vec<Server>> = const { RefCell::new(Vec::new()) };
    static SEEN: Cell<u32> = const { Cell::new(0) };
}

struct Control(Socket);

fn port(word: &str) -> u16 {
    word.parse().expect("a port")
}

fn number(word: &str) -> usize {
    word.parse().expect("a number")
}

fn answer<T>(result: Result<T, ListenError>, show: impl Fn(T) -> String) -> String {
    match result {
        Ok(opened) => format!("ok {}", show(opened)),
        Err(error) => format!("no {}", error.name()),
    }
}

fn start(address: &ListenAddress, handler: &str) -> String {
    let options = [("given", "by the plugin")];
    answer(start_server_with(address, handler, &options), |server| {
        SERVERS.with_borrow_mut(|servers| {
            let shown = format!("{} {}", servers.len(), server.address());
            servers.push(server);
            shown
        })
    })
}

impl Control {
    fn does(&self, line: &str) -> String {
        let words: Vec<&str> = line.split(' ').collect();
        let endpoint =
            |host: &str, word: &str| Endpoint { host: host.to_owned(), port: port(word) };
        match words[..] {
            ["start", "tcp", host, port, handler] => {
                start(&ListenAddress::Tcp(endpoint(host, port)), handler)
            }
            ["start", "udp", host, port, handler] => {
                start(&ListenAddress::Udp(endpoint(host, port)), handler)
            }
            ["start", "unix", path, handler] => {
                start(&ListenAddress::Unix(path.to_owned()), handler)
            }
            ["stop", which] => {
                SERVERS.with_borrow(|servers| servers[number(which)].stop());
                "ok".to_owned()
            }
            ["many", count] => {
                let all = (0..number(count)).map(|_| start_server("127.0.0.1", 0, "told"));
                let granted: Vec<Server> = all.flatten().collect();
                granted.len().to_string()
            }
            ["cycle", count] => {
                let one = |_: &usize| {
                    start_server("127.0.0.1", 0, "told").is_ok_and(|server| {
                        server.stop();
                        true
                    })
                };
                (0..number(count)).filter(one).count().to_string()
            }
            ["datagrams", host, word] => {
                let opened = open_datagram_socket(host, port(word), Port);
                answer(opened, |local| format!("{} {}", local.host, local.port))
            }
            ["from", host, from, to, word] => {
                match bind_connect(host, port(from), to, port(word), Outgoing) {
                    Ok(()) => "ok".to_owned(),
                    Err(error) => format!("no {}", error.name()),
                }
            }
            ["options", count, bytes] => {
                let value = "x".repeat(number(bytes));
                let options: Vec<(&str, &str)> =
                    (0..number(count)).map(|_| ("", &*value)).collect();
                let place = Endpoint { host: "127.0.0.1".to_owned(), port: 0 };
                answer(start_server_with(&ListenAddress::Tcp(place), "told", &options), |server| {
                    server.address().to_string()
                })
            }
            ["sleep", milliseconds] => {
                std::thread::sleep(Duration::from_millis(number(milliseconds) as u64));
                "ok".to_owned()
            }
            ["count"] => connection_count().to_string(),
            ["options"] => self.options(),
            ["trap"] => panic!("as it was told"),
            _ => panic!("no row for {line}"),
        }
    }

    fn options(&self) -> String {
        let before = (self.0.keepalive().is_some(), self.0.nodelay());
        let seconds = Duration::from_secs;
        let result = self.0.enable_keepalive(seconds(30), seconds(0), 4);
        if let Err(error) = result {
            return format!("no {}", error.name());
        }
        let with = self.0.keepalive().expect("it was set");
        let wrong = [
            self.0.enable_keepalive(seconds(32_768), seconds(1), 1),
            self.0.enable_keepalive(seconds(1), seconds(1), 128),
        ];
        self.0.disable_keepalive().expect("it is TCP");
        self.0.set_nodelay(false).expect("it is TCP");
        format!(
            "{before:?} {} {} {:?} {:?} {}",
            with.idle,
            with.count,
            wrong.map(|it| it.map_err(|error| error.name())),
            self.0.keepalive().is_some(),
            self.0.nodelay()
        )
    }
}

impl Connection for Control {
    fn receive_data(&mut self, data: &[u8]) {
        for line in String::from_utf8_lossy(data).lines() {
            let answer = self.does(line);
            self.0.send_data(format!("{answer}\n"));
        }
    }
}

struct Told(Socket);

impl Told {
    fn new(socket: Socket, options: &Options) -> Self {
        SEEN.set(SEEN.get() + 1);
        let local = socket.local_address().map(|end| end.to_string()).unwrap_or_default();
        let given = options.get("given").unwrap_or_default();
        socket.send_data(format!("{local} {given} {}\n", SEEN.get()));
        Told(socket)
    }
}

impl Connection for Told {
    fn receive_data(&mut self, data: &[u8]) {
        self.0.send_data(data);
    }

    fn unbind(&mut self, reason: CloseReason) {
        println!("told unbind {reason}");
    }
}

struct Port(Socket);

impl Connection for Port {
    fn post_init(&mut self) {
        let early = self.0.try_send_data("x").map_err(|error| error.name().to_owned());
        println!("port {:?} {early:?}", self.0.peer_address().is_some());
    }

    fn connection_completed(&mut self) {
        println!("port connection_completed");
    }

    fn receive_data(&mut self, data: &[u8]) {
        let text = String::from_utf8_lossy(data);
        let words: Vec<&str> = text.splitn(4, ' ').collect();
        let sent = match words[..] {
            ["to", host, word, text] => self.0.send_datagram(text, host, port(word)),
            ["big", count] => self.0.try_send_data(vec![b'b'; number(count)]),
            ["close"] => {
                self.0.close_connection();
                Ok(())
            }
            _ => self.0.try_send_data(data),
        };
        if let Err(error) = sent {
            println!("port {} {}", text.len(), error.name());
        }
    }

    fn unbind(&mut self, reason: CloseReason) {
        println!("port unbind {reason}");
    }
}

struct Outgoing(Socket);

impl Connection for Outgoing {
    fn connection_completed(&mut self) {
        if let Some(Address::Tcp(local)) = self.0.local_address() {
            println!("from {} {}", local.host, local.port);
        }
        self.0.send_data("hello\n");
    }

    fn unbind(&mut self, reason: CloseReason) {
        println!("from unbind {reason}");
    }
}

sandloop::plugin! { handlers: ["control" => Control, "told" => Told::new] }
