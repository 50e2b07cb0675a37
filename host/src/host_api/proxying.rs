//! `proxying`: forwards the bytes of one connection of the instance to another without the guest.

use crate::contract::bindings::{ByteCount, ProxyError, ProxyOptions, byte_counts, proxying};
use crate::host_api::command::Command;
use crate::host_api::sockets::Socket;
use crate::host_api::state::HostState;
use crate::net::connection::Connection;
use crate::net::connection::proxy_links::{ProxyFault, ProxyTarget};

impl proxying::Host for HostState {
    fn proxy_incoming_to(
        &mut self,
        source: Socket,
        target: Socket,
        options: ProxyOptions,
    ) -> Result<(), ProxyError> {
        let from = self.sockets.get(source.rep()).ok_or(ProxyError::SourceClosed)?;
        let to = self.sockets.get(target.rep()).ok_or(ProxyError::TargetClosed)?;
        let ((from_id, from), (to_id, to)) = (from.clone(), to.clone());
        if from_id == to_id {
            return Err(ProxyError::Itself);
        }
        from.lock().may_be_proxied()?;
        to.lock().take_from(from_id, options.buffer as usize)?;
        let left = Some(u64::from(options.bytes)).filter(|bytes| 0 < *bytes);
        let has_ended = {
            let mut from = from.lock();
            from.proxy_to(ProxyTarget { id: to_id, left });
            from.peer_finished()
        };
        if has_ended {
            to.lock().source_ended();
        }
        for (id, connection) in [(from_id, from), (to_id, to)] {
            if connection.lock().mark_dirty() {
                self.commands.push(Command::Reconcile { id });
            }
        }
        Ok(())
    }

    fn stop_proxying(&mut self, source: Socket) {
        let target = self.change(&source, Connection::stop_proxying).flatten();
        let target = target.and_then(|id| Some((id, self.sockets.of(id)?.clone())));
        let Some((id, connection)) = target else { return };
        let mut connection = connection.lock();
        connection.lose_source();
        if connection.mark_dirty() {
            self.commands.push(Command::Reconcile { id });
        }
    }

    fn get_proxied_bytes(&mut self, source: Socket) -> ByteCount {
        let bytes = self.look(&source, |connection| connection.proxied_bytes());
        ByteCount::from(bytes.unwrap_or(0))
    }
}

// The interface has types only.
impl byte_counts::Host for HostState {}

impl From<u64> for ByteCount {
    fn from(bytes: u64) -> ByteCount {
        let half = |bytes: u64| u32::try_from(bytes & u64::from(u32::MAX)).unwrap_or(u32::MAX);
        ByteCount { high: half(bytes >> 32), low: half(bytes) }
    }
}

impl From<ByteCount> for u64 {
    fn from(count: ByteCount) -> u64 {
        u64::from(count.high) << 32 | u64::from(count.low)
    }
}

impl From<ProxyFault> for ProxyError {
    fn from(fault: ProxyFault) -> ProxyError {
        match fault {
            ProxyFault::SourceClosed => ProxyError::SourceClosed,
            ProxyFault::TargetClosed => ProxyError::TargetClosed,
            ProxyFault::AlreadyProxying => ProxyError::AlreadyProxying,
            ProxyFault::BusyTarget => ProxyError::BusyTarget,
            ProxyFault::Unsupported => ProxyError::Unsupported,
        }
    }
}
