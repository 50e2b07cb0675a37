//! Connects each connection to the option `target` of its listener, proxies by the option `mode`, and prints the events of
//! both: `front …` is the accepted one, `back` the other.
//!
//! `both`: in both directions. `forth`: from front to back only, and `back`: the other way only. `count`: the first `bytes` of
//! front. `begun`: as `both`, at once and not when back is connected. `stop`: as `both`, until the first timer of 50 ms, whose
//! bytes front gets. `keep`: as `both`, and front continues when back has ended. `ring`: two backs, each proxied to the other,
//! and front is not informed. `misuse`: prints the answer of each wrong call.

use std::{cell::RefCell, rc::Rc};

use sandloop::{
    Address, CloseReason, Connection, Options, ProxyError, ProxyOptions, Socket, connect_to,
};

struct Front {
    socket: Socket,
    target: Address,
    mode: String,
    options: ProxyOptions,
    other: Other,
}

struct Back {
    socket: Socket,
    front: Socket,
    mode: String,
    options: ProxyOptions,
    /// The other back of a ring.
    other: Other,
}

type Other = Rc<RefCell<Option<Socket>>>;

impl Front {
    fn new(socket: Socket, options: &Options) -> Self {
        let number = |key| options.parse(key).expect("a number").unwrap_or(0);
        Front {
            socket,
            target: options.get("target").expect("a target").parse().expect("an address"),
            mode: options.get("mode").unwrap_or("both").to_owned(),
            options: ProxyOptions { buffer: number("buffer") as u32, bytes: number("bytes") },
            other: Other::default(),
        }
    }

    fn connect(&self) {
        let (front, mode, options) = (self.socket.clone(), self.mode.clone(), self.options);
        let other = self.other.clone();
        let back = move |socket: Socket| {
            if mode != "ring" {
                other.replace(Some(socket.clone()));
            }
            Back { socket, front, mode, options, other }
        };
        connect_to(&self.target, back).expect("it may");
    }
}

fn show(result: Result<(), ProxyError>) -> String {
    result.map_or_else(|error| error.name().to_owned(), |()| "ok".to_owned())
}

impl Connection for Front {
    fn post_init(&mut self) {
        self.socket.pause();
        self.connect();
        if self.mode == "ring" {
            self.connect();
        }
    }

    fn receive_data(&mut self, data: &[u8]) {
        println!("front receive_data {}", String::from_utf8_lossy(data));
        if self.mode == "stop" {
            self.socket.send_data(format!("own {}", String::from_utf8_lossy(data)));
        }
    }

    fn proxy_target_unbound(&mut self) {
        println!("front proxy_target_unbound");
    }

    fn proxy_completed(&mut self) {
        println!("front proxy_completed {}", self.socket.get_proxied_bytes());
    }

    fn unbind(&mut self, reason: CloseReason) {
        println!("front unbind {reason} {}", self.socket.get_proxied_bytes());
        if let Some(back) = self.other.borrow().as_ref() {
            back.close_connection_after_writing();
        }
    }
}

impl Back {
    fn proxy(&self) -> Result<(), ProxyError> {
        let (front, back) = (&self.front, &self.socket);
        match &*self.mode {
            "both" | "begun" | "stop" | "keep" => {
                front.proxy_incoming_to_with(back, self.options)?;
                back.proxy_incoming_to_with(front, self.options)
            }
            "forth" | "count" => front.proxy_incoming_to_with(back, self.options),
            "back" => back.proxy_incoming_to_with(front, self.options),
            "ring" => self.close_the_ring(),
            "misuse" => {
                self.misuse();
                Ok(())
            }
            other => panic!("no mode {other:?}"),
        }
    }

    fn close_the_ring(&self) -> Result<(), ProxyError> {
        let first = self.other.replace(Some(self.socket.clone()));
        let Some(first) = first else { return Ok(()) };
        first.proxy_incoming_to(&self.socket)?;
        self.socket.proxy_incoming_to(&first)?;
        self.socket.send_data("x");
        self.front.send_data("round and round\n");
        Ok(())
    }

    fn misuse(&self) {
        let (front, back) = (&self.front, &self.socket);
        println!("itself {}", show(front.proxy_incoming_to(front)));
        println!("first {}", show(front.proxy_incoming_to(back)));
        println!("again {}", show(front.proxy_incoming_to(back)));
        front.stop_proxying();
        front.stop_proxying();
        println!("stopped {}", show(front.proxy_incoming_to(back)));
        println!("back {}", show(back.proxy_incoming_to(front)));
        // A third one, to the target that has a source.
        let (front, back) = (front.clone(), back.clone());
        let third = move |socket: Socket| {
            println!("busy {}", show(socket.proxy_incoming_to(&back)));
            back.stop_proxying();
            front.stop_proxying();
            back.close_connection_after_writing();
            println!("closing {}", show(front.proxy_incoming_to(&back)));
            back.close_connection();
            println!("closed {}", show(front.proxy_incoming_to(&back)));
            println!("of the closed {}", show(back.proxy_incoming_to(&front)));
            front.close_connection();
            socket.close_connection();
            Third
        };
        connect_to(&Address::tcp("127.0.0.1", 9), third).expect("it may");
    }
}

struct Third;

impl Connection for Third {}

impl Connection for Back {
    fn post_init(&mut self) {
        if self.mode == "begun" {
            self.proxy().expect("it is proxied");
            self.front.resume();
        }
    }

    fn connection_completed(&mut self) {
        if self.mode != "begun" {
            self.proxy().expect("it is proxied");
            self.front.resume();
        }
        if self.mode == "stop" {
            let (front, back) = (self.front.clone(), self.socket.clone());
            sandloop::add_timer(std::time::Duration::from_millis(50), move || {
                front.stop_proxying();
                println!("stopped at {}", front.get_proxied_bytes());
                back.send_data("stopped\n");
            });
        }
    }

    fn receive_data(&mut self, data: &[u8]) {
        println!("back receive_data {}", String::from_utf8_lossy(data));
    }

    fn proxy_target_unbound(&mut self) {
        println!("back proxy_target_unbound");
    }

    fn unbind(&mut self, reason: CloseReason) {
        println!("back unbind {reason} {}", self.socket.get_proxied_bytes());
        if self.mode != "keep" {
            self.front.close_connection_after_writing();
        }
    }
}

sandloop::plugin! { handlers: [Front::new] }
