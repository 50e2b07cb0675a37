//! A server of HTTP/1.1 (RFC 9110, 9112): requests come whole, one after the other, and are answered now or later.
//!
//!     const Hello = struct {
//!         pub fn processHttpRequest(_: *Hello, _: *const sl.HttpRequest, response: *sl.HttpResponse) void {
//!             response.contentType("text/plain");
//!             response.content = "hello\n";
//!             response.sendResponse();
//!         }
//!     };
//!
//!     comptime {
//!         sl.plugin(.{ .hello = sl.HttpServer(Hello) });
//!     }
//!
//! A head has 16 KiB and 100 fields at most, a body 1 MiB, and a request 30 seconds. What is no request, or could be understood in two
//! ways, is refused with its status; nothing is repaired. The date is asked of the host by WASI.

const std = @import("std");
const sl = @import("sandloop.zig");

const gpa = sl.gpa;
const head_max = 16384;
const fields_max = 100;
const target_max = 8192;
const method_max = 32;
const empty_max = 10;
const content_max = 1 << 20;
/// Milliseconds between two requests, for a whole request, and for a peer to end its side after the last answer.
const idle = 60_000;
const whole = 30_000;
const linger = 2000;

/// Why something is no request. Each has its status.
const Refusal = error{ BadRequest, ContentTooLarge, TargetTooLong, ExpectationFailed, FieldsTooLarge, NotImplemented, UnknownVersion };

fn statusOf(refusal: Refusal) u16 {
    return switch (refusal) {
        error.BadRequest => 400,
        error.ContentTooLarge => 413,
        error.TargetTooLong => 414,
        error.ExpectationFailed => 417,
        error.FieldsTooLarge => 431,
        error.NotImplemented => 501,
        error.UnknownVersion => 505,
    };
}

/// What comes next: a line, bytes of the content, nothing before the answer, nothing at all.
const Phase = enum { request, fields, content, size, chunk, gap, trailers, answer, over };

/// A request with its whole content. It holds until it is answered.
pub const HttpRequest = struct {
    method: []const u8 = "",
    /// As it came, as are its parts: percent-encoded.
    target: []const u8 = "",
    path: []const u8 = "",
    query_string: []const u8 = "",
    is_http10: bool = false,
    content: []const u8 = "",
    fields: std.ArrayList(Field) = .empty,

    const Field = struct { name: []const u8, value: []const u8 };

    /// The first field of this name, in whatever case.
    pub fn header(self: *const HttpRequest, name: []const u8) ?[]const u8 {
        for (self.fields.items) |field| {
            if (std.ascii.eqlIgnoreCase(field.name, name)) return field.value;
        }
        return null;
    }

    const Members = struct { fields: usize = 0, members: usize = 0, found: usize = 0, is_last: bool = false };

    /// What the members of a list say, in all fields of this name.
    fn members(self: *const HttpRequest, name: []const u8, word: []const u8) Members {
        var all: Members = .{};
        for (self.fields.items) |field| {
            if (!std.ascii.eqlIgnoreCase(field.name, name)) continue;
            all.fields += 1;
            var parts = std.mem.splitScalar(u8, field.value, ',');
            while (parts.next()) |part| {
                all.members += 1;
                all.is_last = std.ascii.eqlIgnoreCase(trimmed(part), word);
                all.found += @intFromBool(all.is_last);
            }
        }
        return all;
    }

    /// The first line, which is kept for as long as the request.
    fn take(self: *HttpRequest, line: []const u8) Refusal!void {
        var parts = std.mem.splitScalar(u8, line, ' ');
        self.method = parts.next() orelse "";
        self.target = parts.next() orelse "";
        const version = parts.next() orelse "";
        if (parts.next() != null or !isToken(self.method) or self.target.len == 0) return error.BadRequest;
        for (self.target) |c| if (c < '!' or c > '~' or c == '#') return error.BadRequest;
        if (version.len != 8 or !std.mem.startsWith(u8, version, "HTTP/") or version[6] != '.') return error.BadRequest;
        if (!std.ascii.isDigit(version[5]) or !std.ascii.isDigit(version[7])) return error.BadRequest;
        if (version[5] != '1') return error.UnknownVersion;
        self.is_http10 = version[7] == '0';
        if (self.target.len > target_max) return error.TargetTooLong;
        if (std.mem.eql(u8, self.method, "CONNECT")) {
            // Only proxies have tunnels.
            const colon = std.mem.lastIndexOfScalar(u8, self.target, ':') orelse return error.BadRequest;
            const has_port = isHost(self.target) and colon + 1 < self.target.len and std.ascii.isDigit(self.target[colon + 1]);
            return if (has_port) error.NotImplemented else error.BadRequest;
        }
        var path = self.target;
        var is_whole = false;
        for ([_][]const u8{ "http://", "https://" }) |scheme| {
            if (!std.ascii.startsWithIgnoreCase(path, scheme)) continue;
            const rest = path[scheme.len..];
            const end = std.mem.indexOfAny(u8, rest, "/?") orelse rest.len;
            is_whole = end > 0 and isHost(rest[0..end]);
            if (is_whole) path = rest[end..];
            break;
        }
        const is_path = std.mem.startsWith(u8, path, "/") or (is_whole and (path.len == 0 or path[0] == '?'));
        if (!is_path and !(std.mem.eql(u8, path, "*") and std.mem.eql(u8, self.method, "OPTIONS"))) return error.BadRequest;
        const query = std.mem.indexOfScalar(u8, path, '?') orelse path.len;
        self.query_string = if (query < path.len) path[query + 1 ..] else "";
        self.path = if (query == 0) "/" else path[0..query];
    }

    /// How many bytes of content follow; null where they come in chunks.
    fn check(self: *const HttpRequest) Refusal!?usize {
        const host = self.header("host");
        if (self.members("host", "").fields > 1 or (host == null and !self.is_http10)) return error.BadRequest;
        if (host) |it| if (!isHost(it)) return error.BadRequest;
        const length = self.header("content-length");
        if (self.members("content-length", "").fields > 1) return error.BadRequest;
        if (length) |it| {
            if (it.len == 0) return error.BadRequest;
            for (it) |c| if (!std.ascii.isDigit(c)) return error.BadRequest;
        }
        const codings = self.members("transfer-encoding", "chunked");
        if (codings.fields > 0) {
            if (length != null or self.is_http10 or codings.found != 1 or !codings.is_last) return error.BadRequest;
            if (codings.members > 1) return error.NotImplemented;
        }
        if (self.header("expect")) |it| if (!self.is_http10 and !std.ascii.eqlIgnoreCase(it, "100-continue")) return error.ExpectationFailed;
        if (codings.fields > 0) return null;
        const bytes = std.fmt.parseInt(u64, length orelse "0", 10) catch return error.ContentTooLarge;
        if (bytes > content_max) return error.ContentTooLarge;
        return @intCast(bytes);
    }

    fn keepsOpen(self: *const HttpRequest) bool {
        if (self.members("connection", "close").found > 0) return false;
        return !self.is_http10 or self.members("connection", "keep-alive").found > 0;
    }
};

/// The answer to one request: it may be kept and sent later, until the connection's end.
pub const HttpResponse = struct {
    status: u16 = 200,
    content: []const u8 = "",
    fields: std.ArrayList(u8) = .empty,

    /// Adds a field. The length, `Connection` and `Date` are the server's: those, and what is no field, are the plugin's mistake.
    pub fn header(self: *HttpResponse, name: []const u8, value: []const u8) void {
        if (!isToken(name) or hasControl(value)) @panic("header: a name is a word, and a value one line");
        for ([_][]const u8{ "connection", "content-length", "date", "keep-alive", "transfer-encoding", "upgrade" }) |own| {
            if (std.ascii.eqlIgnoreCase(name, own)) @panic("header: the server says this field itself; leave it out");
        }
        for ([_][]const u8{ name, ": ", value, "\r\n" }) |part| append(&self.fields, part);
    }
    pub fn contentType(self: *HttpResponse, value: []const u8) void {
        self.header("Content-Type", value);
    }
    /// Sends the answer. Without a request that waits for one it does nothing.
    pub fn sendResponse(self: *HttpResponse) void {
        if (self.status < 200 or self.status > 999) @panic("sendResponse: an answer has a status from 200 to 999");
        const core: *Core = @alignCast(@fieldParentPtr("response", self));
        core.respond();
    }
};

/// A handler that answers requests by `T.processHttpRequest(self: *T, request: *const HttpRequest, response: *HttpResponse) void`. The
/// fields of `T` have defaults; one `T` is made for each connection.
pub fn HttpServer(comptime T: type) type {
    return struct {
        socket: sl.Socket,
        server: T = .{},
        core: Core = .{},

        const Self = @This();

        pub fn postInit(self: *Self) void {
            self.core.socket = self.socket;
            self.core.process = struct {
                fn process(core: *Core) void {
                    const it: *Self = @alignCast(@fieldParentPtr("core", core));
                    it.server.processHttpRequest(&core.request, &core.response);
                }
            }.process;
            self.socket.setCommInactivityTimeout(idle);
        }
        pub fn receiveData(self: *Self, data: []const u8) void {
            self.core.receive(data);
        }
        pub fn draining(self: *Self, _: u32) sl.Drain {
            self.core.is_draining = true;
            return if (self.core.isBetween()) .when_idle else .until_closed;
        }
        pub fn unbind(self: *Self, _: sl.CloseReason) void {
            self.core.free();
        }
    };
}

const Core = struct {
    socket: sl.Socket = undefined,
    process: *const fn (*Core) void = undefined,
    request: HttpRequest = .{},
    response: HttpResponse = .{},
    input: std.ArrayList(u8) = .empty,
    /// How much of the input is taken, and how much has no end of a line.
    taken: usize = 0,
    searched: usize = 0,
    content: std.ArrayList(u8) = .empty,
    /// What the request's texts are in.
    texts: std.heap.ArenaAllocator = .init(gpa),
    phase: Phase = .request,
    room: usize = 0,
    left: usize = 0,
    /// Empty lines before a request, and lines behind its last chunk.
    empty: usize = 0,
    trailers: usize = 0,
    /// Ends a request that does not become whole; behind the last answer, the connection.
    timer: sl.Timer = .{},
    is_timed: bool = false,
    /// The answer to such a request has no content, also where it is refused.
    is_head: bool = false,
    is_known: bool = false,
    is_draining: bool = false,
    is_running: bool = false,

    fn receive(self: *Core, data: []const u8) void {
        if (self.phase == .over) return;
        append(&self.input, data);
        self.run();
    }

    fn isBetween(self: *const Core) bool {
        return self.phase == .request and self.input.items.len == 0;
    }

    fn run(self: *Core) void {
        if (self.is_running) return;
        self.is_running = true;
        while (self.phase != .answer and self.phase != .over) {
            const goes_on = self.step() catch |refusal| {
                self.refuse(statusOf(refusal));
                break;
            };
            if (!goes_on) break;
        }
        self.is_running = false;
        if (self.phase == .over) return;
        const left = self.input.items.len - self.taken;
        if (left == 0) {
            self.input.clearAndFree(gpa);
        } else if (self.taken > 0) {
            std.mem.copyForwards(u8, self.input.items[0..left], self.input.items[self.taken..]);
            self.input.shrinkRetainingCapacity(left);
        }
        self.searched -|= self.taken;
        self.taken = 0;
        if (self.phase == .answer or self.isBetween()) {
            self.timer.cancel();
            self.is_timed = false;
        } else if (!self.is_timed) {
            self.timer = sl.addTimer(whole, self, tooLate);
            self.is_timed = true;
        }
        // Whoever waits for an answer is not read from; nor is its end seen before.
        if (self.phase == .answer) self.socket.pause();
    }

    fn tooLate(self: *Core) void {
        self.refuse(408);
    }

    /// Takes one thing out of the input; false when it is not there yet.
    fn step(self: *Core) Refusal!bool {
        const input = self.input.items[self.taken..];
        if (self.phase == .content or self.phase == .chunk) return self.takeData(input);
        const room: usize = switch (self.phase) {
            .request => head_max,
            .size => 4096,
            .gap => 1,
            else => self.room,
        };
        if (self.phase == .request) try checkBeginning(input);
        const too_long: Refusal = if (self.phase == .size or self.phase == .gap) error.BadRequest else error.FieldsTooLarge;
        const line = try self.takeLine(input, room, too_long) orelse return false;
        switch (self.phase) {
            .request => {
                // Some clients send an empty line behind a body.
                self.empty = if (line.len == 0) self.empty + 1 else 0;
                if (self.empty > empty_max) return error.BadRequest;
                if (line.len == 0) return true;
                self.is_head = std.mem.startsWith(u8, line, "HEAD ");
                try self.request.take(self.kept(line));
                self.is_known = true;
                self.room = head_max - line.len;
                self.phase = .fields;
            },
            .fields => {
                self.room -|= line.len + 2;
                if (line.len == 0) try self.headIsWhole() else try self.takeField(line);
            },
            .size => try self.takeSize(line),
            .gap => {
                if (line.len > 0) return error.BadRequest;
                self.phase = .size;
            },
            else => {
                self.room -|= line.len + 2;
                if (line.len == 0) self.isWhole() else try self.takeTrailer(line);
            },
        }
        return true;
    }

    /// A line without its end, when it is there.
    fn takeLine(self: *Core, input: []const u8, room: usize, too_long: Refusal) Refusal!?[]const u8 {
        const from = self.searched -| self.taken;
        const found = std.mem.indexOfScalar(u8, input[from..], '\n');
        const end = if (found) |at| from + at else input.len;
        if (end > room) return too_long;
        if (found == null) {
            self.searched = self.input.items.len;
            return null;
        }
        if (end == 0 or input[end - 1] != '\r' or hasControl(input[0 .. end - 1])) return error.BadRequest;
        self.take(end + 1);
        return input[0 .. end - 1];
    }

    fn take(self: *Core, count: usize) void {
        self.taken += count;
        self.searched = self.taken;
    }

    /// A copy that is there as long as the request.
    fn kept(self: *Core, bytes: []const u8) []const u8 {
        return self.texts.allocator().dupe(u8, bytes) catch outOfMemory();
    }

    fn takeField(self: *Core, raw: []const u8) Refusal!void {
        const colon = std.mem.indexOfScalar(u8, raw, ':') orelse return error.BadRequest;
        if (!isToken(raw[0..colon])) return error.BadRequest;
        if (self.request.fields.items.len == fields_max) return error.FieldsTooLarge;
        const text = self.kept(raw);
        self.request.fields.append(gpa, .{ .name = text[0..colon], .value = trimmed(text[colon + 1 ..]) }) catch outOfMemory();
    }

    /// A line behind the last chunk. One that has two programs read the message differently is refused.
    fn takeTrailer(self: *Core, raw: []const u8) Refusal!void {
        const colon = std.mem.indexOfScalar(u8, raw, ':') orelse return error.BadRequest;
        if (!isToken(raw[0..colon])) return error.BadRequest;
        for ([_][]const u8{ "content-length", "host", "transfer-encoding" }) |never| {
            if (std.ascii.eqlIgnoreCase(raw[0..colon], never)) return error.BadRequest;
        }
        self.trailers += 1;
        if (self.trailers > fields_max) return error.FieldsTooLarge;
    }

    fn headIsWhole(self: *Core) Refusal!void {
        const length = try self.request.check();
        if (length == 0) return self.isWhole();
        self.left = length orelse 0;
        self.phase = if (length == null) .size else .content;
        const is_waiting = self.request.header("expect") != null and !self.request.is_http10;
        if (is_waiting) self.socket.sendData("HTTP/1.1 100 Continue\r\n\r\n");
    }

    fn takeSize(self: *Core, text: []const u8) Refusal!void {
        const extension = std.mem.indexOfScalar(u8, text, ';');
        const digits = if (extension) |at| std.mem.trimEnd(u8, text[0..at], " \t") else text;
        if (digits.len == 0 or digits.len > 16) return error.BadRequest;
        for (digits) |c| if (!std.ascii.isHex(c)) return error.BadRequest;
        const bytes = std.fmt.parseInt(u32, digits, 16) catch return error.ContentTooLarge;
        if (self.content.items.len + @as(u64, bytes) > content_max) return error.ContentTooLarge;
        self.left = bytes;
        self.room = head_max;
        self.trailers = 0;
        self.phase = if (bytes == 0) .trailers else .chunk;
    }

    fn takeData(self: *Core, input: []const u8) bool {
        const count = @min(input.len, self.left);
        if (count == 0) return false;
        append(&self.content, input[0..count]);
        self.take(count);
        self.left -= count;
        if (self.left > 0) return true;
        if (self.phase == .chunk) self.phase = .gap else self.isWhole();
        return true;
    }

    fn isWhole(self: *Core) void {
        self.request.content = self.content.items;
        self.phase = .answer;
        self.process(self);
    }

    fn respond(self: *Core) void {
        if (self.phase != .answer) return;
        self.phase = .request;
        self.write();
        if (self.socket.isPaused()) self.socket.@"resume"();
        if (self.phase != .over) self.run();
    }

    fn refuse(self: *Core, status: u16) void {
        self.phase = .over;
        self.response.fields.clearRetainingCapacity();
        self.response.contentType("text/plain");
        self.response.status = status;
        const words = gpa.print("{d} {s}\n", .{ status, reason(status) }) catch outOfMemory();
        defer gpa.free(words);
        self.response.content = words;
        self.write();
    }

    fn write(self: *Core) void {
        const response = &self.response;
        if (self.is_draining or !self.is_known or !self.request.keepsOpen()) self.phase = .over;
        const is_over = self.phase == .over;
        const is_bare = response.status == 204 or response.status == 304;
        var out: std.ArrayList(u8) = .empty;
        defer out.deinit(gpa);
        appendPrint(&out, "HTTP/1.1 {d} {s}\r\n", .{ response.status, reason(response.status) });
        append(&out, response.fields.items);
        if (!is_bare) appendPrint(&out, "Content-Length: {d}\r\n", .{response.content.len});
        if (is_over) append(&out, "Connection: close\r\n") else if (self.request.is_http10) append(&out, "Connection: keep-alive\r\n");
        appendDate(&out);
        if (!is_bare and !self.is_head) append(&out, response.content);
        self.socket.sendData(out.items);
        self.forget();
        if (!is_over) return;
        // A close would be a reset where the peer still sends, which takes along what it has not read.
        self.timer.cancel();
        self.input.clearAndFree(gpa);
        self.socket.halfClose() catch return self.socket.closeConnection();
        self.timer = sl.addTimer(linger, self, close);
    }

    fn close(self: *Core) void {
        self.socket.closeConnection();
    }

    /// The request has its answer.
    fn forget(self: *Core) void {
        self.content.clearAndFree(gpa);
        self.request.fields.deinit(gpa);
        self.response.fields.deinit(gpa);
        _ = self.texts.reset(.free_all);
        self.request = .{};
        self.response = .{};
        self.is_known = false;
    }

    fn free(self: *Core) void {
        self.phase = .over;
        self.timer.cancel();
        self.forget();
        self.input.clearAndFree(gpa);
    }
};

fn outOfMemory() noreturn {
    @panic("out of memory: a request or its answer");
}

fn append(to: *std.ArrayList(u8), bytes: []const u8) void {
    to.appendSlice(gpa, bytes) catch outOfMemory();
}

fn appendPrint(to: *std.ArrayList(u8), comptime format: []const u8, arguments: anytype) void {
    const text = gpa.print(format, arguments) catch outOfMemory();
    defer gpa.free(text);
    append(to, text);
}

extern "wasi_snapshot_preview1" fn clock_time_get(clock: u32, precision: u64, time: *u64) u32;

/// The field `Date`, and the end of the head.
fn appendDate(to: *std.ArrayList(u8)) void {
    var nanoseconds: u64 = 0;
    _ = clock_time_get(0, 1_000_000_000, &nanoseconds);
    const seconds: std.time.epoch.EpochSeconds = .{ .secs = nanoseconds / 1_000_000_000 };
    const day = seconds.getEpochDay();
    const year = day.calculateYearDay();
    const month = year.calculateMonthDay();
    const time = seconds.getDaySeconds();
    const days = [_][]const u8{ "Thu", "Fri", "Sat", "Sun", "Mon", "Tue", "Wed" };
    const months = [_][]const u8{ "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec" };
    appendPrint(to, "Date: {s}, {d:0>2} {s} {d} {d:0>2}:{d:0>2}:{d:0>2} GMT\r\n\r\n", .{
        days[@intCast(day.day % 7)], month.day_index + 1,        months[month.month.numeric() - 1],
        year.year,                   time.getHoursIntoDay(),     time.getMinutesIntoHour(),
        time.getSecondsIntoMinute(),
    });
}

fn trimmed(bytes: []const u8) []const u8 {
    return std.mem.trim(u8, bytes, " \t");
}

/// Refuses what no line of a request begins with.
fn checkBeginning(input: []const u8) Refusal!void {
    if (input.len == 0 or input[0] == '\r') return;
    const space = std.mem.indexOfScalar(u8, input, ' ');
    const method = input[0..@min(space orelse input.len, method_max + 1)];
    if (method.len > 0 and !isToken(method)) return error.BadRequest;
    if (method.len > method_max) return error.NotImplemented;
    const from = (space orelse return) + 1;
    if (input.len - from <= target_max) return;
    if (std.mem.indexOfScalar(u8, input[from .. from + target_max + 1], ' ') == null) return error.TargetTooLong;
}

/// A host with or without a port.
fn isHost(word: []const u8) bool {
    var name = word;
    if (std.mem.lastIndexOfScalar(u8, word, ':')) |colon| {
        if (!std.mem.endsWith(u8, word, "]")) {
            name = word[0..colon];
            const port = word[colon + 1 ..];
            for (port) |c| if (!std.ascii.isDigit(c)) return false;
            if (port.len > 0) _ = std.fmt.parseInt(u16, port, 10) catch return false;
        }
    }
    if (std.mem.startsWith(u8, name, "[")) {
        if (name.len < 3 or name[name.len - 1] != ']') return false;
        for (name[1 .. name.len - 1]) |c| if (!std.ascii.isHex(c) and c != ':' and c != '.') return false;
        return true;
    }
    for (name) |c| if (!std.ascii.isAlphanumeric(c) and std.mem.indexOfScalar(u8, "!$&'()*+;=%_.~-", c) == null) return false;
    return true;
}

fn isToken(word: []const u8) bool {
    for (word) |c| {
        if (!std.ascii.isAlphanumeric(c) and std.mem.indexOfScalar(u8, "!#$%&'*+.^_`|~-", c) == null) return false;
    }
    return word.len > 0;
}

fn hasControl(bytes: []const u8) bool {
    for (bytes) |c| if ((c < ' ' and c != '\t') or c == 0x7f) return true;
    return false;
}

fn reason(status: u16) []const u8 {
    return switch (status) {
        200 => "OK",
        201 => "Created",
        202 => "Accepted",
        204 => "No Content",
        206 => "Partial Content",
        301 => "Moved Permanently",
        302 => "Found",
        303 => "See Other",
        304 => "Not Modified",
        307 => "Temporary Redirect",
        308 => "Permanent Redirect",
        400 => "Bad Request",
        401 => "Unauthorized",
        403 => "Forbidden",
        404 => "Not Found",
        405 => "Method Not Allowed",
        408 => "Request Timeout",
        409 => "Conflict",
        410 => "Gone",
        413 => "Content Too Large",
        414 => "URI Too Long",
        415 => "Unsupported Media Type",
        417 => "Expectation Failed",
        422 => "Unprocessable Content",
        429 => "Too Many Requests",
        431 => "Request Header Fields Too Large",
        500 => "Internal Server Error",
        501 => "Not Implemented",
        502 => "Bad Gateway",
        503 => "Service Unavailable",
        504 => "Gateway Timeout",
        505 => "HTTP Version Not Supported",
        else => "",
    };
}
