"""Files that go out without entering the plugin, and changes of files."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from ._loop import Future, HostError, ask, enter, need_host, word

if TYPE_CHECKING:
    from ._connection import Connection

#: By the connection's object, as the host counts files of each connection.
_files: dict[tuple[int, int], tuple[str, Future[int]]] = {}
_watches: dict[int, dict[str, Callable[..., Any]]] = {}


def send_file(connection: Connection, path: str, offset: int, length: int | None) -> Future[int]:
    from wit_world.imports import byte_counts, files

    def count(number: int) -> byte_counts.ByteCount:
        return byte_counts.ByteCount(number >> 32, number & 0xFFFFFFFF)

    part = files.FilePart(count(offset), None if length is None else count(length))
    number = ask(f"send_file {path}", files.send_file, connection.socket, path, part)
    future: Future[int] = Future()
    _files[(id(connection), number)] = (path, future)
    return future


def sent(connection: Connection, number: int, outcome: Any) -> None:
    path, future = _files.pop((id(connection), number), (None, None))
    if future is None:
        return

    def settle() -> None:
        from componentize_py_types import Ok

        if isinstance(outcome, Ok):
            future.set_result((outcome.value.high << 32) + outcome.value.low)
        else:
            future.set_exception(HostError(f"send_file {path}", word(outcome.value)))

    enter(f"the end of the file {path}", settle)


class Watch:
    """A file or folder that is watched."""

    def __init__(self, watch: int) -> None:
        self._id = watch

    def unwatch(self) -> None:
        """Ends it."""
        from wit_world.imports import watching

        _watches.pop(self._id, None)
        watching.unwatch(self._id)


def watch_file(path: str, **actions: Callable[..., Any]) -> Watch:
    """Watches what is below a folder that `allow.read` names: `watch_file("data", modified=f, moved=g, deleted=h, ended=k)`."""
    need_host("watch_file")
    from wit_world.imports import watching

    watch = ask(f"watch_file {path}", watching.watch_file, path)
    _watches[watch] = actions
    return Watch(watch)


def changed(watch: int, what: str, last: bool, *values: Any) -> None:
    action = (_watches.pop(watch, {}) if last else _watches.get(watch, {})).get(what)
    if action:
        enter(f"{what} of a watch", action, *values)
