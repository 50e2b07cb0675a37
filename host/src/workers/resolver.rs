//! Name look-ups. The operating system's resolver blocks, so it is called on threads of its own.
//!
//! A name whose servers do not answer holds a thread for many seconds, and a plugin may ask for many such names. So tenants
//! take turns, each has [`SHARE`] threads at most, and a tenant that has none while the others have all gets an extra
//! thread.

use std::collections::VecDeque;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, ToSocketAddrs};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use crate::base::arena::ConnectionId;
use crate::base::panics;
use crate::log::text::GuestText;
use crate::mail::post::{Mail, Post};
use crate::net::outbound::Attempt;
use crate::quota::fair_queue::{FairQueue, Taken};
use crate::quota::semaphore::Permit;

/// Threads that are started with the host.
const THREADS: usize = 8;
/// The most parallel look-ups of one tenant.
const SHARE: usize = 2;
/// The most names of one tenant that wait for a thread; a further one fails as if it had no address.
const WAITING_MAX: usize = 1024;
/// How long an extra thread waits for its next name before it ends.
const IDLE_MAX: Duration = Duration::from_secs(10);

/// A name to look up.
#[derive(Debug)]
pub struct LookUp {
    pub host: String,
    /// The port of the resulting addresses.
    pub port: u16,
    /// The tenant of the connection.
    pub tenant: usize,
    /// The connection that waits for the addresses.
    pub connection: ConnectionId,
    /// The mail of its reactor.
    pub reply_to: Post,
    /// The permit of its plugin's look-ups, held until the answer.
    pub permit: Option<Permit>,
}

/// The threads that look names up, for all reactors. Dropping it ends them after the look-ups in progress.
#[derive(Debug)]
pub struct Resolver(Arc<ResolverShared>);

#[derive(Debug)]
struct ResolverShared {
    look_ups: FairQueue<LookUp>,
    /// Whether the regular threads are running.
    has_threads: AtomicBool,
    /// The number of extra threads, and the most of them: one for each tenant.
    more: AtomicUsize,
    more_max: AtomicUsize,
}

impl Resolver {
    /// Starts the threads for this number of tenants; none if no plugin may look names up.
    ///
    /// # Errors
    /// When a thread cannot be started.
    pub fn start(tenants: usize, somebody_may_ask: bool) -> io::Result<Resolver> {
        let look_ups = FairQueue::new(SHARE, WAITING_MAX);
        let more = AtomicUsize::new(0);
        let resolver = Resolver(Arc::new(ResolverShared {
            look_ups,
            more,
            more_max: AtomicUsize::new(tenants),
            has_threads: AtomicBool::new(false),
        }));
        resolver.serve(tenants, somebody_may_ask)?;
        Ok(resolver)
    }

    /// Changes the number of tenants. Starts the threads if a plugin may look names up for the first time.
    ///
    /// # Errors
    /// When a thread cannot be started.
    pub fn serve(&self, tenants: usize, somebody_may_ask: bool) -> io::Result<()> {
        self.0.more_max.store(tenants, Ordering::Relaxed);
        if !somebody_may_ask || self.0.has_threads.swap(true, Ordering::Relaxed) {
            return Ok(());
        }
        for index in 0..THREADS {
            self.start_thread(&format!("resolver-{index}"), ResolverShared::answer_all)?;
        }
        Ok(())
    }

    /// Queues a look-up; the answer is a [`Mail::Resolved`].
    ///
    /// # Errors
    /// When [`WAITING_MAX`] names of the tenant wait already.
    pub fn ask(&self, look_up: LookUp) -> io::Result<()> {
        if let Some(addresses) = without_a_look_up(&look_up.host, look_up.port) {
            let LookUp { connection, reply_to, .. } = look_up;
            reply_to.send(Mail::Resolved { connection, addresses });
            return Ok(());
        }
        let tenant = look_up.tenant;
        if self.0.look_ups.add(tenant, look_up).is_err() {
            return Err(io::Error::other("too many names wait to be resolved"));
        }
        if self.0.look_ups.is_kept_from(tenant) {
            self.start_one_more();
        }
        Ok(())
    }

    /// Starts an extra thread for a tenant that finds all threads in use by others.
    fn start_one_more(&self) {
        let most = self.0.more_max.load(Ordering::Relaxed);
        let add = |more: usize| Some(more + 1).filter(|more| *more <= most);
        if self.0.more.fetch_update(Ordering::Relaxed, Ordering::Relaxed, add).is_err() {
            return;
        }
        let answer = |shared: &ResolverShared| {
            shared.answer_until_idle();
            shared.more.fetch_sub(1, Ordering::Relaxed);
        };
        if let Err(error) = self.start_thread("resolver-more", answer) {
            self.0.more.fetch_sub(1, Ordering::Relaxed);
            // The look-up waits for a running thread.
            tracing::debug!(%error, "no more threads for names");
        }
    }

    fn start_thread(
        &self,
        name: &str,
        work: impl FnOnce(&ResolverShared) + Send + 'static,
    ) -> io::Result<()> {
        let shared = self.0.clone();
        let thread = std::thread::Builder::new().name(name.to_owned());
        // Not joined: a look-up may take half a minute, and its answer would be dropped.
        thread.spawn(move || work(&shared)).map(drop)
    }
}

impl Drop for Resolver {
    fn drop(&mut self) {
        drop(self.0.look_ups.close());
    }
}

impl ResolverShared {
    fn answer_all(&self) {
        while let Taken::Item(look_up) = self.look_ups.take(None) {
            self.answer(look_up);
        }
    }

    fn answer_until_idle(&self) {
        while let Taken::Item(look_up) = self.look_ups.take(Some(IDLE_MAX)) {
            self.answer(look_up);
        }
    }

    fn answer(&self, asked: LookUp) {
        let LookUp { host, port, tenant, connection, reply_to, permit } = asked;
        let addresses = panics::catch(|| look_up(&host, port)).unwrap_or_else(|panicked| {
            tracing::error!(host, %panicked, "a look-up panicked: the name has no address");
            panics::survive(&panicked);
            VecDeque::new()
        });
        drop(permit);
        reply_to.send(Mail::Resolved { connection, addresses });
        self.look_ups.done(tenant);
    }
}

/// The addresses of names that need no look-up: `localhost` and names below it are this machine (RFC 6761, 6.3).
fn without_a_look_up(host: &str, port: u16) -> Option<VecDeque<Attempt>> {
    let name = host.strip_suffix('.').unwrap_or(host).to_ascii_lowercase();
    let is_local = name == "localhost" || name.ends_with(".localhost");
    let local: [IpAddr; 2] = [Ipv4Addr::LOCALHOST.into(), Ipv6Addr::LOCALHOST.into()];
    let attempts = local.map(|address| Attempt::Tcp(SocketAddr::new(address, port)));
    is_local.then(|| attempts.into())
}

fn look_up(host: &str, port: u16) -> VecDeque<Attempt> {
    match (host, port).to_socket_addrs() {
        Ok(addresses) => addresses.map(Attempt::Tcp).collect(),
        Err(error) => {
            tracing::debug!(host = ?GuestText::name(host), %error, "name not found");
            VecDeque::new()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn localhost_needs_no_look_up() {
        for name in ["localhost", "LocalHost.", "a.localhost"] {
            let addresses = without_a_look_up(name, 80).unwrap_or_default();
            assert_eq!(addresses.len(), 2, "{name}");
        }
        for name in ["localhost.example", "notlocalhost", "", "."] {
            assert!(without_a_look_up(name, 80).is_none(), "{name}");
        }
    }
}
