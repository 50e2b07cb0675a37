//! Every call of the Zig SDK, one for each word that a peer says: what comes back is what the host has said.

const std = @import("std");
const sl = @import("sandloop");

fn code(problem: anyerror) []const u8 {
    const words = sl.text(problem);
    return words[0 .. std.mem.indexOfScalar(u8, words, ':') orelse words.len];
}

fn backwards(arena: std.mem.Allocator, argument: []const u8) sl.Found {
    if (argument.len == 0) return .{ .failed = "nothing to turn" };
    if (std.mem.eql(u8, argument, "trap")) @panic("asked for");
    const turned = arena.dupe(u8, argument) catch return .{ .failed = "memory" };
    std.mem.reverse(u8, turned);
    return .{ .ok = turned };
}

/// An outgoing connection that knows the one that asked for it.
const Out = struct {
    socket: sl.Socket,
    asked: sl.Socket,

    pub fn connectionCompleted(self: *Out) !void {
        try self.socket.proxyIncomingTo(self.asked, 0, 5);
        self.asked.sendData("connected 0\n");
    }
    pub fn proxyCompleted(self: *Out) void {
        self.asked.print("\nproxied {d}\n", .{self.socket.getProxiedBytes()});
        self.socket.closeConnection();
    }
    pub fn unbind(self: *Out, reason: sl.CloseReason) void {
        self.asked.print("unbound {s}\n", .{reason.name()});
    }
};

const Persistent = struct {
    socket: sl.Socket,
    asked: sl.Socket,
    count: u32 = 0,

    pub fn unbind(self: *Persistent, reason: sl.CloseReason) !void {
        self.count += 1;
        if (self.count < 3) return self.socket.reconnect("127.0.0.1", 1);
        self.asked.print("again {d} {s} kept\n", .{ self.count, reason.name() });
    }
};

const Datagram = struct {
    socket: sl.Socket,

    pub fn receiveData(self: *Datagram, data: []const u8) !void {
        const from = self.socket.peerAddress();
        if (data.len > 1 and data[0] == '>' and from != null) {
            try self.socket.sendDatagram(data[1..], from.?.host(), from.?.port);
        } else self.socket.sendData(data);
    }
};

const Worker = struct {
    given: []const u8,

    pub fn init(_: u32, argument: []const u8) !Worker {
        return .{ .given = try sl.gpa.dupe(u8, argument) };
    }
    pub fn notified(self: *Worker, message: []const u8) void {
        var buffer: [64]u8 = undefined;
        sl.channel("calls").push(std.mem.print(&buffer, "{s} {s}", .{ self.given, message }) catch "long");
        sl.exit();
    }
};

const Calls = struct {
    socket: sl.Socket,
    where: []const u8,
    color: []const u8,
    room: sl.Subscription = .{},
    periodic: sl.Timer = .{},
    watch: sl.Watch = .{},
    ticks: u32 = 0,

    pub const max_line = 100;

    pub fn init(socket: sl.Socket) Calls {
        return .{
            .socket = socket,
            .where = sl.gpa.dupe(u8, socket.listener()) catch "",
            .color = sl.gpa.dupe(u8, socket.listenerOption("color") orelse "none") catch "",
        };
    }

    fn said(self: *Calls, outcome: anyerror!void) void {
        self.socket.print("{s}\n", .{if (outcome) |_| "ok" else |problem| code(problem)});
    }
    fn shown(self: *Calls, address: ?sl.Address) void {
        const it = address orelse return self.socket.sendData("none\n");
        self.socket.print("{t} {s} {d}\n", .{ it.kind, it.host(), it.port });
    }
    fn fired(self: *Calls) void {
        self.socket.sendData("fired\n");
    }
    fn again(self: *Calls) void {
        self.ticks += 1;
        if (self.ticks < 3) return;
        self.periodic.cancel();
        sl.channel("calls").push("three");
    }
    fn heard(self: *Calls, message: []const u8) void {
        self.socket.print("heard {s}\n", .{message});
    }
    fn popped(self: *Calls, item: []const u8) void {
        self.socket.print("popped {s}\n", .{item});
    }
    fn sent(self: *Calls, outcome: sl.FileError!u64) void {
        if (outcome) |bytes| self.socket.print("sent ok {d}\n", .{bytes}) else |problem| self.socket.print("sent {s} 0\n", .{code(problem)});
    }
    fn changed(self: *Calls, event: sl.WatchEvent) void {
        switch (event) {
            .ended => |problem| self.socket.print("ended {s}\n", .{code(problem)}),
            else => self.socket.print("{t} ok\n", .{event}),
        }
    }
    fn exited(self: *Calls, exit: sl.Exit) void {
        self.socket.print("exited {d} {d}\n", .{ @intFromBool(exit.process != 0), @intFromEnum(exit.reason) });
    }
    fn done(self: *Calls, outcome: sl.Outcome) void {
        self.socket.print("done {d} {s}\n", .{ @intFromEnum(outcome.why), outcome.text });
    }

    const Word = enum { listener, peer, local, numbers, states, keepalive, half, option, options, server, denied, datagrams, file, part, version, watch, unwatch, connect, from, unix, again, count, timer, cancelled, periodic, zero, tick, @"defer", subscribe, unsubscribe, push, others, item, pop, spawn, kill, session, remember, stale, bounds, null, fails, print, abrupt, quit, stop };

    pub fn receiveLine(self: *Calls, line: []const u8) !void {
        const socket = self.socket;
        const space = std.mem.indexOfScalar(u8, line, ' ') orelse line.len;
        const rest = if (space < line.len) line[space + 1 ..] else "";
        switch (std.meta.stringToEnum(Word, line[0..space]) orelse return socket.sendData("what?\n")) {
            .listener => socket.print("{s} {s}\n", .{ self.where, self.color }),
            .peer => self.shown(socket.peerAddress()),
            .local => self.shown(socket.localAddress()),
            .numbers => {
                socket.setCommInactivityTimeout(70000);
                const zero: u8 = if (socket.setPendingConnectTimeout(0)) |_| 0 else |problem| if (problem == error.InvalidArgument) 6 else 99;
                socket.print("{d} {d} {d} {d} {d}\n", .{ socket.commInactivityTimeout(), socket.outboundDataSize(), zero, @intFromBool(socket.id() > 0), @intFromBool(socket.idleTime() < 60000) });
            },
            .states => {
                socket.pause();
                const paused = socket.isPaused();
                socket.@"resume"();
                socket.keepHalfOpen(true);
                socket.print("{d} {d} {d} {d}\n", .{ @intFromBool(paused), @intFromBool(socket.isPaused()), @intFromBool(socket.peerFinished()), @intFromBool(sl.isRunning()) });
            },
            .keepalive => {
                try socket.enableKeepalive(.{ .idle = 11, .interval = 12, .count = 13 });
                const probes = socket.keepalive().?;
                try socket.disableKeepalive();
                const is_there = socket.keepalive() != null;
                try socket.setNodelay(false);
                socket.print("0 1 {d} {d} {d} 0 {d} 0 {d}\n", .{ probes.idle, probes.interval, probes.count, @intFromBool(is_there), @intFromBool(socket.nodelay()) });
            },
            .half => self.said(socket.halfClose()),
            .option => socket.print("{s}\n", .{sl.option(rest) orelse "none"}),
            .options => {
                for (sl.options()) |pair| socket.print("{s}={s};", .{ pair.key, pair.value });
                socket.sendData("\n");
            },
            .server => {
                const listener = try sl.startServer(.tcp, "127.0.0.1", 0, "calls", &.{ .{ .key = "color", .value = "blue" }, .{ .key = "", .value = "" } });
                self.shown(listener.address);
            },
            .denied => {
                const first: u8 = if (sl.startServer(.tcp, "127.0.0.2", 1, "", &.{})) |_| 0 else |problem| if (problem == error.Denied) 1 else 99;
                const second: u8 = if (sl.openDatagramSocket("name", 1, Datagram, .{})) |_| 0 else |problem| if (problem == error.InvalidAddress) 3 else 99;
                const third: u8 = if (sl.connect("127.0.0.2", 1, Out, .{ .asked = socket })) |_| 0 else |problem| if (problem == error.Denied) 4 else 99;
                socket.print("{d} {d} {d}\n", .{ first, second, third });
            },
            .datagrams => self.shown(try sl.openDatagramSocket("127.0.0.1", 0, Datagram, .{})),
            .file => self.said(socket.sendFile(rest, .{}, self, sent)),
            .part => self.said(socket.sendFile(rest, .{ .offset = 1, .length = 3 }, self, sent)),
            .version => self.said(socket.sendFile(rest, .{ .version = .{ .size = 6, .seconds = 1, .nanoseconds = 2 } }, self, sent)),
            .watch => {
                self.watch = try sl.watchFile(rest, self, changed);
                socket.sendData("0\n");
            },
            .unwatch => self.watch.cancel(),
            .connect => self.said(sl.connectTo(rest, Out, .{ .asked = socket })),
            .from => self.said(sl.bindConnect("127.0.0.1", 0, "127.0.0.1", try std.fmt.parseInt(u16, rest, 10), Out, .{ .asked = socket })),
            .unix => self.said(sl.connectUnix(rest, Out, .{ .asked = socket })),
            .again => self.said(sl.connect("127.0.0.1", 1, Persistent, .{ .asked = socket })),
            .count => socket.print("{d}\n", .{sl.connectionCount()}),
            .timer => _ = sl.addTimer(try std.fmt.parseInt(u32, rest, 10), self, fired),
            .cancelled => {
                const timer = sl.addTimer(0, self, fired);
                timer.cancel();
                timer.cancel();
                socket.sendData("cancelled\n");
            },
            .periodic => self.periodic = sl.addPeriodicTimer(1, self, again),
            .zero => socket.print("{d}\n", .{@intFromBool(sl.addPeriodicTimer(0, self, again).serial == 0)}),
            .tick => sl.nextTick(self, fired),
            .@"defer" => self.said(sl.deferred(backwards, rest, self, done)),
            .subscribe => {
                self.room = sl.channel("calls").subscribe(self, heard);
                const none = sl.channel("").subscribe(self, heard);
                socket.print("{d} {d}\n", .{ sl.channel("calls").numSubscribers(), @intFromBool(none.it.serial == 0) });
            },
            .unsubscribe => {
                self.room.unsubscribe();
                socket.print("{d}\n", .{sl.channel("calls").numSubscribers()});
            },
            .push => sl.channel("calls").push(rest),
            .others => self.room.pushToOthers(rest),
            .item => self.said(sl.queue("calls").push(rest)),
            .pop => {
                const queue = sl.queue("calls");
                const cancelled = queue.pop(self, popped);
                _ = queue.pop(self, popped);
                cancelled.cancel();
                socket.print("{d} {d}\n", .{ queue.numWaiting(), queue.size() });
            },
            .spawn => self.said(sl.notify(try sl.spawn(null, "worker", "given", self, exited), "told")),
            .kill => sl.kill(try sl.spawn(null, "worker", "given", self, exited)),
            .session => {
                const s = socket.tlsSession() orelse return socket.sendData("none\n");
                socket.print("{d} {d} {s} {d} {s} {s} {d} {d}\n", .{ @intFromBool(s.is_tls13), @intFromBool(s.resumed), s.cipher.slice(), s.cipher_bits, s.alpn.slice(), s.server_name.slice(), socket.peerCertificates().len, @intFromEnum(socket.endOfStream()) });
            },
            .remember => remembered = socket,
            .stale => remembered.sendData("stale\n"),
            .bounds => socket.print("{d}\n", .{four[try std.fmt.parseInt(usize, rest, 10)]}),
            .null => {
                const none: ?*Calls = if (std.mem.eql(u8, rest, "0")) null else self;
                none.?.ticks = 1;
            },
            .fails => return error.Denied,
            .print => std.log.info("{s}", .{rest}),
            .abrupt => socket.closeConnection(),
            .quit => socket.closeConnectionAfterWriting(),
            .stop => sl.stop(),
        }
    }

    pub fn draining(self: *Calls, milliseconds: u32) sl.Drain {
        self.socket.print("draining {d}\n", .{@intFromBool(milliseconds > 0)});
        self.socket.closeConnectionAfterWriting();
        return .until_closed;
    }

    pub fn unbind(self: *Calls, reason: sl.CloseReason) void {
        if (self.socket.tlsFailure()) |failure| sl.warn("handshake {t} {s}", .{ failure.kind, failure.words.slice() });
        sl.gpa.free(self.where);
        sl.gpa.free(self.color);
        sl.info("unbind {s}", .{reason.name()});
    }
};

var remembered: sl.Socket = undefined;
var four: [4]u32 = @splat(0);

const Deaf = struct { socket: sl.Socket };

comptime {
    sl.plugin(.{ .calls = Calls, .deaf = Deaf });
    sl.processes(.{ .worker = Worker });
}
