//! Watched files: opening them on a file thread, and delivering changes.

use std::os::fd::OwnedFd;

use crate::base::arena::InstanceId;
use crate::engine::event::Event;
use crate::mail::post::Mail;
use crate::mail::watch::{Change, WatchFault};
use crate::plugin::granted::GrantedPath;
use crate::quota::host_memory::Admission;
use crate::reactor::Reactor;
use crate::reactor::table::watches::{Untold, Watch};

impl Reactor {
    /// Begins to watch a path for a guest.
    pub(super) fn watch(
        &mut self,
        id: InstanceId,
        watch: u32,
        admission: Admission,
        path: GrantedPath,
    ) {
        let post = self.inbox.post();
        let Some(instance) = self.instances.get_mut(id) else { return };
        let tenant = instance.plugin.tenant.index;
        let answer = self.setup.env.host.file_calls.add(tenant, move || {
            let opened = path.open_to_watch();
            post.send(Mail::Watched { instance: id, watch, opened });
        });
        let known = Watch {
            descriptor: None,
            untold: Untold::default(),
            awaited: Some(answer),
            _admission: admission,
        };
        instance.watches.insert(watch, known);
    }

    /// A file thread has opened a file to watch, or failed.
    pub(super) fn watch_opened(
        &mut self,
        id: InstanceId,
        watch: u32,
        opened: Result<OwnedFd, WatchFault>,
    ) {
        let Some(instance) = self.instances.get_mut(id) else { return };
        // The guest may have cancelled it meanwhile.
        let Some(known) = instance.watches.get_mut(&watch) else { return };
        known.awaited = None;
        let registry = self.poll.registry();
        let added = opened.and_then(|file| self.watches.add(registry, &file, (id, watch)));
        match added {
            Ok(descriptor) => known.descriptor = Some(descriptor),
            Err(fault) => self.deliver(id, Event::WatchEnded { watch, fault }),
        }
    }

    /// Ends a watch, by its guest or after a failure.
    pub(super) fn unwatch(&mut self, id: InstanceId, watch: u32) {
        let instance = self.instances.get_mut(id);
        if let Some(known) = instance.and_then(|instance| instance.watches.remove(&watch)) {
            self.forget_watch(id, watch, &known);
        }
    }

    /// Releases a watch.
    pub(super) fn forget_watch(&mut self, id: InstanceId, watch: u32, known: &Watch) {
        if let Some(descriptor) = known.descriptor {
            self.watches.remove(descriptor, (id, watch));
        }
    }

    /// Delivers changes, up to the bound of a turn.
    pub(super) fn take_changes(&mut self) {
        for (id, watch, change) in self.watches.take() {
            self.count_unit();
            let Some(instance) = self.instances.get_mut(id) else { continue };
            let tenant = instance.plugin.tenant.index;
            let is_new =
                instance.watches.get_mut(&watch).is_some_and(|it| it.untold.insert(change));
            if is_new {
                self.charged(tenant, |reactor| {
                    reactor.deliver(id, Event::FileChanged { watch, change });
                });
            }
        }
    }

    /// Whether a queued change is still valid.
    pub(super) fn watch_is_set(
        &mut self,
        id: InstanceId,
        watch: u32,
        change: Change,
    ) -> Option<bool> {
        let instance = self.instances.get_mut(id)?;
        let Some(known) = instance.watches.get_mut(&watch) else { return Some(false) };
        known.untold.remove(change);
        let set = &mut instance.sandbox_mut()?.store.data_mut().watches;
        Some(if change == Change::Deleted { set.remove(&watch) } else { set.contains(&watch) })
    }

    /// Whether the failure of a watch is still to be delivered.
    pub(super) fn watch_ends(&mut self, id: InstanceId, watch: u32) -> Option<bool> {
        let instance = self.instances.get_mut(id)?;
        Some(instance.sandbox_mut()?.store.data_mut().watches.remove(&watch))
    }
}
