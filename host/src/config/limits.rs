//! Every bound of the host: its default, its range, its reason and its consequence.
//!
//! Bounds are defined only here: from each row, `table` makes the constant, the field of the configuration and of its mirror, its
//! parsing and printing, and the text of its errors. `docs/config.md` contains the table that `reference` makes of them.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::time::Duration;

use super::bound::Bound;
use super::quantity::Quantity;
use super::raw::{RawCertificate, RawProxyProtocol, RawRegistry, RawSecret};
use super::table::limits;

const KIB: u64 = 1 << 10;
const MIB: u64 = 1 << 20;
const GIB: u64 = 1 << 30;
const MILLISECOND: u64 = 1_000;
const SECOND: u64 = 1_000_000;
const MINUTE: u64 = 60 * SECOND;
const HOUR: u64 = 60 * MINUTE;
/// The CPU time in a second that means no bound.
const UNBOUNDED_CPU: u64 = HOUR;
/// The bytes in a second that mean no bound.
const UNBOUNDED_BYTES: u64 = 1024 * GIB;
/// The number of traps that means no quarantine.
const NEVER_IN_QUARANTINE: u64 = 1_000_000;
/// The number of sandboxes of a tenant that means no bound.
const UNBOUNDED_INSTANCES: u64 = 1_000_000;
/// The number of connections in a second that means no bound.
const UNBOUNDED_ACCEPTS: u64 = 1_000_000;

/// The stack of a handler. EventMachine's users recurse on the stack of their own language; this is that of WebAssembly.
pub(crate) const GUEST_STACK_BYTES: usize = 512 << 10;

/// The form of a table of options, in any section.
pub(super) const OPTIONS: &str = r#"a table of options, as in options = { greeting = "hello" }"#;

limits! {
    /// The bounds of `[host]`. Meaning, range and what happens at each are beside its constant.
    struct HostLimits from #[derive(Clone, Default)] struct RawHost at "host" {
        reactors: bound REACTORS: usize = {
            what: "Reactors, each with a thread, connections, timers and instances of its own.",
            why: "One serves most sites; several share the listeners.",
            at: Wait,
            then: "Events wait for the turn of their reactor.",
            unit: Count,
            default: 1,
            min: 1,
            max: 1024,
            form: r#"a number of threads, as in reactors = 1, or reactors = "cores""#,
        };
        workers: bound WORKERS: usize = {
            what: "Threads that do deferred work, with a lower priority than the reactors.",
            why: "Deferred work must not take the cores that the reactors need. If several tenants have such work, none gets all threads.",
            at: Wait,
            then: "Jobs wait for a free thread.",
            unit: Count,
            default: 2,
            min: 1,
            max: 1024,
            form: "a number of threads, as in workers = 2",
        };
        slow_lane: bound SLOW_LANE: usize = {
            what: "Handlers that compute in parallel after they have exceeded their slice, with a lower priority than the reactors.",
            why: "A reactor spends time on first slices only.",
            at: Wait,
            then: "Handlers take turns of one slice, by tenant.",
            unit: Count,
            default: 2,
            min: 1,
            max: 1024,
            form: "a number of handlers, as in slow_lane = 2",
        };
        log: key Option<String> = r#"a level, as in log = "info""#;
        log_format: key Option<String> = r#"log_format = "text" or log_format = "json""#;
        backtraces: key Option<String> = r#"backtraces = "functions" or backtraces = "lines""#;
        handover: key Option<String> = r#"a path in quotes, as in handover = "/run/sandloop/handover.sock""#;
        slice: bound SLICE: Duration = {
            what: "Time that a handler may hold its reactor.",
            why: "It is the delay that an endless loop adds for its neighbours; shorter slices cost more switches.",
            at: Wait,
            then: "The handler continues in the slow lane, its reactor without it.",
            unit: Time,
            default: MILLISECOND,
            min: 100,
            max: 100 * MILLISECOND,
            form: r#"a duration in quotes, as in slice = "1ms""#,
        };
        stop_deadline: bound STOP_DEADLINE: Duration = {
            what: "Time of a whole stop, including the hooks of programs. Its last tenth, between 250 ms and 500 ms and at most half of it, is left for delivering ends to guests; until then output drains and, after a signal, work in progress on connections continues.",
            why: "Neither a peer that does not read nor a guest may prevent the end of the host.",
            at: Close,
            then: "Running calls are cancelled, queued bytes are dropped, every connection is closed and gets its `unbind`.",
            unit: Time,
            default: 5 * SECOND,
            min: 0,
            max: HOUR,
            form: r#"a duration in quotes, as in stop_deadline = "5s""#,
        };
        close_deadline: bound CLOSE_DEADLINE: Duration = {
            what: "Time that `close-connection-after-writing` waits for a peer that does not read.",
            why: "Otherwise a stalled peer would hold its connection and sandbox for ever.",
            at: Close,
            then: "The connection is closed; `unbind` gets the reason `limit`.",
            unit: Time,
            default: 30 * SECOND,
            min: MILLISECOND,
            max: HOUR,
            form: r#"a duration in quotes, as in close_deadline = "30s""#,
        };
        instances: bound INSTANCES: u32 = {
            what: "Sandboxes alive at once in the host.",
            why: "Their address space is reserved at the start. Half of them are reserved in equal parts for the tenants; the others are first come, first served.",
            at: Wait,
            then: "New connections wait in the listener's backlog until a sandbox ends.",
            unit: Count,
            default: 2000,
            min: 1,
            max: 1_000_000,
            form: "a number of sandboxes, as in instances = 2000",
        };
        log_queue: bound LOG_QUEUE: u64 = {
            what: "Bytes of log lines that wait to be written.",
            why: "A slow reader of the log must not delay the host. Half is reserved in equal parts for the host and the tenants; the other half is first come, first served.",
            at: Cut,
            then: "Lines are left out; a line reports their number by tenant as soon as there is room.",
            unit: Bytes,
            default: 16 * MIB,
            min: 64 * KIB,
            max: GIB,
            form: r#"a size, as in log_queue = "16MiB""#,
        };
        stdout_queue: bound STDOUT_QUEUE: u64 = {
            what: "Bytes that wait to be written to the host's standard output, for plugins with `stdout = \"inherit\"`.",
            why: "As `log_queue`, divided in the same way.",
            at: Cut,
            then: "Output is left out; a log line reports the number of bytes by tenant as soon as there is room.",
            unit: Bytes,
            default: 16 * MIB,
            min: 64 * KIB,
            max: GIB,
            form: r#"a size, as in stdout_queue = "16MiB""#,
        };
        reload_on_change: key Option<bool> = "reload_on_change = true or reload_on_change = false";
        compile_cache: key Option<String> = r#"compile_cache = "default", "off" or a folder in quotes"#;
        compile_cache_size: bound COMPILE_CACHE_SIZE: u64 = {
            what: "Bytes of all compiled components in `compile_cache`.",
            why: "Each build of a component and each version of the host adds one.",
            at: Cut,
            then: "The least recently used ones are removed, except those that this start uses.",
            unit: Bytes,
            default: 2 * GIB,
            min: MIB,
            max: 1024 * GIB,
            form: r#"a size, as in compile_cache_size = "2GiB""#,
        };
        store: key Option<String> = r#"store = "default", "off" or a folder in quotes"#;
        store_size: bound STORE_SIZE: u64 = {
            what: "Bytes of all fetched components in `store`.",
            why: "Each version of a component adds one.",
            at: Cut,
            then: "The least recently used ones are removed, except those that this start uses.",
            unit: Bytes,
            default: GIB,
            min: MIB,
            max: 1024 * GIB,
            form: r#"a size, as in store_size = "1GiB""#,
        };
        fetch_size: bound FETCH_SIZE: u64 = {
            what: "Bytes of one fetched component, for an image also those of its unpacked layer.",
            why: "A server may send without end; an interpreter has 20 to 40 MB.",
            at: Refuse,
            then: "Nothing is stored; the start fails, a reload changes nothing.",
            unit: Bytes,
            default: 128 * MIB,
            min: 64 * KIB,
            max: GIB,
            form: r#"a size, as in fetch_size = "128MiB""#,
        };
        fetch_time: bound FETCH_TIME: Duration = {
            what: "Time of one request for a component, from the look-up of the name to the last byte.",
            why: "The host serves only after every component is fetched, and a server may send nothing, or a byte a minute.",
            at: Refuse,
            then: "Nothing is stored; the start fails, a reload changes nothing.",
            unit: Time,
            default: MINUTE,
            min: 100 * MILLISECOND,
            max: HOUR,
            form: r#"a duration in quotes, as in fetch_time = "1m""#,
        };
        #[serde(default)]
        trust: key Vec<String> = r#"a list of keys of minisign, as in trust = ["release.pub"]"#,
            each r#"a key of minisign in quotes, as in "RWQ…", or the path of its file"#;
        #[serde(default)]
        registries: key BTreeMap<String, RawRegistry> = r#"a section for each server, as in [host.registries."ghcr.io"]"#,
            each r#"a section, as in [host.registries."ghcr.io"]"#;
        compile_memory: bound COMPILE_MEMORY: u64 = {
            what: "Bytes of memory of the process that compiles one component.",
            why: "Compiling a small component can take gigabytes; an interpreter of 20 MB takes about 400 MiB. There is one process for each core.",
            at: Refuse,
            then: "The plugin is left out, its listeners stay closed, the others serve; `sandloop check` fails.",
            unit: Bytes,
            default: 1536 * MIB,
            min: 64 * MIB,
            max: 1024 * GIB,
            form: r#"a size, as in compile_memory = "2GiB""#,
        };
        compile_time: bound COMPILE_TIME: Duration = {
            what: "CPU time of compiling one component, on all cores together.",
            why: "The host serves only after every component is compiled. Other work of the machine does not count; a process that has not ended half an hour after that time is killed, too.",
            at: Refuse,
            then: "The plugin is left out, its listeners stay closed, the others serve; `sandloop check` fails.",
            unit: Time,
            default: 3 * MINUTE,
            min: SECOND,
            max: 24 * HOUR,
            form: r#"a duration in quotes, as in compile_time = "3m""#,
        };
    }
}

limits! {
    /// `[plugins.<name>.limits]`. Meaning, range and what happens at each bound are beside its constant.
    struct Limits from #[derive(Default)] struct RawLimits at "plugins.*.limits" {
        memory: bound MEMORY: u64 = {
            what: "Bytes of linear memory of one instance, all its memories together.",
            why: "Enough for an interpreter; a native guest needs 1 or 2 MiB. Untouched memory costs nothing.",
            at: Refuse,
            then: "`memory.grow` fails; most guests then trap. A larger component is not loaded.",
            unit: Bytes,
            default: 16 * MIB,
            min: 64 * KIB,
            max: 4 * GIB,
            form: r#"a size, as in memory = "16MiB""#,
        };
        tables: bound TABLES: u32 = {
            what: "Elements of all tables of one instance together.",
            why: "They contain the functions that are called by pointer; interpreters have thousands.",
            at: Refuse,
            then: "`table.grow` fails. A larger component is not loaded.",
            unit: Count,
            default: 50_000,
            min: 1,
            max: 1_000_000,
            form: "a number of elements, as in tables = 50000",
        };
        memory_count: bound MEMORY_COUNT: u32 = {
            what: "Linear memories of one instance.",
            why: "A composed component has one for each part. Each takes a slot of address space and four memory mappings.",
            at: Refuse,
            then: "A larger component is not loaded.",
            unit: Count,
            default: 100,
            min: 1,
            max: 10_000,
            form: "a number of memories, as in memory_count = 100",
        };
        table_count: bound TABLE_COUNT: u32 = {
            what: "Tables of one instance.",
            why: "Each takes address space for `tables` elements.",
            at: Refuse,
            then: "A larger component is not loaded.",
            unit: Count,
            default: 300,
            min: 1,
            max: 10_000,
            form: "a number of tables, as in table_count = 300",
        };
        core_instances: bound CORE_INSTANCES: u32 = {
            what: "Core instances of which one instance is made.",
            why: "Each takes time and host memory; Python with extension modules has some hundreds.",
            at: Refuse,
            then: "A larger component is not loaded.",
            unit: Count,
            default: 1000,
            min: 1,
            max: 10_000,
            form: "a number of core instances, as in core_instances = 1000",
        };
        cpu_per_event: bound CPU_PER_EVENT: Duration = {
            what: "CPU time of one event, over all its slices, including host functions.",
            why: "It distinguishes an endless loop from long work.",
            at: Trap,
            then: "The instance ends and its connections are closed; other instances are not affected.",
            unit: Time,
            default: SECOND,
            min: MILLISECOND,
            max: HOUR,
            form: r#"a duration in quotes, as in cpu_per_event = "1s""#,
        };
        event_deadline: bound EVENT_DEADLINE: Duration = {
            what: "Time of one event: its computing and its waits in WASI calls together, without waiting for its turn or for a core.",
            why: "A sleeping handler holds its instance, its connections and its slot in the pool.",
            at: Trap,
            then: "The instance ends and its connections are closed; other instances are not affected.",
            unit: Time,
            default: MINUTE,
            min: MILLISECOND,
            max: 24 * HOUR,
            form: r#"a duration in quotes, as in event_deadline = "1m""#,
        };
        connections: bound CONNECTIONS: u32 = {
            what: "Accepted connections of the plugin at once.",
            why: "One plugin must not take all file descriptors.",
            at: Wait,
            then: "New connections wait in the listener's backlog until one ends.",
            unit: Count,
            default: 10_000,
            min: 1,
            max: 1_000_000,
            form: "a number, as in connections = 10000",
        };
        handshake_deadline: bound HANDSHAKE_DEADLINE: Duration = {
            what: "Time of the TLS handshake of a connection, including the PROXY protocol header before it.",
            why: "An incomplete handshake holds a connection and its sandbox. A slow line needs some seconds for the round trips and a chain of certificates.",
            at: Close,
            then: "The connection is closed; `unbind` gets the reason `limit`.",
            unit: Time,
            default: 10 * SECOND,
            min: 10 * MILLISECOND,
            max: HOUR,
            form: r#"a duration in quotes, as in handshake_deadline = "10s""#,
        };
        drain_deadline: bound DRAIN_DEADLINE: Duration = {
            what: "Time for which instances of an earlier version continue after a reload.",
            why: "A connection may last for days, during which its version holds memory and code.",
            at: Close,
            then: "Queued bytes are sent, the connections are closed; `unbind` gets the reason `stopped`. Processes end.",
            unit: Time,
            default: 10 * MINUTE,
            min: 0,
            max: 30 * 24 * HOUR,
            form: r#"a duration in quotes, as in drain_deadline = "10m""#,
        };
        listeners: bound LISTENERS: u32 = {
            what: "Listeners and datagram sockets that the plugin has opened itself.",
            why: "Each holds a port, which others may need, and a file descriptor.",
            at: Refuse,
            then: "`start-server` and `open-datagram-socket` return `limit`.",
            unit: Count,
            default: 16,
            min: 0,
            max: 65_535,
            form: "a number, as in listeners = 16",
        };
        datagram_answers: bound DATAGRAM_ANSWERS: u32 = {
            what: "Bytes of answers for each byte of a datagram, on a socket that the plugin has opened, to a sender that `allow.connect` does not list.",
            why: "With a forged sender in small datagrams, the plugin could be made to flood a victim. QUIC allows three times; 28 bytes of headers count in both directions.",
            at: Refuse,
            then: "`send-data` and `send-datagram` return `denied` until that sender sends again.",
            unit: Count,
            default: 3,
            min: 0,
            max: 1000,
            form: "a number, as in datagram_answers = 3",
        };
        accepts_per_second: bound ACCEPTS_PER_SECOND: Option<u32> = {
            what: "Accepted connections of the plugin in each second.",
            why: "Each connection takes a sandbox, however short it is; the default means no bound.",
            at: Wait,
            then: "New connections wait in the listener's backlog; those of one second may come at once.",
            unit: Count,
            default: UNBOUNDED_ACCEPTS,
            min: 1,
            max: UNBOUNDED_ACCEPTS,
            form: "a number, as in accepts_per_second = 100",
        };
        outgoing: bound OUTGOING: u32 = {
            what: "Outgoing connections of the plugin at once, including those in progress.",
            why: "A plugin must not flood the hosts that it may reach.",
            at: Refuse,
            then: "`connect` returns `limit`.",
            unit: Count,
            default: 1000,
            min: 0,
            max: 1_000_000,
            form: "a number, as in outgoing = 1000",
        };
        lookups: bound LOOKUPS: u32 = {
            what: "Look-ups of names by the plugin at once, including those that wait.",
            why: "The host has eight threads for look-ups, of which a tenant uses two at once; its other names wait.",
            at: Refuse,
            then: "`connect` returns `limit`.",
            unit: Count,
            default: 100,
            min: 0,
            max: 1000,
            form: "a number, as in lookups = 100",
        };
        watches: bound WATCHES: u32 = {
            what: "Files and folders that the plugin watches at once.",
            why: "The plugins share the system's bound for the user of the host (`fs.inotify.max_user_watches`).",
            at: Refuse,
            then: "`watch-file` returns `limit`.",
            unit: Count,
            default: 100,
            min: 0,
            max: 10_000,
            form: "a number, as in watches = 100",
        };
        timers: bound TIMERS: u32 = {
            what: "Timers of one instance at once.",
            why: "Each takes host memory.",
            at: Refuse,
            then: "Setting a timer returns `limit`.",
            unit: Count,
            default: 10_000,
            min: 0,
            max: 1_000_000,
            form: "a number, as in timers = 10000",
        };
        ticks: bound TICKS: u32 = {
            what: "Queued ticks of one instance.",
            why: "Each takes host memory, and all of them run in one turn.",
            at: Refuse,
            then: "`next-tick` returns `limit`.",
            unit: Count,
            default: 10_000,
            min: 0,
            max: 1_000_000,
            form: "a number, as in ticks = 10000",
        };
        outbox_high: bound OUTBOX_HIGH: u32 = {
            what: "Bytes in an outbox above which the peer counts as slow.",
            why: "A few socket buffers; at most `outbox_max`.",
            at: Wait,
            then: "The connection is not read until the outbox is below `outbox_low`.",
            unit: Bytes,
            default: 64 * KIB,
            min: 2,
            max: GIB,
            form: r#"a size, as in outbox_high = "64KiB""#,
        };
        outbox_low: bound OUTBOX_LOW: u32 = {
            what: "Bytes in an outbox below which a slow peer counts as quick again.",
            why: "Well below `outbox_high`, so that the two states do not alternate.",
            at: Wait,
            then: "`drained` is called, and the connection is read again.",
            unit: Bytes,
            default: 16 * KIB,
            min: 1,
            max: GIB,
            form: r#"a size, as in outbox_low = "16KiB""#,
        };
        outbox_max: bound OUTBOX_MAX: u32 = {
            what: "Bytes in one outbox.",
            why: "Unread output takes host memory.",
            at: Refuse,
            then: "`send-data` returns `outbox-full` and takes none of the bytes.",
            unit: Bytes,
            default: 16 * MIB,
            min: 2,
            max: GIB,
            form: r#"a size, as in outbox_max = "16MiB""#,
        };
        log_line: bound LOG_LINE: u32 = {
            what: "Bytes of one log line of a plugin as they are written: an escape such as `\\u{1b}` counts with all its characters.",
            why: "One line must not hide the others.",
            at: Cut,
            then: "The rest of the line is left out.",
            unit: Bytes,
            default: 4 * KIB,
            min: 64,
            max: MIB,
            form: r#"a size, as in log_line = "4KiB""#,
        };
        handles: bound HANDLES: u32 = {
            what: "Files, streams and other WASI resources of one instance; it may have the same number of resources of its own, and four more for each of its `connections`.",
            why: "Each takes host memory, a file also a descriptor.",
            at: Trap,
            then: "The call that needs one more ends the instance.",
            unit: Count,
            default: 1024,
            min: 16,
            max: 1_000_000,
            form: "a number, as in handles = 1024",
        };
        call_bytes: bound CALL_BYTES: u64 = {
            what: "Bytes that one call of a guest passes to the host.",
            why: "They are copied before they can be checked; bytes for a socket are not copied.",
            at: Trap,
            then: "The instance ends and its connections are closed.",
            unit: Bytes,
            default: 32 * MIB,
            min: 64 * KIB,
            max: GIB,
            form: r#"a size, as in call_bytes = "32MiB""#,
        };
        http_body: bound HTTP_BODY: u64 = {
            what: "Bytes of the body of one request to a component that serves HTTP by `wasi:http`.",
            why: "The body is complete before the handler begins, and counts in the tenant's `host_memory`.",
            at: Refuse,
            then: "The answer is 413, and the connection is closed.",
            unit: Bytes,
            default: MIB,
            min: 0,
            max: GIB,
            form: r#"a size, as in http_body = "1MiB""#,
        };
        traps: bound TRAPS: Option<u32> = {
            what: "Traps of instances of the plugin within `trap_window`; a million means no bound.",
            why: "A plugin that always traps delays the others; a peer that can cause traps must not have it quarantined too easily.",
            at: Quarantine,
            then: "The plugin is quarantined: it has no new instances until SIGHUP or a restart.",
            unit: Count,
            default: 1000,
            min: 1,
            max: NEVER_IN_QUARANTINE,
            form: "a number, as in traps = 1000",
        };
        trap_window: bound TRAP_WINDOW: Duration = {
            what: "Time in which `traps` are counted.",
            why: "One trap a day is no reason for a quarantine.",
            at: Wait,
            then: "The count starts again from 0.",
            unit: Time,
            default: MINUTE,
            min: SECOND,
            max: 24 * HOUR,
            form: r#"a duration in quotes, as in trap_window = "1m""#,
        };
        cpu_per_operation: bound CPU_PER_OPERATION: Duration = {
            what: "CPU time of one deferred operation.",
            why: "Separate from that of events: work is deferred because it is long.",
            at: Trap,
            then: "The worker's instance ends; `deferred-handler` gets `too-long`.",
            unit: Time,
            default: 10 * SECOND,
            min: MILLISECOND,
            max: HOUR,
            form: r#"a duration in quotes, as in cpu_per_operation = "10s""#,
        };
        operation_deadline: bound OPERATION_DEADLINE: Duration = {
            what: "Time of one deferred operation, including waits.",
            why: "A sleeping operation holds its worker.",
            at: Trap,
            then: "The worker's instance ends; `deferred-handler` gets `too-long`.",
            unit: Time,
            default: MINUTE,
            min: MILLISECOND,
            max: 24 * HOUR,
            form: r#"a duration in quotes, as in operation_deadline = "1m""#,
        };
        deferred: bound DEFERRED: u32 = {
            what: "Deferred jobs of the plugin that have not ended.",
            why: "Each keeps its argument or its result in host memory.",
            at: Refuse,
            then: "`defer` returns `limit`.",
            unit: Count,
            default: 1000,
            min: 0,
            max: 1_000_000,
            form: "a number, as in deferred = 1000",
        };
        processes: bound PROCESSES: u32 = {
            what: "Processes of the plugin at once; in a cluster as many again that its instances have spawned on other hosts.",
            why: "Each takes a sandbox, and a process may spawn itself.",
            at: Refuse,
            then: "`spawn` returns `limit`.",
            unit: Count,
            default: 100,
            min: 0,
            max: 1_000_000,
            form: "a number, as in processes = 100",
        };
        mailbox: bound MAILBOX: u64 = {
            what: "Bytes of messages in the mailbox of one process, plus 64 for each message.",
            why: "The mailbox of a slow process must not grow.",
            at: Refuse,
            then: "`notify` returns `limit` and does not take the message.",
            unit: Bytes,
            default: MIB,
            min: 64,
            max: GIB,
            form: r#"a size, as in mailbox = "1MiB""#,
        };
        subscriptions: bound SUBSCRIPTIONS: u32 = {
            what: "Subscriptions of one instance.",
            why: "Each push takes time for every subscription.",
            at: Refuse,
            then: "`subscribe` returns `limit`.",
            unit: Count,
            default: 1000,
            min: 0,
            max: 1_000_000,
            form: "a number, as in subscriptions = 1000",
        };
        pops: bound POPS: u32 = {
            what: "Waiting pops of one instance.",
            why: "Each takes host memory.",
            at: Refuse,
            then: "`pop` returns `limit`.",
            unit: Count,
            default: 1000,
            min: 0,
            max: 1_000_000,
            form: "a number, as in pops = 1000",
        };
        message: bound MESSAGE: u32 = {
            what: "Bytes of one message, queue item, argument or result.",
            why: "Each is copied into host memory.",
            at: Refuse,
            then: "The call returns `limit`; a larger result becomes `too-large`.",
            unit: Bytes,
            default: MIB,
            min: 1,
            max: GIB,
            form: r#"a size, as in message = "1MiB""#,
        };
    }
}

limits! {
    /// `[tenants.<name>.limits]`. Meaning, range and what happens at each bound are beside its constant.
    struct TenantLimits from #[derive(Default)] struct RawTenantLimits at "tenants.*.limits" {
        memory: bound TENANT_MEMORY: u64 = {
            what: "Bytes of linear memory of all instances of the tenant together, in the size that guests see: touched or not.",
            why: "A thousand small sandboxes take as much as a large one.",
            at: Refuse,
            then: "`memory.grow` fails; new connections wait in the listener's backlog until a sandbox ends. Its name in the log is `tenant memory`.",
            unit: Bytes,
            default: 16 * GIB,
            min: 64 * KIB,
            max: 1024 * GIB,
            form: r#"a size, as in memory = "1GiB""#,
        };
        instances: bound TENANT_INSTANCES: Option<u32> = {
            what: "Sandboxes of the tenant alive at once.",
            why: "One tenant must not take all sandboxes; by default it may have all that are not reserved for others.",
            at: Wait,
            then: "Its new connections wait in the listener's backlog until one of its sandboxes ends.",
            unit: Count,
            default: UNBOUNDED_INSTANCES,
            min: 1,
            max: UNBOUNDED_INSTANCES,
            form: "a number of sandboxes, as in instances = 500",
        };
        outboxes: bound OUTBOXES: u64 = {
            what: "Bytes in the outboxes of all connections of the tenant together.",
            why: "A thousand unread outboxes would fill the memory of the host.",
            at: Refuse,
            then: "`send-data` returns `outbox-full` and takes none of the bytes; an empty outbox still takes up to `outbox_low`.",
            unit: Bytes,
            default: GIB,
            min: 64 * KIB,
            max: 1024 * GIB,
            form: r#"a size, as in outboxes = "256MiB""#,
        };
        host_memory: bound HOST_MEMORY: u64 = {
            what: "Bytes of host memory for the tenant besides `messages` and `outboxes`: its connections, timers, ticks, subscriptions, pops, jobs, processes, names of channels and queues, WASI handles, parts of files, folder listings, incomplete lines.",
            why: "One instance or plugin has a bound of its own, and there may be thousands of them.",
            at: Refuse,
            then: "Calls that need more return `limit`; new connections wait; calls on a file or folder return that there is no memory; the rest of a line is left out.",
            unit: Bytes,
            default: 256 * MIB,
            min: MIB,
            max: 1024 * GIB,
            form: r#"a size, as in host_memory = "256MiB""#,
        };
        timers: bound TENANT_TIMERS: u32 = {
            what: "Timers of all instances of the tenant together.",
            why: "Each instance or plugin has a bound of its own, and there may be thousands of these.",
            at: Refuse,
            then: "Setting a timer returns `limit`. Its name in the log is `tenant timers`.",
            unit: Count,
            default: 1_000_000,
            min: 0,
            max: 1_000_000_000,
            form: "a number, as in timers = 100000",
        };
        ticks: bound TENANT_TICKS: u32 = {
            what: "Queued ticks of all instances of the tenant together.",
            why: "Each instance or plugin has a bound of its own, and there may be thousands of these.",
            at: Refuse,
            then: "`next-tick` returns `limit`. Its name in the log is `tenant ticks`.",
            unit: Count,
            default: 1_000_000,
            min: 0,
            max: 1_000_000_000,
            form: "a number, as in ticks = 100000",
        };
        subscriptions: bound TENANT_SUBSCRIPTIONS: u32 = {
            what: "Subscriptions of all instances of the tenant together.",
            why: "Each instance or plugin has a bound of its own, and there may be thousands of these.",
            at: Refuse,
            then: "`subscribe` returns `limit`. Its name in the log is `tenant subscriptions`.",
            unit: Count,
            default: 1_000_000,
            min: 0,
            max: 1_000_000_000,
            form: "a number, as in subscriptions = 100000",
        };
        pops: bound TENANT_POPS: u32 = {
            what: "Waiting pops of all instances of the tenant together.",
            why: "Each instance or plugin has a bound of its own, and there may be thousands of these.",
            at: Refuse,
            then: "`pop` returns `limit`. Its name in the log is `tenant pops`.",
            unit: Count,
            default: 1_000_000,
            min: 0,
            max: 1_000_000_000,
            form: "a number, as in pops = 100000",
        };
        handles: bound TENANT_HANDLES: u32 = {
            what: "Files, streams and other WASI resources of all instances of the tenant together; counted when a handler has returned.",
            why: "Each instance or plugin has a bound of its own, and there may be thousands of these.",
            at: Trap,
            then: "The call that needs one more ends its instance. Its name in the log is `tenant handles`.",
            unit: Count,
            default: 1_000_000,
            min: 16,
            max: 1_000_000_000,
            form: "a number, as in handles = 100000",
        };
        deferred: bound TENANT_DEFERRED: u32 = {
            what: "Deferred jobs of all plugins of the tenant together that have not ended.",
            why: "Each instance or plugin has a bound of its own, and there may be thousands of these.",
            at: Refuse,
            then: "`defer` returns `limit`. Its name in the log is `tenant deferred`.",
            unit: Count,
            default: 1_000_000,
            min: 0,
            max: 1_000_000_000,
            form: "a number, as in deferred = 100000",
        };
        cpu_per_second: bound CPU_PER_SECOND: Option<Duration> = {
            what: "CPU time of the tenant in each second, on all reactors and workers together.",
            why: "Others wait while a tenant uses the reactors; the default is more than any machine has cores.",
            at: Wait,
            then: "Its events wait and its connections are not read; it may use that of one second in advance.",
            unit: Time,
            default: UNBOUNDED_CPU,
            min: MILLISECOND,
            max: UNBOUNDED_CPU,
            form: r#"a duration in quotes, as in cpu_per_second = "500ms""#,
        };
        slow_calls: bound SLOW_CALLS: u32 = {
            what: "Handlers of the tenant at once that have exceeded their first slice, or wait in a WASI call.",
            why: "Each holds a thread.",
            at: Wait,
            then: "Its next events wait until one of them has ended.",
            unit: Count,
            default: 64,
            min: 1,
            max: 10_000,
            form: "a number of handlers, as in slow_calls = 64",
        };
        channels: bound CHANNELS: u32 = {
            what: "Channels and queues of the tenant in use.",
            why: "Each name takes host memory.",
            at: Refuse,
            then: "`subscribe`, `pop` and the `push` of a queue return `limit`.",
            unit: Count,
            default: 1000,
            min: 0,
            max: 1_000_000,
            form: "a number, as in channels = 1000",
        };
        channel: bound CHANNEL: u64 = {
            what: "Bytes of messages of one channel that have not reached all its subscribers, plus 64 for each message.",
            why: "The slowest subscriber determines how long a message is kept.",
            at: Refuse,
            then: "`push` returns `limit`, and no subscriber gets the message.",
            unit: Bytes,
            default: 4 * MIB,
            min: 64,
            max: GIB,
            form: r#"a size, as in channel = "4MiB""#,
        };
        queue: bound QUEUE: u64 = {
            what: "Bytes of items of one queue, plus 64 for each item.",
            why: "A queue with slow consumers must not grow.",
            at: Refuse,
            then: "`push` returns `limit` and does not take the item.",
            unit: Bytes,
            default: 4 * MIB,
            min: 64,
            max: GIB,
            form: r#"a size, as in queue = "4MiB""#,
        };
        messages: bound MESSAGES: u64 = {
            what: "Bytes of all messages in mailboxes, channels, queues and deferred jobs of the tenant, plus 256 for each.",
            why: "It bounds the host memory of all of them together.",
            at: Refuse,
            then: "Calls that would add to it return `limit`.",
            unit: Bytes,
            default: 64 * MIB,
            min: 64,
            max: 64 * GIB,
            form: r#"a size, as in messages = "64MiB""#,
        };
        cluster_outbox: bound CLUSTER_OUTBOX: u64 = {
            what: "Bytes of messages of the tenant that wait to be sent to the NATS server of `[cluster]`, plus 256 for each.",
            why: "Pushes wait here while no server is connected, or if it is slow; they count in `messages`, too.",
            at: Refuse,
            then: "`push` returns `limit`, and no subscriber on any host gets the message.",
            unit: Bytes,
            default: 4 * MIB,
            min: KIB,
            max: 64 * GIB,
            form: r#"a size, as in cluster_outbox = "4MiB""#,
        };
        read_per_second: bound READ_PER_SECOND: Option<u64> = {
            what: "Bytes that all connections of the tenant together read in each second.",
            why: "One tenant must not take the whole bandwidth; the default means no bound.",
            at: Wait,
            then: "Its connections are not read for a while, which slows their peers down.",
            unit: Bytes,
            default: UNBOUNDED_BYTES,
            min: KIB,
            max: UNBOUNDED_BYTES,
            form: r#"a size, as in read_per_second = "10MiB""#,
        };
        write_per_second: bound WRITE_PER_SECOND: Option<u64> = {
            what: "Bytes that all connections of the tenant together write in each second.",
            why: "As `read_per_second`.",
            at: Wait,
            then: "Bytes wait in the outboxes; their marks work as for a slow peer.",
            unit: Bytes,
            default: UNBOUNDED_BYTES,
            min: KIB,
            max: UNBOUNDED_BYTES,
            form: r#"a size, as in write_per_second = "10MiB""#,
        };
        log_per_second: bound LOG_PER_SECOND: u64 = {
            what: "Bytes of the tenant's log lines in each second as they are written, with time, level and fields.",
            why: "A log that one tenant fills is useless to others. Lines of the host about its plugins, such as denials and traps, count too, and have priority.",
            at: Cut,
            then: "Lines are left out; a line reports their number, at most once a second.",
            unit: Bytes,
            default: MIB,
            min: 64,
            max: GIB,
            form: r#"a size, as in log_per_second = "1MiB""#,
        };
    }
}

limits! {
    /// The bounds of a `[[listen]]`.
    struct ListenLimits from struct RawListen at "listen.*" {
        address: key toml::Value = r#"an address in quotes, as in address = "tcp://127.0.0.1:10000""#;
        plugin: key String = r#"the name of a declared plugin in quotes, as in plugin = "echo""#;
        handler: key Option<String> = r#"the name of a handler in quotes, as in handler = "pass""#;
        #[serde(default)]
        options: key toml::Table = OPTIONS;
        at_capacity: key Option<String> = r#"at_capacity = "wait" or at_capacity = "refuse""#;
        mode: key Option<String> = r#"an octal mode in quotes, as in mode = "0660""#;
        owner: key Option<Quantity> = r#"the name of a user in quotes, as in owner = "www-data", or its number"#;
        group: key Option<Quantity> = r#"the name of a group in quotes, as in group = "www-data", or its number"#;
        certificate: key Option<String> = r#"a file in quotes, as in certificate = "server.pem""#;
        key: key Option<String> = r#"a file in quotes, as in key = "server.key""#;
        #[serde(default)]
        certificates: key Vec<RawCertificate> = r#"a list of more of them, as in certificates = [{ certificate = "b.pem", key = "b.key" }]"#,
            each r#"a table, as in { certificate = "b.pem", key = "b.key" }"#;
        #[serde(default)]
        alpn: key Vec<String> = r#"a list of protocols, the best first, as in alpn = ["http/1.1"]"#,
            each r#"the name of a protocol in quotes, as in "http/1.1""#;
        client_ca: key Option<String> = r#"a file in quotes, as in client_ca = "clients.pem""#;
        client_certificate: key Option<String> = r#"client_certificate = "require" or client_certificate = "request""#;
        proxy_protocol: key Option<RawProxyProtocol> = r#"a table, as in proxy_protocol = { from = ["10.0.0.0/8"] }"#;
        proxy_header: bound PROXY_HEADER: u32 = {
            what: "Bytes of the PROXY protocol header at the beginning of a connection.",
            why: "The host keeps it until it is complete. Addresses take up to 52 bytes, paths 232; data about TLS some hundred.",
            at: Close,
            then: "The connection is reset before its plugin gets it, and a line is logged.",
            unit: Bytes,
            default: KIB,
            min: 232,
            max: 64 * KIB,
            form: r#"a size, as in proxy_header = "1KiB""#,
        };
        peer_idle: bound PEER_IDLE: Duration = {
            what: "Time without a datagram in either direction after which the connection of a udp:// peer ends.",
            why: "UDP has no end of a stream: only silence shows that a peer is gone. A NAT forgets a flow after half a minute to two minutes.",
            at: Close,
            then: "The connection ends with `inactivity-timeout`; the next datagram of that peer begins another.",
            unit: Time,
            default: MINUTE,
            min: 10 * MILLISECOND,
            max: 24 * HOUR,
            form: r#"a duration in quotes, as in peer_idle = "1m""#,
        };
        peer_queue: bound PEER_QUEUE: u32 = {
            what: "Datagrams of one udp:// peer that wait for its handler.",
            why: "A slow handler must not fill the memory of the host, and an old datagram is worth little.",
            at: Cut,
            then: "Further datagrams of that peer are dropped.",
            unit: Count,
            default: 64,
            min: 1,
            max: 65_535,
            form: "a number, as in peer_queue = 64",
        };
        backlog: bound BACKLOG: u32 = {
            what: "Connections that the system keeps until they are accepted.",
            why: "It covers a burst during a busy turn; the system may have a lower bound of its own.",
            at: Refuse,
            then: "The system refuses peers, or lets them try again.",
            unit: Count,
            default: 1024,
            min: 1,
            max: 65_535,
            form: "a number, as in backlog = 1024",
        };
    }
}

limits! {
    /// The bounds of `[cluster]`. Meaning, range and what happens at each are beside its constant.
    struct ClusterLimits from struct RawCluster at "cluster" {
        nats: key Vec<String> = r#"a list of servers, as in nats = ["nats://10.0.0.1:4222"]"#,
            each r#"a server in quotes, as in "nats://10.0.0.1:4222""#;
        name: key Option<String> = r#"a name in quotes, as in name = "host-1""#;
        prefix: key Option<String> = r#"a name in quotes, as in prefix = "sandloop""#;
        credentials: key Option<String> = r#"a file in quotes, as in credentials = "host.creds""#;
        user: key Option<String> = r#"a name in quotes, as in user = "sandloop""#;
        password: key Option<RawSecret> = r#"a secret, as in password = { env = "NATS_PASSWORD" }"#;
        token: key Option<RawSecret> = r#"a secret, as in token = { file = "nats.token" }"#;
        server_ca: key Option<String> = r#"a file in quotes, as in server_ca = "authority.pem""#;
        certificate: key Option<String> = r#"a file in quotes, as in certificate = "host.pem""#;
        key: key Option<String> = r#"a file in quotes, as in key = "host.key""#;
        apart: key Option<String> = r#"apart = "ready" or apart = "unready""#;
        queue_storage: key Option<String> = r#"queue_storage = "file" or queue_storage = "memory""#;
        ping: bound CLUSTER_PING: Duration = {
            what: "Interval of pings to the NATS server.",
            why: "A network that drops all packets looks like an idle server.",
            at: Close,
            then: "After three pings without an answer the connection is closed, and the next server is tried.",
            unit: Time,
            default: 5 * SECOND,
            min: 100 * MILLISECOND,
            max: HOUR,
            form: r#"a duration in quotes, as in ping = "5s""#,
        };
        connect_deadline: bound CLUSTER_CONNECT_DEADLINE: Duration = {
            what: "Time of connecting and logging in to a NATS server.",
            why: "A server that does not answer must not keep the host from the next one.",
            at: Close,
            then: "The next server is tried, and this one again later.",
            unit: Time,
            default: 5 * SECOND,
            min: 100 * MILLISECOND,
            max: HOUR,
            form: r#"a duration in quotes, as in connect_deadline = "5s""#,
        };
        lease: bound CLUSTER_LEASE: Duration = {
            what: "Time in which the program of a singleton runs only on the host whose lease was granted or renewed.",
            why: "A short one lets another host take over sooner; a long one outlasts elections of NATS servers.",
            at: Close,
            then: "It is renewed after a third; without a renewal the program is ended after two thirds, and another host may start it after the whole.",
            unit: Time,
            default: 10 * SECOND,
            min: SECOND,
            max: HOUR,
            form: r#"a duration in quotes, as in lease = "10s""#,
        };
        queue_replicas: bound CLUSTER_QUEUE_REPLICAS: u32 = {
            what: "NATS servers that keep each item of a queue.",
            why: "With three the queues go on while one server is away; a server without a cluster can keep only one.",
            at: Wait,
            then: "While fewer than a majority of them are there, items wait in the outbox.",
            unit: Count,
            default: 1,
            min: 1,
            max: 5,
            form: "a number, as in queue_replicas = 3",
        };
        queue_store: bound CLUSTER_QUEUE_STORE: u64 = {
            what: "Bytes of the items of all queues of a tenant on the NATS servers; the same again for its dead letters, and for its claims.",
            why: "The servers reserve it, and a tenant with slow consumers must not fill them.",
            at: Wait,
            then: "Items wait in the outbox; if that is full, `push` returns `limit`.",
            unit: Bytes,
            default: 64 * MIB,
            min: 64 * KIB,
            max: 1024 * GIB,
            form: r#"a size, as in queue_store = "64MiB""#,
        };
        queue_lease: bound CLUSTER_QUEUE_LEASE: Duration = {
            what: "Time in which a host has an item without renewing its claim.",
            why: "The items of a lost host must go to others, but not while one of its handlers may still run: at least twice `event_deadline` and 5s.",
            at: Wait,
            then: "Items of a lost host are given to others after this time, or up to half of it longer.",
            unit: Time,
            default: 150 * SECOND,
            min: SECOND,
            max: 72 * HOUR,
            form: r#"a duration in quotes, as in queue_lease = "150s""#,
        };
        queue_deliveries: bound CLUSTER_QUEUE_DELIVERIES: u32 = {
            what: "Handlers of one item that trap, or are lost with their instance or host.",
            why: "An item that no handler survives would come back for ever.",
            at: Cut,
            then: "It becomes a dead letter.",
            unit: Count,
            default: 5,
            min: 1,
            max: 1000,
            form: "a number, as in queue_deliveries = 5",
        };
    }
}

limits! {
    /// The bounds of `[admin]`. Meaning, range and what happens at each are beside its constant.
    struct AdminLimits from struct RawAdmin at "admin" {
        address: key toml::Value = r#"an address in quotes, as in address = "unix:///run/sandloop/admin.sock""#;
        mode: key Option<String> = r#"an octal mode in quotes, as in mode = "0660""#;
        owner: key Option<Quantity> = r#"the name of a user in quotes, as in owner = "www-data", or its number"#;
        group: key Option<Quantity> = r#"the name of a group in quotes, as in group = "www-data", or its number"#;
        public: key Option<bool> = "public = true or public = false";
        token: key Option<toml::Table> = r#"where the token is, as in token = { file = "admin.token" }"#;
        #[serde(default)]
        hosts: key Vec<String> = r#"a list of names, as in hosts = ["sandloop.example.com"]"#,
            each r#"a name in quotes, as in "sandloop.example.com""#;
        quarantine: key Option<String> = r#"quarantine = "ready" or quarantine = "unready""#;
        clients: bound CLIENTS: u32 = {
            what: "Connections of the admin listener at once.",
            why: "Each takes a descriptor and some memory of the host. Prometheus has one, a page as many as its browser opens.",
            at: Close,
            then: "The connection that has waited longest for a request is closed; if each has a request in progress, new ones wait in the backlog.",
            unit: Count,
            default: 64,
            min: 1,
            max: 10_000,
            form: "a number, as in clients = 64",
        };
        request: bound REQUEST: u32 = {
            what: "Bytes of the head of a request to the admin listener, and of its body.",
            why: "No request needs more than a token and a name; a browser adds about a kibibyte.",
            at: Refuse,
            then: "The answer is 431 or 413, and the connection ends.",
            unit: Bytes,
            default: 16 * KIB,
            min: 8 * KIB,
            max: MIB,
            form: r#"a size, as in request = "16KiB""#,
        };
        request_deadline: bound REQUEST_DEADLINE: Duration = {
            what: "Time in which a client of the admin listener sends a request, and time in which it reads the answer.",
            why: "A client that sends a byte now and then occupies one of `clients`. It is also the time without a request after which a connection is closed.",
            at: Close,
            then: "The connection is closed. A command that was requested continues.",
            unit: Time,
            default: 10 * SECOND,
            min: 100 * MILLISECOND,
            max: HOUR,
            form: r#"a duration in quotes, as in request_deadline = "10s""#,
        };
    }
}

impl Bound {
    /// Its name in the log. A tenant's has `tenant ` before it where the host or a plugin has a bound of that name.
    pub fn log_name(&self) -> Cow<'static, str> {
        let others = RawHost::KEYS.iter().chain(RawLimits::KEYS);
        let mut names = others.filter_map(|key| key.bound).map(|bound| bound.name);
        if self.table == TENANT_MEMORY.table && names.any(|name| name == self.name) {
            return format!("tenant {}", self.name).into();
        }
        self.name.into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_in_the_log_is_that_of_one_bound() {
        for (bound, name) in [
            (&MEMORY, "memory"),
            (&TENANT_MEMORY, "tenant memory"),
            (&INSTANCES, "instances"),
            (&TENANT_INSTANCES, "tenant instances"),
            (&CPU_PER_SECOND, "cpu_per_second"),
            (&CHANNEL, "channel"),
        ] {
            assert_eq!(bound.log_name(), name);
        }
    }
}
