//! Answers each line with itself; "quit", and five seconds without a line, with "bye".

const std = @import("std");
const sl = @import("sandloop");

const Lines = struct {
    socket: sl.Socket,
    idle: sl.Timer = .{},

    pub fn postInit(self: *Lines) void {
        self.idle = sl.addTimer(5000, self, bye);
    }

    pub fn receiveLine(self: *Lines, line: []const u8) void {
        if (std.mem.eql(u8, line, "quit")) return self.bye();
        self.socket.print("{s}\n", .{line});
        self.idle.cancel();
        self.idle = sl.addTimer(5000, self, bye);
    }

    fn bye(self: *Lines) void {
        self.socket.sendData("bye\n");
        self.socket.closeConnectionAfterWriting();
    }
};

comptime {
    sl.plugin(.{ .lines = Lines });
}
