//! Every bound of the host: its default, its range, why it exists and what happens at it.
//!
//! The only place where a bound is written: `table` makes from it the constant, the field of
//! the configuration and of its mirror, how it is read and shown, and the words of its errors.
//! `docs/config.md` holds what `reference` makes of them word by word.

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
/// CPU time a second that means no bound.
const UNBOUNDED_CPU: u64 = HOUR;
/// Bytes a second that mean no bound.
const UNBOUNDED_BYTES: u64 = 1024 * GIB;
/// Traps that mean no quarantine.
const NEVER_IN_QUARANTINE: u64 = 1_000_000;
/// Sandboxes of a tenant that mean no bound.
const UNBOUNDED_INSTANCES: u64 = 1_000_000;
/// Connections a second that mean no bound.
const UNBOUNDED_ACCEPTS: u64 = 1_000_000;

/// Stack of one handler. EventMachine's users recurse in their own language's stack; this is the WebAssembly one.
pub(crate) const GUEST_STACK_BYTES: usize = 512 << 10;

/// How a table of options is written, in any section.
pub(super) const OPTIONS: &str = r#"a table of options, as in options = { greeting = "hello" }"#;

limits! {
    /// The bounds of `[host]`. Meaning, range and what happens at each are beside its constant.
    struct HostLimits from #[derive(Clone, Default)] struct RawHost at "host" {
        reactors: bound REACTORS: usize = {
            what: "Reactors, each one thread with its own connections, timers and instances.",
            why: "One serves most sites; more share the listeners between cores.",
            at: Wait,
            then: "Events wait for their reactor's turn.",
            unit: Count,
            default: 1,
            min: 1,
            max: 1024,
            form: r#"a number of threads, as in reactors = 1, or reactors = "cores""#,
        };
        workers: bound WORKERS: usize = {
            what: "Threads that do deferred work, with a lower priority than the reactors.",
            why: "Deferred work must not take the cores that the reactors need. Where several tenants have such work, none has all of them.",
            at: Wait,
            then: "Jobs wait for a free thread.",
            unit: Count,
            default: 2,
            min: 1,
            max: 1024,
            form: "a number of threads, as in workers = 2",
        };
        slow_lane: bound SLOW_LANE: usize = {
            what: "Handlers that compute at once after they have outlived their slice, with a lower priority than the reactors.",
            why: "A reactor pays for first slices only.",
            at: Wait,
            then: "Handlers take turns there, by tenant, one slice each.",
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
            what: "How long a handler runs before the others have their turn.",
            why: "A neighbour of an endless loop waits this much longer; short slices switch often.",
            at: Wait,
            then: "The handler goes on in the slow lane, and its reactor without it.",
            unit: Time,
            default: MILLISECOND,
            min: 100,
            max: 100 * MILLISECOND,
            form: r#"a duration in quotes, as in slice = "1ms""#,
        };
        stop_deadline: bound STOP_DEADLINE: Duration = {
            what: "How long `stop` takes in all, the programs' hooks included. Its last tenth, which is 250 ms to 500 ms and at most half of it, is for guests to be told of their ends; until then output drains and, after a signal, what connections are in the middle of goes on.",
            why: "Neither a peer that does not read nor a guest may keep the host from ending.",
            at: Close,
            then: "What still runs is ended, what is left is dropped, every connection is closed and gets its `unbind`.",
            unit: Time,
            default: 5 * SECOND,
            min: 0,
            max: HOUR,
            form: r#"a duration in quotes, as in stop_deadline = "5s""#,
        };
        close_deadline: bound CLOSE_DEADLINE: Duration = {
            what: "How long `close-connection-after-writing` waits for a peer that does not read.",
            why: "Otherwise a stalled peer holds its connection and its sandbox for ever.",
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
            why: "Address space for all of them is set aside at the start. Half of them are kept for the tenants, as many for each; whoever comes first has the others.",
            at: Wait,
            then: "New connections wait in the listener's backlog until a sandbox ends.",
            unit: Count,
            default: 2000,
            min: 1,
            max: 1_000_000,
            form: "a number of sandboxes, as in instances = 2000",
        };
        log_queue: bound LOG_QUEUE: u64 = {
            what: "Bytes of lines of the log that wait to be written.",
            why: "Whoever reads the log too slowly must not hold up the host. Half of it is kept for the host and the tenants, as much for each; whoever comes first has the other half.",
            at: Cut,
            then: "Lines are left out; a line says how many of whose as soon as there is room.",
            unit: Bytes,
            default: 16 * MIB,
            min: 64 * KIB,
            max: GIB,
            form: r#"a size, as in log_queue = "16MiB""#,
        };
        stdout_queue: bound STDOUT_QUEUE: u64 = {
            what: "Bytes that wait to be written to the host's standard output, for plugins with `stdout = \"inherit\"`.",
            why: "As `log_queue`, with the same parts.",
            at: Cut,
            then: "What a plugin writes is left out; a line of the log says how many bytes of whose as soon as there is room.",
            unit: Bytes,
            default: 16 * MIB,
            min: 64 * KIB,
            max: GIB,
            form: r#"a size, as in stdout_queue = "16MiB""#,
        };
        reload_on_change: key Option<bool> = "reload_on_change = true or reload_on_change = false";
        compile_cache: key Option<String> = r#"compile_cache = "default", "off" or a folder in quotes"#;
        compile_cache_size: bound COMPILE_CACHE_SIZE: u64 = {
            what: "Bytes of all compiled components that are kept between starts.",
            why: "Each build of a component and each version of the host leaves one behind.",
            at: Cut,
            then: "What was used longest ago is removed, though nothing that this start uses.",
            unit: Bytes,
            default: 2 * GIB,
            min: MIB,
            max: 1024 * GIB,
            form: r#"a size, as in compile_cache_size = "2GiB""#,
        };
        store: key Option<String> = r#"store = "default", "off" or a folder in quotes"#;
        store_size: bound STORE_SIZE: u64 = {
            what: "Bytes of all fetched components that are kept between starts.",
            why: "Each version of a component leaves one behind.",
            at: Cut,
            then: "What was used longest ago is removed, though nothing that this start uses.",
            unit: Bytes,
            default: GIB,
            min: MIB,
            max: 1024 * GIB,
            form: r#"a size, as in store_size = "1GiB""#,
        };
        fetch_size: bound FETCH_SIZE: u64 = {
            what: "Bytes of one component that is fetched; of an image also those that its layer unpacks to.",
            why: "Whoever serves it may send without end; an interpreter has 20 to 40 MB.",
            at: Refuse,
            then: "It is not fetched, and nothing is kept: the start fails, a reload changes nothing.",
            unit: Bytes,
            default: 128 * MIB,
            min: 64 * KIB,
            max: GIB,
            form: r#"a size, as in fetch_size = "128MiB""#,
        };
        fetch_time: bound FETCH_TIME: Duration = {
            what: "How long one request for a component may take, from the look-up of the name to the last byte.",
            why: "Nothing is served before every component is there, and whoever serves it may say nothing, or a byte a minute.",
            at: Refuse,
            then: "It is not fetched, and nothing is kept: the start fails, a reload changes nothing.",
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
            what: "Memory of the process that compiles one component.",
            why: "A small component can be written so that compiling it takes gigabytes; an interpreter of 20 MB takes about 400 MiB. As many are compiled at once as there are cores.",
            at: Refuse,
            then: "The plugin is left out and its listeners stay closed, the others serve; `sandloop check` fails.",
            unit: Bytes,
            default: 1536 * MIB,
            min: 64 * MIB,
            max: 1024 * GIB,
            form: r#"a size, as in compile_memory = "2GiB""#,
        };
        compile_time: bound COMPILE_TIME: Duration = {
            what: "CPU time that compiling one component may take, on all cores together.",
            why: "Nothing is served before every component is compiled. A busy machine changes nothing about it; a process that is not done half an hour after it could have been is ended, too.",
            at: Refuse,
            then: "The plugin is left out and its listeners stay closed, the others serve; `sandloop check` fails.",
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
            what: "Linear memory of one instance, all its memories together.",
            why: "Holds an interpreter; a native guest needs 1 or 2 MiB. Only what is touched is paid.",
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
            why: "They hold the functions that are called by pointer; interpreters have thousands.",
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
            what: "Core instances that one instance is made of.",
            why: "Making each takes time and host memory; Python with extension modules has some hundreds.",
            at: Refuse,
            then: "A larger component is not loaded.",
            unit: Count,
            default: 1000,
            min: 1,
            max: 10_000,
            form: "a number of core instances, as in core_instances = 1000",
        };
        cpu_per_event: bound CPU_PER_EVENT: Duration = {
            what: "CPU time one event may take, over all its slices and what the host does in its calls.",
            why: "Tells an endless loop from long work.",
            at: Trap,
            then: "The instance ends and its connections are closed; no other instance notices.",
            unit: Time,
            default: SECOND,
            min: MILLISECOND,
            max: HOUR,
            form: r#"a duration in quotes, as in cpu_per_event = "1s""#,
        };
        event_deadline: bound EVENT_DEADLINE: Duration = {
            what: "How long one event may take: what it computes and what it waits for in WASI calls, all its waits together; not the waiting for its turn or for a core.",
            why: "A handler that sleeps holds its instance, its connections and its place in the pool.",
            at: Trap,
            then: "The instance ends and its connections are closed; no other instance notices.",
            unit: Time,
            default: MINUTE,
            min: MILLISECOND,
            max: 24 * HOUR,
            form: r#"a duration in quotes, as in event_deadline = "1m""#,
        };
        connections: bound CONNECTIONS: u32 = {
            what: "Accepted connections of the plugin at once.",
            why: "One plugin must not take the descriptors of all.",
            at: Wait,
            then: "New connections wait in the listener's backlog until one ends.",
            unit: Count,
            default: 10_000,
            min: 1,
            max: 1_000_000,
            form: "a number, as in connections = 10000",
        };
        handshake_deadline: bound HANDSHAKE_DEADLINE: Duration = {
            what: "How long the TLS handshake of a connection may take, and the PROXY protocol header before it.",
            why: "A peer that begins one and goes no further holds a connection and its sandbox. A slow line needs some seconds for the round trips and a chain of certificates.",
            at: Close,
            then: "The connection is closed; `unbind` gets the reason `limit`.",
            unit: Time,
            default: 10 * SECOND,
            min: 10 * MILLISECOND,
            max: HOUR,
            form: r#"a duration in quotes, as in handshake_deadline = "10s""#,
        };
        drain_deadline: bound DRAIN_DEADLINE: Duration = {
            what: "How long instances of an earlier version go on after a reload.",
            why: "A connection may last for days, and its version holds memory and code.",
            at: Close,
            then: "What is queued is sent, the connections are closed; `unbind` gets the reason `stopped`. Processes end.",
            unit: Time,
            default: 10 * MINUTE,
            min: 0,
            max: 30 * 24 * HOUR,
            form: r#"a duration in quotes, as in drain_deadline = "10m""#,
        };
        listeners: bound LISTENERS: u32 = {
            what: "Listeners and datagram sockets that the plugin has opened itself.",
            why: "Each holds a port that others may want, and a file descriptor.",
            at: Refuse,
            then: "`start-server` and `open-datagram-socket` answer `limit`.",
            unit: Count,
            default: 16,
            min: 0,
            max: 65_535,
            form: "a number, as in listeners = 16",
        };
        datagram_answers: bound DATAGRAM_ANSWERS: u32 = {
            what: "Times the bytes of a datagram with which its sender is answered on a socket of the plugin's own, if `allow.connect` does not list him.",
            why: "Whoever writes a victim's address into a small datagram would have the plugin flood him. Three times is what QUIC allows; 28 bytes of headers count on both ways.",
            at: Refuse,
            then: "`send-data` and `send-datagram` answer `denied` until he sends again.",
            unit: Count,
            default: 3,
            min: 0,
            max: 1000,
            form: "a number, as in datagram_answers = 3",
        };
        accepts_per_second: bound ACCEPTS_PER_SECOND: Option<u32> = {
            what: "Connections of the plugin that are accepted in each second.",
            why: "Whoever connects and vanishes makes a sandbox each time; the default is no bound.",
            at: Wait,
            then: "New connections wait in the listener's backlog; a second's worth may come at once.",
            unit: Count,
            default: UNBOUNDED_ACCEPTS,
            min: 1,
            max: UNBOUNDED_ACCEPTS,
            form: "a number, as in accepts_per_second = 100",
        };
        outgoing: bound OUTGOING: u32 = {
            what: "Outgoing connections of the plugin at once, those still connecting included.",
            why: "A plugin must not flood what it may reach.",
            at: Refuse,
            then: "`connect` answers `limit`.",
            unit: Count,
            default: 1000,
            min: 0,
            max: 1_000_000,
            form: "a number, as in outgoing = 1000",
        };
        lookups: bound LOOKUPS: u32 = {
            what: "Names of the plugin that are being looked up.",
            why: "A reactor has eight threads for that, of which a tenant uses two at once; the others of its names wait.",
            at: Refuse,
            then: "`connect` answers `limit`.",
            unit: Count,
            default: 100,
            min: 0,
            max: 1000,
            form: "a number, as in lookups = 100",
        };
        watches: bound WATCHES: u32 = {
            what: "Files and folders that the plugin watches at once.",
            why: "The system has a bound for the user of the host (`fs.inotify.max_user_watches`), which plugins share.",
            at: Refuse,
            then: "`watch-file` answers `limit`.",
            unit: Count,
            default: 100,
            min: 0,
            max: 10_000,
            form: "a number, as in watches = 100",
        };
        timers: bound TIMERS: u32 = {
            what: "Timers set at once by one instance.",
            why: "Each takes host memory.",
            at: Refuse,
            then: "Setting a timer answers `limit`.",
            unit: Count,
            default: 10_000,
            min: 0,
            max: 1_000_000,
            form: "a number, as in timers = 10000",
        };
        ticks: bound TICKS: u32 = {
            what: "Ticks queued at once by one instance.",
            why: "Each takes host memory, and all of them run in one turn.",
            at: Refuse,
            then: "`next-tick` answers `limit`.",
            unit: Count,
            default: 10_000,
            min: 0,
            max: 1_000_000,
            form: "a number, as in ticks = 10000",
        };
        outbox_high: bound OUTBOX_HIGH: u32 = {
            what: "Bytes in an outbox above which its peer counts as slow.",
            why: "A few full socket buffers; at most `outbox_max`.",
            at: Wait,
            then: "The connection is not read until the outbox is below `outbox_low`.",
            unit: Bytes,
            default: 64 * KIB,
            min: 2,
            max: GIB,
            form: r#"a size, as in outbox_high = "64KiB""#,
        };
        outbox_low: bound OUTBOX_LOW: u32 = {
            what: "Bytes in an outbox below which a slow peer is quick again.",
            why: "Well below `outbox_high`, so that the two do not alternate.",
            at: Wait,
            then: "`drained` is called and the connection is read again.",
            unit: Bytes,
            default: 16 * KIB,
            min: 1,
            max: GIB,
            form: r#"a size, as in outbox_low = "16KiB""#,
        };
        outbox_max: bound OUTBOX_MAX: u32 = {
            what: "Bytes an outbox never exceeds.",
            why: "Output that nobody reads is host memory.",
            at: Refuse,
            then: "`send-data` answers `outbox-full` and takes none of the bytes.",
            unit: Bytes,
            default: 16 * MIB,
            min: 2,
            max: GIB,
            form: r#"a size, as in outbox_max = "16MiB""#,
        };
        log_line: bound LOG_LINE: u32 = {
            what: "Bytes of one log line of a plugin that are kept, as they are written: an escape such as `\\u{1b}` counts with all its characters.",
            why: "A line must not hide the others.",
            at: Cut,
            then: "The rest of the line is left out.",
            unit: Bytes,
            default: 4 * KIB,
            min: 64,
            max: MIB,
            form: r#"a size, as in log_line = "4KiB""#,
        };
        handles: bound HANDLES: u32 = {
            what: "Files, streams and other things of WASI that one instance holds; of its own resources it has as many besides, and four for each connection that it may have.",
            why: "Each takes host memory, and a file a descriptor.",
            at: Trap,
            then: "The call that asks for one more ends the instance.",
            unit: Count,
            default: 1024,
            min: 16,
            max: 1_000_000,
            form: "a number, as in handles = 1024",
        };
        call_bytes: bound CALL_BYTES: u64 = {
            what: "Bytes that one call of a guest hands to the host.",
            why: "They are copied before anything can look at them; what is sent on a socket is not copied.",
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
            why: "It has come whole before the handler begins, and is kept for it in the tenant's `host_memory`.",
            at: Refuse,
            then: "The answer is 413, and the connection is closed.",
            unit: Bytes,
            default: MIB,
            min: 0,
            max: GIB,
            form: r#"a size, as in http_body = "1MiB""#,
        };
        traps: bound TRAPS: Option<u32> = {
            what: "Instances of the plugin that end in a trap within `trap_window`; a million is no bound.",
            why: "A plugin that does nothing but trap costs the others; a peer that can make it trap must not have it quarantined too easily.",
            at: Quarantine,
            then: "The plugin is quarantined: it has no new instances until SIGHUP or a restart.",
            unit: Count,
            default: 1000,
            min: 1,
            max: NEVER_IN_QUARANTINE,
            form: "a number, as in traps = 1000",
        };
        trap_window: bound TRAP_WINDOW: Duration = {
            what: "In how long a time `traps` are counted.",
            why: "A trap a day is no reason for a quarantine.",
            at: Wait,
            then: "The count begins anew.",
            unit: Time,
            default: MINUTE,
            min: SECOND,
            max: 24 * HOUR,
            form: r#"a duration in quotes, as in trap_window = "1m""#,
        };
        cpu_per_operation: bound CPU_PER_OPERATION: Duration = {
            what: "CPU time one deferred operation may take.",
            why: "Apart from that of events: work is deferred because it is long.",
            at: Trap,
            then: "The worker's instance ends; `deferred-handler` gets `too-long`.",
            unit: Time,
            default: 10 * SECOND,
            min: MILLISECOND,
            max: HOUR,
            form: r#"a duration in quotes, as in cpu_per_operation = "10s""#,
        };
        operation_deadline: bound OPERATION_DEADLINE: Duration = {
            what: "How long one deferred operation may take in all, waiting included.",
            why: "An operation that sleeps holds its worker.",
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
            why: "Each holds its argument or its result in host memory.",
            at: Refuse,
            then: "`defer` answers `limit`.",
            unit: Count,
            default: 1000,
            min: 0,
            max: 1_000_000,
            form: "a number, as in deferred = 1000",
        };
        processes: bound PROCESSES: u32 = {
            what: "Processes of the plugin at once.",
            why: "Each is a sandbox; one that spawns itself must come to an end.",
            at: Refuse,
            then: "`spawn` answers `limit`.",
            unit: Count,
            default: 100,
            min: 0,
            max: 1_000_000,
            form: "a number, as in processes = 100",
        };
        mailbox: bound MAILBOX: u64 = {
            what: "Messages that wait in the mailbox of one process, with 64 bytes for each.",
            why: "A process that is slower than its senders must not grow.",
            at: Refuse,
            then: "`notify` answers `limit` and does not take the message.",
            unit: Bytes,
            default: MIB,
            min: 64,
            max: GIB,
            form: r#"a size, as in mailbox = "1MiB""#,
        };
        subscriptions: bound SUBSCRIPTIONS: u32 = {
            what: "Subscriptions of one instance.",
            why: "Every push does work for each.",
            at: Refuse,
            then: "`subscribe` answers `limit`.",
            unit: Count,
            default: 1000,
            min: 0,
            max: 1_000_000,
            form: "a number, as in subscriptions = 1000",
        };
        pops: bound POPS: u32 = {
            what: "Pops of one instance that wait for an item.",
            why: "Each takes host memory.",
            at: Refuse,
            then: "`pop` answers `limit`.",
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
            then: "The call that brings it answers `limit`; a result that is larger becomes `too-large`.",
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
            what: "Linear memory of all instances of the tenant together, as its guests see its size: touched or not.",
            why: "A thousand small sandboxes are a large one.",
            at: Refuse,
            then: "`memory.grow` fails; new connections wait in the listener's backlog until a sandbox ends. The log says `tenant memory`.",
            unit: Bytes,
            default: 16 * GIB,
            min: 64 * KIB,
            max: 1024 * GIB,
            form: r#"a size, as in memory = "1GiB""#,
        };
        instances: bound TENANT_INSTANCES: Option<u32> = {
            what: "Sandboxes of the tenant alive at once.",
            why: "One tenant must not have the sandboxes of all; by default it may have all but those that are kept for the others.",
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
            why: "A thousand outboxes that nobody reads are the host's memory.",
            at: Refuse,
            then: "`send-data` answers `outbox-full` and takes none of the bytes; an empty outbox still takes up to `outbox_low`.",
            unit: Bytes,
            default: GIB,
            min: 64 * KIB,
            max: 1024 * GIB,
            form: r#"a size, as in outboxes = "256MiB""#,
        };
        host_memory: bound HOST_MEMORY: u64 = {
            what: "Memory of the host that is kept for the tenant besides `messages` and `outboxes`: its connections, timers, ticks, subscriptions, pops, jobs, processes, names of channels and queues, handles of WASI, pieces of files, folders that are listed, lines that are not whole yet.",
            why: "Each has a bound of its own for one instance or plugin, and there may be thousands of these.",
            at: Refuse,
            then: "What asks for more answers `limit`; new connections wait; a file or a folder answers that there is no memory; the rest of a line is left out.",
            unit: Bytes,
            default: 256 * MIB,
            min: MIB,
            max: 1024 * GIB,
            form: r#"a size, as in host_memory = "256MiB""#,
        };
        timers: bound TENANT_TIMERS: u32 = {
            what: "Timers set at once by all instances of the tenant together.",
            why: "Each instance or plugin has a bound of its own, and there may be thousands of these.",
            at: Refuse,
            then: "Setting a timer answers `limit`. The log says `tenant timers`.",
            unit: Count,
            default: 1_000_000,
            min: 0,
            max: 1_000_000_000,
            form: "a number, as in timers = 100000",
        };
        ticks: bound TENANT_TICKS: u32 = {
            what: "Ticks queued at once by all instances of the tenant together.",
            why: "Each instance or plugin has a bound of its own, and there may be thousands of these.",
            at: Refuse,
            then: "`next-tick` answers `limit`. The log says `tenant ticks`.",
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
            then: "`subscribe` answers `limit`. The log says `tenant subscriptions`.",
            unit: Count,
            default: 1_000_000,
            min: 0,
            max: 1_000_000_000,
            form: "a number, as in subscriptions = 100000",
        };
        pops: bound TENANT_POPS: u32 = {
            what: "Pops of all instances of the tenant together that wait for an item.",
            why: "Each instance or plugin has a bound of its own, and there may be thousands of these.",
            at: Refuse,
            then: "`pop` answers `limit`. The log says `tenant pops`.",
            unit: Count,
            default: 1_000_000,
            min: 0,
            max: 1_000_000_000,
            form: "a number, as in pops = 100000",
        };
        handles: bound TENANT_HANDLES: u32 = {
            what: "Files, streams and other things of WASI that all instances of the tenant hold together; counted when a handler has returned.",
            why: "Each instance or plugin has a bound of its own, and there may be thousands of these.",
            at: Trap,
            then: "The call that asks for one more ends its instance. The log says `tenant handles`.",
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
            then: "`defer` answers `limit`. The log says `tenant deferred`.",
            unit: Count,
            default: 1_000_000,
            min: 0,
            max: 1_000_000_000,
            form: "a number, as in deferred = 100000",
        };
        cpu_per_second: bound CPU_PER_SECOND: Option<Duration> = {
            what: "CPU time that the tenant may use in each second, on all reactors and workers together.",
            why: "What a tenant uses of the reactors the others wait for; the default is more than there are cores.",
            at: Wait,
            then: "Its events wait and its connections are not read; it may have a second's worth in advance.",
            unit: Time,
            default: UNBOUNDED_CPU,
            min: MILLISECOND,
            max: UNBOUNDED_CPU,
            form: r#"a duration in quotes, as in cpu_per_second = "500ms""#,
        };
        slow_calls: bound SLOW_CALLS: u32 = {
            what: "Handlers of the tenant that have outlived their first slice, or wait in a WASI call, at once.",
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
            what: "Channels and queues of the tenant that are in use.",
            why: "Each name takes host memory.",
            at: Refuse,
            then: "`subscribe`, `pop` and the `push` of a queue answer `limit`.",
            unit: Count,
            default: 1000,
            min: 0,
            max: 1_000_000,
            form: "a number, as in channels = 1000",
        };
        channel: bound CHANNEL: u64 = {
            what: "Messages of one channel that have not reached all its subscribers, with 64 bytes for each.",
            why: "The slowest subscriber decides how long a message is kept.",
            at: Refuse,
            then: "`push` answers `limit` and nobody gets the message.",
            unit: Bytes,
            default: 4 * MIB,
            min: 64,
            max: GIB,
            form: r#"a size, as in channel = "4MiB""#,
        };
        queue: bound QUEUE: u64 = {
            what: "Items of one queue, with 64 bytes for each.",
            why: "A queue whose consumers are slow must not grow.",
            at: Refuse,
            then: "`push` answers `limit` and does not take the item.",
            unit: Bytes,
            default: 4 * MIB,
            min: 64,
            max: GIB,
            form: r#"a size, as in queue = "4MiB""#,
        };
        messages: bound MESSAGES: u64 = {
            what: "Everything that waits in mailboxes, channels, queues and deferred jobs of the tenant, with 256 bytes for each.",
            why: "Bounds what all of them together take of host memory.",
            at: Refuse,
            then: "Whatever would add to it answers `limit`.",
            unit: Bytes,
            default: 64 * MIB,
            min: 64,
            max: 64 * GIB,
            form: r#"a size, as in messages = "64MiB""#,
        };
        cluster_outbox: bound CLUSTER_OUTBOX: u64 = {
            what: "Messages of the tenant that wait to go to the NATS server of `[cluster]`, with 256 bytes for each.",
            why: "While no server is reached, and where it is slow, what is pushed waits here; it counts in `messages`, too.",
            at: Refuse,
            then: "`push` answers `limit` and nobody gets the message, on whichever host.",
            unit: Bytes,
            default: 4 * MIB,
            min: KIB,
            max: 64 * GIB,
            form: r#"a size, as in cluster_outbox = "4MiB""#,
        };
        read_per_second: bound READ_PER_SECOND: Option<u64> = {
            what: "Bytes that the tenant's connections read in each second, all together.",
            why: "One tenant must not take the line of all; the default is no bound.",
            at: Wait,
            then: "Its connections are not read for a while, so that their peers slow down.",
            unit: Bytes,
            default: UNBOUNDED_BYTES,
            min: KIB,
            max: UNBOUNDED_BYTES,
            form: r#"a size, as in read_per_second = "10MiB""#,
        };
        write_per_second: bound WRITE_PER_SECOND: Option<u64> = {
            what: "Bytes that the tenant's connections write in each second, all together.",
            why: "As `read_per_second`.",
            at: Wait,
            then: "What is sent waits in the outboxes, whose marks tell the plugin as with a slow peer.",
            unit: Bytes,
            default: UNBOUNDED_BYTES,
            min: KIB,
            max: UNBOUNDED_BYTES,
            form: r#"a size, as in write_per_second = "10MiB""#,
        };
        log_per_second: bound LOG_PER_SECOND: u64 = {
            what: "Bytes of the tenant's lines in the log in each second, as they are written, with what stands around their text.",
            why: "A log that one tenant fills is of no use for the others. What the host says of its plugins, such as denials and traps, counts too and comes first.",
            at: Cut,
            then: "Lines are left out; a line says how many, at most once a second.",
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
            what: "Bytes of the PROXY protocol header that a connection begins with.",
            why: "It waits in the host until it is whole. Addresses take 52 bytes at most, paths 232; what proxies add of TLS some hundred.",
            at: Close,
            then: "The connection is reset before its plugin is told of it, and the log says so.",
            unit: Bytes,
            default: KIB,
            min: 232,
            max: 64 * KIB,
            form: r#"a size, as in proxy_header = "1KiB""#,
        };
        peer_idle: bound PEER_IDLE: Duration = {
            what: "How long a peer of a udp:// listener may be silent before its connection ends.",
            why: "UDP has no end of its own: only time tells that a peer is gone. A NAT forgets a flow after half a minute to two.",
            at: Close,
            then: "The connection ends with inactivity-timeout; the next datagram of that peer begins another.",
            unit: Time,
            default: MINUTE,
            min: 10 * MILLISECOND,
            max: 24 * HOUR,
            form: r#"a duration in quotes, as in peer_idle = "1m""#,
        };
        peer_queue: bound PEER_QUEUE: u32 = {
            what: "Datagrams of one peer of a udp:// listener that wait until its handler has time for them.",
            why: "A handler that is slow for one peer must not fill the host, and an old datagram is worth little.",
            at: Cut,
            then: "Further datagrams of that peer are lost, as they may be lost on the way.",
            unit: Count,
            default: 64,
            min: 1,
            max: 65_535,
            form: "a number, as in peer_queue = 64",
        };
        backlog: bound BACKLOG: u32 = {
            what: "Connections the system keeps until they are accepted.",
            why: "Carries a burst over a busy turn; the system may have a lower bound of its own.",
            at: Refuse,
            then: "The system turns peers away or lets them try again.",
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
        ping: bound CLUSTER_PING: Duration = {
            what: "How often a NATS server is asked whether it is there.",
            why: "A network that swallows everything looks like a server that has nothing to say.",
            at: Close,
            then: "One that has not answered three times in a row is left, and the next one is tried.",
            unit: Time,
            default: 5 * SECOND,
            min: 100 * MILLISECOND,
            max: HOUR,
            form: r#"a duration in quotes, as in ping = "5s""#,
        };
        connect_deadline: bound CLUSTER_CONNECT_DEADLINE: Duration = {
            what: "How long a NATS server may take until it has let the host in.",
            why: "One that does not answer must not keep the host from the next one.",
            at: Close,
            then: "The next one is tried, and that one again later.",
            unit: Time,
            default: 5 * SECOND,
            min: 100 * MILLISECOND,
            max: HOUR,
            form: r#"a duration in quotes, as in connect_deadline = "5s""#,
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
            why: "Each holds a descriptor and some memory of the host's own. A Prometheus has one, a page as many as its browser opens.",
            at: Close,
            then: "The connection that has waited longest for a request is closed; where each of them has one under way, new ones wait in the backlog.",
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
            what: "How long a connection of the admin listener may take to send a request, and to take the answer.",
            why: "A client that sends a byte now and then holds a place that others want. It is also how long one may be silent.",
            at: Close,
            then: "The connection is closed. What a request has asked for goes on.",
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
