"""A host of the tests in the place of the real one: the modules that componentize-py makes of the contract."""

from __future__ import annotations

import enum
import sys
import types
from dataclasses import dataclass
from typing import Any

logged: list[tuple[str, str]] = []


class Err(Exception):
    def __init__(self, value: Any) -> None:
        super().__init__(value)
        self.value = value


@dataclass
class Ok:
    value: Any


ErrorCode = enum.Enum("ErrorCode", "CLOSED CLOSING OUTBOX_FULL DENIED LIMIT INVALID_ARGUMENT UNSUPPORTED")
CloseReason = enum.Enum("CloseReason", "PEER_CLOSED CLOSED STOPPED REFUSED")
Drain = enum.Enum("Drain", "WHEN_IDLE UNTIL_CLOSED")
Level = enum.Enum("Level", "TRACE DEBUG INFO WARN ERROR")


@dataclass
class Endpoint:
    host: str
    port: int


@dataclass
class AddressTcp:
    value: Endpoint


@dataclass
class Accepted:
    listener: str
    handler: str
    options: list[tuple[str, str]]


@dataclass
class Origin:
    value: Any


class Socket:
    """Keeps what is sent; refuses with `refusal` where that is set."""

    def __init__(self) -> None:
        self.sent = b""
        self.refusal: ErrorCode | None = None
        self.paused = False

    def send_data(self, data: bytes) -> None:
        if self.refusal:
            raise Err(self.refusal)
        assert type(data) is bytes
        self.sent += data

    def close_connection(self) -> None:
        self.sent += b"<close>"

    def close_connection_after_writing(self) -> None:
        self.sent += b"<end>"

    def half_close(self) -> None:
        self.sent += b"<half>"

    def set_comm_inactivity_timeout(self, milliseconds: int) -> None:
        pass

    def is_paused(self) -> bool:
        return self.paused

    def pause(self) -> None:
        self.paused = True
        self.sent += b"<pause>"

    def resume(self) -> None:
        self.paused = False
        self.sent += b"<resume>"

    def id(self) -> int:
        return 7


def module(name: str, **names: Any) -> types.ModuleType:
    made = types.ModuleType(name)
    vars(made).update(names)
    sys.modules[name] = made
    return made


class Timers:
    """Gives the same id again and again, as the host may."""

    def __init__(self) -> None:
        self.cancelled: list[int] = []

    def add_timer(self, milliseconds: int) -> int:
        return 1

    add_periodic_timer = add_timer

    def cancel_timer(self, timer: int) -> None:
        self.cancelled.append(timer)


timers = Timers()
connects: list[tuple[Any, int]] = []
jobs: list[tuple[int, bytes]] = []


def defer(number: int, argument: bytes) -> int:
    jobs.append((number, argument))
    return len(jobs)


module("componentize_py_types", Err=Err, Ok=Ok)
own = {
    "log": {"Level": Level, "log": lambda level, message: logged.append((level.name, message))},
    "timers": {name: getattr(timers, name) for name in ("add_timer", "add_periodic_timer", "cancel_timer")},
    "types": {"Endpoint": Endpoint, "Address_Tcp": AddressTcp},
    "sockets": {"connect": lambda address, token: connects.append((address, token))},
    "deferred": {"defer": defer},
}
others = (
    "byte_counts", "channels", "datagrams", "file_versions", "files", "listeners", "options", "processes", "proxying", "queues",
    "reactor", "socket_options", "tls", "watching",
)  # fmt: skip
imports = module("wit_world.imports", __path__=[])
for name in (*own, *others):
    setattr(imports, name, module(f"wit_world.imports.{name}", **own.get(name, {})))
exports = module("wit_world.exports", __path__=[])
for name in ("deferred_handler", "drain_handler", "processes_handler"):
    setattr(exports, name, module(f"wit_world.exports.{name}", Drain=Drain))
module("wit_world", imports=imports, exports=exports, __path__=[])
