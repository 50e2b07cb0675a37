//! Singletons: programs that run on one host of the cluster at a time. This host is a candidate for the lease of each that it
//! serves, and its reactor runs the program while the host has the lease.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use futures_util::StreamExt;
use tokio::sync::Notify;
use tokio::time::sleep;

use crate::base::lock::Mutex;
use crate::cluster::candidate::{Candidate, CandidateSite};
use crate::cluster::counters::SingletonCounters;
use crate::mail::post::Post;
use crate::quota::term::{ProgramName, Term};

/// The interval at which the end of the host checks whether all leases are given back.
const LOOK_EVERY: Duration = Duration::from_millis(5);

/// A singleton for whose lease this host is a candidate.
#[derive(Debug)]
pub struct Singleton {
    /// Its program.
    pub program: ProgramName,
    /// Its counters.
    pub counters: SingletonCounters,
    /// The index of its plugin.
    pub(super) place: usize,
    /// Its reactor.
    pub(super) post: Post,
    /// The owner that this host writes. No two candidates for one lease write the same.
    pub(super) owner: String,
    /// Rings when its lease may have changed.
    pub(super) bell: Notify,
    is_wanted: AtomicBool,
    shown: Mutex<SingletonState>,
}

/// The known state of a singleton.
#[derive(Debug, Clone, Default)]
pub struct SingletonState {
    /// The term on this host.
    pub term: Option<Arc<Term>>,
    /// The owner of the lease, as last seen.
    pub owner: Option<String>,
    /// Why the lease cannot be requested.
    pub fault: Option<String>,
}

/// The singletons of a host.
#[derive(Debug)]
pub struct Singletons {
    site: CandidateSite,
    served: Mutex<Vec<Arc<Singleton>>>,
    /// The reactor that runs them.
    post: OnceLock<Post>,
    /// The number that were made.
    made: AtomicUsize,
}

impl Singleton {
    /// Its state.
    pub fn state(&self) -> SingletonState {
        self.shown.lock().clone()
    }

    /// The number of the term on this host.
    pub fn fencing(&self) -> Option<u64> {
        let shown = self.shown.lock();
        let running = shown.term.as_ref().filter(|term| term.how_it_ended().is_none());
        running.map(|term| term.fencing)
    }

    /// The key of its lease.
    pub(super) fn key(&self) -> String {
        format!("{}.{}", self.program.tenant, self.program.plugin)
    }

    pub(super) fn is_wanted(&self) -> bool {
        self.is_wanted.load(Ordering::Relaxed)
    }

    pub(super) fn show_term(&self, term: Option<Arc<Term>>) {
        self.shown.lock().term = term;
    }

    pub(super) fn show_owner(&self, owner: Option<String>) {
        self.shown.lock().owner = owner;
    }

    /// The lease cannot be requested, or can be again. A fault is logged once.
    pub(super) fn show_fault(&self, fault: Option<&str>) {
        let mut shown = self.shown.lock();
        let is_new = shown.fault.is_none();
        shown.fault = fault.map(str::to_owned);
        drop(shown);
        if let Some(cause) = fault.filter(|_| is_new) {
            let ProgramName { tenant, plugin } = &self.program;
            tracing::warn!(plugin, tenant, cause, "the lease of a singleton cannot be asked for");
        }
    }

    fn want_no_more(&self) {
        self.is_wanted.store(false, Ordering::Relaxed);
        self.bell.notify_one();
    }

    /// Whether its program has ended and its lease is being given back.
    fn is_given_back(&self) -> bool {
        let shown = self.shown.lock();
        shown.term.as_ref().is_some_and(|term| term.how_it_ended().is_some())
    }
}

impl Singletons {
    pub(super) fn new(site: CandidateSite) -> Arc<Singletons> {
        Arc::new(Singletons {
            site,
            served: Mutex::default(),
            post: OnceLock::new(),
            made: AtomicUsize::new(0),
        })
    }

    /// Serves these programs as singletons from now on, each with the index of its plugin, and no others. `post` is that of the
    /// reactor that runs them.
    pub fn serve(
        self: &Arc<Self>,
        wanted: impl IntoIterator<Item = (ProgramName, usize)>,
        post: Option<&Post>,
    ) {
        let Some(post) = post.map(|post| self.post.get_or_init(|| post.clone())) else {
            return;
        };
        let mut served = self.served.lock();
        let mut before = std::mem::take(&mut *served);
        for (program, place) in wanted {
            let known = before.iter().position(|it| it.program == program && it.place == place);
            let singleton = match known {
                Some(known) => before.swap_remove(known),
                None => self.stand_for(program, place, post.clone()),
            };
            served.push(singleton);
        }
        drop(served);
        before.iter().for_each(|gone| gone.want_no_more());
    }

    /// The reactor that was named first.
    pub fn post(&self) -> Option<&Post> {
        self.post.get()
    }

    /// The singletons that are served.
    pub fn served(&self) -> Vec<Arc<Singleton>> {
        self.served.lock().clone()
    }

    fn stand_for(
        self: &Arc<Self>,
        program: ProgramName,
        place: usize,
        post: Post,
    ) -> Arc<Singleton> {
        let number = self.made.fetch_add(1, Ordering::Relaxed);
        if number == 0 {
            self.site.runtime.spawn(hear(self.clone()));
        }
        let singleton = Arc::new(Singleton {
            program,
            counters: SingletonCounters::default(),
            place,
            post,
            owner: format!("{}/{number}", self.site.host),
            bell: Notify::new(),
            is_wanted: AtomicBool::new(true),
            shown: Mutex::default(),
        });
        self.site.runtime.spawn(Candidate::new(&self.site, singleton.clone()).stand());
        singleton
    }

    /// Has the candidates for these leases read them.
    fn ring(&self, is_meant: impl Fn(&Singleton) -> bool) {
        self.served().iter().filter(|it| is_meant(it)).for_each(|it| it.bell.notify_one());
    }

    /// Waits until the leases of programs that have ended are given back.
    pub(super) async fn give_back(&self) {
        let served = self.served();
        served.iter().for_each(|it| it.want_no_more());
        while served.iter().any(|it| it.is_given_back()) {
            sleep(LOOK_EVERY).await;
        }
    }
}

/// Has the candidate of each lease that another host has changed read it, and all after the connection was lost.
async fn hear(singletons: Arc<Singletons>) {
    let line = &singletons.site.line;
    let Some(client) = line.client().await else { return };
    let mut connected = line.connected();
    let Ok(mut heard) = client.subscribe(singletons.site.subject()).await else { return };
    loop {
        tokio::select! {
            message = heard.next() => {
                let Some(message) = message else { return };
                singletons.ring(|it| it.key().as_bytes() == &message.payload[..]);
            }
            Ok(()) = connected.changed() => {
                if *connected.borrow_and_update() {
                    singletons.ring(|_| true);
                }
            }
        }
    }
}
