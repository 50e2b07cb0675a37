//! Files that instances watch: a thread opens them, and what changes is told.

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
    /// A guest wants to watch what is at a path.
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

    /// A thread has opened what an instance watches, or found why not.
    pub(super) fn watch_opened(
        &mut self,
        id: InstanceId,
        watch: u32,
        opened: Result<OwnedFd, WatchFault>,
    ) {
        let Some(instance) = self.instances.get_mut(id) else { return };
        // It may have been taken back meanwhile.
        let Some(known) = instance.watches.get_mut(&watch) else { return };
        known.awaited = None;
        let registry = self.poll.registry();
        let added = opened.and_then(|file| self.watches.add(registry, &file, (id, watch)));
        match added {
            Ok(descriptor) => known.descriptor = Some(descriptor),
            Err(fault) => self.deliver(id, Event::WatchEnded { watch, fault }),
        }
    }

    /// A watch has ended, by its guest or by itself.
    pub(super) fn unwatch(&mut self, id: InstanceId, watch: u32) {
        let instance = self.instances.get_mut(id);
        if let Some(known) = instance.and_then(|instance| instance.watches.remove(&watch)) {
            self.forget_watch(id, watch, &known);
        }
    }

    /// Nothing of a watch is told any more.
    pub(super) fn forget_watch(&mut self, id: InstanceId, watch: u32, known: &Watch) {
        if let Some(descriptor) = known.descriptor {
            self.watches.remove(descriptor, (id, watch));
        }
    }

    /// Takes what the system has to tell, up to the bound of a turn.
    pub(super) fn take_changes(&mut self) {
        for (id, watch, change) in self.watches.take() {
            self.units += 1;
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

    /// Whether a change is still to be told, now that it is its turn.
    pub(super) fn watch_is_set(
        &mut self,
        id: InstanceId,
        watch: u32,
        change: Change,
    ) -> Option<bool> {
        let instance = self.instances.get_mut(id)?;
        let Some(known) = instance.watches.get_mut(&watch) else { return Some(false) };
        known.untold.remove(change);
        let set = &mut instance.sandbox()?.store.data_mut().watches;
        Some(if change == Change::Deleted { set.remove(&watch) } else { set.contains(&watch) })
    }

    /// Whether it is still to be told that there is nothing to watch.
    pub(super) fn watch_ends(&mut self, id: InstanceId, watch: u32) -> Option<bool> {
        let instance = self.instances.get_mut(id)?;
        Some(instance.sandbox()?.store.data_mut().watches.remove(&watch))
    }
}
