"""What the host calls: the exports of a plugin, each handed to the module that knows. componentize-py finds them by their names."""

from __future__ import annotations

import sys
from types import ModuleType
from typing import Any, ClassVar

from . import _channels, _deferred, _files, _host, _processes, _timers  # noqa: F401
from ._connection import Connection as Author
from ._connection import give, handlers, maker_of
from ._loop import Told, enter, enter_for_answer, enter_for_result, fail, word

LIFECYCLE = ("prepare", "start", "stopping", "stopped")
_app: ModuleType


def use(app: ModuleType) -> None:
    """The author's module, checked while the plugin is built."""
    global _app
    _app = app
    if not handlers and not any(hasattr(app, name) for name in LIFECYCLE) and not _processes._classes:
        raise ImportError(f"{app.__name__}.py has no handler: write class Echo(sandloop.Connection), or sandloop.serve(Protocol), or a program's def start()")
    sys.modules["handler"] = sys.modules[__name__]
    sys.excepthook = _told
    # Nobody flushes in a sandbox, and a line is what the log wants.
    sys.stdout.reconfigure(line_buffering=True)  # type: ignore[union-attr]


def _told(kind: type[BaseException], error: BaseException, trace: Any) -> None:
    """What the log has told already needs no traceback."""
    if not isinstance(error, Told):
        sys.__excepthook__(kind, error, trace)


class Connection:
    """The host's hold on one connection.

    The runtime of componentize-py 0.25.1 takes a reference to each that it never gives back, so that the interpreter keeps them all. Those
    of connections that have ended are used again.
    """

    _ended: ClassVar[list[Connection]] = []

    def __new__(cls, socket: Any, origin: Any) -> Connection:
        return cls._ended.pop() if cls._ended else super().__new__(cls)

    def __init__(self, socket: Any, origin: Any) -> None:
        enter("the constructor of a connection", self._make, socket, origin.value)

    def _make(self, socket: Any, value: Any) -> None:
        if isinstance(value, int):
            self.it = give(socket, {}, None, maker_of(value))
        else:
            self.it = give(socket, dict(value.options), value.listener, _find(value.handler, value.listener))
        self._name = type(self.it).__name__
        self._receive = self.it.receive_data

    def post_init(self) -> None:
        it = self.it
        if it._again:
            return
        enter(f"{self._name}.post_init", it.post_init)
        serve = getattr(it, "serve", None)
        if serve:
            enter(f"{self._name}.serve", serve)

    def connection_completed(self) -> None:
        enter(f"{self._name}.connection_completed", self.it.connection_completed)

    def receive_data(self, data: bytes) -> None:
        enter(f"{self._name}.receive_data", self._receive, data)

    def drained(self) -> None:
        enter(f"{self._name}.drained", self.it.drained)

    def unbind(self, reason: Any) -> None:
        it, why = self.it, word(reason)
        it._unbinding = True
        it._ended(why)
        enter(f"{self._name}.unbind", it.unbind, why)
        it._unbinding = False
        # What would tell the host of its end, which has told of it: the registry of `weakref` keeps that.
        finalizer = self.__dict__.get("finalizer")
        if finalizer:
            finalizer.detach()
        self.__dict__.clear()
        self._ended.append(self)


def _find(handler: str, listener: str) -> type[Author]:
    name = next(iter(handlers)) if handler == "" and len(handlers) == 1 else handler.lower()
    if name in handlers:
        return handlers[name]
    has = f"the handlers {', '.join(handlers)}" if handlers else "no handlers"
    said = f"names the handler {handler}" if handler else "names no handler"
    raise LookupError(f'the listener {listener} {said}, and the plugin has {has}: handler = "{next(iter(handlers), "…")}" in its [[listen]]')


class TimersHandler:
    def timer_fired(self, id: int) -> None:
        _timers.fired(id)


class TicksHandler:
    def tick(self, id: int) -> None:
        _timers.ticked(id)


class Operations:
    def run(self, operation: int, argument: bytes) -> bytes:
        return _deferred.run(operation, argument)


class DeferredHandler:
    def completed(self, job: int, outcome: Any) -> None:
        _deferred.completed(job, outcome)


class Mailbox:
    def spawned(self, process: int, name: str, argument: bytes) -> None:
        _processes.spawned(process, name, argument)

    def notified(self, message: bytes) -> None:
        _processes.notified(message)


class ProcessesHandler:
    def exited(self, process: int, reason: Any) -> None:
        _processes.exited(process, reason)


class Subscriptions:
    def message(self, subscription: int, message: bytes) -> None:
        _channels.told(subscription, message)


class QueuesHandler:
    def popped(self, pop: int, item: bytes) -> None:
        _channels.popped(pop, item)


class ProxyHandler:
    def proxy_target_unbound(self, source: Any) -> None:
        enter(f"{source._name}.proxy_target_unbound", source.it.proxy_target_unbound)

    def proxy_completed(self, source: Any) -> None:
        enter(f"{source._name}.proxy_completed", source.it.proxy_completed)


class FilesHandler:
    def file_sent(self, on: Any, file: int, outcome: Any) -> None:
        _files.sent(on.it, file, outcome)


class WatchHandler:
    def file_modified(self, watch: int) -> None:
        _files.changed(watch, "modified", False)

    def file_moved(self, watch: int) -> None:
        _files.changed(watch, "moved", False)

    def file_deleted(self, watch: int) -> None:
        _files.changed(watch, "deleted", True)

    def watch_ended(self, watch: int, error: Any) -> None:
        _files.changed(watch, "ended", True, word(error))


class TlsHandler:
    def completed(self, of: Any) -> None:
        enter(f"{of._name}.tls_completed", of.it.tls_completed)

    def verify_peer(self, of: Any, chain: list[bytes]) -> bool:
        return bool(enter_for_answer(f"{of._name}.verify_peer", of.it.verify_peer, chain))


class DrainHandler:
    def draining(self, of: Any, milliseconds: int) -> Any:
        from wit_world.exports import drain_handler

        what = f"{of._name}.draining"
        answer = enter_for_answer(what, of.it.draining, milliseconds / 1000) or "when-idle"
        if answer not in ("when-idle", "until-closed"):
            raise fail(what, TypeError(f"it returned {answer!r}: it has to return 'when-idle', 'until-closed' or nothing"))
        return drain_handler.Drain[answer.upper().replace("-", "_")]


class Catalog:
    def handlers(self) -> list[str]:
        return list(handlers)


class Lifecycle:
    def prepare(self) -> None:
        self._result("prepare")

    def start(self) -> None:
        self._result("start")

    def stopping(self) -> None:
        enter("stopping()", getattr(_app, "stopping", lambda: None))

    def stopped(self) -> None:
        enter("stopped()", getattr(_app, "stopped", lambda: None))

    def _result(self, name: str) -> None:
        enter_for_result(f"{name}()", getattr(_app, name, lambda: None))


class HandoverHandler:
    def save(self) -> bytes | None:
        state = enter_for_answer("save_state()", getattr(_app, "save_state", lambda: None))
        if state is not None and not isinstance(state, (bytes, bytearray)):
            raise fail("save_state()", TypeError(f"it returned {state!r}: it has to return bytes or None"))
        return None if state is None else bytes(state)

    def restore(self, state: bytes) -> None:
        enter_for_result("restore_state()", getattr(_app, "restore_state", _has_no_use), state)


def _has_no_use(_state: bytes) -> None:
    raise ValueError("this plugin has no use for a state: def restore_state(state) has")
