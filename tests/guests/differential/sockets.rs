//! Connections whose callbacks are blocks named after their role, and the steps about them.

use sandloop::{
    Address, CloseReason, Connection, Deferrable, ProxyOptions, Socket, connect, connect_unix,
    frames::{
        LineLimits,
        codec::lines::{LineDecoder, LineEvent},
    },
    options,
    spawn::Step,
};

use crate::{
    frames, lightweight, milliseconds, own_sockets, run, say,
    script::{On, Words, has},
    things::{self, Thing, put},
};

/// A connection of bytes.
pub struct Scripted {
    socket: Socket,
    role: String,
    lines: LineDecoder,
}

impl Scripted {
    /// A connection of the listener.
    pub fn accepted(socket: Socket) -> Self {
        Scripted::new(socket, "server")
    }

    pub fn new(socket: Socket, role: &str) -> Self {
        let role = role.to_owned();
        Scripted { socket, role, lines: LineDecoder::new(LineLimits::default()) }
    }

    fn event(&self, name: &str, argument: &str) {
        run(&format!("{}.{name}", self.role), argument, &On::Socket(self.socket.clone()));
    }
}

impl Connection for Scripted {
    fn post_init(&mut self) {
        self.event("post_init", "");
    }

    fn connection_completed(&mut self) {
        self.event("connection_completed", "");
    }

    // The cuts between pieces are nobody's promise: a block is given what has come when it ends a line.
    fn receive_data(&mut self, mut data: &[u8]) {
        if !has(&format!("{}.receive_line", self.role)) {
            return self.event("receive_data", &String::from_utf8_lossy(data));
        }
        while let Some(event) = self.lines.decode(&mut data).expect("no line is too long") {
            if let LineEvent::Line(line) = event {
                self.event("receive_line", String::from_utf8_lossy(&line).trim_end());
            }
        }
    }

    fn proxy_target_unbound(&mut self) {
        self.event("proxy_target_unbound", "");
    }

    fn proxy_completed(&mut self) {
        self.event("proxy_completed", "");
    }

    fn unbind(&mut self, reason: CloseReason) {
        self.event("unbind", name_of(reason));
    }
}

/// EventMachine has fewer reasons.
pub fn name_of(reason: CloseReason) -> &'static str {
    match reason {
        CloseReason::PeerClosed | CloseReason::Closed | CloseReason::Stopped => "none",
        CloseReason::Refused => "refused",
        CloseReason::ConnectTimeout | CloseReason::InactivityTimeout => "timeout",
        CloseReason::Reset => "reset",
        CloseReason::NameNotFound
        | CloseReason::Unreachable
        | CloseReason::Limit
        | CloseReason::Failed => "another",
    }
}

pub fn step(words: &Words, argument: &str, on: &On) -> Step<String> {
    let word = |index: usize| words.get(index);
    match words.operation() {
        "connect" => {
            let port = options::get("port").and_then(|port| port.parse().ok()).expect("a port");
            let client = |socket| Scripted::new(socket, "client");
            connect("127.0.0.1", port, client).expect("a permitted address");
        }
        "connect_unix" => {
            let path = options::get("path").expect("a path");
            let client = |socket| Scripted::new(socket, "client");
            connect_unix(path, client).expect("a permitted path");
        }
        "send" => on.socket().send_data(words.rest().replace("\\n", "\n")),
        "send_many" => {
            for number in 0..word(0).parse::<u32>().expect("a number") {
                on.socket().send_data(format!("{number},"));
            }
        }
        "send_bytes" => on.socket().send_data("x".repeat(word(0).parse().expect("a number"))),
        "close" => on.socket().close_connection(),
        "close_after" => on.socket().close_connection_after_writing(),
        "pause" => on.socket().pause(),
        "resume" => on.socket().resume(),
        "paused" => say(&format!("paused {}", on.socket().is_paused())),
        "inactivity" => on.socket().set_comm_inactivity_timeout(milliseconds(word(0))),
        "pending" => {
            on.socket().set_pending_connect_timeout(milliseconds(word(0))).expect("a timeout");
        }
        "show_timeouts" => {
            let inactivity = on.socket().comm_inactivity_timeout().as_millis();
            say(&format!("{inactivity} {}", on.socket().pending_connect_timeout().as_millis()));
        }
        "peer" => match on.socket().peer_address() {
            Some(Address::Tcp(endpoint)) => say(&format!("peer {}", endpoint.host)),
            Some(Address::Unix(_)) => say("peer unix"),
            None => say("peer none"),
        },
        "idle" => {
            let is_long = 300 <= on.socket().idle_time().as_millis();
            say(if is_long { "idle for long" } else { "just active" });
        }
        "outbound" => say(&format!("outbound {}", on.socket().outbound_data_size())),
        "send_file" => {
            if on.socket().send_file_data(word(0)).is_err() {
                say("refused");
            }
        }
        "stream_file" => {
            let then = |name: &str| {
                let (name, argument, on) = (name.to_owned(), argument.to_owned(), on.clone());
                move || {
                    run(&name, &argument, &on);
                }
            };
            let (well, ill) = (then(word(1)), then(word(2)));
            let streamer = on.socket().stream_file_data(word(0));
            streamer.callback(move |_| well());
            streamer.errback(move |_| ill());
        }
        "proxy_to" => {
            let number = |index: usize| word(index).parse().unwrap_or(0_u32);
            let options = ProxyOptions { buffer: number(1), bytes: number(2).into() };
            let target = things::socket(word(0));
            if on.socket().proxy_incoming_to_with(&target, options).is_err() {
                say("not proxied");
            }
        }
        "stop_proxying" => on.socket().stop_proxying(),
        "proxied" => say(&format!("proxied {}", on.socket().get_proxied_bytes())),
        "remember" => put(word(0), Thing::Socket(on.socket().clone())),
        "with" => {
            run(word(1), argument, &On::Socket(things::socket(word(0))));
        }
        _ => {
            if own_sockets::step(words, argument, on) {
                return Step::Done;
            }
            let framed = frames::step(words, on);
            return framed.unwrap_or_else(|| lightweight::step(words, argument, on));
        }
    }
    Step::Done
}
