//! Plays a transcript: executes the steps and checks the expectations.

use std::collections::VecDeque;
use std::path::Path;

use crate::author::transcript::diff::diff;
use crate::author::transcript::failure::ScriptFailure;
use crate::author::transcript::heard::Heard;
use crate::author::transcript::peer::Peer;
use crate::author::transcript::peers::Peers;
use crate::author::transcript::script::Script;
use crate::author::transcript::stage::{Restless, ScriptedHost};
use crate::author::transcript::step::{Expectation, PeerState, ScriptAction, ScriptStep, What};
use crate::author::transcript::text;
use crate::config::address::ListenAddress;
use crate::config::model::Config;
use crate::log::KeptLog;
use crate::net::network::Dial;

/// The state of a play.
pub(crate) struct Player<'a> {
    file: &'a Path,
    steps: &'a [ScriptStep],
    config: &'a Config,
    log: &'a KeptLog,
    stage: ScriptedHost,
    peers: Peers,
    dials: VecDeque<Dial>,
    /// The log since the last action, and the number of its lines that were expected.
    heard: Vec<Heard>,
    heard_up_to: usize,
    /// The first step after the last action.
    group: usize,
    /// Whether the transcript has expected the end of the loop.
    end_is_known: bool,
}

/// The failure of a step, and the connection whose bytes differ.
struct Wrong {
    cause: String,
    differs: Option<String>,
}

impl From<String> for Wrong {
    fn from(cause: String) -> Wrong {
        Wrong { cause, differs: None }
    }
}

impl<'a> Player<'a> {
    /// A play of `script`, parsed from `file`, on a stage with this configuration.
    pub(crate) fn new(
        file: &'a Path,
        script: &'a Script,
        config: &'a Config,
        stage: ScriptedHost,
        log: &'a KeptLog,
        peers: Peers,
    ) -> Player<'a> {
        Player {
            file,
            steps: &script.steps,
            config,
            log,
            stage,
            peers,
            dials: VecDeque::new(),
            heard: Vec::new(),
            heard_up_to: 0,
            group: 0,
            end_is_known: false,
        }
    }

    /// Plays all steps.
    ///
    /// # Errors
    /// The first step that fails.
    pub(crate) fn play(mut self) -> Result<(), Box<ScriptFailure>> {
        let begun = self.stage.settle(&mut self.peers);
        self.look(begun).map_err(|wrong| self.failure(0, wrong))?;
        let steps = self.steps;
        for (index, step) in steps.iter().enumerate() {
            match &step.what {
                What::Expect(expectation) => {
                    self.expect(expectation).map_err(|wrong| self.failure(index, wrong))?;
                }
                What::Do(action) => {
                    self.nothing_is_left().map_err(|wrong| self.failure_before(index, wrong))?;
                    self.begin_group(index + 1);
                    self.perform(action).map_err(|wrong| self.failure(index, wrong))?;
                }
            }
        }
        self.nothing_is_left().map_err(|wrong| self.failure_before(steps.len(), wrong))
    }

    fn begin_group(&mut self, first: usize) {
        self.group = first;
        self.peers.forget();
        self.heard.clear();
        self.heard_up_to = 0;
    }

    /// Takes the log after the loop has turned, and checks it for failures.
    fn look(&mut self, rested: Result<(), Restless>) -> Result<(), Wrong> {
        self.heard.extend(Heard::lines(&self.log.take()));
        self.dials.extend(std::iter::from_fn(|| self.stage.take_dial()));
        rested.map_err(|restless| match restless {
            Restless::Turns => "the plugin is never idle: the loop has turned 100,000 times without coming to rest; a tick or a message that always leads to another one does that, a timer is the way to do something again and again".to_owned().into(),
            Restless::Timers => "400,000 timers were due in this step: move the clock by less, or set timers that are further apart".to_owned().into(),
            Restless::Poll(error) => format!("the poll has failed: {error}").into(),
        })
    }

    fn perform(&mut self, action: &ScriptAction) -> Result<(), Wrong> {
        if !self.stage.runs {
            return Err("the loop has ended: nothing can be done any more".to_owned().into());
        }
        match action {
            ScriptAction::Connect(name, to) => self.connect(name, to.as_deref())?,
            ScriptAction::Send(name, bytes) => {
                if name.is_empty() && self.peers.get(name).is_none() {
                    self.connect(name, None)?;
                }
                self.usable(name)?.send(bytes);
            }
            ScriptAction::End(name) => {
                if !self.usable(name)?.end() {
                    return Err("datagrams have no end: `close` has the peer be gone"
                        .to_owned()
                        .into());
                }
            }
            ScriptAction::Close(name) => self.there(name)?.close(false),
            ScriptAction::Reset(name) => self.there(name)?.close(true),
            ScriptAction::Accept(name) => self.answer(name, true)?,
            ScriptAction::Refuse(name) => self.answer(name, false)?,
            ScriptAction::Stop => self.stage.stop(),
            ScriptAction::Advance(by) => {
                let rested = self.stage.advance(*by, &mut self.peers);
                return self.look(rested);
            }
        }
        let rested = self.stage.settle(&mut self.peers);
        self.look(rested)?;
        match self.peers.touched().find(|(_, peer)| peer.is_flooded) {
            Some((name, _)) => Err(format!("more than 64 MiB have come{}", on(name)).into()),
            None => Ok(()),
        }
    }

    fn connect(&mut self, name: &str, to: Option<&str>) -> Result<(), Wrong> {
        if self.peers.get(name).is_some_and(Peer::is_there) {
            return Err(format!("the connection{} is there already", named(name)).into());
        }
        let address = self.listener(to)?;
        let end = self.stage.connect(&address);
        let end = end.map_err(|_| format!("nobody listens at {address} any more"))?;
        self.add(name, Peer::new(end, false))
    }

    fn add(&mut self, name: &str, peer: Peer) -> Result<(), Wrong> {
        let added = self.peers.insert(name, peer);
        added.map_err(|error| format!("the system has no room for the connection: {error}").into())
    }

    /// The address of the listener with this handler, plugin or address.
    fn listener(&self, to: Option<&str>) -> Result<ListenAddress, String> {
        let sections = || self.config.listeners.iter().zip(&self.stage.places);
        let all = self.stage.addresses();
        let Some(to) = to else {
            return match &*all {
                [only] => Ok(only.clone()),
                [] => Err("nobody listens: there is no [[listen]] whose connections could be made"
                    .to_owned()),
                _ => Err(format!("say which listener: {}", self.listeners())),
            };
        };
        let fits = sections().filter(|(section, place)| {
            let plugin = &self.config.plugins[section.plugin].name;
            section.handler.as_deref() == Some(to)
                || plugin == to
                || section.address.to_string() == to
                || place.to_string() == to
        });
        let fits: Vec<&ListenAddress> = fits.map(|(_, place)| place).collect();
        let own = || all.iter().find(|address| address.to_string() == to);
        match *fits {
            [only] => Ok(only.clone()),
            [] => own().cloned().ok_or_else(|| {
                format!("no listener is at {to:?}; there are: {}", self.listeners())
            }),
            _ => Err(format!("{to:?} has several listeners: {}", self.listeners())),
        }
    }

    /// The valid arguments of `connect to`.
    fn listeners(&self) -> String {
        let sections = self.config.listeners.iter().zip(&self.stage.places);
        let mut words: Vec<String> = sections
            .map(|(section, place)| match &section.handler {
                Some(handler) => format!("`connect to {handler}` ({place})"),
                None => format!("`connect to {place}`"),
            })
            .collect();
        let own = self.stage.addresses();
        let own = own.iter().filter(|address| !self.stage.places.contains(address));
        words.extend(own.map(|address| format!("`connect to {address}`")));
        words.join(", ")
    }

    fn there(&mut self, name: &str) -> Result<&mut Peer, Wrong> {
        let peer = self.peers.get_mut(name);
        match peer {
            None => Err(format!("there is no connection{}", named(name)).into()),
            Some(peer) if !peer.is_there() => {
                Err(format!("the connection{} is closed", named(name)).into())
            }
            Some(peer) => Ok(peer),
        }
    }

    fn usable(&mut self, name: &str) -> Result<&mut Peer, Wrong> {
        let peer = self.there(name)?;
        if peer.is_ringing {
            return Err(format!("nobody has said `accept{}` yet", behind(name)).into());
        }
        if !peer.is_usable() {
            return Err(format!("this side of the connection{} has ended", named(name)).into());
        }
        Ok(peer)
    }

    fn answer(&mut self, name: &str, accepts: bool) -> Result<(), Wrong> {
        let peer = self.there(name)?;
        if !peer.is_ringing {
            return Err(format!("the connection{} is made already", named(name)).into());
        }
        if peer.answer(accepts) {
            return Ok(());
        }
        Err(format!("the plugin has given up the connection{}", named(name)).into())
    }

    fn expect(&mut self, expectation: &Expectation) -> Result<(), Wrong> {
        match expectation {
            Expectation::Receive(name, bytes) => {
                if name.is_empty() && self.peers.get(name).is_none() {
                    // The connection without a name is made by its first use.
                    self.connect(name, None)?;
                    let rested = self.stage.settle(&mut self.peers);
                    self.look(rested)?;
                }
                let Some(peer) = self.peers.get_mut(name) else {
                    return Err(format!("there is no connection{}", named(name)).into());
                };
                if peer.takes(bytes) {
                    return Ok(());
                }
                let cause = if !peer.has_left() {
                    format!("this was expected{}, and nothing more has come", on(name))
                } else {
                    format!("this was expected{}, and something else has come", on(name))
                };
                Err(Wrong { cause, differs: Some(name.clone()) })
            }
            Expectation::Is(name, state) => self.is(name, *state),
            Expectation::Dialled(name, to) => self.dialled(name, to.as_deref()),
            Expectation::Log(level, message) => self.has_heard(level, message),
            Expectation::Stopped if self.stage.runs => Err("the loop goes on".to_owned().into()),
            Expectation::Stopped => {
                self.end_is_known = true;
                Ok(())
            }
        }
    }

    fn is(&mut self, name: &str, expected: PeerState) -> Result<(), Wrong> {
        let Some(peer) = self.peers.get_mut(name) else {
            return Err(format!("there is no connection{}", named(name)).into());
        };
        if peer.has_left() {
            let cause = format!("before that something came{} that nobody expected", on(name));
            return Err(Wrong { cause, differs: Some(name.to_owned()) });
        }
        if peer.state != expected {
            let state = peer.state;
            return Err(format!("expected: {expected}; it is {state}").into());
        }
        peer.state_is_known = true;
        Ok(())
    }

    fn dialled(&mut self, name: &str, to: Option<&str>) -> Result<(), Wrong> {
        if self.peers.get(name).is_some_and(Peer::is_there) {
            return Err(format!("the connection{} is there already", named(name)).into());
        }
        match self.dials.front() {
            None => Err("the plugin has connected to nobody".to_owned().into()),
            Some(dial) if to.is_some_and(|to| to != dial.target) => {
                Err(format!("the plugin has connected to {} instead", dial.target).into())
            }
            Some(_) => {
                if let Some(dial) = self.dials.pop_front() {
                    let mut peer = Peer::new(dial.end, true);
                    // Datagrams that were sent before are received first.
                    while peer.has_datagrams() && peer.pump() {}
                    self.add(name, peer)?;
                }
                Ok(())
            }
        }
    }

    fn has_heard(&mut self, level: &str, message: &str) -> Result<(), Wrong> {
        let is_it =
            |heard: &Heard| heard.level.eq_ignore_ascii_case(level) && heard.message == message;
        let place = self.heard[self.heard_up_to..].iter().position(is_it);
        let place = place.ok_or_else(|| {
            let behind =
                if self.heard_up_to == 0 { "" } else { " behind what was expected before" };
            format!("the log has no such line{behind}")
        })?;
        // Failures before the expected line stay failures.
        let before = &self.heard[self.heard_up_to..self.heard_up_to + place];
        if before.iter().any(Heard::is_failure) {
            return Err("something has failed before: see the log".to_owned().into());
        }
        self.heard_up_to += place + 1;
        Ok(())
    }

    /// Checks that every line, byte and state was expected.
    fn nothing_is_left(&self) -> Result<(), Wrong> {
        if self.heard[self.heard_up_to..].iter().any(Heard::is_failure) {
            return Err("something has failed: see the log".to_owned().into());
        }
        for (name, peer) in self.peers.touched() {
            if peer.has_left() {
                let cause = format!("then something came{} that nobody expected", on(name));
                return Err(Wrong { cause, differs: Some(name.clone()) });
            }
            if !peer.state_is_known {
                let state = peer.state;
                let what = match state {
                    PeerState::Open => "opened",
                    PeerState::Ended => "ended its side of",
                    PeerState::Closed => "closed",
                    PeerState::Reset => "reset",
                };
                return Err(format!(
                    "then the plugin has {what} the connection{}, which nobody expected; if it should, write `{name}! {state}`",
                    named(name)
                )
                .into());
            }
        }
        if let Some(dial) = self.dials.front() {
            let target = &dial.target;
            return Err(format!(
                "then the plugin has connected to {target}, which nobody expected; if it should, write `dialled NAME {target}`"
            )
            .into());
        }
        if !self.stage.runs && !self.end_is_known {
            return Err(
                "then the loop has ended, which nobody expected; if it should, write `! stopped`"
                    .to_owned()
                    .into(),
            );
        }
        Ok(())
    }

    /// The failure of the last step before this one.
    fn failure_before(&self, index: usize, wrong: Wrong) -> Box<ScriptFailure> {
        self.failure(index.saturating_sub(1), wrong)
    }

    fn failure(&self, index: usize, wrong: Wrong) -> Box<ScriptFailure> {
        let Wrong { mut cause, differs } = wrong;
        let diff = differs.map(|name| self.differences(&name)).unwrap_or_default();
        let heard = self.heard.clone();
        if heard.iter().any(Heard::is_failure) && !cause.ends_with("see the log") {
            cause.push_str("; something has failed: see the log");
        }
        let line = self.steps.get(index).map_or(1, |step| step.line);
        Box::new(ScriptFailure { file: self.file.to_owned(), line, cause, diff, heard })
    }

    /// The difference between the expected and the received lines of a connection since the last action.
    fn differences(&self, of: &str) -> Vec<crate::author::transcript::diff::DiffLine> {
        let steps = self.steps[self.group..].iter().take_while(|step| !step.is_action());
        let expected = steps.filter_map(|step| match &step.what {
            What::Expect(Expectation::Receive(name, bytes)) if name == of => Some(&**bytes),
            _ => None,
        });
        let expected: Vec<&[u8]> = expected.collect();
        let peer = self.peers.get(of);
        let lines = |pieces: &[&[u8]]| -> Vec<String> {
            let line = |piece: &&[u8]| format!("{of}< {}", text::shown(piece));
            pieces.iter().map(|piece| line(piece).trim_end().to_owned()).collect()
        };
        let came = lines(&peer.map(Peer::received).unwrap_or_default());
        if peer.is_some_and(Peer::has_datagrams) {
            return diff(&lines(&expected), &came);
        }
        let whole = expected.concat();
        let expected: Vec<&[u8]> = whole.split_inclusive(|byte| *byte == b'\n').collect();
        diff(&lines(&expected), &came)
    }
}

/// ` "a"`; empty for the connection without a name.
fn named(name: &str) -> String {
    if name.is_empty() { String::new() } else { format!(" {name:?}") }
}

fn on(name: &str) -> String {
    if name.is_empty() { String::new() } else { format!(" on {name:?}") }
}

fn behind(name: &str) -> String {
    if name.is_empty() { String::new() } else { format!(" {name}") }
}
