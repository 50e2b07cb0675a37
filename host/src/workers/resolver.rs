//! Names to addresses, off the loop: the operating system's resolver blocks, so it has threads of its own.
//!
//! A name whose servers do not answer holds a thread for many seconds, and a plugin may ask for as many of them as it likes.
//! So tenants take turns, and none of them has more than a few of the threads at once.

use std::collections::{BTreeMap, VecDeque};
use std::io;
use std::net::ToSocketAddrs;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

use crate::base::arena::ConnectionId;
use crate::log::text::GuestText;
use crate::mail::post::{Mail, Post};
use crate::net::outbound::Attempt;
use crate::quota::semaphore::Permit;

/// Look-ups under way at once.
const THREADS: usize = 8;
/// Those of one tenant.
const THREADS_OF_A_TENANT: usize = 2;
/// Names of one tenant that may wait for a thread; the next is refused as if it had no address.
const WAITING_MAX: usize = 1024;

/// A name to look up, and who asked.
#[derive(Debug)]
pub struct Question {
    /// The name.
    pub host: String,
    /// The port that its addresses get.
    pub port: u16,
    /// Whose the connection is.
    pub tenant: usize,
    /// What the addresses are for.
    pub connection: ConnectionId,
    /// Who gets them.
    pub reply_to: Post,
    /// Counts it among its plugin's, until it is answered.
    pub permit: Option<Permit>,
}

/// Threads that look names up, started by the questions. Dropping it ends them after the look-ups that are under way.
#[derive(Debug, Default)]
pub struct Resolver {
    shared: Arc<ResolverShared>,
    threads: usize,
}

#[derive(Debug, Default)]
struct ResolverShared {
    questions: Mutex<Questions<Question>>,
    changed: Condvar,
}

/// Questions that wait, by tenant.
#[derive(Debug)]
struct Questions<T> {
    /// The tenants that have some, the one whose turn it is in front.
    tenants: VecDeque<(usize, VecDeque<T>)>,
    /// How many are being answered, by tenant.
    under_way: BTreeMap<usize, usize>,
    /// Threads with nothing to do.
    idle: usize,
    closed: bool,
}

impl Resolver {
    /// Asks for the addresses of a name; the answer is a [`Mail::Resolved`].
    ///
    /// # Errors
    /// When no thread can be started or too many names wait.
    pub fn ask(&mut self, question: Question) -> io::Result<()> {
        let mut questions = self.shared.lock();
        let tenant = question.tenant;
        if !questions.add(tenant, question) {
            return Err(io::Error::other("too many names wait to be resolved"));
        }
        let needed = questions.idle < questions.waiting() && self.threads < THREADS;
        drop(questions);
        if needed {
            self.start_one()?;
        }
        self.shared.changed.notify_one();
        Ok(())
    }

    fn start_one(&mut self) -> io::Result<()> {
        let shared = self.shared.clone();
        let name = format!("resolver-{}", self.threads);
        let started = std::thread::Builder::new().name(name).spawn(move || shared.answer_all());
        match started {
            // It is not joined: a look-up may take the operating system half a minute, and its answer goes nowhere.
            Ok(_) => self.threads += 1,
            Err(error) if self.threads == 0 => return Err(error),
            // The question waits for one of those that there are.
            Err(error) => tracing::debug!(%error, "no more threads for names"),
        }
        Ok(())
    }
}

impl Drop for Resolver {
    fn drop(&mut self) {
        let mut questions = self.shared.lock();
        questions.closed = true;
        let left = std::mem::take(&mut questions.tenants);
        drop(questions);
        // What they hold is given back without the lock.
        drop(left);
        self.shared.changed.notify_all();
    }
}

impl ResolverShared {
    fn answer_all(&self) {
        while let Some(question) = self.next() {
            let Question { host, port, tenant, connection, reply_to, permit } = question;
            let addresses = look_up(&host, port);
            drop(permit);
            reply_to.send(Mail::Resolved { connection, addresses });
            self.lock().answered(tenant);
        }
    }

    /// The next question; waits for it. None when nobody asks any more.
    fn next(&self) -> Option<Question> {
        let mut questions = self.lock();
        loop {
            if questions.closed {
                return None;
            }
            if let Some(question) = questions.take() {
                return Some(question);
            }
            questions.idle += 1;
            questions = self.changed.wait(questions).unwrap_or_else(PoisonError::into_inner);
            questions.idle -= 1;
        }
    }

    fn lock(&self) -> MutexGuard<'_, Questions<Question>> {
        // Each change is whole before anything can panic.
        self.questions.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<T> Questions<T> {
    /// Adds one; false where its tenant has too many.
    fn add(&mut self, tenant: usize, question: T) -> bool {
        match self.tenants.iter_mut().find(|(known, _)| *known == tenant) {
            Some((_, waiting)) if WAITING_MAX <= waiting.len() => return false,
            Some((_, waiting)) => waiting.push_back(question),
            None => self.tenants.push_back((tenant, VecDeque::from([question]))),
        }
        true
    }

    /// How many wait.
    fn waiting(&self) -> usize {
        self.tenants.iter().map(|(_, waiting)| waiting.len()).sum()
    }

    /// The next one of the tenants that have not all the threads that they may have.
    fn take(&mut self) -> Option<T> {
        let under_way = &self.under_way;
        let may = |(tenant, _): &(usize, VecDeque<T>)| {
            under_way.get(tenant).is_none_or(|count| *count < THREADS_OF_A_TENANT)
        };
        let place = self.tenants.iter().position(may)?;
        let (tenant, mut waiting) = self.tenants.remove(place)?;
        let question = waiting.pop_front()?;
        if !waiting.is_empty() {
            self.tenants.push_back((tenant, waiting));
        }
        *self.under_way.entry(tenant).or_default() += 1;
        Some(question)
    }

    /// One of a tenant's is answered.
    fn answered(&mut self, tenant: usize) {
        if let Some(count) = self.under_way.get_mut(&tenant) {
            *count -= 1;
        }
    }
}

impl<T> Default for Questions<T> {
    fn default() -> Questions<T> {
        let (tenants, under_way) = (VecDeque::new(), BTreeMap::new());
        Questions { tenants, under_way, idle: 0, closed: false }
    }
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
    fn a_tenant_whose_names_take_long_leaves_threads_to_the_others() {
        let mut questions = Questions::default();
        for number in 0..100 {
            assert!(questions.add(1, format!("slow {number}")));
        }
        assert_eq!(questions.take().as_deref(), Some("slow 0"));
        assert_eq!(questions.take().as_deref(), Some("slow 1"));
        assert_eq!(questions.take(), None, "the other threads are for others");
        assert!(questions.add(2, "quick".to_owned()));
        assert_eq!(questions.take().as_deref(), Some("quick"));
        questions.answered(1);
        assert_eq!(questions.take().as_deref(), Some("slow 2"));
        assert_eq!(questions.waiting(), 97);
    }

    #[test]
    fn tenants_take_turns() {
        let mut questions = Questions::default();
        for question in ["a", "b", "c"] {
            questions.add(1, question);
            questions.add(2, question);
        }
        let taken: Vec<_> = std::iter::from_fn(|| questions.take()).collect();
        assert_eq!(taken, ["a", "a", "b", "b"]);
        questions.answered(2);
        assert_eq!((questions.take(), questions.take()), (Some("c"), None));
    }

    #[test]
    fn more_than_so_many_names_of_a_tenant_do_not_wait() {
        let mut questions = Questions::default();
        assert!((0..WAITING_MAX).all(|number| questions.add(1, number)));
        assert!(!questions.add(1, 0) && questions.add(2, 0));
    }
}
