"""Connections: the class that authors extend, and connecting."""

from __future__ import annotations

import traceback
from collections.abc import AsyncIterator, Callable
from typing import TYPE_CHECKING, Any

from . import log
from ._channels import Channel, Data, Subscription
from ._loop import Future, HostError, ask, need_host, to_bytes, word
from ._timers import Timer, call_every, call_later, milliseconds

if TYPE_CHECKING:
    from wit_world.imports import sockets, tls

try:
    from componentize_py_types import Err
except ModuleNotFoundError:
    # Outside of a component nothing can be sent.
    class Err(Exception):  # type: ignore[no-redef]
        value: Any


#: The handlers, by the names that a `[[listen]]` gives.
handlers: dict[str, type[Connection]] = {}

#: What the connection that is being made will find.
_born: tuple[Any, dict[str, str], str | None] | None = None

#: The host stops reading from a peer of whom so much waits to be read.
HIGH = 65536


def give(socket: Any, options: dict[str, str], listener: str | None, make: Callable[[], Any]) -> Connection:
    """Makes a connection with `make`, a class or a function."""
    global _born
    _born = (socket, options, listener)
    try:
        made = make()
    finally:
        _born = None
    if not isinstance(made, Connection):
        raise TypeError(f"what makes connections returned {type(made).__name__}: it has to return a sandloop.Connection")
    return made


_CALLBACKS = (
    "post_init", "connection_completed", "receive_data", "drained", "draining", "unbind", "tls_completed", "verify_peer",
    "proxy_target_unbound", "proxy_completed", "serve",
)  # fmt: skip


def _find_slips(cls: type) -> None:
    """A callback by nearly its name is never called; that is told while the plugin is built."""

    def plain(name: str) -> str:
        return name.lower().replace("_", "").replace("ei", "ie")

    known = {plain(name): name for name in _CALLBACKS}
    for name in vars(cls):
        meant = known.get(plain(name))
        if meant and meant != name:
            raise TypeError(f"class {cls.__name__}: the host never calls {name}: the callback is called {meant}")


class Connection:
    """One connection: a class extends this one, its attributes are a connection's state, its methods are called with what happens.

    A class is a handler by its name in lower case; `class Echo(Connection, handler="e")` gives it another one, `handler=None` none.
    Each callback may be left out, and may be `async def` where nothing else is said.
    """

    def __init_subclass__(cls, handler: str | None = "", **more: Any) -> None:
        super().__init_subclass__(**more)
        if cls.__module__.partition(".")[0] == "sandloop":
            return
        _find_slips(cls)
        if handler is not None:
            handlers[(handler or cls.__name__).lower()] = cls

    socket: sockets.Socket

    def __new__(cls, *values: Any, **named: Any) -> Any:
        global _born
        if _born is None:
            raise RuntimeError(
                f"{cls.__name__}(): the host makes connections: a listener by the handler's name, or connect(host, port, {cls.__name__})"
            )
        self = super().__new__(cls)
        self.socket, self.options, self.listener = _born
        self.closed = None
        self._owned = []
        self._told = self._again = self._unbinding = False
        self._buffer = bytearray()
        self._reading = hasattr(cls, "serve")
        self._waiting = None
        self._paused = False
        _born = None
        return self

    #: What the operator has written as `options` of the listener.
    options: dict[str, str]
    #: The listener's address as it is served; `None` for an outgoing connection.
    listener: str | None
    #: Why it has ended, as `unbind` is told; `None` while it has not.
    closed: str | None
    _owned: list[Timer | Subscription]
    _told: bool
    _again: bool
    _unbinding: bool
    _buffer: bytearray
    _reading: bool
    _waiting: Future[None] | None
    _paused: bool

    # ---- Callbacks ----

    def post_init(self) -> Any:
        """The connection exists. Called once, first. What an outgoing one sends here is sent when it is connected."""

    def connection_completed(self) -> Any:
        """An outgoing connection is made."""

    def receive_data(self, data: bytes) -> Any:
        """Bytes from the peer: at least one, in order, cut anywhere. Behind `udp://` one datagram."""
        if self._reading:
            self._push(data)

    def drained(self) -> Any:
        """The outbox was above its high mark and has fallen below the low one."""

    def unbind(self, reason: str) -> Any:
        """The connection has ended; `reason` is the contract's word, such as `peer-closed`. Called once, last."""

    def tls_completed(self) -> Any:
        """TLS is there, by `start_tls` or by a `tls://` listener."""

    def verify_peer(self, chain: list[bytes]) -> bool:
        """Whether the peer is taken, by its certificates as DER. Not async; `False` unless it is overridden."""
        return False

    def draining(self, seconds: float) -> str | None:
        """The connection is to come to its end within so many seconds. After `when-idle`, the default, the host closes it once
        nothing of it is under way; after `until-closed` it goes on until the plugin closes it. Where the plugin is replaced the
        host closes nothing before the end. Not async."""
        return "when-idle"

    def proxy_target_unbound(self) -> Any:
        """The target that this connection was proxied to has ended."""

    def proxy_completed(self) -> Any:
        """As many bytes as were to be proxied have gone over."""

    # ---- Sending and closing ----

    def send_data(self, data: Data) -> None:
        """Sends, in order, never blocking; `str` goes out in UTF-8.

        It raises nothing for what the host refuses: on a connection that is closing it does nothing, on one that has ended it does
        nothing and the log says so once. Where the outbox is full the connection is closed, since a stream with a hole in it is
        worse than none.
        """
        data = data if type(data) is bytes else to_bytes(data, "send_data")
        try:
            self.socket.send_data(data)
        except Err as error:
            self._refused(word(error.value), len(data))

    def _refused(self, code: str, length: int) -> None:
        if code == "outbox-full":
            log.error(f"connection {self.id}: its outbox has no room for {length} bytes; closing it. try_send_data and drained() wait instead")
            self.close_connection()
        elif code == "closed":
            self._too_late()
        elif code != "closing":
            raise HostError(f"send_data of {length} bytes", code)

    def _too_late(self) -> None:
        if self._told or self.closed is None:
            return
        self._told = True
        frames = [f for f in reversed(traceback.extract_stack()) if "/sandloop/" not in f.filename and "wit_world" not in f.filename]
        from ._loop import _short

        at = f" at {frames[0].name} ({_short(frames[0].filename)}:{frames[0].lineno})" if frames else ""
        log.warn(
            f"send_data on a connection that has ended ({self.closed}) sends nothing{at}: end in unbind() what sends, such as a "
            "timer or a subscription (self.call_every, self.subscribe do it by themselves)"
        )

    def try_send_data(self, data: Data) -> None:
        """As `send_data`, but raises `HostError`: `closed`, `closing`, `outbox-full` (nothing was taken)."""
        data = to_bytes(data, "try_send_data")
        ask(f"try_send_data of {len(data)} bytes", self.socket.send_data, data)

    def close_connection(self) -> None:
        """Closes without waiting for the outbox. `unbind` follows."""
        self.socket.close_connection()

    def close_connection_after_writing(self) -> None:
        """Closes once the outbox is empty."""
        self.socket.close_connection_after_writing()

    def half_close(self) -> None:
        """Ends the write side once the outbox is empty; reading goes on."""
        ask("half_close", self.socket.half_close)

    def keep_half_open(self, keep: bool = True) -> None:
        """Whether it stays open for writing when the peer ends its side."""
        self.socket.keep_half_open(keep)

    @property
    def peer_finished(self) -> bool:
        return self.socket.peer_finished()

    # ---- Reading by waiting ----

    def _push(self, data: bytes) -> None:
        self._buffer += data
        if len(self._buffer) >= HIGH and self._waiting is None and not self._paused:
            self._paused = True
            self.pause()
        self._wake()

    def _wake(self) -> None:
        waiting, self._waiting = self._waiting, None
        if waiting:
            waiting.set_result(None)

    async def _more(self) -> bool:
        """Waits for bytes; false when none come any more."""
        self._reading = True
        if self.closed is not None:
            return False
        if self._waiting:
            raise RuntimeError("two readers wait on one connection: await one read or readline before the next")
        if self._paused:
            self._paused = False
            self.resume()
        self._waiting = Future()
        await self._waiting
        return True

    def _take(self, count: int) -> bytes:
        data = bytes(self._buffer[:count])
        del self._buffer[:count]
        return data

    async def read(self, most: int = -1) -> bytes:
        """What has come, as soon as there is something; `b""` when the connection has ended."""
        while not self._buffer:
            if not await self._more():
                return b""
        return self._take(len(self._buffer) if most < 0 else most)

    async def readexactly(self, count: int) -> bytes:
        """So many bytes; raises `EOFError` when it ends before."""
        while len(self._buffer) < count:
            if not await self._more():
                raise EOFError(f"the connection has ended ({self.closed}) after {len(self._buffer)} of {count} bytes")
        return self._take(count)

    async def readline(self, most: int = HIGH) -> bytes:
        """A line with its end, as asyncio's; what there is of one, perhaps `b""`, when the connection has ended.

        Raises `ValueError` for a line of more than `most` bytes.
        """
        searched = 0
        while True:
            end = self._buffer.find(b"\n", searched)
            if (len(self._buffer) if end < 0 else end) > most:
                raise ValueError(f"a line of more than {most} bytes: readline(most) allows more")
            if end >= 0:
                return self._take(end + 1)
            searched = len(self._buffer)
            if not await self._more():
                return self._take(len(self._buffer))

    async def lines(self, most: int = HIGH) -> AsyncIterator[str]:
        """`async for line in self.lines():` lines without their ends, `\\n` or `\\r\\n`, until the connection has ended."""
        while (line := await self.readline(most)).endswith(b"\n"):
            yield line[:-2 if line.endswith(b"\r\n") else -1].decode(errors="replace")

    def pause(self) -> None:
        """Stops reading; the peer feels it."""
        self.socket.pause()

    def resume(self) -> None:
        """Starts reading again."""
        self.socket.resume()

    @property
    def is_paused(self) -> bool:
        return self.socket.is_paused()

    # ---- What ends with the connection ----

    def call_later(self, seconds: float, action: Callable[..., Any], *values: Any) -> Timer:
        """As `sandloop.call_later`; ends with the connection."""
        return self._own_timer(call_later(seconds, action, *values))

    def call_every(self, seconds: float, action: Callable[..., Any], *values: Any) -> Timer:
        """As `sandloop.call_every`; ends with the connection."""
        return self._own_timer(call_every(seconds, action, *values))

    def _own_timer(self, timer: Timer) -> Timer:
        if len(self._owned) >= 32:
            self._owned = [owned for owned in self._owned if not isinstance(owned, Timer) or owned.active]
        self._owned.append(timer)
        return timer

    def subscribe(self, channel: str | Channel, action: Callable[[bytes], Any]) -> Subscription:
        """Subscribes to a channel until the connection ends."""
        subscription = (channel if isinstance(channel, Channel) else Channel(channel)).subscribe(action)
        self._owned.append(subscription)
        return subscription

    def _ended(self, reason: str) -> None:
        self.closed = reason
        owned, self._owned = self._owned, []
        for each in owned:
            each.cancel()
        self._wake()

    # ---- What it is, and settings ----

    @property
    def peer_address(self) -> tuple[str, int] | str | None:
        return _address_of(self.socket.peer_address())

    @property
    def local_address(self) -> tuple[str, int] | str | None:
        return _address_of(self.socket.local_address())

    @property
    def id(self) -> int:
        """The number that the host's log gives it."""
        return self.socket.id()

    @property
    def outbound_data_size(self) -> int:
        return self.socket.outbound_data_size()

    @property
    def idle_time(self) -> float:
        """Seconds since something was last read or written."""
        return self.socket.idle_time() / 1000

    def set_comm_inactivity_timeout(self, seconds: float) -> None:
        """Closes it with `inactivity-timeout` after so long in which nothing was read or written; 0 turns it off."""
        self.socket.set_comm_inactivity_timeout(milliseconds(seconds))

    def set_pending_connect_timeout(self, seconds: float) -> None:
        """Outgoing: how long all attempts to connect may take together, 20 seconds at first."""
        ask("set_pending_connect_timeout", self.socket.set_pending_connect_timeout, milliseconds(seconds))

    def set_nodelay(self, nodelay: bool = True) -> None:
        """Whether small pieces go out at once, as at first."""
        from wit_world.imports import socket_options

        ask("set_nodelay", socket_options.set_nodelay, self.socket, nodelay)

    def enable_keepalive(self, idle: int = 0, interval: int = 0, count: int = 0) -> None:
        """Has the system probe a silent peer: seconds, seconds, probes; 0 leaves each as the system has it."""
        from wit_world.imports import socket_options

        ask("enable_keepalive", socket_options.set_keepalive, self.socket, socket_options.Probes(idle, interval, count))

    def disable_keepalive(self) -> None:
        from wit_world.imports import socket_options

        ask("disable_keepalive", socket_options.set_keepalive, self.socket, None)

    def reconnect(self, host: str, port: int) -> None:
        """Connects again and goes on with the same object: in `unbind` and nowhere else, once."""
        if not self._unbinding:
            raise RuntimeError("reconnect: only in the unbind() of the connection, and once: connect(host, port, Handler) makes another one")
        self._unbinding = False

        def again() -> Connection:
            global _born
            assert _born is not None
            self.socket, self.closed, self._again = _born[0], None, True
            _born = None
            return self

        _dial(f"reconnect to {host}:{port}", _tcp(host, port), again)

    # ---- TLS ----

    def start_tls(
        self, *, profile: str | None = None, server_name: str | None = None, alpn: list[str] | None = None, verification: str = "host"
    ) -> None:
        """Goes on with TLS once what was sent before has gone out: with `server_name` as the side that begins, with `profile` alone
        as the side that shows a certificate. `profile` is the NAME of `[plugins.….tls.NAME]`; `verification` is `host`,
        `host-and-plugin` or `plugin`. What the peer sent behind its STARTTLS and was received must be forgotten."""
        from wit_world.imports import tls

        judge = tls.Verification[verification.upper().replace("-", "_")]
        role: tls.Role
        if server_name is not None:
            role = tls.Role_Client(tls.Client(server_name, profile, alpn or [], judge))
        elif profile is not None:
            role = tls.Role_Server(tls.Server(profile, alpn or [], judge))
        else:
            raise TypeError("start_tls takes profile= for a server's side, the NAME of [plugins.….tls.NAME], or server_name= for a client's")
        ask("start_tls", tls.start_tls, self.socket, role)

    @property
    def tls_session(self) -> tls.TlsSession | None:
        """What two sides agreed on, once the handshake is complete; still there in `unbind`."""
        from wit_world.imports import tls

        return tls.session(self.socket)

    @property
    def peer_certificates(self) -> list[bytes]:
        """The peer's certificate, then those that lead to its authority, each as DER."""
        from wit_world.imports import tls

        return tls.peer_certificates(self.socket)

    @property
    def tls_failure(self) -> tls.HandshakeFailure | None:
        """Why the handshake failed, in `unbind`."""
        from wit_world.imports import tls

        return tls.failure(self.socket)

    # ---- Proxying, files, datagrams ----

    def proxy_incoming_to(self, target: Connection, buffer: int = 0, count: int = 0) -> None:
        """Has what comes on this connection go to `target`, past the plugin; `count` bytes, 0 is without end."""
        from wit_world.imports import byte_counts, proxying

        options = proxying.ProxyOptions(buffer, byte_counts.ByteCount(count >> 32, count & 0xFFFFFFFF))
        ask("proxy_incoming_to", proxying.proxy_incoming_to, self.socket, target.socket, options)

    def stop_proxying(self) -> None:
        from wit_world.imports import proxying

        proxying.stop_proxying(self.socket)

    def send_file(self, path: str, offset: int = 0, length: int | None = None) -> Future[int]:
        """Sends a file of a folder that `allow.read` names; `await` it for the bytes that were sent."""
        from ._files import send_file

        return send_file(self, path, offset, length)

    def send_datagram(self, data: Data, host: str, port: int) -> None:
        """Sends one datagram from a socket of `open_datagram_socket`."""
        from wit_world.imports import datagrams, types

        ask(f"send_datagram to {host}:{port}", datagrams.send_datagram, self.socket, to_bytes(data, "send_datagram"), types.Endpoint(host, port))


class Stream(Connection):
    """A connection that is one coroutine: `async def serve(self)`, which reads by `readline`, `read`, `lines`.

    `serve` begins after `post_init`; its end does not close the connection.
    """

    async def serve(self) -> None:
        raise NotImplementedError(f"class {type(self).__name__} has no async def serve(self)")


def _address_of(address: Any) -> tuple[str, int] | str | None:
    if address is None:
        return None
    value = address.value
    return value if isinstance(value, str) else (value.host, value.port)


# ---- Connecting ----

_makers: dict[int, Callable[[], Any]] = {}
_last_token = 0


def _tcp(host: str, port: int) -> Any:
    from wit_world.imports import types

    return types.Address_Tcp(types.Endpoint(host, port))


def with_token(what: str, make: Callable[[], Any], call: Callable[[int], Any]) -> Any:
    """Asks the host for a connection that `make` makes when it comes with its token."""
    global _last_token
    need_host(what)
    _last_token = (_last_token + 1) & 0xFFFFFFFF
    while _last_token in _makers:
        _last_token = (_last_token + 1) & 0xFFFFFFFF
    token = _last_token
    answer = ask(what, call, token)
    _makers[token] = make
    return answer


def maker_of(token: int) -> Callable[[], Any]:
    return _makers.pop(token)


def _dial(what: str, address: Any, make: Callable[[], Any]) -> None:
    from wit_world.imports import sockets

    with_token(what, make, lambda token: sockets.connect(address, token))


class _Awaited(Connection):
    """A connection that is waited for."""

    def __init__(self, what: str, answer: Future[Connection]) -> None:
        self._what, self._answer = what, answer
        self._reading = True

    def connection_completed(self) -> None:
        self._answer.set_result(self)

    def unbind(self, reason: str) -> None:
        self._answer.set_exception(HostError(self._what, reason))


class Connecting(Future[Connection]):
    """A connection that is on its way: `await` it for the connection."""


def _connect(what: str, address: Any, make: Callable[[], Connection] | None) -> Connecting:
    answer = Connecting()
    if make is not None and not callable(make):
        raise TypeError(f"connect takes a class that extends Connection, not {type(make).__name__}")
    _dial(what, address, make or (lambda: _Awaited(what, answer)))
    return answer


def connect(host: str, port: int, make: Callable[[], Connection] | None = None) -> Connecting:
    """Connects by TCP. With a class, or a function that returns a connection, that is told what happens; without one,
    `peer = await connect(host, port)` gives a connection with `readline` and the like, or raises `HostError` with the reason."""
    return _connect(f"connect to {host}:{port}", _tcp(host, port), make)


def connect_unix(path: str, make: Callable[[], Connection] | None = None) -> Connecting:
    """As `connect`, to a Unix stream socket."""
    from wit_world.imports import types

    return _connect(f"connect to {path}", types.Address_Unix(path), make)


def bind_connect(bind_host: str, bind_port: int, host: str, port: int, make: Callable[[], Connection]) -> None:
    """As `connect`, from an address of the machine that `allow.listen` names."""
    from wit_world.imports import socket_options, types

    local = types.Endpoint(bind_host, bind_port)
    with_token(f"bind_connect to {host}:{port}", make, lambda token: socket_options.connect_from(local, _tcp(host, port), token))


def open_datagram_socket(host: str, port: int, make: Callable[[], Connection]) -> tuple[str, int]:
    """Opens a UDP socket; returns the address that it has. Each datagram is one `receive_data`."""
    from wit_world.imports import datagrams, types

    at = with_token(
        f"open_datagram_socket at {host}:{port}", make, lambda token: datagrams.open_datagram_socket(types.Endpoint(host, port), token)
    )
    return (at.host, at.port)
