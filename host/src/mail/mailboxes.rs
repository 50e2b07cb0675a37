//! The processes of the whole host, and their mailboxes.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

use crate::base::lock::{Mutex, MutexGuard};
use crate::mail::cluster_process::ExitNotice;
use crate::mail::message::{Full, Message};
use crate::mail::post::{Mail, Post};
use crate::quota::budget::ByteBudget;
use crate::quota::host_memory::Admission;

/// All live processes, by id.
#[derive(Debug, Default)]
pub struct Processes(Mutex<Table>);

#[derive(Debug, Default)]
struct Table {
    mailboxes: HashMap<u32, Arc<Mailbox>>,
    last: u32,
}

/// The part of a tenant that mailboxes need.
#[derive(Debug, Clone)]
pub struct TenantMail {
    /// Its index.
    pub index: usize,
    /// The budget of messages that wait for its instances.
    pub messages: ByteBudget,
}

/// Messages that wait for one process.
#[derive(Debug)]
struct Mailbox {
    process: u32,
    tenant: TenantMail,
    /// The index of the tenant that has spawned it, which may be another one.
    parent: usize,
    post: Post,
    budget: ByteBudget,
    messages: Mutex<VecDeque<Message>>,
}

/// A process that is to be created on a reactor of this host, for a parent anywhere.
#[derive(Debug)]
pub struct ForeignBirth {
    /// Its id on this host, and its mailbox.
    pub process: Process,
    /// The index of its plugin.
    pub plugin: usize,
    /// The index of its tenant.
    pub tenant: usize,
    /// The name by which the plugin knows what to run.
    pub name: String,
    /// Its argument.
    pub argument: Message,
    /// Tells its parent.
    pub notice: ExitNotice,
    /// Its reactor.
    pub post: Post,
}

impl ForeignBirth {
    /// Has its reactor create it.
    pub fn begin(self: Box<Self>) {
        let post = self.post.clone();
        post.send(Mail::Born(self));
    }
}

/// Why a message was refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Undelivered {
    /// The process does not exist.
    Gone,
    /// The mailbox is full.
    Full,
}

impl Processes {
    fn add(&self, tenant: &TenantMail, parent: usize, post: Post, bytes_max: u64) -> Arc<Mailbox> {
        let mut table = self.lock();
        // Terminates: there are fewer processes than ids.
        loop {
            table.last = table.last.wrapping_add(1);
            if !table.mailboxes.contains_key(&table.last) {
                break;
            }
        }
        let mailbox = Arc::new(Mailbox {
            process: table.last,
            tenant: tenant.clone(),
            parent,
            post,
            budget: ByteBudget::new(bytes_max),
            messages: Mutex::default(),
        });
        table.mailboxes.insert(mailbox.process, mailbox.clone());
        mailbox
    }

    /// Whether the process exists.
    pub fn has(&self, process: u32) -> bool {
        self.lock().mailboxes.contains_key(&process)
    }

    /// Puts a message into the mailbox of a process that belongs to `tenant` or was spawned by it. Returns the budget in which
    /// the message counts until it is delivered.
    pub fn notify(
        &self,
        process: u32,
        data: Vec<u8>,
        tenant: usize,
    ) -> Result<ByteBudget, Undelivered> {
        let mailbox = self.lock().mailboxes.get(&process).cloned();
        let mailbox = mailbox
            .filter(|mailbox| [mailbox.tenant.index, mailbox.parent].contains(&tenant))
            .ok_or(Undelivered::Gone)?;
        mailbox.put(data).map_err(|Full| Undelivered::Full)?;
        Ok(mailbox.budget.clone())
    }

    fn lock(&self) -> MutexGuard<'_, Table> {
        self.0.lock()
    }
}

/// One process, from `spawn` to its end. Dropping it removes its id.
#[derive(Debug)]
pub struct Process {
    mailbox: Arc<Mailbox>,
    table: Arc<Processes>,
    /// The resources that it holds of its plugin.
    _admission: Admission,
}

impl Process {
    /// A process of `tenant`, spawned by the tenant `parent`, with a mailbox of `bytes_max` bytes, on the reactor of
    /// `post`.
    pub fn new(
        table: &Arc<Processes>,
        tenant: &TenantMail,
        parent: usize,
        post: Post,
        bytes_max: u64,
        admission: Admission,
    ) -> Process {
        let mailbox = table.add(tenant, parent, post, bytes_max);
        Process { mailbox, table: table.clone(), _admission: admission }
    }

    pub fn id(&self) -> u32 {
        self.mailbox.process
    }

    /// Takes the oldest message.
    pub fn take(&self) -> Option<Message> {
        self.mailbox.messages().pop_front()
    }

    /// The number of messages in the mailbox.
    pub fn waiting(&self) -> usize {
        self.mailbox.messages().len()
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.table.lock().mailboxes.remove(&self.id());
    }
}

impl Mailbox {
    fn put(&self, data: Vec<u8>) -> Result<(), Full> {
        let message = Message::new(data, &self.tenant.messages, Some(&self.budget))?;
        self.messages().push_back(message);
        self.post.send(Mail::Notified { process: self.process, messages: 1 });
        Ok(())
    }

    fn messages(&self) -> MutexGuard<'_, VecDeque<Message>> {
        self.messages.lock()
    }
}
