//! The inbox of a reactor: notices, mail, returned calls and changes.

use std::io;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, channel};
use std::task::Waker;

use mio::Registry;

use crate::base::token::PollSource;
use crate::mail::post::{Bell, Mail, Notice, Post};
use crate::reactor::table::change::{ReactorChange, ReactorChanges};
use crate::workers::returns::{Returned, Returns};

/// The inbox of a reactor.
///
/// The channels are unbounded because their contents are bounded elsewhere: one answer for each look-up and job, whose number
/// is limited, and messages that are reserved of a [`ByteBudget`](crate::quota::budget::ByteBudget).
#[derive(Debug)]
pub(crate) struct Inbox {
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
    /// Makes an inbox that wakes the poll of `registry`.
    pub(crate) fn new(registry: &Registry) -> io::Result<Inbox> {
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

    /// The senders of notices and mail, for other threads.
    pub(crate) fn post(&self) -> Post {
        self.post.clone()
    }

    /// The sender of changes.
    pub(crate) fn changes(&self) -> ReactorChanges {
        self.changes.clone()
    }

    /// Takes a change of a reload, if there is one.
    pub(crate) fn change(&self) -> Option<ReactorChange> {
        self.changed.try_recv().ok()
    }

    /// The sender of calls that return from the slow lane.
    pub(crate) fn returns(&self) -> Returns {
        self.returns.clone()
    }

    /// The waker of the poll.
    pub(crate) fn waker(&self) -> &Waker {
        &self.waker
    }

    /// Ends the pending wake-up. To be called before anything is taken. Returns whether there may be something: who sends wakes.
    pub(crate) fn hear(&self) -> bool {
        self.bell.hear() || self.has_more
    }

    /// Takes the oldest notice, if there is one.
    pub(crate) fn notice(&self) -> Option<Notice> {
        self.notices.try_recv().ok()
    }

    /// Takes up to `most` pieces of mail.
    pub(crate) fn mail(&mut self, most: usize) -> Vec<Mail> {
        let mail: Vec<Mail> = self.mail.try_iter().take(most).collect();
        self.has_more = mail.len() == most;
        mail
    }

    /// Whether mail may be left, for which there is no further wake-up.
    pub(crate) fn has_more(&self) -> bool {
        self.has_more
    }

    /// Takes a returned call, if there is one.
    pub(crate) fn returned(&self) -> Option<Returned> {
        self.returned.try_recv().ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mail::post::StopManner;

    /// Who sends wakes, so that a turn without a wake-up need not look into four channels.
    #[test]
    fn it_tells_whether_something_may_have_come() {
        let poll = mio::Poll::new().expect("a poll");
        let mut inbox = Inbox::new(poll.registry()).expect("an inbox");
        assert!(!inbox.hear());
        let post = inbox.post();
        post.tell(Notice::Stop(StopManner::Close));
        assert!(inbox.hear());
        assert!(inbox.notice().is_some());
        assert!(!inbox.hear());
        for process in 0..3 {
            post.send(Mail::KillBorn { process, tenant: 0 });
        }
        assert!(inbox.hear());
        assert_eq!(inbox.mail(2).len(), 2);
        assert!(inbox.hear(), "some is left, for which nobody wakes again");
        assert_eq!(inbox.mail(2).len(), 1);
        assert!(!inbox.hear());
    }
}
