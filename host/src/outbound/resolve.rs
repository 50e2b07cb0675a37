//! Names to addresses, off the loop: the operating system's resolver blocks, so it has threads of its own.

use std::collections::VecDeque;
use std::io;
use std::net::ToSocketAddrs;
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;

use super::Attempt;
use crate::plugin::Permit;
use crate::reactor::{ConnectionId, Mail, Post};

/// Names that may wait for a thread; the next is refused as if it had no address.
const WAITING_MAX: usize = 1024;
/// Look-ups under way at once.
const THREADS: usize = 2;

/// A name to look up, and who asked.
#[derive(Debug)]
struct Question {
    host: String,
    port: u16,
    connection: ConnectionId,
    reply_to: Post,
    /// Counts it among its plugin's, until it is answered.
    _permit: Option<Permit>,
}

/// Threads that look names up, started by the first question. Dropping it ends them after the look-up that is
/// under way.
#[derive(Debug, Default)]
pub struct Resolver {
    threads: Option<(SyncSender<Question>, Vec<JoinHandle<()>>)>,
}

impl Resolver {
    /// Asks for the addresses of `host`; the answer is a [`Mail::Resolved`].
    ///
    /// # Errors
    /// When no thread can be started or too many names wait.
    pub fn ask(
        &mut self,
        host: String,
        port: u16,
        connection: ConnectionId,
        reply_to: Post,
        permit: Option<Permit>,
    ) -> io::Result<()> {
        if self.threads.is_none() {
            self.threads = Some(start()?);
        }
        let Some((questions, _)) = &self.threads else { return Ok(()) };
        let question = Question { host, port, connection, reply_to, _permit: permit };
        questions.try_send(question).map_err(|error| match error {
            TrySendError::Full(_) => io::Error::other("too many names wait to be resolved"),
            TrySendError::Disconnected(_) => io::Error::other("the resolver has ended"),
        })
    }
}

impl Drop for Resolver {
    fn drop(&mut self) {
        // The threads end when the channel does. They are not joined: a look-up may take the operating
        // system half a minute, and its answer goes nowhere.
        self.threads = None;
    }
}

fn start() -> io::Result<(SyncSender<Question>, Vec<JoinHandle<()>>)> {
    let (questions, receiver) = sync_channel(WAITING_MAX);
    let receiver = Arc::new(Mutex::new(receiver));
    let threads = (0..THREADS)
        .map(|index| {
            let receiver = receiver.clone();
            std::thread::Builder::new()
                .name(format!("resolver-{index}"))
                .spawn(move || answer_all(&receiver))
        })
        .collect::<io::Result<Vec<_>>>()?;
    Ok((questions, threads))
}

fn answer_all(questions: &Mutex<Receiver<Question>>) {
    loop {
        let next = questions.lock().unwrap_or_else(PoisonError::into_inner).recv();
        let Ok(question) = next else { return };
        let addresses = look_up(&question.host, question.port);
        question.reply_to.send(Mail::Resolved { connection: question.connection, addresses });
    }
}

fn look_up(host: &str, port: u16) -> VecDeque<Attempt> {
    match (host, port).to_socket_addrs() {
        Ok(addresses) => addresses.map(Attempt::Tcp).collect(),
        Err(error) => {
            tracing::debug!(host, %error, "name not found");
            VecDeque::new()
        }
    }
}
