//! What other threads have sent to one reactor.

use std::io;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, channel};
use std::task::Waker;

use mio::Registry;

use crate::base::token::PollSource;
use crate::mail::post::{Bell, Mail, Notice, Post};
use crate::reactor::table::change::{ReactorChange, ReactorChanges};
use crate::workers::returns::{Returned, Returns};

/// What a reactor takes its mail from.
///
/// The channel itself has no bound because what is sent has: one answer for each look-up or job that is asked, of
/// which a bounded number is taken, messages that a [`ByteBudget`](crate::quota::budget::ByteBudget) has counted, and a stop.
#[derive(Debug)]
pub struct Inbox {
    notices: Receiver<Notice>,
    mail: Receiver<Mail>,
    /// Whether mail may be left.
    has_more: bool,
    post: Post,
    returned: Receiver<Returned>,
    returns: Returns,
    changed: Receiver<ReactorChange>,
    changes: ReactorChanges,
    bell: Arc<Bell>,
    waker: Waker,
}

impl Inbox {
    /// An inbox that wakes the poll of `registry`.
    pub fn new(registry: &Registry) -> io::Result<Inbox> {
        let waker = mio::Waker::new(registry, PollSource::Waker.into())?;
        let bell = Arc::new(Bell::new(waker));
        let (to_notices, notices) = channel();
        let (sender, mail) = channel();
        let post = Post::new(to_notices, sender, bell.clone());
        let (sender, returned) = channel();
        let returns = Returns::new(sender, bell.clone());
        let (sender, changed) = channel();
        let changes = ReactorChanges::new(sender, bell.clone());
        let waker = Waker::from(bell.clone());
        Ok(Inbox {
            notices,
            mail,
            has_more: false,
            post,
            returned,
            returns,
            changed,
            changes,
            bell,
            waker,
        })
    }

    /// What other threads need.
    pub fn post(&self) -> Post {
        self.post.clone()
    }

    /// Where changes come from.
    pub fn changes(&self) -> ReactorChanges {
        self.changes.clone()
    }

    /// A change that a reload brings, if there is one.
    pub fn change(&self) -> Option<ReactorChange> {
        self.changed.try_recv().ok()
    }

    /// Where calls of the slow lane come back.
    pub fn returns(&self) -> Returns {
        self.returns.clone()
    }

    /// Wakes the poll.
    pub fn waker(&self) -> &Waker {
        &self.waker
    }

    /// To be called before anything is taken.
    pub fn hear(&self) {
        self.bell.hear();
    }

    /// What the host has told first, if anything.
    pub fn notice(&self) -> Option<Notice> {
        self.notices.try_recv().ok()
    }

    /// The mail that has come, `most` pieces at most.
    pub fn mail(&mut self, most: usize) -> Vec<Mail> {
        let mail: Vec<Mail> = self.mail.try_iter().take(most).collect();
        self.has_more = mail.len() == most;
        mail
    }

    /// Whether there may be more mail than was taken, which nothing will tell of again.
    pub fn has_more(&self) -> bool {
        self.has_more
    }

    /// A call that has come back, if there is one.
    pub fn returned(&self) -> Option<Returned> {
        self.returned.try_recv().ok()
    }
}
