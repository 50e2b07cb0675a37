//! Plugins for Sandloop in Zig: this file is all there is to it, without WASI and without a C library. `http.zig` beside it answers
//! requests.
//!
//!     const sl = @import("sandloop");
//!
//!     const Echo = struct {
//!         socket: sl.Socket,
//!
//!         pub fn receiveData(self: *Echo, data: []const u8) void {
//!             self.socket.sendData(data);
//!         }
//!     };
//!
//!     comptime {
//!         sl.plugin(.{ .echo = Echo });
//!     }
//!
//! The names are EventMachine's. One callback runs at a time in a sandbox, never inside another one, and nothing here blocks. A
//! callback is a public function of the connection's type; one that is left out does nothing. A callback may return an error: that
//! ends the sandbox as a panic does, and its name is in the log.
//!
//! What is registered with a connection as its context (a timer, a tick, a job, a subscription, …) ends with it, so that nothing is
//! called with what is gone. A panic is a line of the log; the backtrace behind it has files and lines where the component has its
//! debug information.
//!
//! This file is the root of the build and the plugin is the module `plugin`: panics and `std.log` arrive here. It has the contract's
//! binary interface written by hand; a test of Sandloop compares it with `wit/`.

const std = @import("std");

comptime {
    _ = @import("plugin");
}

pub const panic = std.debug.FullPanic(onPanic);
pub const std_options: std.Options = .{ .logFn = onLog };

/// Where everything is allocated; the plugin may use it, too.
pub const gpa = std.heap.wasm_allocator;

// ---- Vocabulary --------------------------------------------------------------------------------------------------------

/// Why the host refused something; `text` has words.
pub const Error = error{ Closed, Closing, OutboxFull, Denied, Limit, InvalidArgument, Unsupported };
pub const FileError = error{ Closed, Closing, Denied, NotFound, NotAFile, Limit, Changed, Failed, Unsupported };
pub const ListenError = error{ Denied, InUse, InvalidAddress, Unavailable, Forbidden, Limit, TooLarge, Failed };
pub const ProxyError = error{ SourceClosed, TargetClosed, Itself, AlreadyProxying, BusyTarget, Unsupported };
pub const WatchError = error{ Denied, NotFound, Unsupported, Limit, Failed };

const errors = [_]Error{ error.Closed, error.Closing, error.OutboxFull, error.Denied, error.Limit, error.InvalidArgument, error.Unsupported };
const file_errors = [_]FileError{ error.Closed, error.Closing, error.Denied, error.NotFound, error.NotAFile, error.Limit, error.Changed, error.Failed, error.Unsupported };
const listen_errors = [_]ListenError{ error.Denied, error.InUse, error.InvalidAddress, error.Unavailable, error.Forbidden, error.Limit, error.TooLarge, error.Failed };
const proxy_errors = [_]ProxyError{ error.SourceClosed, error.TargetClosed, error.Itself, error.AlreadyProxying, error.BusyTarget, error.Unsupported };
const watch_errors = [_]WatchError{ error.Denied, error.NotFound, error.Unsupported, error.Limit, error.Failed };

/// The contract's code and what to do about it.
pub fn text(of: anyerror) []const u8 {
    return switch (of) {
        error.Closed => "closed: the connection or process has ended",
        error.Closing => "closing: a close was asked for earlier, so nothing more can be sent",
        error.OutboxFull => "outbox-full: the peer reads too slowly; wait for `drained`, or raise `outbox` in plugins.toml",
        error.Denied => "denied: plugins.toml does not allow it, and the line above names the key that would; or the reactor does not run",
        error.Limit => "limit: as many as the plugin's limits allow; end some, or raise the limit in plugins.toml",
        error.InvalidArgument => "invalid-argument: an empty name, port 0, or a number out of range",
        error.Unsupported => "unsupported: this kind of socket or file, or a component without the export that is called back, cannot do it",
        error.NotFound => "not-found: nothing is there",
        error.NotAFile => "not-a-file: a folder, a pipe, a socket or a device",
        error.Changed => "changed: the file is not what it was, or shorter than was asked for",
        error.Failed => "failed: the system refuses it or fails; the log has its words at level debug",
        error.InUse => "in-use: somebody else has the address",
        error.InvalidAddress => "invalid-address: a name or an empty path; give an IP address",
        error.Unavailable => "unavailable: the machine does not have the address, or the path has no folder",
        error.Forbidden => "forbidden: the system does not let the host have it",
        error.TooLarge => "too-large: the handler's name and the options have more than 64 KiB together",
        error.SourceClosed => "source-closed: the source is gone",
        error.TargetClosed => "target-closed: the target is gone or closing",
        error.Itself => "itself: source and target are one connection",
        error.AlreadyProxying => "already-proxying: stopProxying ends the other one first",
        error.BusyTarget => "busy-target: another connection is proxied to this target",
        else => @errorName(of),
    };
}

/// Why a connection ended.
pub const CloseReason = enum(u8) {
    peer_closed,
    closed,
    stopped,
    refused,
    connect_timeout,
    name_not_found,
    @"unreachable",
    inactivity_timeout,
    reset,
    limit,
    failed,

    /// The contract's word.
    pub fn name(reason: CloseReason) []const u8 {
        const words = comptime blk: {
            const tags = std.meta.tags(CloseReason);
            var all: [tags.len][]const u8 = undefined;
            for (tags, 0..) |tag, i| {
                const word = @tagName(tag);
                var dashed: [word.len]u8 = undefined;
                for (word, 0..) |letter, at| dashed[at] = if (letter == '_') '-' else letter;
                const final = dashed;
                all[i] = &final;
            }
            break :blk all;
        };
        return words[@intFromEnum(reason)];
    }
};

pub const AddressKind = enum(u8) { tcp, udp, unix };

/// One end of a connection: an IP address and a port, or the path of a Unix socket, which may be empty.
pub const Address = struct {
    kind: AddressKind,
    port: u16,
    bytes: [112]u8,
    len: u8,

    pub fn host(address: *const Address) []const u8 {
        return address.bytes[0..address.len];
    }

    /// Takes the string that the host has handed over.
    fn take(kind: AddressKind, from: Str, port: u16) Address {
        var address: Address = .{ .kind = kind, .port = if (kind == .unix) 0 else port, .bytes = undefined, .len = @intCast(@min(from.len, 112)) };
        @memcpy(address.bytes[0..address.len], from.slice()[0..address.len]);
        from.free();
        return address;
    }
};

/// How a connection comes to its end when the host stops or its plugin is replaced.
pub const Drain = enum(u8) { when_idle, until_closed };
pub const Pair = struct { key: []const u8, value: []const u8 };
pub const Probes = extern struct { idle: u32, interval: u32, count: u32 };
pub const StreamEnd = enum(u8) { none, said, cut };
pub const Verification = enum(u8) { host, host_and_plugin, plugin };
pub const TlsFailureKind = enum(u8) { unknown_authority, expired, wrong_name, bad_certificate, no_certificate, not_taken, refused, nothing_in_common, not_tls, cut, too_late, other };

/// A text that is kept in the value itself.
pub fn Text(comptime max: usize) type {
    return struct {
        bytes: [max]u8 = undefined,
        len: usize = 0,

        pub fn slice(it: *const @This()) []const u8 {
            return it.bytes[0..it.len];
        }
        fn take(from: Str) @This() {
            var it: @This() = .{ .len = @min(from.len, max) };
            @memcpy(it.bytes[0..it.len], from.slice()[0..it.len]);
            from.free();
            return it;
        }
    };
}

pub const TlsSession = struct {
    is_tls13: bool,
    resumed: bool,
    cipher_bits: u32,
    cipher: Text(64),
    /// Empty where none was chosen.
    alpn: Text(256),
    /// Empty where none was asked for.
    server_name: Text(256),
};
pub const TlsFailure = struct { kind: TlsFailureKind, words: Text(256) };

/// `.{ .profile = "server" }` waits for a client; `.{ .server_name = "example.org" }` begins.
pub const Tls = struct {
    server_name: ?[]const u8 = null,
    profile: ?[]const u8 = null,
    /// Protocols, the best first.
    alpn: []const []const u8 = &.{},
    verification: Verification = .host,
};

/// What the file system says of a file, and says otherwise after a change.
pub const FileVersion = struct { size: u64, seconds: u32, nanoseconds: u32 };

/// What of a file is sent: without a length, all that there is.
pub const FilePart = struct { offset: u64 = 0, length: ?u64 = null, version: ?FileVersion = null };

// ---- Connections -------------------------------------------------------------------------------------------------------

/// The plugin's handle on one connection. Copies are the same handle. It is good from the connection's making to its `unbind`; a use
/// of it later ends the sandbox, with a line that says so.
pub const Socket = struct {
    conn: *Conn,

    fn raw(self: Socket) i32 {
        if (self.conn.alive != live) @panic("this connection has ended, and its socket with it: forget it in `unbind`, or give the connection as the context of what you register, which then ends with it");
        return self.conn.handle;
    }

    /// Sends bytes, in order, never blocking. On a connection that is closed or closing it does nothing. Where the outbox is full the
    /// connection is closed and the log says so: a stream with a hole in it is worse than none.
    pub fn sendData(self: Socket, data: []const u8) void {
        self.trySendData(data) catch |problem| if (problem == error.OutboxFull) {
            say("the connection is closed: sendData", "", problem);
            self.closeConnection();
        };
    }
    /// As `sendData`, of formatted text.
    pub fn print(self: Socket, comptime format: []const u8, arguments: anytype) void {
        const line = gpa.print(format, arguments) catch outOfMemory();
        defer gpa.free(line);
        self.sendData(line);
    }
    pub fn trySendData(self: Socket, data: []const u8) Error!void {
        var answer: [2]u8 = undefined;
        host.@"[method]socket.send-data"(self.raw(), start(data), data.len, &answer);
        return checked(&answer);
    }
    /// Closes without waiting for the outbox. `unbind` follows after this callback.
    pub fn closeConnection(self: Socket) void {
        host.@"[method]socket.close-connection"(self.raw());
    }
    /// Closes once the outbox is empty, or at the close deadline.
    pub fn closeConnectionAfterWriting(self: Socket) void {
        host.@"[method]socket.close-connection-after-writing"(self.raw());
    }
    /// Ends the write side once the outbox is empty; reading goes on.
    pub fn halfClose(self: Socket) Error!void {
        var answer: [2]u8 = undefined;
        host.@"[method]socket.half-close"(self.raw(), &answer);
        return checked(&answer);
    }
    /// Whether the connection stays open for writing when the peer has ended its side; false at first.
    pub fn keepHalfOpen(self: Socket, keep: bool) void {
        host.@"[method]socket.keep-half-open"(self.raw(), @intFromBool(keep));
    }
    pub fn peerFinished(self: Socket) bool {
        return host.@"[method]socket.peer-finished"(self.raw()) != 0;
    }
    /// Stops reading; the peer feels it.
    pub fn pause(self: Socket) void {
        host.@"[method]socket.pause"(self.raw());
    }
    pub fn @"resume"(self: Socket) void {
        host.@"[method]socket.resume"(self.raw());
    }
    pub fn isPaused(self: Socket) bool {
        return host.@"[method]socket.is-paused"(self.raw()) != 0;
    }
    /// The other end, or null when it is not connected.
    pub fn peerAddress(self: Socket) ?Address {
        var answer: SomeAddress = undefined;
        host.@"[method]socket.peer-address"(self.raw(), &answer);
        return answer.take();
    }
    pub fn localAddress(self: Socket) ?Address {
        var answer: SomeAddress = undefined;
        host.@"[method]socket.local-address"(self.raw(), &answer);
        return answer.take();
    }
    /// Closes after so many milliseconds without a byte in either direction; 0, the default, never.
    pub fn setCommInactivityTimeout(self: Socket, milliseconds: u32) void {
        host.@"[method]socket.set-comm-inactivity-timeout"(self.raw(), milliseconds);
    }
    pub fn commInactivityTimeout(self: Socket) u32 {
        return host.@"[method]socket.comm-inactivity-timeout"(self.raw());
    }
    /// Outgoing: how long connecting may take, 20,000 milliseconds at first.
    pub fn setPendingConnectTimeout(self: Socket, milliseconds: u32) Error!void {
        var answer: [2]u8 = undefined;
        host.@"[method]socket.set-pending-connect-timeout"(self.raw(), milliseconds, &answer);
        return checked(&answer);
    }
    pub fn pendingConnectTimeout(self: Socket) u32 {
        return host.@"[method]socket.pending-connect-timeout"(self.raw());
    }
    /// Bytes that wait in the outbox.
    pub fn outboundDataSize(self: Socket) u32 {
        return host.@"[method]socket.outbound-data-size"(self.raw());
    }
    /// Milliseconds since something was read or written.
    pub fn idleTime(self: Socket) u32 {
        return host.@"[method]socket.idle-time"(self.raw());
    }
    /// The number that the log gives this connection.
    pub fn id(self: Socket) u32 {
        return host.@"[method]socket.id"(self.raw());
    }
    /// In `init` and `postInit` of an accepted connection: where it was accepted, and an option of its [[listen]] section.
    pub fn listener(self: Socket) []const u8 {
        return self.conn.listener.slice();
    }
    pub fn listenerOption(self: Socket, key: []const u8) ?[]const u8 {
        for (self.conn.options) |pair| {
            if (std.mem.eql(u8, pair.key.slice(), key)) return pair.value.slice();
        }
        return null;
    }
    /// Has the system probe a peer that says nothing, times in seconds; 0 leaves each as the system has it.
    pub fn enableKeepalive(self: Socket, probes: Probes) Error!void {
        var answer: [2]u8 = undefined;
        socket_options.@"set-keepalive"(self.raw(), 1, probes.idle, probes.interval, probes.count, &answer);
        return checked(&answer);
    }
    pub fn disableKeepalive(self: Socket) Error!void {
        var answer: [2]u8 = undefined;
        socket_options.@"set-keepalive"(self.raw(), 0, 0, 0, 0, &answer);
        return checked(&answer);
    }
    pub fn keepalive(self: Socket) ?Probes {
        var answer: extern struct { is_there: u8, probes: Probes } = undefined;
        socket_options.keepalive(self.raw(), &answer);
        return if (answer.is_there != 0) answer.probes else null;
    }
    pub fn setNodelay(self: Socket, on: bool) Error!void {
        var answer: [2]u8 = undefined;
        socket_options.@"set-nodelay"(self.raw(), @intFromBool(on), &answer);
        return checked(&answer);
    }
    pub fn nodelay(self: Socket) bool {
        return socket_options.nodelay(self.raw()) != 0;
    }

    /// Goes on with TLS once what was sent has gone out in plain. Its end is told to `tlsCompleted` or `unbind`.
    pub fn startTls(self: Socket, how: Tls) Error!void {
        const list = gpa.alloc(Str, how.alpn.len) catch outOfMemory();
        defer gpa.free(list);
        for (how.alpn, list) |protocol, *str| str.* = .of(protocol);
        const profile = how.profile orelse "";
        const verification = @intFromEnum(how.verification);
        var answer: [2]u8 = undefined;
        if (how.server_name) |name| {
            tls.@"start-tls"(self.raw(), 0, start(name), name.len, @intFromBool(how.profile != null), @intFromPtr(start(profile)), profile.len, @intFromPtr(start(list)), list.len, verification, &answer);
        } else {
            tls.@"start-tls"(self.raw(), 1, start(profile), profile.len, @intFromPtr(start(list)), list.len, verification, 0, 0, 0, &answer);
        }
        return checked(&answer);
    }
    /// Null before the handshake is complete.
    pub fn tlsSession(self: Socket) ?TlsSession {
        var answer: extern struct { is_there: u8, version: u8 align(4), cipher: Str, bits: u32, alpn: SomeStr, server_name: SomeStr, resumed: u8 } = undefined;
        tls.session(self.raw(), &answer);
        if (answer.is_there == 0) return null;
        return .{
            .is_tls13 = answer.version == 1,
            .resumed = answer.resumed != 0,
            .cipher_bits = answer.bits,
            .cipher = .take(answer.cipher),
            .alpn = if (answer.alpn.is_there != 0) .take(answer.alpn.str) else .{},
            .server_name = if (answer.server_name.is_there != 0) .take(answer.server_name.str) else .{},
        };
    }
    /// The peer's certificates as DER: `gpa.free` each, and the list.
    pub fn peerCertificates(self: Socket) []const []const u8 {
        var answer: List(Str) = undefined;
        tls.@"peer-certificates"(self.raw(), &answer);
        return owned(answer);
    }
    pub fn endOfStream(self: Socket) StreamEnd {
        return @enumFromInt(tls.@"end-of-stream"(self.raw()));
    }
    /// In `unbind`: why the handshake failed.
    pub fn tlsFailure(self: Socket) ?TlsFailure {
        var answer: extern struct { is_there: u8, kind: u8 align(4), words: Str } = undefined;
        tls.failure(self.raw(), &answer);
        if (answer.is_there == 0) return null;
        return .{ .kind = @enumFromInt(answer.kind), .words = .take(answer.words) };
    }

    /// Has a file go out behind what was sent before. `sent` is called once, with the bytes that went out or an error.
    pub fn sendFile(self: Socket, path: []const u8, part: FilePart, context: anytype, comptime sent: fn (@TypeOf(context), FileError!u64) void) FileError!void {
        const length = part.length orelse 0;
        var answer: [2]u32 = undefined;
        if (part.version) |v| {
            file_versions.@"send-version"(self.raw(), start(path), path.len, high(part.offset), low(part.offset), @intFromBool(part.length != null), high(length), low(length), high(v.size), low(v.size), v.seconds, v.nanoseconds, &answer);
        } else {
            files.@"send-file"(self.raw(), start(path), path.len, high(part.offset), low(part.offset), @intFromBool(part.length != null), high(length), low(length), &answer);
        }
        if (byte(answer[0]) != 0) return file_errors[byte(answer[1])];
        const call = struct {
            fn call(at: usize, outcome: *const anyopaque) void {
                sent(pointed(@TypeOf(context), at), @as(*const FileError!u64, @ptrCast(@alignCast(outcome))).*);
            }
        }.call;
        const entry = register(.file, answer[1], addressOf(context), call, null);
        entry.file_of = self.conn;
        entry.own(self.conn);
    }

    /// Has what comes go to `target`: no more than `buffer` bytes wait there, and after `bytes` it stops. 0 is the default, and no end.
    pub fn proxyIncomingTo(self: Socket, target: Socket, buffer: u32, bytes: u64) ProxyError!void {
        var answer: [2]u8 = undefined;
        proxying.@"proxy-incoming-to"(self.raw(), target.raw(), buffer, high(bytes), low(bytes), &answer);
        if (answer[0] != 0) return proxy_errors[answer[1]];
    }
    pub fn stopProxying(self: Socket) void {
        proxying.@"stop-proxying"(self.raw());
    }
    pub fn getProxiedBytes(self: Socket) u64 {
        var answer: [2]u32 = undefined;
        proxying.@"get-proxied-bytes"(self.raw(), &answer);
        return @as(u64, answer[0]) << 32 | answer[1];
    }

    /// On a socket of `openDatagramSocket`: one datagram to an IP address.
    pub fn sendDatagram(self: Socket, data: []const u8, to: []const u8, port: u16) Error!void {
        var answer: [2]u8 = undefined;
        datagrams.@"send-datagram"(self.raw(), start(data), data.len, start(to), to.len, port, &answer);
        return checked(&answer);
    }

    /// In `unbind`: connects again, and the same object goes on. Its `postInit` is not called again.
    pub fn reconnect(self: Socket, to: []const u8, port: u16) Error!void {
        if (self.conn.again != .in_unbind) return error.InvalidArgument;
        var answer: [2]u8 = undefined;
        last_token +%= 1;
        host.connect(0, start(to), to.len, port, last_token, &answer);
        try checked(&answer);
        register(.connect, last_token, 0, undefined, null).file_of = self.conn;
        self.conn.again = .asked;
    }
};

/// Starts an outgoing connection to a name or an IP address. It is a `T` with these fields, told of after this callback has returned:
/// `postInit`, then `connectionCompleted`, or `unbind` with the reason.
pub fn connect(to: []const u8, port: u16, comptime T: type, fields: anytype) Error!void {
    var answer: [2]u8 = undefined;
    last_token +%= 1;
    host.connect(0, start(to), to.len, port, last_token, &answer);
    try checked(&answer);
    expectConn(T, fields);
}

/// As `connect`, to `host:port` or `[address]:port`, as an option has it.
pub fn connectTo(host_and_port: []const u8, comptime T: type, fields: anytype) Error!void {
    const colon = std.mem.lastIndexOfScalar(u8, host_and_port, ':') orelse return error.InvalidArgument;
    var to = host_and_port[0..colon];
    if (to.len >= 2 and to[0] == '[' and to[to.len - 1] == ']') to = to[1 .. to.len - 1];
    const port = std.fmt.parseInt(u16, host_and_port[colon + 1 ..], 10) catch return error.InvalidArgument;
    return connect(to, port, T, fields);
}

/// As `connect`, to the path of a Unix stream socket.
pub fn connectUnix(path: []const u8, comptime T: type, fields: anytype) Error!void {
    var answer: [2]u8 = undefined;
    last_token +%= 1;
    host.connect(1, start(path), path.len, 0, last_token, &answer);
    try checked(&answer);
    expectConn(T, fields);
}

/// As `connect`, from an address of this machine that `allow.listen` lists; port 0 is one of the system's choice.
pub fn bindConnect(local: []const u8, local_port: u16, to: []const u8, port: u16, comptime T: type, fields: anytype) Error!void {
    var answer: [2]u8 = undefined;
    last_token +%= 1;
    socket_options.@"connect-from"(start(local), local.len, local_port, 0, start(to), to.len, port, last_token, &answer);
    try checked(&answer);
    expectConn(T, fields);
}

/// Opens a UDP socket, which is one connection whoever its peers are: `receiveData` is called with each datagram.
pub fn openDatagramSocket(local: []const u8, port: u16, comptime T: type, fields: anytype) ListenError!Address {
    var answer: extern struct { is_error: u8, code: extern union { is: u8, str: Str } align(4), port: u16 } = undefined;
    last_token +%= 1;
    datagrams.@"open-datagram-socket"(start(local), local.len, port, last_token, &answer);
    if (answer.is_error != 0) return listen_errors[answer.code.is];
    expectConn(T, fields);
    return .take(.udp, answer.code.str, answer.port);
}

pub const Listener = struct { id: u32, address: Address };

/// Listens at an address that `allow.listen` lists, with a handler of `plugin` by its name.
pub fn startServer(kind: AddressKind, host_or_path: []const u8, port: u16, handler: []const u8, given: []const Pair) ListenError!Listener {
    const pairs = gpa.alloc(StrPair, given.len) catch outOfMemory();
    defer gpa.free(pairs);
    for (given, pairs) |pair, *raw| raw.* = .{ .key = .of(pair.key), .value = .of(pair.value) };
    var answer: extern struct { is_error: u8, id: u32, kind: u8 align(4), str: Str, port: u16 } = undefined;
    listeners.@"start-server"(@intFromEnum(kind), start(host_or_path), host_or_path.len, port, start(handler), handler.len, start(pairs), pairs.len, &answer);
    if (answer.is_error != 0) return listen_errors[byte(answer.id)];
    return .{ .id = answer.id, .address = .take(@enumFromInt(answer.kind), answer.str, answer.port) };
}
pub fn stopServer(id: u32) void {
    listeners.@"stop-server"(id);
}

/// The connections of this sandbox, with its listeners and datagram sockets.
pub fn connectionCount() u32 {
    return socket_options.@"connection-count"();
}

/// HTTP/1.1: `http.zig` says how.
pub const HttpServer = @import("http.zig").HttpServer;
pub const HttpRequest = @import("http.zig").HttpRequest;
pub const HttpResponse = @import("http.zig").HttpResponse;

// ---- The reactor -------------------------------------------------------------------------------------------------------

/// Ends the host's loops after this turn; needs `allow.stop = true`, and without it the log says so.
pub fn stop() void {
    tryStop() catch |problem| say("the reactor does not stop", "", problem);
}
pub fn tryStop() Error!void {
    var answer: [2]u8 = undefined;
    reactor.stop(&answer);
    return checked(&answer);
}
pub fn isRunning() bool {
    return reactor.@"is-running"() != 0;
}

/// What was registered. One that has ended is never another one's, and to end it again does nothing.
fn Registration(comptime kind: Kind) type {
    return struct {
        id: u32 = 0,
        serial: u32 = 0,

        pub fn cancel(self: @This()) void {
            if (self.entry()) |it| it.forget();
        }
        fn entry(self: @This()) ?*Entry {
            const it = find(kind, self.id) orelse return null;
            return if (it.serial == self.serial) it else null;
        }
    };
}
pub const Timer = Registration(.timer);
pub const Pop = Registration(.pop);
pub const Watch = Registration(.watch);

/// Calls `fired` with `context` once after so many milliseconds; 0 is the next turn. A context that is a connection's object has the
/// timer end with it. At the limit of timers the log says so, and none is made.
pub fn addTimer(milliseconds: u32, context: anytype, comptime fired: fn (@TypeOf(context)) void) Timer {
    var answer: [2]u32 = undefined;
    timers.@"add-timer"(milliseconds, &answer);
    return madeTimer(&answer, context, fired, true);
}
/// Calls it every so many milliseconds, counted from the end of one call to the next.
pub fn addPeriodicTimer(milliseconds: u32, context: anytype, comptime fired: fn (@TypeOf(context)) void) Timer {
    var answer: [2]u32 = undefined;
    timers.@"add-periodic-timer"(milliseconds, &answer);
    return madeTimer(&answer, context, fired, false);
}
fn madeTimer(answer: *const [2]u32, context: anytype, comptime fired: fn (@TypeOf(context)) void, is_once: bool) Timer {
    if (refused(answer)) |problem| {
        say("no timer was made", "", problem);
        return .{};
    }
    const entry = register(.timer, answer[1], addressOf(context), plain(@TypeOf(context), fired), timers.@"cancel-timer");
    entry.is_once = is_once;
    return .{ .id = entry.id, .serial = entry.serial };
}

/// Calls `tick` when this turn's events are done.
pub fn nextTick(context: anytype, comptime tick: fn (@TypeOf(context)) void) void {
    var answer: [2]u32 = undefined;
    reactor.@"next-tick"(&answer);
    if (refused(&answer)) |problem| return say("no tick was made", "", problem);
    _ = register(.tick, answer[1], addressOf(context), plain(@TypeOf(context), tick), null);
}

/// What an operation has found. The bytes are its allocator's.
pub const Found = union(enum) { ok: []const u8, failed: []const u8 };
pub const Failure = enum(u8) { done, failed, trapped, too_long, too_large, unavailable };
/// `text` is the result, or the words of the failure.
pub const Outcome = struct { why: Failure, text: []const u8 };

/// Has a worker call `operation` in a sandbox of its own, where it sees nothing of the plugin's variables; then calls `done`.
pub fn deferred(comptime operation: fn (std.mem.Allocator, []const u8) Found, argument: []const u8, context: anytype, comptime done: fn (@TypeOf(context), Outcome) void) Error!void {
    var answer: [2]u32 = undefined;
    deferring.@"defer"(@intFromPtr(&operation), start(argument), argument.len, &answer);
    if (refused(&answer)) |problem| return problem;
    _ = register(.job, answer[1], addressOf(context), with(@TypeOf(context), Outcome, done), null);
}

// ---- Channels, queues, processes, files ----------------------------------------------------------------------------------

pub const Subscription = struct {
    it: Registration(.subscription) = .{},

    pub fn unsubscribe(self: Subscription) void {
        self.it.cancel();
    }
    /// As `pushToOthers`, of formatted text.
    pub fn printToOthers(self: Subscription, comptime format: []const u8, arguments: anytype) void {
        const line = gpa.print(format, arguments) catch outOfMemory();
        defer gpa.free(line);
        self.pushToOthers(line);
    }
    /// Pushes to all subscribers of the channel but this one.
    pub fn pushToOthers(self: Subscription, message: []const u8) void {
        const entry = self.it.entry() orelse return say("a message was lost: this subscription has ended", "", error.Closed);
        pushTo(entry.name, message, entry.id) catch |problem| say("a message was lost, to channel ", entry.name, problem);
    }
};

fn pushTo(name: []const u8, message: []const u8, except: ?u32) Error!void {
    var answer: [2]u8 = undefined;
    channels.push(start(name), name.len, start(message), message.len, @intFromBool(except != null), except orelse 0, &answer);
    return checked(&answer);
}

pub fn channel(name: []const u8) Channel {
    return .{ .name = name };
}
pub fn queue(name: []const u8) Queue {
    return .{ .name = name };
}

/// What one pushes, every subscriber gets, in every sandbox of the tenant.
pub const Channel = struct {
    name: []const u8,

    /// Calls `heard` with every message that is pushed from now on.
    pub fn subscribe(self: Channel, context: anytype, comptime heard: fn (@TypeOf(context), []const u8) void) Subscription {
        var answer: [2]u32 = undefined;
        channels.subscribe(start(self.name), self.name.len, &answer);
        if (refused(&answer)) |problem| {
            say("no subscription to channel ", self.name, problem);
            return .{};
        }
        const entry = register(.subscription, answer[1], addressOf(context), with(@TypeOf(context), []const u8, heard), channels.unsubscribe);
        entry.name = gpa.dupe(u8, self.name) catch outOfMemory();
        return .{ .it = .{ .id = entry.id, .serial = entry.serial } };
    }
    /// At the bound the message is lost and the log says so.
    pub fn push(self: Channel, message: []const u8) void {
        self.tryPush(message) catch |problem| say("a message was lost, to channel ", self.name, problem);
    }
    pub fn tryPush(self: Channel, message: []const u8) Error!void {
        return pushTo(self.name, message, null);
    }
    pub fn numSubscribers(self: Channel) u32 {
        return channels.@"num-subscribers"(start(self.name), self.name.len);
    }
};

/// What one pushes, one other gets.
pub const Queue = struct {
    name: []const u8,

    pub fn push(self: Queue, item: []const u8) Error!void {
        var answer: [2]u8 = undefined;
        queues.push(start(self.name), self.name.len, start(item), item.len, &answer);
        return checked(&answer);
    }
    /// Calls `popped` with one item, once.
    pub fn pop(self: Queue, context: anytype, comptime popped: fn (@TypeOf(context), []const u8) void) Pop {
        var answer: [2]u32 = undefined;
        queues.pop(start(self.name), self.name.len, &answer);
        if (refused(&answer)) |problem| {
            say("no pop from queue ", self.name, problem);
            return .{};
        }
        const entry = register(.pop, answer[1], addressOf(context), with(@TypeOf(context), []const u8, popped), queues.@"cancel-pop");
        return .{ .id = entry.id, .serial = entry.serial };
    }
    pub fn size(self: Queue) u32 {
        return queues.size(start(self.name), self.name.len);
    }
    pub fn numWaiting(self: Queue) u32 {
        return queues.@"num-waiting"(start(self.name), self.name.len);
    }
};

pub const ExitReason = enum(u8) { finished, killed, trapped, unavailable };
pub const Exit = struct { process: u32, reason: ExitReason };

/// Starts a process of this plugin, or of another one, and returns its id. `exited` is called when it has ended.
pub fn spawn(other: ?[]const u8, name: []const u8, argument: []const u8, context: anytype, comptime exited: fn (@TypeOf(context), Exit) void) Error!u32 {
    var answer: [2]u32 = undefined;
    const of = other orelse "";
    running.spawn(@intFromBool(other != null), start(of), of.len, start(name), name.len, start(argument), argument.len, &answer);
    if (refused(&answer)) |problem| return problem;
    _ = register(.process, answer[1], addressOf(context), with(@TypeOf(context), Exit, exited), null);
    return answer[1];
}
/// Puts a message into a process's mailbox.
pub fn notify(process: u32, message: []const u8) Error!void {
    var answer: [2]u8 = undefined;
    running.notify(process, start(message), message.len, &answer);
    return checked(&answer);
}
pub fn kill(process: u32) void {
    running.kill(process);
}
/// Ends the process that this sandbox is.
pub fn exit() void {
    running.exit();
}

pub const WatchEvent = union(enum) { modified, moved, deleted, ended: WatchError };

/// Calls `changed` for what becomes of a file or folder.
pub fn watchFile(path: []const u8, context: anytype, comptime changed: fn (@TypeOf(context), WatchEvent) void) WatchError!Watch {
    var answer: [2]u32 = undefined;
    watching.@"watch-file"(start(path), path.len, &answer);
    if (byte(answer[0]) != 0) return watch_errors[byte(answer[1])];
    const entry = register(.watch, answer[1], addressOf(context), with(@TypeOf(context), WatchEvent, changed), watching.unwatch);
    return .{ .id = entry.id, .serial = entry.serial };
}

// ---- Log and options ---------------------------------------------------------------------------------------------------

pub const Level = enum(u8) { trace, debug, info, warn, err };

/// A line in the operator's log. `std.log` comes there as well.
pub fn log(level: Level, comptime format: []const u8, arguments: anytype) void {
    var buffer: [1024]u8 = undefined;
    var writer: std.Io.Writer = .fixed(&buffer);
    writer.print(format, arguments) catch {}; // what is longer is cut
    const line = writer.buffered();
    logging.log(@intFromEnum(level), start(line), line.len);
}
pub fn info(comptime format: []const u8, arguments: anytype) void {
    log(.info, format, arguments);
}
pub fn warn(comptime format: []const u8, arguments: anytype) void {
    log(.warn, format, arguments);
}
pub fn err(comptime format: []const u8, arguments: anytype) void {
    log(.err, format, arguments);
}

fn onLog(comptime level: std.log.Level, comptime scope: @EnumLiteral(), comptime format: []const u8, arguments: anytype) void {
    const prefix = if (scope == .default) "" else "(" ++ @tagName(scope) ++ ") ";
    log(switch (level) {
        .err => .err,
        .warn => .warn,
        .info => .info,
        .debug => .debug,
    }, prefix ++ format, arguments);
}

fn onPanic(message: []const u8, _: ?usize) noreturn {
    logLine(&.{ "panic: ", message });
    @trap();
}

/// An option of [plugins.NAME.options]; `gpa.free` it.
pub fn option(key: []const u8) ?[]const u8 {
    var answer: SomeStr = undefined;
    options_of.get(start(key), key.len, &answer);
    return if (answer.is_there != 0) answer.str.slice() else null;
}

/// Every option, in the order of the keys; `gpa.free` each, and the list.
pub fn options() []const Pair {
    var answer: List(StrPair) = undefined;
    options_of.all(&answer);
    const all = gpa.alloc(Pair, answer.len) catch outOfMemory();
    for (answer.slice(), all) |from, *to| to.* = .{ .key = from.key.slice(), .value = from.value.slice() };
    answer.free();
    return all;
}

// ---- What a plugin is --------------------------------------------------------------------------------------------------

/// The plugin's handlers by their names, as `handler` of a [[listen]] section gives them; the only one needs no name there.
///
/// A handler is a struct with a field `socket: sl.Socket`, whose other fields have defaults, or with a function
/// `pub fn init(socket: sl.Socket) T`. Its callbacks, each with `self: *T` first: `postInit()`, `connectionCompleted()`,
/// `receiveData([]const u8)`, or in its place `receiveLine([]const u8)` with lines of up to `pub const max_line` bytes, `drained()`,
/// `unbind(sl.CloseReason)`, `tlsCompleted()`, `verifyPeer([]const []const u8) bool`, `draining(u32) sl.Drain`,
/// `proxyTargetUnbound()`, `proxyCompleted()`.
pub fn plugin(comptime handlers: anytype) void {
    const names = std.meta.fieldNames(@TypeOf(handlers));
    const list = struct {
        const all: [names.len]Handler = blk: {
            var it: [names.len]Handler = undefined;
            for (names, 0..) |name, i| it[i] = Glue(@field(handlers, name)).handler(name);
            break :blk it;
        };
        fn constructor(socket: i32, origin: i32, a: usize, a_len: usize, b: [*]u8, b_len: usize, pairs: [*]StrPair, pair_count: usize) callconv(wasm) i32 {
            return made(&all, socket, origin, a, a_len, .{ .ptr = b, .len = b_len }, .{ .ptr = pairs, .len = pair_count });
        }
        const shown: [names.len]Str = blk: {
            var it: [names.len]Str = undefined;
            for (names, 0..) |name, i| it[i] = .of(name);
            break :blk it;
        };
        const answer: List(Str) = .{ .ptr = @constCast(&shown), .len = names.len };
        fn handlerNames() callconv(wasm) *const List(Str) {
            return &answer;
        }
    };
    @export(&list.constructor, .{ .name = contract ++ "handler@" ++ version ++ "#[constructor]connection" });
    @export(&list.handlerNames, .{ .name = contract ++ "catalog@" ++ version ++ "#handlers" });
    exportEvents();
}

/// Makes the plugin a program, which the host starts whether or not it has connections; it needs `isolation = "plugin"`. `P` has
/// `pub fn start() !void`, and if it wants `prepare() !void`, `stopping() void`, `stopped() void`. An error's name is told to the operator.
/// With `save(std.mem.Allocator) ?[]const u8` and `restore([]const u8) !void` it hands a state to the next version when it is
/// replaced: `restore` comes between `prepare` and `start`.
pub fn program(comptime P: type) void {
    const steps = struct {
        var result: Result = undefined;
        fn said(outcome: anyerror!void) *const Result {
            result = if (outcome) |_| .{ .is_error = 0, .str = .of("") } else |problem| .{ .is_error = 1, .str = .of(text(problem)) };
            return &result;
        }
        fn prepare() callconv(wasm) *const Result {
            return said(if (@hasDecl(P, "prepare")) P.prepare() else {});
        }
        fn start() callconv(wasm) *const Result {
            return said(P.start());
        }
        fn stopping() callconv(wasm) void {
            if (@hasDecl(P, "stopping")) P.stopping();
        }
        fn stopped() callconv(wasm) void {
            if (@hasDecl(P, "stopped")) P.stopped();
        }

        var state: SomeStr = undefined;
        fn save() callconv(wasm) *const SomeStr {
            const saved: ?[]const u8 = if (@hasDecl(P, "save")) P.save(job_arena.allocator()) else null;
            state = if (saved) |bytes| .{ .is_there = 1, .str = .of(bytes) } else .{ .is_there = 0, .str = .of("") };
            return &state;
        }
        fn saveReturned(_: *const SomeStr) callconv(wasm) void {
            _ = job_arena.reset(.free_all);
        }
        fn restore(ptr: [*]u8, len: usize) callconv(wasm) *const Result {
            const given: Str = .{ .ptr = ptr, .len = len };
            defer given.free();
            return said(if (@hasDecl(P, "restore")) P.restore(given.slice()) else error.ThisPluginHasNoUseForAState);
        }
    };
    for (.{ "prepare", "start", "stopping", "stopped" }) |name| {
        @export(&@field(steps, name), .{ .name = contract ++ "lifecycle@" ++ version ++ "#" ++ name });
    }
    const handover = contract ++ "handover-handler@" ++ version;
    @export(&steps.save, .{ .name = handover ++ "#save" });
    @export(&steps.saveReturned, .{ .name = "cabi_post_" ++ handover ++ "#save" });
    @export(&steps.restore, .{ .name = handover ++ "#restore" });
}

/// The plugin's processes by their names. A process is a struct with `pub fn init(id: u32, argument: []const u8) !T` and
/// `pub fn notified(self: *T, message: []const u8) void`.
pub fn processes(comptime classes: anytype) void {
    const names = std.meta.fieldNames(@TypeOf(classes));
    const mailbox = struct {
        var self: ?*anyopaque = null;
        var told: *const fn (*anyopaque, []const u8) void = undefined;
        var result: Result = undefined;

        fn spawned(id: u32, name_ptr: [*]u8, name_len: usize, argument_ptr: [*]u8, argument_len: usize) callconv(wasm) *const Result {
            const name: Str = .{ .ptr = name_ptr, .len = name_len };
            const argument: Str = .{ .ptr = argument_ptr, .len = argument_len };
            defer name.free();
            defer argument.free();
            result = .{ .is_error = 1, .str = .of("this plugin has no process of that name: sl.processes lists those that there are") };
            inline for (names) |known| {
                if (std.ascii.eqlIgnoreCase(known, name.slice())) {
                    const T = @field(classes, known);
                    result = .{ .is_error = 0, .str = .of("") };
                    const it = gpa.create(T) catch outOfMemory();
                    if (@as(anyerror!T, T.init(id, argument.slice()))) |process| {
                        it.* = process;
                        self = it;
                        told = struct {
                            fn call(at: *anyopaque, message: []const u8) void {
                                T.notified(@ptrCast(@alignCast(at)), message);
                            }
                        }.call;
                    } else |problem| result = .{ .is_error = 1, .str = .of(text(problem)) };
                }
            }
            return &result;
        }
        fn notified(ptr: [*]u8, len: usize) callconv(wasm) void {
            const message: Str = .{ .ptr = ptr, .len = len };
            defer message.free();
            if (self) |it| told(it, message.slice());
        }
    };
    @export(&mailbox.spawned, .{ .name = contract ++ "mailbox@" ++ version ++ "#spawned" });
    @export(&mailbox.notified, .{ .name = contract ++ "mailbox@" ++ version ++ "#notified" });
}

// ---- Connections inside ------------------------------------------------------------------------------------------------

const live: u32 = 0x51bd10f5;

/// The front of every connection; behind it is the plugin's own object.
const Conn = struct {
    alive: u32 = live,
    handle: i32 = 0,
    handler: *const Handler,
    object: *anyopaque,
    first: ?*Entry = null,
    listener: Str = .{ .ptr = undefined, .len = 0 },
    options: []StrPair = &.{},
    line: std.ArrayList(u8) = .empty,
    again: Again = .no,
    old_handle: i32 = 0,
    is_begun: bool = false,

    /// Ends what was registered with it.
    fn forgetAll(c: *Conn) void {
        while (c.first) |entry| entry.forget();
    }
};

/// A connection that connects again keeps its address, which is what the host knows both by. The old one is dropped before the new
/// one is made, or after.
const Again = enum { no, in_unbind, asked, old_dropped, new_made };

const Handler = struct {
    name: []const u8,
    make: *const fn () *Conn,
    begin: *const fn (*Conn) void,
    post_init: *const fn (*Conn) void,
    connection_completed: *const fn (*Conn) void,
    receive: *const fn (*Conn, []u8) void,
    drained: *const fn (*Conn) void,
    unbind: *const fn (*Conn, CloseReason) void,
    tls_completed: *const fn (*Conn) void,
    verify_peer: *const fn (*Conn, []const []const u8) bool,
    draining: *const fn (*Conn, u32) Drain,
    proxy_target_unbound: *const fn (*Conn) void,
    proxy_completed: *const fn (*Conn) void,
    free: *const fn (*Conn) void,
};

/// What the host calls, for one type of connections.
fn Glue(comptime T: type) type {
    if (@typeInfo(T) != .@"struct" or !@hasField(T, "socket")) @compileError("a handler is a struct with a field `socket: sl.Socket`, which " ++ @typeName(T) ++ " is not");
    return struct {
        const Held = struct { conn: Conn, object: T };

        fn held(c: *Conn) *Held {
            return @fieldParentPtr("conn", c);
        }
        fn make() *Conn {
            const it = gpa.create(Held) catch outOfMemory();
            it.conn = .{ .handler = &unnamed, .object = &it.object };
            return &it.conn;
        }
        fn filled(fields: anytype) *Conn {
            const c = make();
            fill(c, fields);
            return c;
        }
        fn fill(c: *Conn, fields: anytype) void {
            const it = &held(c).object;
            const s = @typeInfo(T).@"struct";
            inline for (s.field_names, s.field_types, s.field_attrs) |name, Field, attrs| {
                if (comptime std.mem.eql(u8, name, "socket")) {
                    it.socket = .{ .conn = c };
                } else if (@hasField(@TypeOf(fields), name)) {
                    @field(it, name) = @field(fields, name);
                } else {
                    @field(it, name) = comptime attrs.defaultValue(Field) orelse @compileError("the field `" ++ name ++ "` of " ++ @typeName(T) ++ " has no value: give it a default, or " ++ @typeName(T) ++ " a `pub fn init(socket: sl.Socket) " ++ @typeName(T) ++ "`");
                }
            }
        }
        fn begin(c: *Conn) void {
            if (comptime @hasDecl(T, "init")) {
                held(c).object = T.init(.{ .conn = c });
            } else {
                fill(c, .{});
            }
        }
        /// Calls a callback that may be there, and may return an error.
        fn call(comptime name: []const u8, c: *Conn, arguments: anytype, comptime nothing: anytype) @TypeOf(nothing) {
            if (comptime !@hasDecl(T, name)) return nothing;
            const returned = @call(.auto, @field(T, name), .{&held(c).object} ++ arguments);
            if (@typeInfo(@TypeOf(returned)) != .error_union) return returned;
            return returned catch |problem| failed(name, problem);
        }
        fn failed(comptime name: []const u8, problem: anyerror) noreturn {
            logLine(&.{ @typeName(T) ++ "." ++ name ++ " returned the error ", @errorName(problem), ": ", text(problem) });
            @trap();
        }
        fn postInit(c: *Conn) void {
            call("postInit", c, .{}, {});
        }
        fn connectionCompleted(c: *Conn) void {
            call("connectionCompleted", c, .{}, {});
        }
        fn receive(c: *Conn, data: []u8) void {
            if (comptime @hasDecl(T, "receiveLine")) return lines(c, data);
            call("receiveData", c, .{data}, {});
        }
        const max_line: usize = if (@hasDecl(T, "max_line")) T.max_line else 16384;
        fn lines(c: *Conn, data: []const u8) void {
            var rest = data;
            while (rest.len > 0) {
                const end = std.mem.indexOfScalar(u8, rest, '\n');
                const part = rest[0 .. end orelse rest.len];
                if (c.line.items.len + part.len > max_line) {
                    logLine(&.{"a line has more than max_line bytes: the connection is closed; raise `pub const max_line` of " ++ @typeName(T)});
                    c.line.clearRetainingCapacity();
                    return host.@"[method]socket.close-connection"(c.handle);
                }
                if (end == null or c.line.items.len > 0) c.line.appendSlice(gpa, part) catch outOfMemory();
                rest = rest[part.len + @intFromBool(end != null) ..];
                if (end == null) return;
                var line: []const u8 = if (c.line.items.len > 0) c.line.items else part;
                if (line.len > 0 and line[line.len - 1] == '\r') line.len -= 1;
                call("receiveLine", c, .{line}, {});
                c.line.clearRetainingCapacity();
            }
        }
        fn drained(c: *Conn) void {
            call("drained", c, .{}, {});
        }
        fn unbind(c: *Conn, reason: CloseReason) void {
            call("unbind", c, .{reason}, {});
        }
        fn tlsCompleted(c: *Conn) void {
            call("tlsCompleted", c, .{}, {});
        }
        fn verifyPeer(c: *Conn, chain: []const []const u8) bool {
            return call("verifyPeer", c, .{chain}, false);
        }
        fn draining(c: *Conn, milliseconds: u32) Drain {
            return call("draining", c, .{milliseconds}, Drain.when_idle);
        }
        fn proxyTargetUnbound(c: *Conn) void {
            call("proxyTargetUnbound", c, .{}, {});
        }
        fn proxyCompleted(c: *Conn) void {
            call("proxyCompleted", c, .{}, {});
        }
        fn free(c: *Conn) void {
            gpa.destroy(held(c));
        }

        /// Of an outgoing one, which has been filled when it was asked for.
        fn begun(_: *Conn) void {}

        const unnamed = handlerWith("", begun);
        fn handler(comptime name: []const u8) Handler {
            return handlerWith(name, begin);
        }
        fn handlerWith(comptime name: []const u8, comptime with_begin: fn (*Conn) void) Handler {
            return .{
                .name = name,
                .make = make,
                .begin = with_begin,
                .post_init = postInit,
                .connection_completed = connectionCompleted,
                .receive = receive,
                .drained = drained,
                .unbind = unbind,
                .tls_completed = tlsCompleted,
                .verify_peer = verifyPeer,
                .draining = draining,
                .proxy_target_unbound = proxyTargetUnbound,
                .proxy_completed = proxyCompleted,
                .free = free,
            };
        }
    };
}

var last_token: u32 = 0;
/// The live connections by the addresses of their objects: who gives one as a context need not say so.
var conns: std.AutoHashMapUnmanaged(usize, *Conn) = .empty;
/// The last connections to end are kept for a while, so that a use of them is noticed.
var ended: [16]?*Conn = @splat(null);
var ended_next: usize = 0;

fn expectConn(comptime T: type, fields: anytype) void {
    register(.connect, last_token, 0, undefined, null).file_of = Glue(T).filled(fields);
}

fn named(handlers: []const Handler, name: []const u8, listener: []const u8) *const Handler {
    if (handlers.len == 0) die(&.{ listener, ": this plugin accepts no connections: list its handlers in sl.plugin" });
    if (name.len == 0) {
        if (handlers.len == 1) return &handlers[0];
        die(&.{ listener, ": this plugin has several handlers: `handler` of the [[listen]] section in plugins.toml names one" });
    }
    for (handlers) |*handler| {
        if (std.ascii.eqlIgnoreCase(handler.name, name)) return handler;
    }
    die(&.{ listener, ": this plugin has no handler named \"", name, "\": sl.plugin lists those that there are" });
}

fn made(handlers: []const Handler, socket: i32, origin: i32, a: usize, a_len: usize, name: Str, pairs: List(StrPair)) i32 {
    if (origin == 0) {
        const listener: Str = .{ .ptr = @ptrFromInt(a), .len = a_len };
        const handler = named(handlers, name.slice(), listener.slice());
        const c = handler.make();
        c.handle = socket;
        c.listener = listener;
        c.options = pairs.slice();
        name.free();
        alive(c);
        handler.begin(c);
        return resources.@"[resource-new]connection"(c);
    }
    const entry = take(.connect, @intCast(a)) orelse die(&.{"a connection came that nobody asked for: this is a fault of the host"});
    const c = entry.file_of.?;
    entry.release();
    switch (c.again) {
        .asked => {
            c.old_handle = c.handle;
            c.again = .new_made;
        },
        .no => alive(c),
        .in_unbind, .old_dropped, .new_made => c.again = .no,
    }
    c.handle = socket;
    return resources.@"[resource-new]connection"(c);
}

fn alive(c: *Conn) void {
    conns.put(gpa, @intFromPtr(c.object), c) catch outOfMemory();
}

const wasm: std.builtin.CallingConvention = .{ .wasm_mvp = .{} };

const events = struct {
    pub fn @"handler#[dtor]connection"(c: *Conn) callconv(wasm) void {
        if (c.again == .new_made) {
            host.@"[resource-drop]socket"(c.old_handle);
            c.again = .no;
            return;
        }
        host.@"[resource-drop]socket"(c.handle);
        if (c.again == .asked) {
            c.again = .old_dropped;
            return;
        }
        c.forgetAll();
        _ = conns.remove(@intFromPtr(c.object));
        c.alive = 0;
        c.line.deinit(gpa);
        if (ended[ended_next]) |old| old.handler.free(old);
        ended[ended_next] = c;
        ended_next = (ended_next + 1) % ended.len;
    }
    pub fn @"handler#[method]connection.post-init"(c: *Conn) callconv(wasm) void {
        if (c.is_begun) return; // it has connected again
        c.is_begun = true;
        c.handler.post_init(c);
        c.listener.free();
        c.listener = .{ .ptr = undefined, .len = 0 };
        for (c.options) |pair| {
            pair.key.free();
            pair.value.free();
        }
        (List(StrPair){ .ptr = c.options.ptr, .len = c.options.len }).free();
        c.options = &.{};
    }
    pub fn @"handler#[method]connection.connection-completed"(c: *Conn) callconv(wasm) void {
        c.handler.connection_completed(c);
    }
    pub fn @"handler#[method]connection.receive-data"(c: *Conn, ptr: [*]u8, len: usize) callconv(wasm) void {
        const data: Str = .{ .ptr = ptr, .len = len };
        defer data.free();
        c.handler.receive(c, if (len > 0) ptr[0..len] else &.{});
    }
    pub fn @"handler#[method]connection.drained"(c: *Conn) callconv(wasm) void {
        c.handler.drained(c);
    }
    pub fn @"handler#[method]connection.unbind"(c: *Conn, reason: i32) callconv(wasm) void {
        c.again = .in_unbind;
        c.line.clearRetainingCapacity();
        c.handler.unbind(c, @enumFromInt(reason));
        if (c.again == .asked) return;
        c.again = .no;
        c.forgetAll();
    }
    pub fn @"timers-handler#timer-fired"(id: u32) callconv(wasm) void {
        const entry = find(.timer, id) orelse return;
        if (entry.is_once) entry.unlink();
        entry.run(&{});
    }
    pub fn @"ticks-handler#tick"(id: u32) callconv(wasm) void {
        const entry = take(.tick, id) orelse return;
        entry.run(&{});
    }
    pub fn @"operations#run"(operation: usize, ptr: [*]u8, len: usize) callconv(wasm) *const Result {
        const argument: Str = .{ .ptr = ptr, .len = len };
        defer argument.free();
        const run: *const fn (std.mem.Allocator, []const u8) Found = @ptrFromInt(operation);
        job_result = switch (run(job_arena.allocator(), argument.slice())) {
            .ok => |bytes| .{ .is_error = 0, .str = .of(bytes) },
            .failed => |words| .{ .is_error = 1, .str = .of(words) },
        };
        return &job_result;
    }
    pub fn @"deferred-handler#completed"(job: u32, is_failed: i32, first: usize, second: usize, third: usize) callconv(wasm) void {
        const given: Str = if (is_failed == 0) .{ .ptr = @ptrFromInt(first), .len = second } else if (first == 0) .{ .ptr = @ptrFromInt(second), .len = third } else .{ .ptr = undefined, .len = 0 };
        defer given.free();
        const why: Failure = if (is_failed == 0) .done else @enumFromInt(first + 1);
        const entry = take(.job, job) orelse return;
        const outcome: Outcome = .{ .why = why, .text = switch (why) {
            .done, .failed => given.slice(),
            .trapped => "the operation trapped",
            .too_long => "the operation took too long",
            .too_large => "the result is too large",
            .unavailable => "no sandbox could be made for the operation",
        } };
        entry.run(&outcome);
    }
    pub fn @"subscriptions#message"(id: u32, ptr: [*]u8, len: usize) callconv(wasm) void {
        const message: Str = .{ .ptr = ptr, .len = len };
        defer message.free();
        const entry = find(.subscription, id) orelse return;
        const told = message.slice();
        entry.run(@ptrCast(&told));
    }
    pub fn @"queues-handler#popped"(id: u32, ptr: [*]u8, len: usize) callconv(wasm) void {
        const item: Str = .{ .ptr = ptr, .len = len };
        defer item.free();
        const entry = take(.pop, id) orelse return;
        const told = item.slice();
        entry.run(@ptrCast(&told));
    }
    pub fn @"processes-handler#exited"(process: u32, reason: i32) callconv(wasm) void {
        const entry = take(.process, process) orelse return;
        const told: Exit = .{ .process = process, .reason = @enumFromInt(reason) };
        entry.run(&told);
    }
    pub fn @"watch-handler#file-modified"(watch: u32) callconv(wasm) void {
        const entry = find(.watch, watch) orelse return;
        entry.run(&WatchEvent{ .modified = {} });
    }
    pub fn @"watch-handler#file-moved"(watch: u32) callconv(wasm) void {
        const entry = find(.watch, watch) orelse return;
        entry.run(&WatchEvent{ .moved = {} });
    }
    pub fn @"watch-handler#file-deleted"(watch: u32) callconv(wasm) void {
        const entry = take(.watch, watch) orelse return;
        entry.run(&WatchEvent{ .deleted = {} });
    }
    pub fn @"watch-handler#watch-ended"(watch: u32, problem: u32) callconv(wasm) void {
        const entry = take(.watch, watch) orelse return;
        entry.run(&WatchEvent{ .ended = watch_errors[problem] });
    }
    pub fn @"files-handler#file-sent"(c: *Conn, file: u32, is_error: i32, first: u32, second: u32) callconv(wasm) void {
        // Files are numbered by connection.
        var next = c.first;
        while (next) |entry| : (next = entry.next) {
            if (entry.kind != .file or entry.id != file or entry.file_of != c) continue;
            entry.unlink();
            const outcome: FileError!u64 = if (is_error != 0) file_errors[first] else @as(u64, first) << 32 | second;
            return entry.run(&outcome);
        }
    }
    pub fn @"proxy-handler#proxy-target-unbound"(c: *Conn) callconv(wasm) void {
        c.handler.proxy_target_unbound(c);
    }
    pub fn @"proxy-handler#proxy-completed"(c: *Conn) callconv(wasm) void {
        c.handler.proxy_completed(c);
    }
    pub fn @"tls-handler#completed"(c: *Conn) callconv(wasm) void {
        c.handler.tls_completed(c);
    }
    pub fn @"tls-handler#verify-peer"(c: *Conn, ptr: [*]Str, len: usize) callconv(wasm) i32 {
        const chain = owned(.{ .ptr = ptr, .len = len });
        defer {
            for (chain) |it| gpa.free(it);
            gpa.free(chain);
        }
        return @intFromBool(c.handler.verify_peer(c, chain));
    }
    pub fn @"drain-handler#draining"(c: *Conn, milliseconds: u32) callconv(wasm) i32 {
        return @intFromEnum(c.handler.draining(c, milliseconds));
    }
};

var job_arena: std.heap.ArenaAllocator = .init(gpa);
var job_result: Result = undefined;
fn jobReturned(_: *const Result) callconv(wasm) void {
    _ = job_arena.reset(.free_all);
}

fn exportEvents() void {
    @setEvalBranchQuota(100_000);
    for (@typeInfo(events).@"struct".decl_names) |name| {
        const sharp = std.mem.indexOfScalar(u8, name, '#').?;
        @export(&@field(events, name), .{ .name = contract ++ name[0..sharp] ++ "@" ++ version ++ name[sharp..] });
    }
    @export(&jobReturned, .{ .name = "cabi_post_" ++ contract ++ "operations@" ++ version ++ "#run" });
}

// ---- What was registered -------------------------------------------------------------------------------------------------

/// Where the host's numbers count.
const Kind = enum(u8) { timer, tick, job, subscription, pop, process, watch, connect, file };

const Entry = struct {
    kind: Kind,
    id: u32,
    serial: u32,
    context: usize,
    call: *const fn (usize, *const anyopaque) void,
    /// Null where the host is not told.
    cancel: ?*const fn (u32) callconv(wasm) void,
    is_once: bool = false,
    is_running: bool = false,
    is_gone: bool = false,
    /// Of a file the connection it goes out on; of a connect what it will be.
    file_of: ?*Conn = null,
    owner: ?*Conn = null,
    next: ?*Entry = null,
    previous: ?*Entry = null,
    name: []const u8 = "",

    fn own(entry: *Entry, owner: ?*Conn) void {
        if (entry.owner) |old| {
            if (entry.previous) |it| it.next = entry.next else old.first = entry.next;
            if (entry.next) |it| it.previous = entry.previous;
        }
        entry.owner = owner;
        entry.previous = null;
        entry.next = null;
        const new = owner orelse return;
        entry.next = new.first;
        if (entry.next) |it| it.previous = entry;
        new.first = entry;
    }
    /// It is known no more; what is running goes on to its end.
    fn unlink(entry: *Entry) void {
        _ = entries.remove(keyOf(entry.kind, entry.id));
        entry.own(null);
        entry.is_gone = true;
    }
    fn release(entry: *Entry) void {
        if (entry.name.len > 0) gpa.free(entry.name);
        gpa.destroy(entry);
    }
    fn forget(entry: *Entry) void {
        if (entry.is_gone) return;
        entry.unlink();
        if (entry.cancel) |cancel| cancel(entry.id);
        if (!entry.is_running) entry.release();
    }
    fn run(entry: *Entry, with_what: *const anyopaque) void {
        entry.is_running = true;
        entry.call(entry.context, with_what);
        entry.is_running = false;
        if (entry.is_gone) entry.release();
    }
};

var entries: std.AutoHashMapUnmanaged(u64, *Entry) = .empty;
var last_serial: u32 = 0;

fn keyOf(kind: Kind, id: u32) u64 {
    return @as(u64, @intFromEnum(kind)) << 32 | id;
}
fn find(kind: Kind, id: u32) ?*Entry {
    return entries.get(keyOf(kind, id));
}
/// For what comes once: it is known no more when it is called, since the host may give its number to another one.
fn take(kind: Kind, id: u32) ?*Entry {
    const entry = find(kind, id) orelse return null;
    entry.unlink();
    return entry;
}
fn register(kind: Kind, id: u32, context: usize, call: *const fn (usize, *const anyopaque) void, cancel: ?*const fn (u32) callconv(wasm) void) *Entry {
    const entry = gpa.create(Entry) catch outOfMemory();
    last_serial +%= 1;
    entry.* = .{ .kind = kind, .id = id, .serial = last_serial, .context = context, .call = call, .cancel = cancel };
    // The numbers of files are those of their connections, which know them.
    if (kind != .file) entries.put(gpa, keyOf(kind, id), entry) catch outOfMemory();
    entry.own(if (context == 0) null else conns.get(context));
    return entry;
}

fn addressOf(context: anytype) usize {
    return switch (@typeInfo(@TypeOf(context))) {
        .pointer => @intFromPtr(context),
        .void => 0,
        else => @compileError("a context is a pointer, such as the connection's own `self`, or `{}`: it is kept until the callback"),
    };
}
fn pointed(comptime T: type, at: usize) T {
    return if (T == void) {} else @ptrFromInt(at);
}
fn plain(comptime T: type, comptime callback: fn (T) void) *const fn (usize, *const anyopaque) void {
    return struct {
        fn call(at: usize, _: *const anyopaque) void {
            callback(pointed(T, at));
        }
    }.call;
}
fn with(comptime T: type, comptime Told: type, comptime callback: fn (T, Told) void) *const fn (usize, *const anyopaque) void {
    return struct {
        fn call(at: usize, told: *const anyopaque) void {
            callback(pointed(T, at), @as(*const Told, @ptrCast(@alignCast(told))).*);
        }
    }.call;
}

// ---- The binary interface ------------------------------------------------------------------------------------------------

const contract = "sandloop:plugin/";
const version = "0.1.1";

/// A string or a list of bytes, as the contract lays it out.
const Str = extern struct {
    ptr: [*]const u8,
    len: usize,

    fn of(bytes: []const u8) Str {
        return .{ .ptr = start(bytes), .len = bytes.len };
    }
    fn slice(str: Str) []const u8 {
        return if (str.len == 0) "" else str.ptr[0..str.len];
    }
    fn free(str: Str) void {
        if (str.len > 0) gpa.free(str.ptr[0..str.len]);
    }
};
const StrPair = extern struct { key: Str, value: Str };
const SomeStr = extern struct { is_there: u8, str: Str };
const SomeAddress = extern struct {
    is_there: u8,
    kind: u8 align(4),
    str: Str,
    port: u16,

    fn take(from: *const SomeAddress) ?Address {
        if (from.is_there == 0) return null;
        return .take(if (from.kind == 0) .tcp else .unix, from.str, from.port);
    }
};
/// `result<_, string>` and `result<list<u8>, string>`.
const Result = extern struct { is_error: u8, str: Str };

fn List(comptime T: type) type {
    return extern struct {
        ptr: [*]T,
        len: usize,

        fn slice(list: @This()) []T {
            return if (list.len == 0) &.{} else list.ptr[0..list.len];
        }
        fn free(list: @This()) void {
            if (list.len > 0) gpa.free(list.ptr[0..list.len]);
        }
    };
}

/// The strings as slices; the list that came is freed.
fn owned(list: List(Str)) []const []const u8 {
    const all = gpa.alloc([]const u8, list.len) catch outOfMemory();
    for (list.slice(), all) |from, *to| to.* = from.slice();
    list.free();
    return all;
}

/// Where a slice begins. The host wants a place inside the memory of an empty one, too, which an allocator does not give.
fn start(slice: anytype) [*]const std.meta.Elem(@TypeOf(slice)) {
    return if (slice.len == 0) &.{} else slice.ptr;
}

fn high(number: u64) u32 {
    return @intCast(number >> 32);
}
fn low(number: u64) u32 {
    return @truncate(number);
}
fn byte(word: u32) u8 {
    return @truncate(word);
}
/// The answer `result<_, error-code>`.
fn checked(answer: *const [2]u8) Error!void {
    if (answer[0] != 0) return errors[answer[1]];
}
/// The answer `result<u32, error-code>`.
fn refused(answer: *const [2]u32) ?Error {
    return if (byte(answer[0]) != 0) errors[byte(answer[1])] else null;
}

fn logLine(parts: []const []const u8) void {
    var buffer: [512]u8 = undefined;
    var len: usize = 0;
    for (parts) |part| {
        const size = @min(part.len, buffer.len - len);
        @memcpy(buffer[len..][0..size], part[0..size]);
        len += size;
    }
    logging.log(@intFromEnum(Level.err), &buffer, len);
}
fn say(what: []const u8, name: []const u8, problem: anyerror) void {
    logLine(&.{ what, name, ": ", text(problem) });
}
fn die(parts: []const []const u8) noreturn {
    logLine(parts);
    @trap();
}
fn outOfMemory() noreturn {
    die(&.{"out of memory: raise `memory` of the plugin's limits in plugins.toml, or keep less"});
}

/// Called by the host for what it hands over.
export fn cabi_realloc(old: ?[*]u8, old_len: usize, alignment: usize, new_len: usize) ?[*]u8 {
    // A pointer to nothing has to be inside the memory.
    if (new_len == 0) return @ptrFromInt(alignment);
    const aligned: std.mem.Alignment = .fromByteUnits(alignment);
    const new = gpa.rawAlloc(new_len, aligned, 0) orelse @trap(); // the host's line says that it was the limit of memory
    if (old) |it| if (old_len > 0) {
        @memcpy(new[0..@min(old_len, new_len)], it[0..@min(old_len, new_len)]);
        gpa.rawFree(it[0..old_len], aligned, 0);
    };
    return new;
}

const resources = struct {
    extern "[export]sandloop:plugin/handler@0.1.1" fn @"[resource-new]connection"(*Conn) i32;
};
const host = struct {
    extern "sandloop:plugin/sockets@0.1.1" fn @"[method]socket.send-data"(i32, [*]const u8, usize, *[2]u8) void;
    extern "sandloop:plugin/sockets@0.1.1" fn @"[method]socket.close-connection"(i32) void;
    extern "sandloop:plugin/sockets@0.1.1" fn @"[method]socket.close-connection-after-writing"(i32) void;
    extern "sandloop:plugin/sockets@0.1.1" fn @"[method]socket.half-close"(i32, *[2]u8) void;
    extern "sandloop:plugin/sockets@0.1.1" fn @"[method]socket.keep-half-open"(i32, i32) void;
    extern "sandloop:plugin/sockets@0.1.1" fn @"[method]socket.peer-finished"(i32) i32;
    extern "sandloop:plugin/sockets@0.1.1" fn @"[method]socket.pause"(i32) void;
    extern "sandloop:plugin/sockets@0.1.1" fn @"[method]socket.resume"(i32) void;
    extern "sandloop:plugin/sockets@0.1.1" fn @"[method]socket.is-paused"(i32) i32;
    extern "sandloop:plugin/sockets@0.1.1" fn @"[method]socket.peer-address"(i32, *SomeAddress) void;
    extern "sandloop:plugin/sockets@0.1.1" fn @"[method]socket.local-address"(i32, *SomeAddress) void;
    extern "sandloop:plugin/sockets@0.1.1" fn @"[method]socket.set-comm-inactivity-timeout"(i32, u32) void;
    extern "sandloop:plugin/sockets@0.1.1" fn @"[method]socket.comm-inactivity-timeout"(i32) u32;
    extern "sandloop:plugin/sockets@0.1.1" fn @"[method]socket.set-pending-connect-timeout"(i32, u32, *[2]u8) void;
    extern "sandloop:plugin/sockets@0.1.1" fn @"[method]socket.pending-connect-timeout"(i32) u32;
    extern "sandloop:plugin/sockets@0.1.1" fn @"[method]socket.outbound-data-size"(i32) u32;
    extern "sandloop:plugin/sockets@0.1.1" fn @"[method]socket.idle-time"(i32) u32;
    extern "sandloop:plugin/sockets@0.1.1" fn @"[method]socket.id"(i32) u32;
    extern "sandloop:plugin/sockets@0.1.1" fn @"[resource-drop]socket"(i32) void;
    extern "sandloop:plugin/sockets@0.1.1" fn connect(i32, [*]const u8, usize, i32, u32, *[2]u8) void;
};
const socket_options = struct {
    extern "sandloop:plugin/socket-options@0.1.1" fn @"set-keepalive"(i32, i32, u32, u32, u32, *[2]u8) void;
    extern "sandloop:plugin/socket-options@0.1.1" fn keepalive(i32, *anyopaque) void;
    extern "sandloop:plugin/socket-options@0.1.1" fn @"set-nodelay"(i32, i32, *[2]u8) void;
    extern "sandloop:plugin/socket-options@0.1.1" fn nodelay(i32) i32;
    extern "sandloop:plugin/socket-options@0.1.1" fn @"connect-from"([*]const u8, usize, i32, i32, [*]const u8, usize, i32, u32, *[2]u8) void;
    extern "sandloop:plugin/socket-options@0.1.1" fn @"connection-count"() u32;
};
const tls = struct {
    extern "sandloop:plugin/tls@0.1.1" fn @"start-tls"(i32, i32, [*]const u8, usize, usize, usize, usize, usize, usize, usize, *[2]u8) void;
    extern "sandloop:plugin/tls@0.1.1" fn session(i32, *anyopaque) void;
    extern "sandloop:plugin/tls@0.1.1" fn @"peer-certificates"(i32, *List(Str)) void;
    extern "sandloop:plugin/tls@0.1.1" fn @"end-of-stream"(i32) i32;
    extern "sandloop:plugin/tls@0.1.1" fn failure(i32, *anyopaque) void;
};
const files = struct {
    extern "sandloop:plugin/files@0.1.1" fn @"send-file"(i32, [*]const u8, usize, u32, u32, i32, u32, u32, *[2]u32) void;
};
const file_versions = struct {
    extern "sandloop:plugin/file-versions@0.1.1" fn @"send-version"(i32, [*]const u8, usize, u32, u32, i32, u32, u32, u32, u32, u32, u32, *[2]u32) void;
};
const proxying = struct {
    extern "sandloop:plugin/proxying@0.1.1" fn @"proxy-incoming-to"(i32, i32, u32, u32, u32, *[2]u8) void;
    extern "sandloop:plugin/proxying@0.1.1" fn @"stop-proxying"(i32) void;
    extern "sandloop:plugin/proxying@0.1.1" fn @"get-proxied-bytes"(i32, *[2]u32) void;
};
const listeners = struct {
    extern "sandloop:plugin/listeners@0.1.1" fn @"start-server"(i32, [*]const u8, usize, i32, [*]const u8, usize, [*]const StrPair, usize, *anyopaque) void;
    extern "sandloop:plugin/listeners@0.1.1" fn @"stop-server"(u32) void;
};
const datagrams = struct {
    extern "sandloop:plugin/datagrams@0.1.1" fn @"open-datagram-socket"([*]const u8, usize, i32, u32, *anyopaque) void;
    extern "sandloop:plugin/datagrams@0.1.1" fn @"send-datagram"(i32, [*]const u8, usize, [*]const u8, usize, i32, *[2]u8) void;
};
const timers = struct {
    extern "sandloop:plugin/timers@0.1.1" fn @"add-timer"(u32, *[2]u32) void;
    extern "sandloop:plugin/timers@0.1.1" fn @"add-periodic-timer"(u32, *[2]u32) void;
    extern "sandloop:plugin/timers@0.1.1" fn @"cancel-timer"(u32) void;
};
const reactor = struct {
    extern "sandloop:plugin/reactor@0.1.1" fn stop(*[2]u8) void;
    extern "sandloop:plugin/reactor@0.1.1" fn @"is-running"() i32;
    extern "sandloop:plugin/reactor@0.1.1" fn @"next-tick"(*[2]u32) void;
};
const deferring = struct {
    extern "sandloop:plugin/deferred@0.1.1" fn @"defer"(usize, [*]const u8, usize, *[2]u32) void;
};
const running = struct {
    extern "sandloop:plugin/processes@0.1.1" fn spawn(i32, [*]const u8, usize, [*]const u8, usize, [*]const u8, usize, *[2]u32) void;
    extern "sandloop:plugin/processes@0.1.1" fn notify(u32, [*]const u8, usize, *[2]u8) void;
    extern "sandloop:plugin/processes@0.1.1" fn kill(u32) void;
    extern "sandloop:plugin/processes@0.1.1" fn exit() void;
};
const channels = struct {
    extern "sandloop:plugin/channels@0.1.1" fn subscribe([*]const u8, usize, *[2]u32) void;
    extern "sandloop:plugin/channels@0.1.1" fn unsubscribe(u32) void;
    extern "sandloop:plugin/channels@0.1.1" fn push([*]const u8, usize, [*]const u8, usize, i32, u32, *[2]u8) void;
    extern "sandloop:plugin/channels@0.1.1" fn @"num-subscribers"([*]const u8, usize) u32;
};
const queues = struct {
    extern "sandloop:plugin/queues@0.1.1" fn push([*]const u8, usize, [*]const u8, usize, *[2]u8) void;
    extern "sandloop:plugin/queues@0.1.1" fn pop([*]const u8, usize, *[2]u32) void;
    extern "sandloop:plugin/queues@0.1.1" fn @"cancel-pop"(u32) void;
    extern "sandloop:plugin/queues@0.1.1" fn size([*]const u8, usize) u32;
    extern "sandloop:plugin/queues@0.1.1" fn @"num-waiting"([*]const u8, usize) u32;
};
const watching = struct {
    extern "sandloop:plugin/watching@0.1.1" fn @"watch-file"([*]const u8, usize, *[2]u32) void;
    extern "sandloop:plugin/watching@0.1.1" fn unwatch(u32) void;
};
const logging = struct {
    extern "sandloop:plugin/log@0.1.1" fn log(i32, [*]const u8, usize) void;
};
const options_of = struct {
    extern "sandloop:plugin/options@0.1.1" fn get([*]const u8, usize, *SomeStr) void;
    extern "sandloop:plugin/options@0.1.1" fn all(*List(StrPair)) void;
};
