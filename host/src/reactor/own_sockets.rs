//! Listeners and UDP sockets that plugins open: added to the loop after the guest's return, and removed with the instance at
//! the latest.

use mio::Interest;

use crate::base::arena::InstanceId;
use crate::base::token::PollSource;
use crate::engine::event::{ConnectionOrigin, Event};
use crate::log::text::GuestText;
use crate::net::connection::stream::{SocketAddress, Stream};
use crate::net::listener::Listener;
use crate::plugin::shared::OwnPlace;
use crate::quota::host_memory::Admission;
use crate::reactor::Reactor;
use crate::reactor::table::acceptor::ListenerOwner;
use crate::reactor::table::leaving::Overstay;

impl Reactor {
    /// Adds a listener of an instance; it accepts from the next turn. If the instance has ended or the host stops, it is closed.
    pub(super) fn open_listener(
        &mut self,
        instance: InstanceId,
        id: u32,
        mut listener: Listener,
        admission: Admission,
    ) {
        if self.stopping.has_begun() {
            return;
        }
        let Some(owner) = self.instances.get_mut(instance) else { return };
        let place = self.acceptors.next_place();
        let token = PollSource::Listener(place).into();
        if let Err(error) = self.poll.registry().register(&mut listener, token, Interest::READABLE)
        {
            tracing::error!(%error, "a listener cannot be polled");
            return;
        }
        owner.listeners.insert(id, place);
        let plugin = owner.plugin.clone();
        let place = OwnPlace::new(&self.setup.env.host, listener.endpoint.address.clone());
        let address = listener.endpoint.accepted.listener.clone();
        let owner = ListenerOwner { instance, _admission: admission, _place: place };
        self.acceptors.add(listener, Some(owner));
        plugin.tell(self.setup.env.clock.now(), || {
            let (plugin, tenant) = (plugin.name(), &plugin.config.tenant);
            tracing::info!(plugin, tenant, address, "serving for as long as its plugin wants");
        });
    }

    /// Closes a listener of an instance. The connections of a UDP socket's peers end with it.
    pub(super) fn close_listener(&mut self, place: usize) {
        let Some(mut acceptor) = self.acceptors.remove(place) else { return };
        let registry = self.poll.registry();
        if let Err(error) = registry.deregister(&mut acceptor.listener) {
            tracing::debug!(%error, "listener not deregistered");
        }
        if let Some(key) = acceptor.again.take() {
            self.timers.cancel(key);
        }
        for id in acceptor.peers.into_values() {
            self.agenda.overstays.push(self.tenant_of(id), Overstay::Peer(id));
        }
    }

    /// Adds a UDP socket as a connection, and delivers its `post-init`.
    pub(super) fn open_datagrams(
        &mut self,
        instance_id: InstanceId,
        stream: Stream,
        token: u32,
        admission: Admission,
    ) {
        let Some(instance) = self.instances.get(instance_id) else { return };
        let plugin = instance.plugin.clone();
        let handler = match stream.local() {
            Ok(SocketAddress::Tcp(address)) => GuestText::name(format_args!("udp:{address}")),
            _ => GuestText::name("udp"),
        };
        let opened = self.open_socket(instance_id, &plugin, stream, handler, admission);
        let Some((id, shared)) = opened else { return };
        self.deliver(instance_id, Event::open(id, shared, ConnectionOrigin::Connected(token)));
        self.drain_what_comes_late(id);
    }
}
