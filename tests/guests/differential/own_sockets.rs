//! The steps about listeners, UDP sockets and what else a program opens itself, and about what the system does for a connection.

use std::time::Duration;

use sandloop::{
    Address, FileWatch, ListenError, WatchError, bind_connect, connect, connection_count,
    open_datagram_socket, start_server, watch_file,
};

use crate::{
    run, say,
    script::{On, Words},
    sockets::Scripted,
    things::{self, Thing, put},
};

const LOCAL: &str = "127.0.0.1";

/// Does a step; false if it is none of these.
pub fn step(words: &Words, argument: &str, on: &On) -> bool {
    let word = |index: usize| words.get(index).to_owned();
    let number = |index: usize| word(index).parse::<u32>().expect("a number");
    let client = |socket| Scripted::new(socket, "client");
    match words.operation() {
        "serve" => serve(&word(0), 0),
        "serve_at" => serve(&word(0), things::port(&word(1))),
        "stop_server" => things::server(&word(0)).stop(),
        "connect_to" => {
            connect(LOCAL, things::port(&word(0)), client).expect("a permitted address");
        }
        "bind_connect" => {
            bind_connect(word(0), 0, LOCAL, things::port(&word(1)), client).expect("permitted");
        }
        "reconnect" => {
            on.socket().reconnect(LOCAL, things::port(&word(0))).expect("in its unbind");
        }
        "connections" => say(&format!("connections {}", connection_count())),
        "datagrams" => {
            let role = word(0);
            let make = move |socket| Scripted::new(socket, &role);
            let local = open_datagram_socket(LOCAL, 0, make).expect("a permitted address");
            put(&word(0), Thing::Port(local.port));
        }
        "send_to" => {
            let text = words.rest().split_once(' ').map_or(String::new(), |it| it.1.to_owned());
            send_to(on, &text, &word(0));
        }
        "send_size_to" => send_to(on, &"x".repeat(number(1) as usize), &word(0)),
        "bytes" => say(&format!("bytes {}", argument.len())),
        "who" => {
            let Some(Address::Tcp(peer)) = on.socket().peer_address() else { panic!("nobody") };
            say(&format!("it is {}: {}", word(0), peer.port == things::port(&word(0))));
        }
        "keepalive" => {
            let seconds = |index| Duration::from_secs(number(index).into());
            let set = on.socket().enable_keepalive(seconds(0), seconds(1), number(2));
            set.expect("it is TCP");
        }
        "no_keepalive" => on.socket().disable_keepalive().expect("it is TCP"),
        "show_keepalive" => match on.socket().keepalive() {
            Some(it) => say(&format!("keepalive {} {} {}", it.idle, it.interval, it.count)),
            None => say("no keepalive"),
        },
        "watch" => {
            let watch = watch_file(&word(0), Watched).expect("a granted folder");
            put(&word(1), Thing::Watch(watch));
        }
        "unwatch" => things::watch(&word(0)).stop_watching(),
        "show_nodelay" => say(&format!("nodelay {}", on.socket().nodelay())),
        _ => return false,
    }
    true
}

/// A file or a folder.
struct Watched;

impl FileWatch for Watched {
    fn file_modified(&mut self, _: &str) {
        run("watch.modified", "", &On::Nothing);
    }

    fn file_moved(&mut self, _: &str) {
        run("watch.moved", "", &On::Nothing);
    }

    fn file_deleted(&mut self, _: &str) {
        run("watch.deleted", "", &On::Nothing);
    }

    fn unbind(&mut self, _: Option<WatchError>) {
        run("watch.unbind", "", &On::Nothing);
    }
}

fn serve(name: &str, port: u16) {
    match start_server(LOCAL, port, "scripted") {
        Ok(server) => put(name, Thing::Server(server)),
        Err(ListenError::InUse) => say("in use"),
        Err(error) => panic!("{error}"),
    }
}

/// What the socket does not take is lost, as in EventMachine.
fn send_to(on: &On, text: &str, name: &str) {
    let _ = on.socket().send_datagram(text, LOCAL, things::port(name));
}
