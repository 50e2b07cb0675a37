//! The first calls into guests, before they serve anybody: what a start and a reload try.

use std::fmt::Display;
use std::sync::Arc;
use std::time::Duration;

use crate::config::model::{Config, Isolation};
use crate::contract;
use crate::engine::call::{Finished, Seat, enter, event_budget};
use crate::engine::event::{Event, Outcome};
use crate::engine::fault::{Fault, LoadError};
use crate::engine::fit;
use crate::engine::sandbox::Sandbox;
use crate::engine::template::Template;
use crate::engine::ticker::Activity;
use crate::engine::trapped::{Stage, Trapped};
use crate::host_api::call::{Budget, CallEnded, Counts, Unpaced};
use crate::host_api::state::{Env, HostState};
use crate::log::text::GuestText;
use crate::log::trap;
use crate::plugin::Plugin;
use crate::run::error::StartError;

/// Longest that one callback may take before the loop runs, whatever it waits for.
const CALLBACK_MAX: Duration = Duration::from_secs(30);

/// Calls into guests before there is a loop.
pub(super) struct Caller<'a> {
    pub(super) config: &'a Config,
    pub(super) activity: Activity,
    pub(super) env: Env,
}

impl Caller<'_> {
    pub(super) fn error(&self, plugin: &Plugin, fault: Fault) -> StartError {
        StartError::Load(LoadError::new(&plugin.config, fault))
    }

    /// Makes an instance, which shows whether it fits its limits, and asks it for its handlers. `index` is that of its section.
    pub(super) fn check(&self, template: &Arc<Template>, index: usize) -> Result<(), Fault> {
        let plugin = &template.plugin;
        let seat = empty(template, self.env.clone());
        let (mut sandbox, outcome) = self.call(seat, Event::Handlers)?;
        sandbox.check_optional_exports().map_err(|misfit| Fault::Refused(vec![misfit]))?;
        // Without a catalog any name will do.
        let Outcome::Names(have) = outcome else { return Ok(()) };
        if let [only] = &*have {
            // The first of several checks of one plugin is as good as the last.
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

    /// Whether a plugin has an instance on this reactor from the beginning: on each where it serves a
    /// listener, on the first where it does not.
    pub(super) fn begins_with(&self, plugin: &Plugin, index: usize, reactor: usize) -> bool {
        let served = self.config.listeners.iter().any(|l| l.plugin == index);
        plugin.config.isolation == Isolation::Plugin && (served || reactor == 0)
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

    /// Runs one call to its end.
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
        let Finished { sandbox, result, .. } = finished;
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
                    event: name,
                    cause: trap::cause(&trapped.error),
                    backtrace: trap::backtrace(&trapped.error),
                },
            }),
            (None, Ok(_)) => Err(instance("the sandbox is gone")),
        }
    }
}

/// Whether a first call has used up its time.
fn is_too_long(trapped: &Trapped) -> bool {
    matches!(trapped.error.downcast_ref(), Some(CallEnded::TooLong(_)))
}

/// Why there is no first instance.
fn instance(cause: impl Display) -> Fault {
    Fault::Instance(GuestText::cause(cause))
}

/// The names of `catalog.handlers` as a message has them.
fn shown(names: &[String]) -> Vec<GuestText> {
    names.iter().map(GuestText::name).collect()
}

/// A sandbox that is yet to be made.
fn empty(template: &Arc<Template>, env: Env) -> Seat {
    let state = HostState::new(template.plugin.clone(), env);
    Seat::Empty(template.clone(), Box::new(state))
}
