"""A server of HTTP/1.1 (RFC 9110, 9112): requests come whole, one after the other, and are answered now or later.

What two programs could understand differently is refused, with its status; nothing is repaired.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from typing import Any

from ._connection import Connection
from ._channels import Data
from ._loop import HostError, create_task, to_bytes
from ._timers import Timer

HEAD_MAX = 16384
FIELDS_MAX = 100
TARGET_MAX = 8192
EMPTY_MAX = 10
CONTENT_MAX = 1048576
#: Seconds between two requests, for a whole request, and for a peer to end its side after the last answer.
IDLE = 60
WHOLE = 30
LINGER = 2

REASONS = {
    200: "OK", 201: "Created", 202: "Accepted", 204: "No Content", 206: "Partial Content", 301: "Moved Permanently", 302: "Found",
    303: "See Other", 304: "Not Modified", 307: "Temporary Redirect", 308: "Permanent Redirect", 400: "Bad Request",
    401: "Unauthorized", 403: "Forbidden", 404: "Not Found", 405: "Method Not Allowed", 408: "Request Timeout", 409: "Conflict",
    410: "Gone", 413: "Content Too Large", 414: "URI Too Long", 415: "Unsupported Media Type", 417: "Expectation Failed",
    422: "Unprocessable Content", 429: "Too Many Requests", 431: "Request Header Fields Too Large", 500: "Internal Server Error",
    501: "Not Implemented", 502: "Bad Gateway", 503: "Service Unavailable", 504: "Gateway Timeout",
    505: "HTTP Version Not Supported",
}  # fmt: skip

_TOKEN = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_CONTROL = re.compile(r"[\0-\x08\n-\x1f\x7f]")
_ABSOLUTE = re.compile(r"https?://([^/?]+)", re.IGNORECASE)
_HOST = re.compile(r"(?:[\w.~!$&'()*+;=%-]*|\[[0-9A-Fa-f:.]+\])(?::([0-9]*))?", re.ASCII)
_CHUNK = re.compile(r"([0-9a-fA-F]{1,16})(?:[ \t]*;.*)?")
#: What only the server says.
_RESERVED = {"connection", "content-length", "date", "keep-alive", "transfer-encoding", "upgrade"}
_DAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")


#: Words with which two programs would read a message differently, behind it.
_NO_TRAILER = {"content-length", "host", "transfer-encoding"}


class _Refusal(Exception):
    def __init__(self, status: int) -> None:
        self.status = status


def _is_host(word: str) -> bool:
    """A host with or without a port."""
    found = _HOST.fullmatch(word)
    return bool(found) and int(found[1] or 0) < 65536


def _name_of(line: str) -> str:
    """The name of a field, in lower case."""
    name, colon, _ = line.partition(":")
    if not colon or not _TOKEN.fullmatch(name):
        raise _Refusal(400)
    return name.lower()


def _check_beginning(data: bytearray) -> None:
    """Refuses what no line of a request begins with."""
    if data.startswith(b"\r"):
        return
    space = data.find(b" ", 0, 33)
    method = data[: 33 if space < 0 else space].decode("latin-1")
    if method and not _TOKEN.fullmatch(method):
        raise _Refusal(400)
    if len(method) > 32:
        raise _Refusal(501)
    if space >= 0 and len(data) - space - 1 > TARGET_MAX and data.find(b" ", space + 1, space + 2 + TARGET_MAX) < 0:
        raise _Refusal(414)


def _date() -> str:
    now = time.gmtime(time.time())
    return f"{_DAYS[now.tm_wday]}, {now.tm_mday:02} {_MONTHS[now.tm_mon - 1]} {now.tm_year} {now.tm_hour:02}:{now.tm_min:02}:{now.tm_sec:02} GMT"


class HttpRequest:
    """A request, with its whole content."""

    #: As it came, as are `path` and `query_string`: percent-encoded.
    target: str
    #: By their names in lower case; what came more than once is joined by `, `.
    headers: dict[str, str]

    def __init__(self, line: str) -> None:
        parts = line.split(" ")
        if len(parts) != 3 or not _TOKEN.fullmatch(parts[0]) or not re.fullmatch(r"""[!"$-~]+""", parts[1]):
            raise _Refusal(400)
        self.method, self.target, version = parts
        if not re.fullmatch(r"HTTP/[0-9]\.[0-9]", version):
            raise _Refusal(400)
        if not version.startswith("HTTP/1."):
            raise _Refusal(505)
        self.version = "1.0" if version == "HTTP/1.0" else "1.1"
        if len(self.target) > TARGET_MAX:
            raise _Refusal(414)
        if self.method == "CONNECT":
            # Only proxies have tunnels.
            raise _Refusal(501 if _is_host(self.target) and re.search(r":[0-9]+$", self.target) else 400)
        whole = _ABSOLUTE.match(self.target)
        if whole and not _is_host(whole[1]):
            raise _Refusal(400)
        path = self.target[whole.end() :] if whole else self.target
        is_path = path == "" or path[0] in "/?" if whole else path.startswith("/")
        if not is_path and (path != "*" or self.method != "OPTIONS"):
            raise _Refusal(400)
        path, _, self.query_string = path.partition("?")
        self.path = path or "/"
        self.headers = {}
        self.content = b""

    def header(self, name: str) -> str | None:
        """The field of this name, in whatever case."""
        return self.headers.get(name.lower())

    def text(self) -> str:
        """The content as text."""
        return self.content.decode(errors="replace")

    def _take(self, line: str) -> None:
        name = _name_of(line)
        value = line[len(name) + 1 :].strip(" \t")
        before = self.headers.get(name)
        if before is not None and name in ("host", "content-length"):
            raise _Refusal(400)
        self.headers[name] = value if before is None else f"{before}, {value}"

    def _check(self) -> int:
        """How many bytes of content follow; -1 where they come in chunks."""
        host = self.headers.get("host")
        if self.version == "1.1" if host is None else not _is_host(host):
            raise _Refusal(400)
        length, coding = self.headers.get("content-length"), self.headers.get("transfer-encoding")
        if length is not None and not re.fullmatch(r"[0-9]+", length):
            raise _Refusal(400)
        if coding is not None:
            codings = [one.strip() for one in coding.lower().split(",")]
            if length is not None or self.version == "1.0" or "chunked" in codings[:-1] or codings[-1] != "chunked":
                raise _Refusal(400)
            if len(codings) > 1:
                raise _Refusal(501)
        if self.version == "1.1" and self.headers.get("expect", "100-continue").lower() != "100-continue":
            raise _Refusal(417)
        # The longest number is the head's.
        size = (length or "").lstrip("0") or "0"
        if len(size) > 7 or int(size) > CONTENT_MAX:
            raise _Refusal(413)
        return -1 if coding else int(size)

    @property
    def _keeps_open(self) -> bool:
        options = [one.strip() for one in self.headers.get("connection", "").lower().split(",")]
        return "close" not in options and (self.version == "1.1" or "keep-alive" in options)


class HttpResponse:
    """The answer to one request, to be sent now or later."""

    def __init__(self, send: Callable[[int, str, bytes], None]) -> None:
        self.status = 200
        self.content: Data = b""
        self._fields = ""
        self._send: Callable[[int, str, bytes], None] | None = send

    def header(self, name: str, value: str | int) -> HttpResponse:
        """Adds a field. Length, `Connection` and `Date` are the server's."""
        if not _TOKEN.fullmatch(name) or _CONTROL.search(str(value)):
            raise ValueError(f"header {name!r}: a name is a word, and a value one line")
        if name.lower() in _RESERVED:
            raise ValueError(f"header {name}: the server says it itself; leave it out")
        self._fields += f"{name}: {value}\r\n"
        return self

    def content_type(self, value: str) -> HttpResponse:
        """Adds `Content-Type`."""
        return self.header("Content-Type", value)

    def send_response(self, content: Data | None = None) -> None:
        """Sends the answer, once. Where the connection has ended it goes nowhere."""
        if not 200 <= self.status <= 999:
            raise ValueError(f"status {self.status}: an answer has one from 200 to 999")
        if self._send is None:
            raise RuntimeError("send_response: this request has its answer already")
        data = to_bytes(self.content if content is None else content, "send_response")
        send, self._send = self._send, None
        send(self.status, self._fields, data)


class HttpServer(Connection):
    """A connection whose peer sends requests, HTTP/1.1 and 1.0.

    They come whole, one after the other; the next one waits for the answer. A head has 16 KiB and 100 fields at most, a body 1 MiB,
    and a request 30 seconds. What is no request is refused with its status.
    """

    def __new__(cls, *values: Any, **named: Any) -> Any:
        self = super().__new__(cls, *values, **named)
        self._input, self._searched = bytearray(), 0
        self._phase = "request"
        self._request, self._is_head = None, False
        self._room = self._count = self._left = self._empty = 0
        self._content = bytearray()
        self._whole_timer = None
        self._is_draining = self._is_running = False
        self.set_comm_inactivity_timeout(IDLE)
        return self

    _input: bytearray
    #: How much of the input has no end of a line.
    _searched: int
    #: What comes next: request, fields, content, size, chunk, gap, trailers; answer: nothing before the answer; over.
    _phase: str
    _request: HttpRequest | None
    #: The answer to such a request has no content, also where it is refused.
    _is_head: bool
    _room: int
    _count: int
    _left: int
    #: Empty lines before a request.
    _empty: int
    _content: bytearray
    _whole_timer: Timer | None
    _is_draining: bool
    _is_running: bool

    def process_http_request(self, request: HttpRequest, response: HttpResponse) -> Any:
        """A request. It is answered by `response.send_response`, here or later. It may be `async def`."""
        response.status = 404
        response.send_response()

    def receive_data(self, data: bytes) -> None:
        if self._phase != "over":
            self._input += data
            self._run()

    def draining(self, seconds: float) -> str:
        self._is_draining = True
        return "when-idle" if self._is_between() else "until-closed"

    def _is_between(self) -> bool:
        return self._phase == "request" and not self._input

    def _run(self) -> None:
        if self._is_running:
            return
        self._is_running = True
        try:
            while self._phase not in ("answer", "over") and self._step():
                pass
        except _Refusal as refusal:
            self._phase = "over"
            words = f"{refusal.status} {REASONS[refusal.status]}\n"
            self._answer(refusal.status, "Content-Type: text/plain\r\n", words.encode())
        finally:
            self._is_running = False
        if self._phase in ("answer", "over") or self._is_between():
            if self._whole_timer:
                self._whole_timer.cancel()
                self._whole_timer = None
        elif not self._whole_timer:
            self._whole_timer = self.call_later(WHOLE, self._too_late)
        if self._phase == "answer":
            # Whoever waits for an answer is not read from; nor is its end seen before.
            self.pause()

    def _too_late(self) -> None:
        self._whole_timer, self._phase = None, "over"
        self._answer(408, "", b"")

    def _step(self) -> bool:
        """Takes one thing out of the input; false when it is not there yet."""
        if self._phase in ("content", "chunk"):
            return self._data()
        room = {"request": HEAD_MAX, "size": 4096, "gap": 1}.get(self._phase, self._room)
        status = 400 if self._phase in ("size", "gap") else 431
        if self._phase == "request":
            _check_beginning(self._input)
        line = self._line(room, status)
        if line is None:
            return False
        if self._phase == "request":
            # Some clients send an empty line behind a body.
            self._empty = 0 if line else self._empty + 1
            if self._empty > EMPTY_MAX:
                raise _Refusal(400)
            if line:
                self._request, self._is_head = None, line.startswith("HEAD ")
                self._request = HttpRequest(line)
                self._room, self._count, self._phase = HEAD_MAX - len(line), 0, "fields"
        elif self._phase == "fields":
            self._field(line)
        elif self._phase == "size":
            self._chunk(line)
        elif self._phase == "gap":
            if line:
                raise _Refusal(400)
            self._phase = "size"
        elif line:
            self._room -= len(line) + 2
            self._count += 1
            if _name_of(line) in _NO_TRAILER:
                raise _Refusal(400)
            if self._count > FIELDS_MAX:
                raise _Refusal(431)
        else:
            self._is_whole()
        return True

    def _line(self, room: int, status: int) -> str | None:
        """A line without its end, when it is there."""
        end = self._input.find(b"\n", self._searched)
        if (len(self._input) if end < 0 else end) > room:
            raise _Refusal(status)
        if end < 0:
            self._searched = len(self._input)
            return None
        if end == 0 or self._input[end - 1] != 13:
            raise _Refusal(400)
        line = self._input[: end - 1].decode("latin-1")
        if _CONTROL.search(line):
            raise _Refusal(400)
        del self._input[: end + 1]
        self._searched = 0
        return line

    def _field(self, line: str) -> None:
        assert self._request
        if line:
            self._room -= len(line) + 2
            self._count += 1
            if self._count > FIELDS_MAX:
                raise _Refusal(431)
            return self._request._take(line)
        length = self._request._check()
        self._content = bytearray()
        if length == 0:
            return self._is_whole()
        self._left, self._phase = (0, "size") if length < 0 else (length, "content")
        if self._request.header("expect") and self._request.version == "1.1":
            self.send_data(b"HTTP/1.1 100 Continue\r\n\r\n")

    def _chunk(self, line: str) -> None:
        size = _CHUNK.fullmatch(line)
        if not size:
            raise _Refusal(400)
        self._left = int(size[1], 16)
        if len(self._content) + self._left > CONTENT_MAX:
            raise _Refusal(413)
        self._room, self._count, self._phase = HEAD_MAX, 0, "chunk" if self._left else "trailers"

    def _data(self) -> bool:
        if not self._input:
            return False
        piece = self._input[: self._left]
        del self._input[: len(piece)]
        self._content += piece
        self._left -= len(piece)
        if self._left == 0:
            if self._phase == "chunk":
                self._phase = "gap"
            else:
                self._is_whole()
        return True

    def _is_whole(self) -> None:
        request = self._request
        assert request
        request.content, self._content = bytes(self._content), bytearray()
        self._phase = "answer"
        waiting = self.process_http_request(request, HttpResponse(self._send_response))
        if hasattr(waiting, "__await__"):
            create_task(waiting)

    def _send_response(self, status: int, fields: str, content: bytes) -> None:
        if self.closed is not None or self._phase != "answer":
            return
        self._phase = "request"
        self._answer(status, fields, content)
        if self.is_paused:
            self.resume()
        self._run()

    def _answer(self, status: int, fields: str, content: bytes) -> None:
        request = self._request
        if self._is_draining or not request or not request._keeps_open:
            self._phase = "over"
        is_over, is_bare = self._phase == "over", status in (204, 304)
        connection = "Connection: close\r\n" if is_over else "Connection: keep-alive\r\n" if request and request.version == "1.0" else ""
        length = "" if is_bare else f"Content-Length: {len(content)}\r\n"
        head = f"HTTP/1.1 {status} {REASONS.get(status, '')}\r\n{fields}{length}{connection}Date: {_date()}\r\n\r\n"
        self.send_data(head.encode("utf-8") + (b"" if is_bare or self._is_head else content))
        if is_over:
            self._end()

    def _end(self) -> None:
        """A close would be a reset where the peer still sends, which takes along what it has not read."""
        self._input.clear()
        try:
            self.half_close()
        except HostError:
            return self.close_connection()
        self.call_later(LINGER, self.close_connection)
