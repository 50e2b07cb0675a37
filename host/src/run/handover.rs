//! Handover for an upgrade of the binary: the next process takes the listeners over from the one that serves, which drains when
//! the other is ready, and continues as before if it never is.
//!
//! ```text
//! next: take over 1                     serves: listener tcp://127.0.0.1:80   with its sockets, for each
//!                                       serves: end
//! next, when everything is prepared and it accepts: ready
//!                                       serves: draining
//! ```

use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::path::{Path, PathBuf};
use std::sync::mpsc::Sender;
use std::time::Duration;

use crate::base::thread::Threads;
use crate::net::listener::error::BindFault;
use crate::net::listener::handed::{HandedSockets, handover_sockets};
use crate::net::listener::passing::{
    DESCRIPTORS_OF_A_PACKET, PassingListener, PassingPeer, Waiter,
};
use crate::run::error::StartError;
use crate::run::news::News;

/// How long one process waits for the other's next message. Slow work is done before the first one.
const LONGEST_SILENCE: Duration = Duration::from_secs(30);

/// The pause after an error of `accept`.
const ACCEPT_AGAIN_AFTER: Duration = Duration::from_secs(1);

const TAKE_OVER: &str = "take over 1";
const LISTENER: &str = "listener ";
const END: &str = "end";
const READY: &str = "ready";
const DRAINING: &str = "draining";

/// The previous process, which serves until it is relieved.
#[derive(Debug)]
pub(super) struct Predecessor {
    peer: PassingPeer,
    path: PathBuf,
}

impl Predecessor {
    /// Connects to the process that waits at `path`, and takes its listeners; none if there is none.
    pub(super) fn find(path: &Path) -> Result<Option<(Predecessor, HandedSockets)>, StartError> {
        let failed = |error: io::Error| {
            StartError::Internal(format!("taking over by {}: {error}", path.display()))
        };
        tracing::info!(path = %path.display(), "asking the process that serves for its listeners");
        let Some(peer) = PassingPeer::find(path, LONGEST_SILENCE).map_err(failed)? else {
            tracing::info!(path = %path.display(), "nobody serves who could hand over");
            return Ok(None);
        };
        let handed_over = receive(&peer).map_err(failed)?;
        Ok(Some((Predecessor { peer, path: path.to_owned() }, handed_over)))
    }

    /// Tells the previous process that this one serves now. After an error the other one continues.
    pub(super) fn relieve(self) -> io::Result<()> {
        let said = self.peer.send(READY, &[]).and_then(|()| self.peer.receive());
        match said {
            Ok((words, _)) if words == DRAINING => Ok(()),
            // It may have come to its end just now.
            _ if PassingPeer::find(&self.path, LONGEST_SILENCE)
                .is_ok_and(|other| other.is_none()) =>
            {
                Ok(())
            }
            Ok(_) => Err(io::Error::other("the process that serves goes on serving")),
            Err(error) => Err(error),
        }
    }
}

fn receive(peer: &PassingPeer) -> io::Result<HandedSockets> {
    peer.wait_for(LONGEST_SILENCE)?;
    peer.send(TAKE_OVER, &[])?;
    let mut handed_over = HandedSockets::default();
    loop {
        let (words, sockets) = peer.receive()?;
        match words.strip_prefix(LISTENER) {
            Some(served_as) => {
                sockets.into_iter().for_each(|socket| handed_over.add(served_as, socket));
            }
            None if words == END => return Ok(handed_over),
            None => return Err(io::Error::other("the process that serves hands nothing over")),
        }
    }
}

/// The socket at which the next process is waited for.
#[derive(Debug)]
pub(super) struct SuccessionPlace(PassingListener);

/// Waits for the next process until it is dropped.
#[derive(Debug)]
pub(super) struct Succession {
    _place: SuccessionPlace,
}

impl SuccessionPlace {
    /// Binds the socket; if this process has taken over, replaces that of the previous one.
    pub(super) fn bind(path: &Path, has_taken_over: bool) -> Result<SuccessionPlace, StartError> {
        PassingListener::bind(path, has_taken_over)
            .map(SuccessionPlace)
            .map_err(|fault| StartError::Internal(not_waiting(path, &fault)))
    }

    /// Begins to wait. The listeners that are served at that time are handed over, which is reported to the main thread.
    /// `relieved` releases what cannot be handed over, just before the other process may take it.
    pub(super) fn begin(
        self,
        news: Sender<News>,
        relieved: impl Fn() + Send + 'static,
    ) -> Result<Succession, StartError> {
        let waiter = self.0.waiter();
        Threads::new()
            .spawn("handover".to_owned(), move || wait(&waiter, &news, &relieved))
            .map_err(StartError::thread("the handover"))?;
        Ok(Succession { _place: self })
    }
}

/// This process serves now: relieves the predecessor, and waits for a successor.
pub(super) fn take_its_place(
    predecessor: Predecessor,
    path: Option<&Path>,
    news: &Sender<News>,
) -> Option<SuccessionPlace> {
    if let Err(error) = predecessor.relieve() {
        // The main thread receives it as soon as it supervises.
        let _ = news.send(News::NotRelieved(error));
        return None;
    }
    handover_sockets().iter().for_each(|handed| handed.claim());
    tracing::info!("the process before has handed over, and drains");
    match SuccessionPlace::bind(path?, true) {
        Ok(waiting) => Some(waiting),
        Err(error) => {
            let cause = error.to_string();
            tracing::error!(cause, "no process can take over from this one");
            None
        }
    }
}

fn not_waiting(path: &Path, fault: &BindFault) -> String {
    let cause = match fault {
        BindFault::LiveServer => {
            "another host serves; start this one with --take-over, or write another path".to_owned()
        }
        BindFault::NoFolder(folder) => format!("there is no folder {}", folder.display()),
        BindFault::Forbidden => "this user may not make a socket there".to_owned(),
        other => format!("{other:?}"),
    };
    format!("host.handover: {}: {cause}", path.display())
}

fn wait(waiter: &Waiter, news: &Sender<News>, relieved: &impl Fn()) {
    let mut is_told = false;
    loop {
        let peer = match waiter.accept() {
            Ok(peer) => peer,
            Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {
                tracing::warn!("another user's process has asked for the listeners: refused");
                continue;
            }
            Err(error) => {
                // The process has gone, or there are no descriptors: neither lasts.
                if !std::mem::replace(&mut is_told, true) {
                    tracing::warn!(%error, "a process that has asked for the listeners is not heard");
                }
                std::thread::sleep(ACCEPT_AGAIN_AFTER);
                continue;
            }
        };
        is_told = false;
        match hand_over(&peer, relieved) {
            Ok(process) => {
                // Fails only while the host is ending.
                let _ = news.send(News::HandedOver(process));
                return;
            }
            Err(error) => {
                let cause = error.to_string();
                tracing::warn!(cause, "nobody has taken over: serving as before");
            }
        }
    }
}

/// Hands everything over, and waits until the other process serves it: the number of that process.
fn hand_over(peer: &PassingPeer, relieved: &impl Fn()) -> io::Result<i32> {
    let process = peer.process()?;
    peer.wait_for(LONGEST_SILENCE)?;
    expect(peer, TAKE_OVER)?;
    let handover_sockets = handover_sockets();
    for handed in &handover_sockets {
        let (served_as, sockets) = handed.get();
        let words = format!("{LISTENER}{served_as}");
        let sockets: Vec<BorrowedFd<'_>> = sockets.iter().map(AsFd::as_fd).collect();
        let mut packets = sockets.chunks(DESCRIPTORS_OF_A_PACKET);
        packets.try_for_each(|sockets| peer.send(&words, sockets))?;
    }
    peer.send(END, &[])?;
    expect(peer, READY)?;
    relieved();
    peer.send(DRAINING, &[])?;
    handover_sockets.iter().for_each(|handed| handed.hand_over());
    Ok(process)
}

fn expect(peer: &PassingPeer, words: &str) -> io::Result<()> {
    match peer.receive()?.0 {
        heard if heard == words => Ok(()),
        heard if heard.is_empty() => Err(io::Error::other("the process that asked has ended")),
        _ => Err(io::Error::other("the process that asked does not know how to")),
    }
}
