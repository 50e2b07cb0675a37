//! Sends back what comes.

const sl = @import("sandloop");

const Echo = struct {
    socket: sl.Socket,

    pub fn receiveData(self: *Echo, data: []const u8) void {
        self.socket.sendData(data);
    }
};

comptime {
    sl.plugin(.{ .echo = Echo });
}
