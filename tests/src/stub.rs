//! A server that treats each of its connections in the same way.

use std::net::{TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};

/// Serves on a loopback port until it is dropped, one connection after the other.
#[derive(Debug)]
pub struct StubServer {
    address: String,
    ends: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl StubServer {
    /// Listens on a port that the kernel picks, and calls `serve` for each connection.
    pub fn start(mut serve: impl FnMut(TcpStream) + Send + 'static) -> StubServer {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let address = listener.local_addr().expect("a bound socket").to_string();
        let ends = Arc::new(AtomicBool::new(false));
        let thread = thread::spawn({
            let ends = ends.clone();
            move || {
                for stream in listener.incoming().flatten() {
                    if ends.load(Ordering::Relaxed) {
                        return;
                    }
                    serve(stream);
                }
            }
        });
        StubServer { address, ends, thread: Some(thread) }
    }

    /// `127.0.0.1:41234`.
    pub fn address(&self) -> &str {
        &self.address
    }
}

impl Drop for StubServer {
    fn drop(&mut self) {
        self.ends.store(true, Ordering::Relaxed);
        // Wakes the accepting thread; if connecting fails, it has ended.
        let _ = TcpStream::connect(&self.address);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}
