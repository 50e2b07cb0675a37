//! The callbacks at the end: shutdown hooks around a connection, and the error handler when the plugin panics.

use sandloop::{
    Channel, CloseReason, Connection, Program, Socket, add_shutdown_hook, error_handler,
};

/// Subscribes to the last words of others; `panic` brings some about.
struct Hooked(Socket);

impl Connection for Hooked {
    fn post_init(&mut self) {
        let socket = self.0.clone();
        Channel::new("last words").subscribe(move |words| socket.send_data(words));
        let socket = self.0.clone();
        add_shutdown_hook(move || {
            println!("hook of a connection");
            socket.send_data("goodbye\n");
        });
        self.0.send_data("helo\n");
    }

    fn receive_data(&mut self, data: &[u8]) {
        if data == b"panic\n" {
            panic!("on purpose");
        }
    }

    fn unbind(&mut self, reason: CloseReason) {
        println!("unbind {reason}");
    }
}

struct Start;

impl Program for Start {
    fn prepare() -> sandloop::Result {
        error_handler(|panic| {
            sandloop::error!("last words: {panic}");
            Channel::new("last words").push("somebody has panicked\n");
        });
        Ok(())
    }

    fn start() -> sandloop::Result {
        for number in 1..=2 {
            add_shutdown_hook(move || println!("hook {number}"));
        }
        Ok(())
    }

    fn stopping() {
        println!("stopping");
    }

    fn stopped() {
        println!("stopped");
    }
}

sandloop::plugin! { handlers: [Hooked], program: Start }
