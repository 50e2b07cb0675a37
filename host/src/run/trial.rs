//! Trial calls of a start and a reload: the first calls into guests, before they serve.

use std::fmt::Display;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use crate::base::arena::Arena;
use crate::clock::Moment;
use crate::config::model::{Config, Isolation, ListenConfig};
use crate::contract;
use crate::contract::bindings::Accepted;
use crate::engine::call::{Finished, Seat, enter, event_budget};
use crate::engine::event::{ConnectionOrigin, Event, Outcome};
use crate::engine::fault::{Fault, LoadError};
use crate::engine::fit;
use crate::engine::sandbox::Sandbox;
use crate::engine::template::{Template, Templates};
use crate::engine::ticker::Activity;
use crate::engine::trapped::{Stage, Trapped};
use crate::host_api::call::{Budget, CallEnded, Counts, Unpaced};
use crate::host_api::state::{Env, HostState};
use crate::log::text::GuestText;
use crate::log::trap;
use crate::mail::post::{Address, Post};
use crate::net::connection::outbox::Marks;
use crate::net::connection::stream::Stream;
use crate::net::connection::{CloseReason, Connection, Phase, SharedConnection};
use crate::net::stand_in::{self, SaidEnds, StandInPeer};
use crate::plugin::Plugin;
use crate::run::error::StartError;

/// The ports of a simulated connection.
const PEER_PORT: u16 = 40_001;
const LOCAL_PORT: u16 = 40_000;

/// The longest time of one callback before the loop runs.
const CALLBACK_MAX: Duration = Duration::from_secs(30);

/// Calls guests without a loop.
pub(super) struct Caller<'a> {
    pub(super) config: &'a Config,
    pub(super) activity: Activity,
    pub(super) env: Env,
}

impl Caller<'_> {
    pub(super) fn error(&self, plugin: &Plugin, fault: Fault) -> StartError {
        StartError::Load(LoadError::new(&plugin.config, fault))
    }

    /// Checks every plugin of a start.
    pub(super) fn check_all(&self, templates: &Templates) -> Result<(), StartError> {
        for template in templates.iter() {
            let plugin = &template.plugin;
            self.check(template, plugin.index).map_err(|fault| self.error(plugin, fault))?;
        }
        Ok(())
    }

    /// Makes an instance, which checks that it fits its limits, and compares its catalog with the handlers of listeners. `index`
    /// is that of its section.
    pub(super) fn check(&self, template: &Arc<Template>, index: usize) -> Result<(), Fault> {
        let plugin = &template.plugin;
        let seat = empty(template, self.env.clone());
        let (mut sandbox, outcome) = self.call(seat, Event::Handlers)?;
        sandbox.check_optional_exports().map_err(|misfit| Fault::Refused(vec![misfit]))?;
        // Without a catalog any name is valid.
        let Outcome::Names(have) = outcome else { return Ok(()) };
        if let [only] = &*have {
            // Set once; further checks of the plugin find the same.
            let _ = plugin.default_handler.set(GuestText::name(only));
        }
        let sections = self.config.listeners.iter();
        for section in sections.filter(|section| section.plugin == index) {
            let (file, line, place) = (section.file.clone(), section.line, section.place);
            let unknown = section.handler.as_ref().filter(|wanted| !have.contains(wanted));
            if let Some(wanted) = unknown {
                let (wanted, have) = (wanted.clone(), shown(&have));
                return Err(Fault::Handler { file, line, place, wanted, have });
            }
            if section.handler.is_none() && 1 < have.len() {
                let have = shown(&have);
                return Err(Fault::HandlerMissing { file, line, place, have });
            }
        }
        Ok(())
    }

    /// Whether a plugin has an instance on this reactor from the start: on every reactor if it serves a listener,
    /// otherwise on the first one.
    pub(super) fn begins_with(&self, plugin: &Plugin, index: usize, reactor: usize) -> bool {
        let served = self.config.listeners.iter().any(|l| l.plugin == index);
        let is_program = plugin.config.isolation == Isolation::Plugin;
        // A singleton begins when it has a lease.
        is_program && !plugin.config.singleton && (served || reactor == 0)
    }

    pub(super) fn prepare(
        &self,
        template: &Arc<Template>,
        env: Env,
    ) -> Result<Box<Sandbox>, Fault> {
        match self.call(empty(template, env), Event::Prepare)? {
            (_, Outcome::Refused(reason)) => Err(Fault::Prepare(reason)),
            (sandbox, _) => Ok(sandbox),
        }
    }

    /// Tries each handler that a listener names with a simulated peer that sends a line end and closes: so a handler that traps
    /// at its first connection traps here. `index` is that of the plugin's section. The host's network must be scripted, since a
    /// plugin may connect and listen at once.
    pub(super) fn connect(
        &self,
        template: &Arc<Template>,
        index: usize,
        post: &Post,
    ) -> Result<(), Fault> {
        let sections = self.config.listeners.iter().filter(|section| section.plugin == index);
        for section in sections {
            let listener = section.address.to_string();
            let tried = self.try_listener(template, section, post);
            tried.map_err(|fault| Fault::FirstConnection { listener, fault: Box::new(fault) })?;
        }
        Ok(())
    }

    fn try_listener(
        &self,
        template: &Arc<Template>,
        section: &ListenConfig,
        post: &Post,
    ) -> Result<(), Fault> {
        let plugin = &template.plugin;
        let id = Arena::<()>::new().next_key();
        let mut state = HostState::new(plugin.clone(), self.env.clone());
        state.address = Some(Address { reactor: 0, post: post.clone(), instance: id });
        state.running = plugin.config.isolation == Isolation::Connection;
        let mut seat = Seat::Empty(template.clone(), Box::new(state));
        if plugin.config.isolation == Isolation::Plugin {
            let (mut sandbox, outcome) = self.call(seat, Event::Prepare)?;
            refused(outcome)?;
            sandbox.store.data_mut().running = true;
            let (sandbox, outcome) = self.call(Seat::Ready(sandbox), Event::Start)?;
            refused(outcome)?;
            seat = Seat::Ready(sandbox);
        }
        let (shared, _peer) = pretended(plugin, self.env.clock.now()).map_err(instance)?;
        let accepted = Arc::new(Accepted {
            listener: section.address.to_string(),
            handler: section.handler.clone().unwrap_or_default(),
            options: section.options.clone(),
        });
        let (mut sandbox, _) =
            self.call(seat, Event::open(id, shared.clone(), ConnectionOrigin::Accepted(accepted)))?;
        if shared.lock().phase() == Phase::Open {
            let event = Event::Data { connection: id, buffer: b"\n".to_vec(), length: 1 };
            sandbox = self.call(Seat::Ready(sandbox), event)?.0;
        }
        let reason = CloseReason::PeerClosed;
        self.call(Seat::Ready(sandbox), Event::Unbind { connection: id, reason })?;
        Ok(())
    }

    /// Makes one call.
    fn call(&self, seat: Seat, event: Event) -> Result<(Box<Sandbox>, Outcome), Fault> {
        let name = event.name();
        let plugin = seat.plugin().clone();
        let plugin = &plugin;
        let budget = Budget {
            deadline: CALLBACK_MAX,
            counts: Counts::Everything,
            ..event_budget(&plugin.config.limits)
        };
        let finished = enter(seat, event, budget, Arc::new(Unpaced), &self.activity);
        let Finished { sandbox, result, event: told, .. } = finished;
        match (sandbox, result) {
            (Some(sandbox), Ok(outcome)) => Ok((sandbox, outcome)),
            (_, Err(trapped)) if is_too_long(&trapped) => {
                Err(instance(format_args!("{name} has not returned after {CALLBACK_MAX:?}")))
            }
            (_, Err(trapped)) => Err(match trapped.stage {
                Stage::Room | Stage::Make => {
                    fit::unmade(plugin, &trapped, self.config.host.limits.instances)
                }
                Stage::Fit => Fault::Refused(vec![GuestText::cause(format_args!(
                    "its {} does not fit: {}",
                    contract::interface(contract::HANDLER),
                    trap::chain(&trapped.error)
                ))]),
                Stage::Run => Fault::Trapped {
                    event: told.name(),
                    cause: trap::cause(&trapped.error),
                    last_words: trapped.last_words,
                    backtrace: trap::backtrace(&trapped.error),
                },
            }),
            (None, Ok(_)) => Err(instance("the sandbox is gone")),
        }
    }
}

/// Turns a program's refusal to start into an error.
fn refused(outcome: Outcome) -> Result<(), Fault> {
    match outcome {
        Outcome::Refused(reason) => Err(Fault::Prepare(reason)),
        _ => Ok(()),
    }
}

/// A simulated connection of a plugin, and its other end.
fn pretended(plugin: &Plugin, now: Moment) -> io::Result<(SharedConnection, StandInPeer)> {
    let here = |port| SocketAddr::from((Ipv4Addr::LOCALHOST, port));
    let ends = SaidEnds::Tcp { peer: here(PEER_PORT), local: here(LOCAL_PORT) };
    let (stand_in, peer) = stand_in::pair(ends)?;
    let stream = Stream::StandIn(Box::new(stand_in));
    let marks = Marks::of(&plugin.config.limits);
    Ok((SharedConnection::new(Connection::accepted(1, stream, marks, now)), peer))
}

/// Whether a call has exceeded its time.
fn is_too_long(trapped: &Trapped) -> bool {
    matches!(trapped.error.downcast_ref(), Some(CallEnded::TooLong(_)))
}

/// The error if a first instance cannot be made.
fn instance(cause: impl Display) -> Fault {
    Fault::Instance(GuestText::cause(cause))
}

/// The names of `catalog.handlers` for a message.
fn shown(names: &[String]) -> Vec<GuestText> {
    names.iter().map(GuestText::name).collect()
}

/// What is needed to make a sandbox.
fn empty(template: &Arc<Template>, env: Env) -> Seat {
    let state = HostState::new(template.plugin.clone(), env);
    Seat::Empty(template.clone(), Box::new(state))
}
