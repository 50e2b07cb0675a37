//! Commands: requests of a guest that are applied after it has returned.

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

/// A request of a guest. Queued in its [`HostState`](crate::host_api::state::HostState) and applied by the
/// reactor in the order of the calls.
#[derive(Debug)]
pub enum Command {
    /// Reconcile a connection whose state was changed.
    Reconcile { id: ConnectionId },
    /// Make an outgoing connection.
    Connect {
        /// The resources that it holds.
        admission: Admission,
        /// The permit of the look-up, if the target is a name.
        lookup: Option<Permit>,
        target: Target,
        /// The number by which the plugin recognises the connection.
        token: u32,
        /// The local address, if the plugin has chosen one.
        local: Option<SocketAddr>,
    },
    /// Accept from a listener, which is bound already.
    Listen {
        /// The resources that it holds.
        admission: Admission,
        id: u32,
        listener: Box<Listener>,
    },
    /// Close a listener.
    Unlisten { id: u32 },
    /// Open a connection for a UDP socket, which is bound already.
    OpenDatagrams {
        /// The resources that it holds.
        admission: Admission,
        stream: Box<Stream>,
        /// The number by which the plugin recognises the connection.
        token: u32,
    },
    /// Set a timer, which is counted already.
    SetTimer {
        id: u32,
        /// The time at which it is due first.
        deadline: Moment,
        /// The interval of a periodic timer.
        every: Option<Duration>,
    },
    /// Cancel a timer.
    CancelTimer { id: u32 },
    /// Call the plugin in the tick phase. The tick is counted already.
    Tick { id: u32 },
    /// Spawn a process.
    Spawn {
        /// Its id and its mailbox.
        process: Process,
        /// The index of its plugin.
        plugin: usize,
        /// The name by which the plugin knows what to run.
        name: String,
        argument: Message,
    },
    /// Watch a file.
    Watch {
        id: u32,
        /// The resources that it holds.
        admission: Admission,
        path: GrantedPath,
    },
    /// End a watch.
    Unwatch { id: u32 },
    /// End a process, if this instance has spawned it.
    Kill { process: u32 },
    /// End this process.
    Exit,
    /// Stop the host.
    Stop,
}

/// The commands of one callback, in order.
///
/// Pairs that cancel each other are removed from time to time: a guest that sets and cancels a timer in a loop must not
/// fill the host's memory, which none of its limits counts.
#[derive(Debug, Default)]
pub struct Commands {
    list: Vec<Command>,
    /// The length at which the list is condensed next.
    condense_at: usize,
}

/// A shorter list is never condensed.
const CONDENSE_ABOVE: usize = 4096;

impl Commands {
    pub fn push(&mut self, command: Command) {
        if self.condense_at.max(CONDENSE_ABOVE) <= self.list.len() {
            self.list = condensed(std::mem::take(&mut self.list));
            self.condense_at = 2 * self.list.len();
        }
        self.list.push(command);
    }

    /// Takes all commands.
    pub fn take(&mut self) -> Vec<Command> {
        self.condense_at = 0;
        std::mem::take(&mut self.list)
    }
}

/// Removes timers that are set and cancelled, and repeated commands. The rest is bounded by the guest's limits of
/// timers, ticks, connections and processes.
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
