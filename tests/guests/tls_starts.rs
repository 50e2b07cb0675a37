//! Begins TLS on connections that have none, in either role, and prints the events.
//!
//! A listener of the handler `gate` is a server: it answers `STARTTLS` without data behind it with `220`, begins TLS with the
//! profile `server`, and then echoes; with the option `at = "post_init"` it begins at once, with `quiet` it does not print its
//! input. One of the handler `go` takes lines of words `key=value` and makes a connection of each: `port`, `name`, `profile`,
//! `alpn` (with commas), `verify` (`host`, `both`, `plugin`), `takes` (`yes`), `who` (a name for the output), `when` TLS begins
//! (`post_init`, `connected`, `word` after a `STARTTLS` of its own, `never`), the data that it sends before (`plain`) and after
//! (`say`). With `serve` it opens a listener of the gate's instead, whose TLS begins at once. One of the handler `misuse`
//! begins TLS in every wrong way.

use std::collections::HashMap;

use sandloop::bindings::sandloop::plugin::types::Endpoint;
use sandloop::listeners::{ListenAddress, start_server_with};
use sandloop::tls::{StreamEnd, Verification};
use sandloop::{
    CloseReason, Connection, Options, Socket, TlsClient, TlsServer, connect, connect_unix,
};

fn verification(word: Option<&str>) -> Verification {
    match word {
        Some("both") => Verification::HostAndPlugin,
        Some("plugin") => Verification::Plugin,
        _ => Verification::Host,
    }
}

/// Prints what all of them are told.
struct Told {
    socket: Socket,
    who: String,
    takes: bool,
}

impl Told {
    fn say(&self, words: impl std::fmt::Display) {
        println!("{} {words}", self.who);
    }

    fn completed(&self) {
        let socket = &self.socket;
        let session = socket.tls_session().expect("a session");
        self.say(format_args!(
            "tls_completed {} {} {} alpn={} sni={} certificates={} resumed={}",
            socket.get_cipher_protocol().unwrap_or_default(),
            session.cipher,
            session.cipher_bits,
            session.alpn.as_deref().unwrap_or_default(),
            session.server_name.as_deref().unwrap_or_default(),
            socket.peer_certificates().len(),
            session.resumed,
        ));
    }

    fn verify(&self, chain: &[Vec<u8>]) -> bool {
        assert!(self.socket.tls_session().is_none(), "it is not complete");
        assert_eq!(self.socket.peer_certificates(), chain);
        let is_der = chain.iter().all(|certificate| certificate.starts_with(b"\x30\x82"));
        self.say(format_args!("verify_peer {} {is_der}", chain.len()));
        self.takes
    }

    fn ended(&self, reason: CloseReason) {
        let failure = self.socket.tls_failure();
        let (kind, words) = failure.map_or_else(
            || ("none".to_owned(), String::new()),
            |failure| (format!("{:?}", failure.kind), failure.words),
        );
        let end = match self.socket.end_of_stream() {
            StreamEnd::None => "none",
            StreamEnd::Said => "said",
            StreamEnd::Cut => "cut",
        };
        let session = if self.socket.tls_session().is_some() { "had" } else { "no" };
        self.say(format_args!(
            "unbind {reason} failure={kind} end={end} session={session} {words}"
        ));
    }
}

/// The server.
struct Gate {
    told: Told,
    role: TlsServer,
    at_once: bool,
    is_quiet: bool,
    has_tls: bool,
}

impl Gate {
    fn new(socket: Socket, options: &Options) -> Self {
        let role = TlsServer::new(options.get("profile").unwrap_or("server"));
        let role = role.verification(verification(options.get("verify")));
        let role = role.alpn(options.get("alpn").into_iter().flat_map(|names| names.split(',')));
        let takes = options.get("takes") == Some("yes");
        let at_once = options.get("at") == Some("post_init");
        let is_quiet = options.get("quiet").is_some();
        let told = Told { socket, who: "gate".to_owned(), takes };
        Gate { told, role, at_once, is_quiet, has_tls: false }
    }
}

impl Connection for Gate {
    fn post_init(&mut self) {
        if self.at_once {
            self.told.socket.start_tls(self.role.clone()).expect("a profile");
            // It waits for the handshake.
            self.told.socket.send_data("welcome\n");
            self.has_tls = true;
        }
    }

    fn receive_data(&mut self, data: &[u8]) {
        let socket = &self.told.socket;
        if self.has_tls {
            if !self.is_quiet {
                self.told.say(format_args!("receive_data {:?}", String::from_utf8_lossy(data)));
            }
            socket.send_data(data);
        } else if data == b"STARTTLS\n" {
            socket.send_data("220 go on\n");
            if let Err(error) = socket.start_tls(self.role.clone()) {
                self.told.say(format_args!("start_tls {error:?}"));
                socket.close_connection();
            }
            self.has_tls = true;
        } else {
            socket.send_data("501 nothing stands behind STARTTLS\n");
            socket.close_connection_after_writing();
        }
    }

    fn tls_completed(&mut self) {
        self.told.completed();
    }

    fn verify_peer(&mut self, chain: &[Vec<u8>]) -> bool {
        self.told.verify(chain)
    }

    fn unbind(&mut self, reason: CloseReason) {
        self.told.ended(reason);
    }
}

/// A client, as it was told to be.
struct Client {
    told: Told,
    plan: HashMap<String, String>,
    has_tls: bool,
}

impl Client {
    fn word(&self, key: &str) -> Option<&str> {
        self.plan.get(key).map(String::as_str)
    }

    fn begin(&mut self) {
        let mut role = TlsClient::new(self.word("name").unwrap_or("localhost"));
        if let Some(profile) = self.word("profile") {
            role = role.profile(profile);
        }
        role = role.verification(verification(self.word("verify")));
        role = role.alpn(self.word("alpn").into_iter().flat_map(|names| names.split(',')));
        match self.told.socket.start_tls(role) {
            Ok(()) => {}
            Err(error) => {
                self.told.say(format_args!("start_tls {error:?}"));
                self.told.socket.close_connection();
            }
        }
        self.has_tls = true;
        if let Some(words) = self.word("say") {
            self.told.socket.send_data(words.replace('+', " ") + "\n");
        }
    }
}

impl Connection for Client {
    fn post_init(&mut self) {
        if let Some(words) = self.word("plain") {
            self.told.socket.send_data(format!("{words}\n"));
        }
        if self.word("when").unwrap_or("post_init") == "post_init" {
            self.begin();
        }
    }

    fn connection_completed(&mut self) {
        self.told.say("connection_completed");
        match self.word("when") {
            Some("connected") => self.begin(),
            Some("word") => self.told.socket.send_data("STARTTLS\n"),
            _ => {}
        }
    }

    fn receive_data(&mut self, data: &[u8]) {
        self.told.say(format_args!("receive_data {:?}", String::from_utf8_lossy(data)));
        if !self.has_tls && data.starts_with(b"220") {
            self.begin();
        }
        if data.ends_with(b"bye\n") {
            self.told.socket.close_connection_after_writing();
        }
    }

    fn tls_completed(&mut self) {
        self.told.completed();
    }

    fn verify_peer(&mut self, chain: &[Vec<u8>]) -> bool {
        self.told.verify(chain)
    }

    fn unbind(&mut self, reason: CloseReason) {
        self.told.ended(reason);
    }
}

/// Takes the lines that say what to do.
struct Go;

impl Go {
    fn new(_: Socket) -> Self {
        Go
    }
}

impl Connection for Go {
    fn receive_data(&mut self, data: &[u8]) {
        for line in String::from_utf8_lossy(data).lines() {
            let words = line.split_whitespace().filter_map(|word| word.split_once('='));
            let plan: HashMap<String, String> =
                words.map(|(key, value)| (key.to_owned(), value.to_owned())).collect();
            if plan.contains_key("serve") {
                let local = Endpoint { host: "127.0.0.1".to_owned(), port: 0 };
                let options = [("at", "post_init")];
                let server = start_server_with(&ListenAddress::Tcp(local), "gate", &options);
                let server = server.expect("it may listen");
                println!("serves at {}", server.port().expect("a TCP listener"));
                continue;
            }
            let takes = plan.get("takes").map(String::as_str) == Some("yes");
            let port = plan.get("port").cloned().unwrap_or_default();
            let who = plan.get("who").cloned().unwrap_or_else(|| "client".to_owned());
            let make =
                move |socket| Client { told: Told { socket, who, takes }, plan, has_tls: false };
            match port.parse() {
                Ok(port) => connect("127.0.0.1", port, make).expect("it is allowed"),
                Err(_) => connect_unix(port, make).expect("it is allowed"),
            }
        }
    }
}

/// Every wrong way.
struct Misuse(Socket);

impl Connection for Misuse {
    fn receive_data(&mut self, _: &[u8]) {
        let socket = &self.0;
        let server = || TlsServer::new("server");
        let names = |count: usize| (0..count).map(|number| format!("protocol {number}"));
        println!("before {:?} {:?}", socket.tls_session(), socket.tls_failure());
        println!("before {:?} {:?}", socket.end_of_stream(), socket.get_peer_cert());
        for (what, role) in [
            ("unknown profile", TlsServer::new("nobody's")),
            ("no certificate", TlsServer::new("trusts")),
            ("many protocols", server().alpn(names(17))),
            ("empty protocol", server().alpn([""])),
            ("long protocol", server().alpn(["x".repeat(256)])),
            ("plugin decides", server().verification(Verification::Plugin)),
        ] {
            println!("{what} {:?}", socket.start_tls(role));
        }
        for name in ["", "a b", "-", "x".repeat(300).as_str(), "a..b", "\0"] {
            println!("name {:?}", socket.start_tls(TlsClient::new(name)));
        }
        println!("unknown {:?}", socket.start_tls(TlsClient::new("a.b").profile("\u{1b}[2J")));
        println!("first {:?}", socket.start_tls(server()));
        println!("second {:?}", socket.start_tls(server()));
        println!("other {:?}", socket.start_tls(TlsClient::new("localhost")));
        socket.close_connection_after_writing();
        println!("closing {:?}", socket.start_tls(server()));
        socket.close_connection();
        println!("closed {:?}", socket.start_tls(server()));
    }

    fn unbind(&mut self, _: CloseReason) {
        println!("unbind {:?}", self.0.start_tls(TlsServer::new("server")));
        let socket = self.0.clone();
        sandloop::add_timer(std::time::Duration::ZERO, move || {
            println!("stale {:?}", socket.start_tls(TlsServer::new("server")));
            println!("stale {:?} {:?}", socket.tls_session(), socket.end_of_stream());
        });
    }
}

/// On a datagram.
struct Datagrams(Socket);

impl Connection for Datagrams {
    fn receive_data(&mut self, _: &[u8]) {
        println!("datagrams {:?}", self.0.start_tls(TlsServer::new("server")));
    }
}

sandloop::plugin! { handlers: [Gate::new, Go::new, Misuse, Datagrams] }
