//! Everything a guest may ask for that is done after it has returned.

use std::collections::{HashMap, HashSet};
use std::net::SocketAddr;
use std::time::Duration;

use crate::base::arena::ConnectionId;
use crate::clock::Moment;
use crate::mail::mailboxes::Process;
use crate::mail::message::Message;
use crate::net::connection::stream::Stream;
use crate::net::listener::Listener;
use crate::net::outbound::Target;
use crate::plugin::granted::GrantedPath;
use crate::quota::host_memory::Admission;
use crate::quota::semaphore::Permit;

/// What a guest asked for. Left in its [`HostState`](crate::host_api::state::HostState) and carried out by the
/// reactor in the order it was asked.
#[derive(Debug)]
pub enum Command {
    /// The state of a connection was changed: look at it again.
    Reconcile {
        /// Which connection.
        id: ConnectionId,
    },
    /// Make an outgoing connection.
    Connect {
        /// It is counted already.
        admission: Admission,
        /// Counts the look-up of its name, if it has one.
        lookup: Option<Permit>,
        /// Where to.
        target: Target,
        /// The plugin's own mark.
        token: u32,
        /// Where from, if that was chosen.
        local: Option<SocketAddr>,
    },
    /// Accept from a listener, which is bound already.
    Listen {
        /// It is counted already.
        admission: Admission,
        /// Its id.
        id: u32,
        /// It.
        listener: Box<Listener>,
    },
    /// Close a listener.
    Unlisten {
        /// Its id.
        id: u32,
    },
    /// Make a connection of a UDP socket, which is bound already.
    OpenDatagrams {
        /// It is counted already.
        admission: Admission,
        /// It.
        stream: Box<Stream>,
        /// The plugin's own mark.
        token: u32,
    },
    /// Set a timer. Its id is given and counted already.
    SetTimer {
        /// Its id.
        id: u32,
        /// When it is due first.
        deadline: Moment,
        /// How long after its callback it is due again.
        every: Option<Duration>,
    },
    /// Forget a timer.
    CancelTimer {
        /// Its id.
        id: u32,
    },
    /// Call the plugin in the tick phase. Counted already.
    Tick {
        /// Its id.
        id: u32,
    },
    /// Make a process.
    Spawn {
        /// Its id and its mailbox.
        process: Process,
        /// The plugin that it is an instance of.
        plugin: usize,
        /// What it is to be.
        name: String,
        /// What it is given.
        argument: Message,
    },
    /// Watch a file. Counted already.
    Watch {
        /// Its id.
        id: u32,
        /// Counts it.
        admission: Admission,
        /// Where it is.
        path: GrantedPath,
    },
    /// Forget a watch.
    Unwatch {
        /// Its id.
        id: u32,
    },
    /// End a process, if this instance has spawned it.
    Kill {
        /// Which one.
        process: u32,
    },
    /// End this process.
    Exit,
    /// Stop the host.
    Stop,
}

/// What a guest has asked for in one callback, in the order it was asked.
///
/// What comes to nothing is not kept for long: a guest that sets and cancels a timer again and again must not fill the
/// host's memory, which no limit of its own counts.
#[derive(Debug, Default)]
pub struct Commands {
    list: Vec<Command>,
    /// Length at which the list is cleaned up again.
    condense_at: usize,
}

/// Fewer are never looked through.
const CONDENSE_ABOVE: usize = 4096;

impl Commands {
    /// Adds one.
    pub fn push(&mut self, command: Command) {
        if self.condense_at.max(CONDENSE_ABOVE) <= self.list.len() {
            self.list = condensed(std::mem::take(&mut self.list));
            self.condense_at = 2 * self.list.len();
        }
        self.list.push(command);
    }

    /// Hands out all.
    pub fn take(&mut self) -> Vec<Command> {
        self.condense_at = 0;
        std::mem::take(&mut self.list)
    }
}

/// The same without what comes to nothing: timers that are set and cancelled, and what is asked for twice. What is left
/// is bounded by the limits of the guest: its timers, ticks, connections, and the processes there are.
fn condensed(list: Vec<Command>) -> Vec<Command> {
    let mut kept: Vec<Option<Command>> = Vec::new();
    let mut timers = HashMap::new();
    let (mut touched, mut killed) = (HashSet::new(), HashSet::new());
    let mut unwatched = HashSet::new();
    let (mut exits, mut stops) = (false, false);
    for command in list {
        let is_new = match &command {
            Command::SetTimer { id, .. } => {
                timers.insert(*id, kept.len());
                true
            }
            Command::CancelTimer { id } => match timers.remove(id) {
                Some(place) => {
                    kept[place] = None;
                    false
                }
                None => true,
            },
            Command::Spawn { process, .. } => {
                killed.remove(&process.id());
                true
            }
            Command::Reconcile { id } => touched.insert(*id),
            Command::Kill { process } => killed.insert(*process),
            Command::Exit => !std::mem::replace(&mut exits, true),
            Command::Stop => !std::mem::replace(&mut stops, true),
            Command::Unwatch { id } => unwatched.insert(*id),
            Command::Watch { id, .. } => {
                unwatched.remove(id);
                true
            }
            Command::Connect { .. }
            | Command::Listen { .. }
            | Command::Unlisten { .. }
            | Command::OpenDatagrams { .. }
            | Command::Tick { .. } => true,
        };
        if is_new {
            kept.push(Some(command));
        }
    }
    kept.into_iter().flatten().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn set(id: u32) -> Command {
        Command::SetTimer { id, deadline: Moment::default(), every: None }
    }

    fn shown(commands: Vec<Command>) -> Vec<String> {
        let show = |command| match command {
            Command::SetTimer { id, .. } => format!("set {id}"),
            Command::CancelTimer { id } => format!("cancel {id}"),
            Command::Kill { process } => format!("kill {process}"),
            Command::Tick { id } => format!("tick {id}"),
            other => format!("{other:?}"),
        };
        commands.into_iter().map(show).collect()
    }

    #[test]
    fn what_comes_to_nothing_is_left_out() {
        let cancel = |id| Command::CancelTimer { id };
        let kill = |process| Command::Kill { process };
        let list = vec![
            cancel(1), // of an earlier callback
            set(2),
            Command::Tick { id: 7 },
            set(3),
            kill(5),
            cancel(2),
            Command::Exit,
            kill(6),
            kill(5),
            set(2), // an id that is used again
            Command::Exit,
            Command::Stop,
            Command::Stop,
        ];
        let kept = ["cancel 1", "tick 7", "set 3", "kill 5", "Exit", "kill 6", "set 2", "Stop"];
        assert_eq!(shown(condensed(list)), kept);
    }

    #[test]
    fn a_list_does_not_grow_by_what_comes_to_nothing() {
        let mut commands = Commands::default();
        for id in 0..100_000 {
            commands.push(set(id));
            commands.push(Command::CancelTimer { id });
            assert!(commands.list.len() <= CONDENSE_ABOVE);
        }
        for id in 0..10_000 {
            commands.push(set(id));
        }
        let sets =
            commands.take().iter().filter(|it| matches!(it, Command::SetTimer { .. })).count();
        assert!((10_000..10_000 + CONDENSE_ABOVE).contains(&sets), "{sets}");
        assert!(commands.take().is_empty());
    }
}
