"""Processes: sandboxes of a plugin's own making, with a mailbox each."""

from __future__ import annotations

from typing import Any

from . import log
from ._channels import Data
from ._loop import Future, HostError, ask, enter, enter_for_result, need_host, to_bytes, word

_classes: dict[str, type[Process]] = {}
_exits: dict[int, Future[str]] = {}
_self: tuple[int, Process] | None = None


class Process:
    """What a process does: a class extends this one and is known by its name in lower case."""

    def __init_subclass__(cls, **more: Any) -> None:
        super().__init_subclass__(**more)
        _classes[cls.__name__.lower()] = cls

    def spawned(self, argument: bytes) -> Any:
        """It has been made."""

    def notified(self, message: bytes) -> Any:
        """A message has come."""


class Spawned:
    """A process, from outside."""

    def __init__(self, process: int) -> None:
        #: Holds in every sandbox of the tenant.
        self.id = process
        #: `await` it for why the process has ended: `finished`, `killed`, `trapped`, `unavailable`.
        self.exited: Future[str] = Future()
        _exits[process] = self.exited

    def notify(self, message: Data) -> None:
        notify(self.id, message)

    def kill(self) -> None:
        from wit_world.imports import processes

        processes.kill(self.id)


def spawn(process: type[Process] | str, argument: Data = b"", plugin: str | None = None) -> Spawned:
    """Starts a process of this plugin, or of another one that `allow.spawn` names."""
    need_host("spawn")
    from wit_world.imports import processes

    name = process if isinstance(process, str) else process.__name__
    return Spawned(ask(f"spawn {name}", processes.spawn, plugin, name.lower(), to_bytes(argument, "spawn")))


def notify(process: int, message: Data) -> None:
    """Puts a message into the mailbox of a process; one that there is no room for is lost, and the log says so."""
    from wit_world.imports import processes

    data = to_bytes(message, "notify")
    try:
        ask(f"notify {process}", processes.notify, process, data)
    except HostError as error:
        if error.code == "limit":
            log.warn(f"process {process}: a message of {len(data)} bytes was lost: its mailbox is full, or it is larger than a message may be")
        elif error.code != "closed":
            raise


def exit_process() -> None:
    """Ends the process that this is."""
    from wit_world.imports import processes

    processes.exit()


def current_process() -> int | None:
    """The id of the process that this sandbox is."""
    return _self[0] if _self else None


def spawned(process: int, name: str, argument: bytes) -> None:
    def begin() -> Any:
        global _self
        found = _classes.get(name.lower())
        if found is None:
            raise LookupError(f"there is no process {name}: a class {name} that extends sandloop.Process would be it")
        _self = (process, found())
        return _self[1].spawned(argument)

    enter_for_result(f"spawned of the process {name}", begin)


def notified(message: bytes) -> None:
    if _self:
        enter(f"notified of the process {type(_self[1]).__name__}", _self[1].notified, message)


def exited(process: int, reason: Any) -> None:
    future = _exits.pop(process, None)
    if future:
        enter("the end of a process", future.set_result, word(reason))
