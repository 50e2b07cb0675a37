//! Every server of the world, as a proxy shows it: a plugin's client asks it for any host.

use std::io::{BufRead as _, BufReader, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;

use sandloop_tests::{Config, Host, Isolation, Listen, Peer, Plugin};

/// What the world answers to the head of a request: a whole response without `Connection`, which is added.
pub type Answer = Box<dyn FnMut(&str) -> String + Send>;

/// A host with the plugin `http_fetch`, whose clients see the world through this proxy.
pub struct World {
    host: Host,
    answer: Arc<Mutex<Answer>>,
}

impl World {
    pub fn start(options: &[(&str, &str)]) -> World {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let address = listener.local_addr().expect("a bound socket").to_string();
        let answer: Answer = Box::new(|_| "HTTP/1.1 404 Not Found\r\n".to_owned());
        let answer = Arc::new(Mutex::new(answer));
        let shared = answer.clone();
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                // Whoever goes away before the end is seen at the other side.
                let _ = serve(stream, &shared);
            }
        });
        let mut listen = Listen::tcp("http_fetch").option("proxy", &address);
        for (key, value) in options {
            listen = listen.option(key, value);
        }
        let plugin = Plugin::new("http_fetch").isolation(Isolation::Plugin);
        let config = Config::new().plugin(plugin.may_connect(&[&address])).listen(listen);
        World { host: Host::start(&config), answer }
    }

    /// What the world answers from now on.
    pub fn answers(&self, answer: impl FnMut(&str) -> String + Send + 'static) {
        *self.answer.lock().expect("nobody panics with it") = Box::new(answer);
    }

    /// A client that has seen nothing yet.
    pub fn client(&self) -> Peer {
        self.host.connect("http_fetch")
    }
}

fn serve(stream: TcpStream, answer: &Mutex<Answer>) -> std::io::Result<()> {
    let mut reader = BufReader::new(stream);
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        if reader.read_until(b'\n', &mut head)? == 0 {
            return Ok(());
        }
    }
    let head = String::from_utf8_lossy(&head).into_owned();
    let answer = answer.lock().expect("nobody panics with it")(&head);
    let (fields, body) = answer.split_once("\r\n\r\n").unwrap_or((answer.trim_end(), ""));
    let length = body.len();
    let answer = format!("{fields}\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n{body}");
    reader.get_mut().write_all(answer.as_bytes())
}
