//! Every bound of the host: its default, its range, why it exists and what happens at it.
//!
//! The only place where a default is written. `docs/config.md` holds [`super::reference::reference`]
//! word by word.

use super::bound::{AtBound, Bound, Unit};

const HOST: &str = "host";
const LIMITS: &str = "plugins.*.limits";
const TENANT_LIMITS: &str = "tenants.*.limits";
const LISTEN: &str = "listen.*";

const KIB: u64 = 1 << 10;
const MIB: u64 = 1 << 20;
const GIB: u64 = 1 << 30;
const MILLISECOND: u64 = 1_000;
const SECOND: u64 = 1_000_000;
const MINUTE: u64 = 60 * SECOND;
const HOUR: u64 = 60 * MINUTE;
/// So much CPU time a second is no bound.
pub(crate) const UNBOUNDED_CPU: u64 = HOUR;
/// So many bytes a second are no bound.
pub(crate) const UNBOUNDED_BYTES: u64 = 1024 * GIB;
/// So many traps are never counted.
pub(crate) const NEVER_PARKED: u64 = 1_000_000;
/// So many sandboxes are no bound of a tenant's.
pub(crate) const UNBOUNDED_INSTANCES: u64 = 1_000_000;
/// So many connections a second are no bound.
pub(crate) const UNBOUNDED_ACCEPTS: u64 = 1_000_000;

/// Stack of one handler. EventMachine's users recurse in their own language's stack; this is the WebAssembly one.
pub(crate) const GUEST_STACK_BYTES: usize = 512 << 10;

/// `host.reactors`.
pub const REACTORS: Bound = Bound {
    table: HOST,
    name: "reactors",
    unit: Unit::Count,
    default: 1,
    min: 1,
    max: 1024,
    what: "Reactors, each one thread with its own connections, timers and instances.",
    why: "One serves most sites; more share the listeners between cores.",
    at: AtBound::Wait,
    then: "Events wait for their reactor's turn.",
};

/// `host.workers`.
pub const WORKERS: Bound = Bound {
    table: HOST,
    name: "workers",
    unit: Unit::Count,
    default: 2,
    min: 1,
    max: 1024,
    what: "Threads that do deferred work, with a lower priority than the reactors.",
    why: "Deferred work must not take the cores that the reactors need. Where several tenants have such work, none has all of them.",
    at: AtBound::Wait,
    then: "Jobs wait for a free thread.",
};

/// `host.slow_lane`.
pub const SLOW_LANE: Bound = Bound {
    table: HOST,
    name: "slow_lane",
    unit: Unit::Count,
    default: 2,
    min: 1,
    max: 1024,
    what: "Threads on which handlers go on that outlive their slice, with a lower priority than the reactors.",
    why: "A reactor pays for first slices only.",
    at: AtBound::Wait,
    then: "Handlers take turns there, by tenant, one slice each.",
};

/// `host.slice`.
pub const SLICE: Bound = Bound {
    table: HOST,
    name: "slice",
    unit: Unit::Time,
    default: MILLISECOND,
    min: 100,
    max: 100 * MILLISECOND,
    what: "How long a handler runs before the others have their turn.",
    why: "A neighbour of an endless loop waits this much longer; short slices switch often.",
    at: AtBound::Wait,
    then: "The handler is suspended and goes on in the slow lane.",
};

/// `host.stop_deadline`.
pub const STOP_DEADLINE: Bound = Bound {
    table: HOST,
    name: "stop_deadline",
    unit: Unit::Time,
    default: 5 * SECOND,
    min: 0,
    max: HOUR,
    what: "How long `stop` waits for output to drain.",
    why: "A peer that does not read must not keep the host from ending.",
    at: AtBound::Close,
    then: "What is left is dropped, every connection is closed and gets its `unbind`.",
};

/// `host.close_deadline`.
pub const CLOSE_DEADLINE: Bound = Bound {
    table: HOST,
    name: "close_deadline",
    unit: Unit::Time,
    default: 30 * SECOND,
    min: MILLISECOND,
    max: HOUR,
    what: "How long `close-connection-after-writing` waits for a peer that does not read.",
    why: "Otherwise a stalled peer holds its connection and its sandbox for ever.",
    at: AtBound::Close,
    then: "The connection is closed; `unbind` gets the reason `limit`.",
};

/// `host.instances`.
pub const INSTANCES: Bound = Bound {
    table: HOST,
    name: "instances",
    unit: Unit::Count,
    default: 2000,
    min: 1,
    max: 1_000_000,
    what: "Sandboxes alive at once in the host.",
    why: "Address space for all of them is set aside at the start. Half of them are kept for the tenants, as many for each; whoever comes first has the others.",
    at: AtBound::Wait,
    then: "New connections wait in the listener's backlog until a sandbox ends.",
};

/// `plugins.*.limits.memory`.
pub const MEMORY: Bound = Bound {
    table: LIMITS,
    name: "memory",
    unit: Unit::Bytes,
    default: 16 * MIB,
    min: 64 * KIB,
    max: 4 * GIB,
    what: "Linear memory of one instance.",
    why: "Holds an interpreter; a native guest needs 1 or 2 MiB. Only what is touched is paid.",
    at: AtBound::Refuse,
    then: "`memory.grow` fails; most guests then trap. A larger component is not loaded.",
};

/// `plugins.*.limits.tables`.
pub const TABLES: Bound = Bound {
    table: LIMITS,
    name: "tables",
    unit: Unit::Count,
    default: 50_000,
    min: 1,
    max: 1_000_000,
    what: "Elements of each table of one instance.",
    why: "They hold the functions that are called by pointer; interpreters have thousands.",
    at: AtBound::Refuse,
    then: "`table.grow` fails. A larger component is not loaded.",
};

/// `plugins.*.limits.cpu_per_event`.
pub const CPU_PER_EVENT: Bound = Bound {
    table: LIMITS,
    name: "cpu_per_event",
    unit: Unit::Time,
    default: SECOND,
    min: MILLISECOND,
    max: HOUR,
    what: "CPU time one event may take, over all its slices.",
    why: "Tells an endless loop from long work.",
    at: AtBound::Trap,
    then: "The instance ends and its connections are closed; no other instance notices.",
};

/// `plugins.*.limits.event_deadline`.
pub const EVENT_DEADLINE: Bound = Bound {
    table: LIMITS,
    name: "event_deadline",
    unit: Unit::Time,
    default: MINUTE,
    min: MILLISECOND,
    max: 24 * HOUR,
    what: "How long one event may wait for something, in WASI calls for example, all its waits together.",
    why: "A handler that sleeps holds its instance, its connections and its place in the pool.",
    at: AtBound::Trap,
    then: "The instance ends and its connections are closed; no other instance notices.",
};

/// `plugins.*.limits.connections`.
pub const CONNECTIONS: Bound = Bound {
    table: LIMITS,
    name: "connections",
    unit: Unit::Count,
    default: 10_000,
    min: 1,
    max: 1_000_000,
    what: "Accepted connections of the plugin at once.",
    why: "One plugin must not take the descriptors of all.",
    at: AtBound::Wait,
    then: "New connections wait in the listener's backlog until one ends.",
};

/// `plugins.*.limits.accepts_per_second`.
pub const ACCEPTS_PER_SECOND: Bound = Bound {
    table: LIMITS,
    name: "accepts_per_second",
    unit: Unit::Count,
    default: UNBOUNDED_ACCEPTS,
    min: 1,
    max: UNBOUNDED_ACCEPTS,
    what: "Connections of the plugin that are accepted in each second.",
    why: "Whoever connects and vanishes makes a sandbox each time; the default is no bound.",
    at: AtBound::Wait,
    then: "New connections wait in the listener's backlog; a second's worth may come at once.",
};

/// `plugins.*.limits.outgoing`.
pub const OUTGOING: Bound = Bound {
    table: LIMITS,
    name: "outgoing",
    unit: Unit::Count,
    default: 1000,
    min: 0,
    max: 1_000_000,
    what: "Outgoing connections of the plugin at once, those still connecting included.",
    why: "A plugin must not flood what it may reach.",
    at: AtBound::Refuse,
    then: "`connect` answers `limit`.",
};

/// `plugins.*.limits.lookups`.
pub const LOOKUPS: Bound = Bound {
    table: LIMITS,
    name: "lookups",
    unit: Unit::Count,
    default: 100,
    min: 0,
    max: 1000,
    what: "Names of the plugin that are being looked up.",
    why: "A reactor has eight threads for that, of which a tenant uses two at once; the others of its names wait.",
    at: AtBound::Refuse,
    then: "`connect` answers `limit`.",
};

/// `plugins.*.limits.timers`.
pub const TIMERS: Bound = Bound {
    table: LIMITS,
    name: "timers",
    unit: Unit::Count,
    default: 10_000,
    min: 0,
    max: 1_000_000,
    what: "Timers set at once by one instance.",
    why: "Each takes host memory.",
    at: AtBound::Refuse,
    then: "Setting a timer answers `limit`.",
};

/// `plugins.*.limits.ticks`.
pub const TICKS: Bound = Bound {
    table: LIMITS,
    name: "ticks",
    unit: Unit::Count,
    default: 10_000,
    min: 0,
    max: 1_000_000,
    what: "Ticks queued at once by one instance.",
    why: "Each takes host memory, and all of them run in one turn.",
    at: AtBound::Refuse,
    then: "`next-tick` answers `limit`.",
};

/// `plugins.*.limits.outbox_high`.
pub const OUTBOX_HIGH: Bound = Bound {
    table: LIMITS,
    name: "outbox_high",
    unit: Unit::Bytes,
    default: 64 * KIB,
    min: 2,
    max: GIB,
    what: "Bytes in an outbox above which its peer counts as slow.",
    why: "A few full socket buffers; at most `outbox_max`.",
    at: AtBound::Wait,
    then: "The connection is not read until the outbox is below `outbox_low`.",
};

/// `plugins.*.limits.outbox_low`.
pub const OUTBOX_LOW: Bound = Bound {
    table: LIMITS,
    name: "outbox_low",
    unit: Unit::Bytes,
    default: 16 * KIB,
    min: 1,
    max: GIB,
    what: "Bytes in an outbox below which a slow peer is quick again.",
    why: "Well below `outbox_high`, so that the two do not alternate.",
    at: AtBound::Wait,
    then: "`drained` is called and the connection is read again.",
};

/// `plugins.*.limits.outbox_max`.
pub const OUTBOX_MAX: Bound = Bound {
    table: LIMITS,
    name: "outbox_max",
    unit: Unit::Bytes,
    default: 16 * MIB,
    min: 2,
    max: GIB,
    what: "Bytes an outbox never exceeds.",
    why: "Output that nobody reads is host memory.",
    at: AtBound::Refuse,
    then: "`send-data` answers `outbox-full` and takes none of the bytes.",
};

/// `plugins.*.limits.log_line`.
pub const LOG_LINE: Bound = Bound {
    table: LIMITS,
    name: "log_line",
    unit: Unit::Bytes,
    default: 4 * KIB,
    min: 64,
    max: MIB,
    what: "Bytes of one log line that are kept.",
    why: "A line must not hide the others.",
    at: AtBound::Cut,
    then: "The rest of the line is left out.",
};

/// `plugins.*.limits.handles`.
pub const HANDLES: Bound = Bound {
    table: LIMITS,
    name: "handles",
    unit: Unit::Count,
    default: 1024,
    min: 16,
    max: 1_000_000,
    what: "Files, streams and other things of WASI that one instance holds.",
    why: "Each takes host memory, and a file a descriptor.",
    at: AtBound::Trap,
    then: "The call that asks for one more ends the instance.",
};

/// `plugins.*.limits.call_bytes`.
pub const CALL_BYTES: Bound = Bound {
    table: LIMITS,
    name: "call_bytes",
    unit: Unit::Bytes,
    default: 32 * MIB,
    min: 64 * KIB,
    max: GIB,
    what: "Bytes that one call of a guest hands to the host.",
    why: "They are copied before anything can look at them; what is sent on a socket is not copied.",
    at: AtBound::Trap,
    then: "The instance ends and its connections are closed.",
};

/// `plugins.*.limits.traps`.
pub const TRAPS: Bound = Bound {
    table: LIMITS,
    name: "traps",
    unit: Unit::Count,
    default: 1000,
    min: 1,
    max: NEVER_PARKED,
    what: "Instances of the plugin that end in a trap within `trap_window`; a million is no bound.",
    why: "A plugin that does nothing but trap costs the others; a peer that can make it trap must not park it too easily.",
    at: AtBound::Park,
    then: "The plugin is parked: it has no new instances until SIGHUP or a restart.",
};

/// `plugins.*.limits.trap_window`.
pub const TRAP_WINDOW: Bound = Bound {
    table: LIMITS,
    name: "trap_window",
    unit: Unit::Time,
    default: MINUTE,
    min: SECOND,
    max: 24 * HOUR,
    what: "In how long a time `traps` are counted.",
    why: "A trap a day is no reason to park.",
    at: AtBound::Wait,
    then: "The count begins anew.",
};

/// `plugins.*.limits.cpu_per_operation`.
pub const CPU_PER_OPERATION: Bound = Bound {
    table: LIMITS,
    name: "cpu_per_operation",
    unit: Unit::Time,
    default: 10 * SECOND,
    min: MILLISECOND,
    max: HOUR,
    what: "CPU time one deferred operation may take.",
    why: "Apart from that of events: work is deferred because it is long.",
    at: AtBound::Trap,
    then: "The worker's instance ends; `deferred-handler` gets `too-long`.",
};

/// `plugins.*.limits.operation_deadline`.
pub const OPERATION_DEADLINE: Bound = Bound {
    table: LIMITS,
    name: "operation_deadline",
    unit: Unit::Time,
    default: MINUTE,
    min: MILLISECOND,
    max: 24 * HOUR,
    what: "How long one deferred operation may take in all, waiting included.",
    why: "An operation that sleeps holds its worker.",
    at: AtBound::Trap,
    then: "The worker's instance ends; `deferred-handler` gets `too-long`.",
};

/// `plugins.*.limits.deferred`.
pub const DEFERRED: Bound = Bound {
    table: LIMITS,
    name: "deferred",
    unit: Unit::Count,
    default: 1000,
    min: 0,
    max: 1_000_000,
    what: "Deferred jobs of the plugin that have not ended.",
    why: "Each holds its argument or its result in host memory.",
    at: AtBound::Refuse,
    then: "`defer` answers `limit`.",
};

/// `plugins.*.limits.processes`.
pub const PROCESSES: Bound = Bound {
    table: LIMITS,
    name: "processes",
    unit: Unit::Count,
    default: 100,
    min: 0,
    max: 1_000_000,
    what: "Processes of the plugin at once.",
    why: "Each is a sandbox; one that spawns itself must come to an end.",
    at: AtBound::Refuse,
    then: "`spawn` answers `limit`.",
};

/// `plugins.*.limits.mailbox`.
pub const MAILBOX: Bound = Bound {
    table: LIMITS,
    name: "mailbox",
    unit: Unit::Bytes,
    default: MIB,
    min: 64,
    max: GIB,
    what: "Messages that wait in the mailbox of one process, with 64 bytes for each.",
    why: "A process that is slower than its senders must not grow.",
    at: AtBound::Refuse,
    then: "`notify` answers `limit` and does not take the message.",
};

/// `plugins.*.limits.subscriptions`.
pub const SUBSCRIPTIONS: Bound = Bound {
    table: LIMITS,
    name: "subscriptions",
    unit: Unit::Count,
    default: 1000,
    min: 0,
    max: 1_000_000,
    what: "Subscriptions of one instance.",
    why: "Every push does work for each.",
    at: AtBound::Refuse,
    then: "`subscribe` answers `limit`.",
};

/// `plugins.*.limits.pops`.
pub const POPS: Bound = Bound {
    table: LIMITS,
    name: "pops",
    unit: Unit::Count,
    default: 1000,
    min: 0,
    max: 1_000_000,
    what: "Pops of one instance that wait for an item.",
    why: "Each takes host memory.",
    at: AtBound::Refuse,
    then: "`pop` answers `limit`.",
};

/// `plugins.*.limits.message`.
pub const MESSAGE: Bound = Bound {
    table: LIMITS,
    name: "message",
    unit: Unit::Bytes,
    default: MIB,
    min: 1,
    max: GIB,
    what: "Bytes of one message, queue item, argument or result.",
    why: "Each is copied into host memory.",
    at: AtBound::Refuse,
    then: "The call that brings it answers `limit`; a result that is larger becomes `too-large`.",
};

/// `tenants.*.limits.memory`.
pub const TENANT_MEMORY: Bound = Bound {
    table: TENANT_LIMITS,
    name: "memory",
    unit: Unit::Bytes,
    default: 16 * GIB,
    min: 64 * KIB,
    max: 1024 * GIB,
    what: "Linear memory of all instances of the tenant together.",
    why: "A thousand small sandboxes are a large one.",
    at: AtBound::Refuse,
    then: "`memory.grow` fails and no new instance can be made; the log says `tenant memory`.",
};

/// `tenants.*.limits.instances`.
pub const TENANT_INSTANCES: Bound = Bound {
    table: TENANT_LIMITS,
    name: "instances",
    unit: Unit::Count,
    default: UNBOUNDED_INSTANCES,
    min: 1,
    max: UNBOUNDED_INSTANCES,
    what: "Sandboxes of the tenant alive at once.",
    why: "One tenant must not have the sandboxes of all; by default it may have all but those that are kept for the others.",
    at: AtBound::Wait,
    then: "Its new connections wait in the listener's backlog until one of its sandboxes ends.",
};

/// `tenants.*.limits.outboxes`.
pub const OUTBOXES: Bound = Bound {
    table: TENANT_LIMITS,
    name: "outboxes",
    unit: Unit::Bytes,
    default: GIB,
    min: 64 * KIB,
    max: 1024 * GIB,
    what: "Bytes in the outboxes of all connections of the tenant together.",
    why: "A thousand outboxes that nobody reads are the host's memory.",
    at: AtBound::Refuse,
    then: "`send-data` answers `outbox-full` and takes none of the bytes; an empty outbox still takes up to `outbox_low`.",
};

/// `tenants.*.limits.cpu_per_second`.
pub const CPU_PER_SECOND: Bound = Bound {
    table: TENANT_LIMITS,
    name: "cpu_per_second",
    unit: Unit::Time,
    default: UNBOUNDED_CPU,
    min: MILLISECOND,
    max: UNBOUNDED_CPU,
    what: "CPU time that the tenant may use in each second, on all reactors and workers together.",
    why: "What a tenant uses of the reactors the others wait for; the default is more than there are cores.",
    at: AtBound::Wait,
    then: "Its events wait and its connections are not read; it may have a second's worth in advance.",
};

/// `tenants.*.limits.channels`.
pub const CHANNELS: Bound = Bound {
    table: TENANT_LIMITS,
    name: "channels",
    unit: Unit::Count,
    default: 1000,
    min: 0,
    max: 1_000_000,
    what: "Channels and queues of the tenant that are in use.",
    why: "Each name takes host memory.",
    at: AtBound::Refuse,
    then: "`subscribe`, `pop` and the `push` of a queue answer `limit`.",
};

/// `tenants.*.limits.channel`.
pub const CHANNEL: Bound = Bound {
    table: TENANT_LIMITS,
    name: "channel",
    unit: Unit::Bytes,
    default: 4 * MIB,
    min: 64,
    max: GIB,
    what: "Messages of one channel that have not reached all its subscribers, with 64 bytes for each.",
    why: "The slowest subscriber decides how long a message is kept.",
    at: AtBound::Refuse,
    then: "`push` answers `limit` and nobody gets the message.",
};

/// `tenants.*.limits.queue`.
pub const QUEUE: Bound = Bound {
    table: TENANT_LIMITS,
    name: "queue",
    unit: Unit::Bytes,
    default: 4 * MIB,
    min: 64,
    max: GIB,
    what: "Items of one queue, with 64 bytes for each.",
    why: "A queue whose consumers are slow must not grow.",
    at: AtBound::Refuse,
    then: "`push` answers `limit` and does not take the item.",
};

/// `tenants.*.limits.messages`.
pub const MESSAGES: Bound = Bound {
    table: TENANT_LIMITS,
    name: "messages",
    unit: Unit::Bytes,
    default: 64 * MIB,
    min: 64,
    max: 64 * GIB,
    what: "Everything that waits in mailboxes, channels, queues and deferred jobs of the tenant.",
    why: "Bounds what all of them together take of host memory.",
    at: AtBound::Refuse,
    then: "Whatever would add to it answers `limit`.",
};

/// `tenants.*.limits.read_per_second`.
pub const READ_PER_SECOND: Bound = Bound {
    table: TENANT_LIMITS,
    name: "read_per_second",
    unit: Unit::Bytes,
    default: UNBOUNDED_BYTES,
    min: KIB,
    max: UNBOUNDED_BYTES,
    what: "Bytes that the tenant's connections read in each second, all together.",
    why: "One tenant must not take the line of all; the default is no bound.",
    at: AtBound::Wait,
    then: "Its connections are not read for a while, so that their peers slow down.",
};

/// `tenants.*.limits.write_per_second`.
pub const WRITE_PER_SECOND: Bound = Bound {
    table: TENANT_LIMITS,
    name: "write_per_second",
    unit: Unit::Bytes,
    default: UNBOUNDED_BYTES,
    min: KIB,
    max: UNBOUNDED_BYTES,
    what: "Bytes that the tenant's connections write in each second, all together.",
    why: "As `read_per_second`.",
    at: AtBound::Wait,
    then: "What is sent waits in the outboxes, whose marks tell the plugin as with a slow peer.",
};

/// `tenants.*.limits.log_per_second`.
pub const LOG_PER_SECOND: Bound = Bound {
    table: TENANT_LIMITS,
    name: "log_per_second",
    unit: Unit::Bytes,
    default: MIB,
    min: 64,
    max: GIB,
    what: "Bytes of the tenant's own lines in the log in each second.",
    why: "A log that one tenant fills is of no use for the others.",
    at: AtBound::Cut,
    then: "Lines are left out; the next one that is not says how many.",
};

/// `listen.*.backlog`.
pub const BACKLOG: Bound = Bound {
    table: LISTEN,
    name: "backlog",
    unit: Unit::Count,
    default: 1024,
    min: 1,
    max: 65_535,
    what: "Connections the system keeps until they are accepted.",
    why: "Carries a burst over a busy turn; the system may have a lower bound of its own.",
    at: AtBound::Refuse,
    then: "The system turns peers away or lets them try again.",
};

/// The bounds whose largest value is no bound.
pub(crate) const UNBOUNDED: &[&Bound] = &[
    &ACCEPTS_PER_SECOND,
    &TRAPS,
    &TENANT_INSTANCES,
    &CPU_PER_SECOND,
    &READ_PER_SECOND,
    &WRITE_PER_SECOND,
];

/// Every bound, in the order of the reference.
pub const ALL: &[&Bound] = &[
    &REACTORS,
    &WORKERS,
    &SLOW_LANE,
    &SLICE,
    &STOP_DEADLINE,
    &CLOSE_DEADLINE,
    &INSTANCES,
    &MEMORY,
    &TABLES,
    &CPU_PER_EVENT,
    &EVENT_DEADLINE,
    &CONNECTIONS,
    &ACCEPTS_PER_SECOND,
    &OUTGOING,
    &LOOKUPS,
    &TIMERS,
    &TICKS,
    &OUTBOX_HIGH,
    &OUTBOX_LOW,
    &OUTBOX_MAX,
    &LOG_LINE,
    &HANDLES,
    &CALL_BYTES,
    &TRAPS,
    &TRAP_WINDOW,
    &CPU_PER_OPERATION,
    &OPERATION_DEADLINE,
    &DEFERRED,
    &PROCESSES,
    &MAILBOX,
    &SUBSCRIPTIONS,
    &POPS,
    &MESSAGE,
    &TENANT_MEMORY,
    &TENANT_INSTANCES,
    &OUTBOXES,
    &CPU_PER_SECOND,
    &CHANNELS,
    &CHANNEL,
    &QUEUE,
    &MESSAGES,
    &READ_PER_SECOND,
    &WRITE_PER_SECOND,
    &LOG_PER_SECOND,
    &BACKLOG,
];
