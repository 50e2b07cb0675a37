//! Says hello, and sends back what is posted to /echo.

const std = @import("std");
const sl = @import("sandloop");

const Hello = struct {
    pub fn processHttpRequest(_: *Hello, request: *const sl.HttpRequest, response: *sl.HttpResponse) void {
        response.contentType("text/plain");
        if (std.mem.eql(u8, request.path, "/")) {
            response.content = "hello\n";
        } else if (std.mem.eql(u8, request.path, "/echo")) {
            response.content = request.content;
        } else {
            response.status = 404;
            response.content = "not found\n";
        }
        response.sendResponse();
    }
};

comptime {
    sl.plugin(.{ .hello = sl.HttpServer(Hello) });
}
