//! Each line goes to everyone else.

const sl = @import("sandloop");

const Chat = struct {
    socket: sl.Socket,
    room: sl.Subscription = .{},

    pub fn postInit(self: *Chat) void {
        self.room = sl.channel("chat").subscribe(self, heard);
    }

    pub fn receiveLine(self: *Chat, line: []const u8) void {
        self.room.printToOthers("{s}\n", .{line});
    }

    fn heard(self: *Chat, line: []const u8) void {
        self.socket.sendData(line);
    }
};

comptime {
    sl.plugin(.{ .chat = Chat });
}
