//! Connects to the option `server`, says hello, and logs the first line of the answer.

const sl = @import("sandloop");

const Client = struct {
    socket: sl.Socket,
    is_answered: bool = false,

    pub fn connectionCompleted(self: *Client) void {
        self.socket.sendData("hello\n");
    }

    pub fn receiveLine(self: *Client, line: []const u8) void {
        if (self.is_answered) return;
        self.is_answered = true;
        sl.info("answer: {s}", .{line});
        self.socket.closeConnection();
        sl.stop();
    }

    pub fn unbind(self: *Client, _: sl.CloseReason) void {
        if (!self.is_answered) _ = sl.addTimer(1000, {}, dial);
    }
};

fn dial(_: void) void {
    const server = sl.option("server") orelse "";
    defer sl.gpa.free(server);
    sl.connectTo(server, Client, .{}) catch |problem|
        sl.err("no connect to the option `server`: {s}", .{sl.text(problem)});
}

const Start = struct {
    pub fn start() !void {
        dial({});
    }
};

comptime {
    sl.plugin(.{});
    sl.program(Start);
}
