//! Answers each number with how many primes are below it; they are counted off the loop.

const std = @import("std");
const sl = @import("sandloop");

/// Runs in a sandbox of its own: it knows nothing but its argument.
fn primes(arena: std.mem.Allocator, argument: []const u8) sl.Found {
    for (argument) |letter| if (!std.ascii.isDigit(letter)) return .{ .failed = "error: not a number" };
    const n = std.fmt.parseInt(u32, argument, 10) catch |problem|
        return .{ .failed = if (problem == error.Overflow) "error: too large" else "error: not a number" };
    if (n > 1_000_000) return .{ .failed = "error: too large" };
    var count: u32 = 0;
    var i: u32 = 2;
    while (i < n) : (i += 1) {
        var d: u32 = 2;
        while (d * d <= i and i % d != 0) d += 1;
        count += @intFromBool(d * d > i);
    }
    return .{ .ok = arena.print("{d}", .{count}) catch "" };
}

const Deferred = struct {
    socket: sl.Socket,

    pub fn receiveLine(self: *Deferred, line: []const u8) !void {
        try sl.deferred(primes, line, self, done);
    }

    fn done(self: *Deferred, outcome: sl.Outcome) void {
        self.socket.print("{s}\n", .{outcome.text});
    }
};

comptime {
    sl.plugin(.{ .deferred = Deferred });
}
