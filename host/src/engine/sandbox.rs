//! One instance: its store, its guest, and the call of the guest for each event.

mod requests;

use std::sync::Arc;

use rustc_hash::FxHashMap;
use wasmtime::component::{ComponentNamedList, Instance, Lift, Lower, Resource, ResourceAny};
use wasmtime::{AsContextMut, Store, UpdateDeadline};

use crate::base::arena::ConnectionId;
use crate::clock::Moment;
use crate::config::bound::Limit;
use crate::config::model::Isolation;
use crate::contract::bindings;
use crate::contract::bindings::exports::sandloop::plugin::handler::GuestConnection;
use crate::contract::bindings::{AllImports, ByteCount, ClusterProcess, FileError, WatchError};
use crate::contract::export::Export;
use crate::contract::outcome::{ClusterExit, Drain, ExitReason, Failure};
use crate::engine::event::{Event, Opening, Outcome};
use crate::engine::sandbox::requests::HandleRequest;
use crate::engine::template::{ComponentEntry, Template};
use crate::engine::trapped::{Stage, Trapped, limit_behind, refused_memory, unmade};
use crate::engine::working_set::{LASTS_AFTER, SETTLED_AFTER, WorkingSet};
use crate::host_api::call::CallEnded;
use crate::host_api::state::HostState;
use crate::log::text::GuestText;
use crate::log::trap;
use crate::mail::message::Message;
use crate::mail::post::Deferred;
use crate::mail::watch::Change;
use crate::net::connection::CloseReason;
use crate::net::connection::files::FileEnd;
use crate::plugin::Plugin;

/// An instance that is not running.
pub struct Sandbox {
    /// Its memory and the host's side of it.
    pub store: Store<HostState>,
    /// The template of the instance, which lives as long as the instance.
    template: Arc<Template>,
    instance: Instance,
    guest: Guest,
    /// The guest's object of each connection, and the number of its socket handle.
    objects: FxHashMap<ConnectionId, (ResourceAny, u32)>,
    /// Where its memory is, if that was noted.
    pub(super) working_set: Option<WorkingSet>,
}

impl Sandbox {
    /// Creates an instance.
    ///
    /// # Errors
    /// Why it could not be created.
    pub(super) fn new(template: &Arc<Template>, state: HostState) -> Result<Sandbox, Trapped> {
        let mut store = Sandbox::store(template, state);
        let (instance, guest) = Sandbox::fill(template, &mut store)?;
        let template = template.clone();
        Ok(Sandbox {
            store,
            template,
            instance,
            guest,
            objects: FxHashMap::default(),
            working_set: None,
        })
    }

    /// A store without an instance, with its limits.
    fn store(template: &Template, state: HostState) -> Store<HostState> {
        let plugin = state.plugin.clone();
        let mut store = Store::new(template.pre.engine(), state);
        store.limiter(|state| &mut state.memory);
        store.epoch_deadline_callback(|mut context| end_of_slice(context.data_mut()));
        let call_bytes = plugin.config.limits.call_bytes;
        store.set_hostcall_fuel(usize::try_from(call_bytes).unwrap_or(usize::MAX));
        store.set_max_component_handles(handles_max(&plugin));
        store
    }

    /// Creates the instance of a store.
    fn fill(
        template: &Template,
        store: &mut Store<HostState>,
    ) -> Result<(Instance, Guest), Trapped> {
        begin_slice(store);
        let instance = template.pre.instantiate(&mut *store);
        let instance = instance.map_err(|error| unmade(store.data(), error))?;
        let guest = Guest::load(&template.entry, store, &instance);
        let guest = guest.map_err(|error| Trapped {
            error,
            limit: None,
            stage: Stage::Fit,
            last_words: None,
        })?;
        Ok((instance, guest))
    }

    /// Has the processor fetch what the next event needs. The sandbox itself should be there already.
    pub(crate) fn prefetch(&self) {
        if let Some(working_set) = &self.working_set {
            working_set.prefetch(&self.template.pages_in_use);
        }
    }

    /// Finds out where its memory is, when that has become worth it.
    pub(super) fn find_memory(&mut self) {
        let Some(working_set) = &mut self.working_set else { return };
        match self.store.data().events {
            LASTS_AFTER => working_set.find_areas(),
            SETTLED_AFTER => self.template.pages_in_use.learn(working_set),
            _ => {}
        }
    }

    /// The plugin of the instance.
    pub fn plugin(&self) -> &Arc<Plugin> {
        &self.store.data().plugin
    }

    /// Delivers one event to the guest.
    ///
    /// # Errors
    /// How the guest was ended.
    pub(super) fn perform(&mut self, event: &mut Event) -> wasmtime::Result<Outcome> {
        begin_slice(&mut self.store);
        let state = self.store.data_mut();
        (state.subject, state.subject_handle) = (event.connection(), None);
        state.events += 1;
        if let Guest::WasiHttp(handle) = &self.guest {
            return self.perform_http(*handle, event);
        }
        match event {
            Event::Data { connection, buffer, length } => {
                let (object, data) = (self.object(*connection)?, &buffer[..*length]);
                self.guest.connection()?.call_receive_data(&mut self.store, object, data)?;
            }
            Event::Datagram { connection, bytes, .. } => {
                let object = self.object(*connection)?;
                self.guest.connection()?.call_receive_data(&mut self.store, object, bytes)?;
            }
            Event::Open(opening) => self.open(opening)?,
            Event::Completed(connection) => {
                let object = self.object(*connection)?;
                self.guest.connection()?.call_connection_completed(&mut self.store, object)?;
            }
            Event::Drained(connection) => {
                let object = self.object(*connection)?;
                self.guest.connection()?.call_drained(&mut self.store, object)?;
            }
            Event::ProxyTargetUnbound(connection) => {
                self.tell_connection(Export::ProxyTargetUnbound, *connection)?;
            }
            Event::ProxyCompleted(connection) => {
                self.tell_connection(Export::ProxyCompleted, *connection)?;
            }
            Event::FileSent { connection, end } => self.file_sent(*connection, end)?,
            Event::FileChanged { watch, change } => self.tell(export_of(*change), (*watch,))?,
            Event::WatchEnded { watch, fault } => {
                self.tell(Export::WatchEnded, (*watch, WatchError::from(*fault)))?;
            }
            Event::Secured(connection) => self.tell_connection(Export::Secured, *connection)?,
            Event::VerifyPeer { connection, chain } => return self.verify_peer(*connection, chain),
            Event::Draining { connection, until } => return self.draining(*connection, *until),
            Event::Unbind { connection, reason } => self.unbind(*connection, *reason)?,
            Event::Timer(id) => self.tell(Export::TimerFired, (*id,))?,
            Event::Tick(id) => self.tell(Export::Tick, (*id,))?,
            Event::Prepare => return self.fallible(Export::Prepare, ()),
            Event::Start => {
                self.store.data_mut().running = true;
                return self.fallible(Export::Start, ());
            }
            Event::Stopping => self.tell(Export::Stopping, ())?,
            Event::Stopped => {
                self.store.data_mut().running = false;
                self.tell(Export::Stopped, ())?;
            }
            Event::Save => {
                let saved = self.call::<_, (Option<Vec<u8>>,)>(Export::Save, ())?;
                return Ok(Outcome::Saved(saved.and_then(|(state,)| state)));
            }
            Event::Restore(state) => return self.fallible(Export::Restore, (state.data(),)),
            Event::Operation { operation, argument } => {
                return self.run_operation(*operation, argument);
            }
            Event::Deferred(deferred) => self.deferred(deferred)?,
            Event::Message { subscription, message } => {
                self.tell(Export::Message, (*subscription, message.data()))?;
            }
            Event::Popped { pop, item } => {
                // The event may have waited for a thread of the slow lane since the loop looked.
                if !item.may_begin(self.plugin().config.limits.longest_call()) {
                    return Ok(Outcome::NotBegun);
                }
                self.store.data_mut().pops.take(*pop);
                item.arrive();
                self.tell(Export::Popped, (*pop, item.data()))?;
            }
            Event::Spawned { process, name, argument } => {
                let params = (*process, name.as_str(), argument.data());
                return self.fallible(Export::Spawned, params);
            }
            Event::Notified(message) => self.tell(Export::Notified, (message.data(),))?,
            Event::Exited { process, reason } => {
                self.tell(Export::Exited, (*process, *reason))?;
            }
            Event::ClusterExited { pid, reason, .. } => {
                self.store.data_mut().cluster_children.ended(pid.number);
                self.tell(Export::ClusterExited, (ClusterProcess::from(*pid), *reason))?;
            }
            Event::Handlers => {
                let names = self.call::<_, (Vec<String>,)>(Export::Handlers, ())?;
                return Ok(names.map_or(Outcome::Done, |(names,)| Outcome::Names(names)));
            }
        }
        Ok(Outcome::Done)
    }

    fn open(&mut self, opening: &mut Opening) -> wasmtime::Result<()> {
        let Opening { connection, shared, origin, constructed } = opening;
        let state = self.store.data_mut();
        let socket = state.sockets.insert(*connection, shared.clone());
        state.subject_handle = Some(socket);
        let guest = self.guest.connection()?;
        let socket_of_guest = Resource::new_own(socket);
        let object = guest.call_constructor(&mut self.store, socket_of_guest, &origin.told())?;
        *constructed = true;
        guest.call_post_init(&mut self.store, object)?;
        self.objects.insert(*connection, (object, socket));
        Ok(())
    }

    fn unbind(&mut self, connection: ConnectionId, reason: CloseReason) -> wasmtime::Result<()> {
        let (object, socket) = self.objects.remove(&connection).ok_or_else(unknown_connection)?;
        self.store.data_mut().subject_handle = Some(socket);
        let guest = self.guest.connection()?;
        guest.call_unbind(&mut self.store, object, reason.into())?;
        object.resource_drop(&mut self.store)?;
        self.store.data_mut().sockets.release(socket);
        Ok(())
    }

    fn file_sent(&mut self, connection: ConnectionId, end: &FileEnd) -> wasmtime::Result<()> {
        let object = self.object(connection)?;
        let outcome: Result<ByteCount, FileError> =
            end.outcome.map(ByteCount::from).map_err(FileError::from);
        self.tell(Export::FileSent, (object, end.file, outcome))
    }

    fn verify_peer(
        &mut self,
        connection: ConnectionId,
        chain: &[Vec<u8>],
    ) -> wasmtime::Result<Outcome> {
        let object = self.object(connection)?;
        let judged = self.call::<_, (bool,)>(Export::VerifyPeer, (object, chain))?;
        Ok(Outcome::PeerVerified(judged.is_some_and(|(is_taken,)| is_taken)))
    }

    fn draining(&mut self, connection: ConnectionId, until: Moment) -> wasmtime::Result<Outcome> {
        let object = self.object(connection)?;
        let left = until.since(self.store.data().env.clock.now()).as_millis();
        let left = u32::try_from(left).unwrap_or(u32::MAX);
        let drain = self.call::<_, (Drain,)>(Export::Draining, (object, left))?;
        Ok(Outcome::Drains(drain.map_or(Drain::WhenIdle, |(drain,)| drain)))
    }

    fn run_operation(&mut self, operation: u32, argument: &Message) -> wasmtime::Result<Outcome> {
        type Answer = (Result<Vec<u8>, String>,);
        let returned = self.call::<_, Answer>(Export::Run, (operation, argument.data()))?;
        Ok(returned.map_or(Outcome::Done, |(result,)| Outcome::Result(result)))
    }

    fn deferred(&mut self, deferred: &Deferred) -> wasmtime::Result<()> {
        let outcome = deferred.outcome.as_ref().map(Message::data);
        let outcome = outcome.map_err(|none| none.failure.clone());
        self.tell(Export::Completed, (deferred.job, outcome))
    }

    /// The guest's object for a connection.
    fn object(&mut self, connection: ConnectionId) -> wasmtime::Result<ResourceAny> {
        let (object, socket) = *self.objects.get(&connection).ok_or_else(unknown_connection)?;
        self.store.data_mut().subject_handle = Some(socket);
        Ok(object)
    }

    /// Compares the types of the optional exports with the contract; the error names one that differs.
    pub fn check_optional_exports(&mut self) -> Result<(), GuestText> {
        Export::ALL.iter().try_for_each(|export| self.check(*export))
    }

    fn check(&mut self, export: Export) -> Result<(), GuestText> {
        match export {
            Export::Prepare | Export::Start => self.is::<(), (Result<(), String>,)>(export),
            Export::Stopping | Export::Stopped => self.is::<(), ()>(export),
            Export::Save => self.is::<(), (Option<Vec<u8>>,)>(export),
            Export::Restore => self.is::<(&[u8],), (Result<(), String>,)>(export),
            Export::TimerFired | Export::Tick => self.is::<(u32,), ()>(export),
            Export::Handlers => self.is::<(), (Vec<String>,)>(export),
            Export::Run => self.is::<(u32, &[u8]), (Result<Vec<u8>, String>,)>(export),
            Export::Completed => self.is::<(u32, Result<&[u8], Failure>), ()>(export),
            Export::Spawned => self.is::<(u32, &str, &[u8]), (Result<(), String>,)>(export),
            Export::Notified => self.is::<(&[u8],), ()>(export),
            Export::Exited => self.is::<(u32, ExitReason), ()>(export),
            Export::ClusterExited => self.is::<(ClusterProcess, ClusterExit), ()>(export),
            Export::ProxyTargetUnbound | Export::ProxyCompleted => {
                self.is::<(ResourceAny,), ()>(export)
            }
            Export::FileModified | Export::FileMoved | Export::FileDeleted => {
                self.is::<(u32,), ()>(export)
            }
            Export::WatchEnded => self.is::<(u32, WatchError), ()>(export),
            Export::FileSent => {
                self.is::<(ResourceAny, u32, Result<ByteCount, FileError>), ()>(export)
            }
            Export::Message | Export::Popped => self.is::<(u32, &[u8]), ()>(export),
            Export::Secured => self.is::<(ResourceAny,), ()>(export),
            Export::Draining => self.is::<(ResourceAny, u32), (Drain,)>(export),
            Export::VerifyPeer => self.is::<(ResourceAny, &[Vec<u8>]), (bool,)>(export),
        }
    }

    /// Whether an optional export, if it exists, has this type.
    fn is<Params, Return>(&mut self, export: Export) -> Result<(), GuestText>
    where
        Params: ComponentNamedList + Lower,
        Return: ComponentNamedList + Lift,
    {
        let Some(index) = self.plugin().exports.get(export) else { return Ok(()) };
        let function = self.instance.get_typed_func::<Params, Return>(&mut self.store, index);
        function.map(drop).map_err(|error| {
            let interface = crate::contract::interface(export.interface());
            GuestText::cause(format_args!("its {interface} does not fit: {}", trap::chain(&error)))
        })
    }

    /// Calls an optional export without a result, if it exists.
    fn tell<Params>(&mut self, export: Export, params: Params) -> wasmtime::Result<()>
    where
        Params: ComponentNamedList + Lower + Send + Sync,
    {
        self.call::<_, ()>(export, params).map(|_| ())
    }

    /// Calls an optional export about a connection, if it exists.
    fn tell_connection(
        &mut self,
        export: Export,
        connection: ConnectionId,
    ) -> wasmtime::Result<()> {
        let object = self.object(connection)?;
        self.tell(export, (object,))
    }

    /// Calls an optional export; none if it does not exist.
    fn call<Params, Return>(
        &mut self,
        export: Export,
        params: Params,
    ) -> wasmtime::Result<Option<Return>>
    where
        Params: ComponentNamedList + Lower + Send + Sync,
        Return: ComponentNamedList + Lift + Send + Sync + 'static,
    {
        let Some(index) = self.plugin().exports.get(export) else { return Ok(None) };
        let function = self.instance.get_typed_func::<Params, Return>(&mut self.store, index)?;
        function.call(&mut self.store, params).map(Some)
    }

    /// Calls an optional export that may return an error.
    fn fallible<Params>(&mut self, export: Export, params: Params) -> wasmtime::Result<Outcome>
    where
        Params: ComponentNamedList + Lower + Send + Sync,
    {
        Ok(match self.call::<_, (Result<(), String>,)>(export, params)? {
            Some((Err(reason),)) => {
                let bytes_max = usize::try_from(self.plugin().config.limits.log_line);
                Outcome::Refused(GuestText::of(reason, bytes_max.unwrap_or(usize::MAX)))
            }
            Some((Ok(()),)) | None => Outcome::Done,
        })
    }

    /// The memory limit that has refused an allocation in the last call.
    pub fn refused_memory(&self) -> Option<Limit> {
        refused_memory(self.store.data())
    }

    /// How the guest was ended, with the limit that it has reached.
    pub(super) fn trapped(&self, error: wasmtime::Error) -> Trapped {
        let state = self.store.data();
        let (limit, last_words) = (limit_behind(state, &error), state.last_words());
        Trapped { error, limit, stage: Stage::Run, last_words }
    }
}

/// The maximum number of handles in the instance's own tables, which the engine stores: those of WASI, and for each
/// connection its socket, its object, and their borrows.
fn handles_max(plugin: &Plugin) -> usize {
    const OF_A_CONNECTION: u32 = 4;
    let limits = &plugin.config.limits;
    let accepted = match plugin.config.isolation {
        Isolation::Connection => 1,
        Isolation::Plugin => limits.connections,
    };
    let outgoing = if plugin.config.may_connect() { limits.outgoing } else { 0 };
    let connections = accepted.saturating_add(outgoing).saturating_mul(OF_A_CONNECTION);
    limits.handles.saturating_add(connections) as usize
}

/// The reactor's first event of a connection is always `Open`.
fn unknown_connection() -> wasmtime::Error {
    wasmtime::Error::msg("an event for a connection that the guest does not have")
}

/// How a guest is called.
enum Guest {
    /// By the contract.
    Contract(AllImports),
    /// By `wasi:http`.
    WasiHttp(HandleRequest),
}

impl Guest {
    fn load(
        entry: &ComponentEntry,
        store: &mut Store<HostState>,
        instance: &Instance,
    ) -> wasmtime::Result<Guest> {
        match entry {
            ComponentEntry::Contract(indices) => indices.load(store, instance).map(Guest::Contract),
            ComponentEntry::WasiHttp(handle) => {
                instance.get_typed_func(store, handle).map(Guest::WasiHttp)
            }
        }
    }

    /// The guest's class of connections.
    fn connection(&self) -> wasmtime::Result<GuestConnection<'_>> {
        match self {
            Guest::Contract(guest) => Ok(guest.sandloop_plugin_handler().connection()),
            Guest::WasiHttp(_) => Err(unknown_connection()),
        }
    }
}

/// The callback for a change of a watched file.
fn export_of(change: Change) -> Export {
    match change {
        Change::Modified => Export::FileModified,
        Change::Moved => Export::FileMoved,
        Change::Deleted => Export::FileDeleted,
    }
}

/// Starts the first slice of the next callback.
fn begin_slice(store: &mut Store<HostState>) {
    store.data_mut().memory.refused = None;
    // The next tick may come at once: elapsed time is measured from the tick after it.
    store.as_context_mut().set_epoch_deadline(1);
}

/// The end of a slice: other guests get their turn on this thread, or the guest has exceeded its budget.
fn end_of_slice(state: &mut HostState) -> wasmtime::Result<UpdateDeadline> {
    match state.call.slice_over() {
        Ok(()) => Ok(UpdateDeadline::Continue(1)),
        Err(CallEnded::OutOfCpu(_)) => Ok(UpdateDeadline::Interrupt),
        Err(ended) => Err(ended.into()),
    }
}

impl From<CloseReason> for bindings::CloseReason {
    fn from(reason: CloseReason) -> Self {
        match reason {
            CloseReason::PeerClosed => Self::PeerClosed,
            CloseReason::Closed => Self::Closed,
            CloseReason::Stopped => Self::Stopped,
            CloseReason::Refused => Self::Refused,
            CloseReason::ConnectTimeout => Self::ConnectTimeout,
            CloseReason::NameNotFound => Self::NameNotFound,
            CloseReason::Unreachable => Self::Unreachable,
            CloseReason::InactivityTimeout => Self::InactivityTimeout,
            CloseReason::Reset => Self::Reset,
            CloseReason::Limit => Self::Limit,
            // A guest that has trapped gets no event; the compiler requires this arm.
            CloseReason::Failed | CloseReason::Trapped => Self::Failed,
        }
    }
}
