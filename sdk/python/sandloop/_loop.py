"""The way in, and coroutines: a coroutine is resumed by the event that it waits for, without an event loop of Python's."""

from __future__ import annotations

import inspect
import traceback
from collections import deque
from collections.abc import Callable, Coroutine, Generator
from typing import Any, Generic, TypeVar

T = TypeVar("T")

#: What is to run once the callback that is running has returned.
_ready: deque[Callable[[], None]] = deque()
_live = False


class HostError(Exception):
    """The host refuses what was asked for. `code` is the contract's word, such as `denied`."""

    def __init__(self, what: str, code: str) -> None:
        meaning = _MEANINGS.get(code)
        super().__init__(f"{what}: {code}" + (f": {meaning}" if meaning else ""))
        self.code = code


_MEANINGS = {
    "closed": "it has ended",
    "closing": "a close was asked for earlier, so nothing more can be sent",
    "outbox-full": "the outbox has no room for all of it and took nothing: wait for drained()",
    "denied": "plugins.toml does not allow it, and the host's log names the line that would; or the reactor does not run, as in prepare() and stopped()",
    "limit": "a count is at its limit, or the message is too large: the limits of the plugin are in plugins.toml",
    "invalid-argument": "an argument makes no sense: an empty name, port 0, a time of zero",
    "unsupported": "this kind of connection, or this host, cannot do it",
    "not-found": "nothing is there",
    "in-use": "somebody else has the address",
    "invalid-address": "this is no IP address or path",
    "forbidden": "the system does not let the host have it: a port below 1024, or a folder that it may not write",
}


class Told(BaseException):
    """What the interpreter reports after an error that the log has told."""

    def __init__(self) -> None:
        super().__init__("see the line before: an error in a callback")


def word(case: Any) -> str:
    """The contract's word for the case of an enum, or for a variant's class."""
    name: str = getattr(case, "name", None) or type(case).__name__.partition("_")[2]
    return "".join(f"-{c.lower()}" if c.isupper() and i and name[i - 1].islower() else c.lower() for i, c in enumerate(name)).replace("_", "-")


def ask(what: str, call: Callable[..., T], *values: Any) -> T:
    """Calls the host; its refusal becomes a `HostError` that says what was asked for."""
    from componentize_py_types import Err

    try:
        return call(*values)
    except Err as error:
        raise HostError(what, word(error.value)) from None


def need_host(call: str) -> None:
    """Says, where the host is called too early, what to do."""
    if not _live:
        raise RuntimeError(
            f"{call}: the top level of a module runs once, when the plugin is built, and there is no host then: "
            "move this into start(), post_init() or another callback"
        )


def describe(error: BaseException) -> str:
    """An error as one line: what it is, then where, the innermost first."""
    frames = [
        f"{frame.name} ({_short(frame.filename)}:{frame.lineno})"
        for frame in reversed(traceback.extract_tb(error.__traceback__))
        if "/sandloop/" not in frame.filename
    ]
    return f"{type(error).__name__}: {error}" + (f" at {' < '.join(frames)}" if frames else "")


def _short(path: str) -> str:
    """componentize-py mounts the folders of the build as `/0`, `/1`, …"""
    return path.lstrip("/").partition("/")[2] if path[:2].strip("/").isdigit() else path


def fail(what: str, error: BaseException) -> Told:
    """Ends the instance: one line that says what, where and why, then the trap."""
    if isinstance(error, Told):
        return error
    from . import log

    log.error(f"{what} raised {describe(error)}; the instance ends here: an exception that a callback does not catch is a trap")
    return Told()


def enter(what: str, call: Callable[..., Any], *values: Any) -> Any:
    """Calls the author's code; a coroutine that it returns is begun. `what` names it in messages."""
    global _live
    _live = True
    try:
        answer = call(*values)
        if inspect.iscoroutine(answer):
            Task(what, answer)
            answer = None
        while _ready:
            _ready.popleft()()
        return answer
    except BaseException as error:
        raise fail(what, error) from None


def enter_for_answer(what: str, call: Callable[..., Any], *values: Any) -> Any:
    """As `enter`, for a callback whose answer the host waits for: it must not be async."""

    def checked() -> Any:
        answer = call(*values)
        if inspect.iscoroutine(answer):
            answer.close()
            raise TypeError(
                "it is async, but the host waits for its answer: write def without async, and do what takes time in a callback that has no answer"
            )
        return answer

    return enter(what, checked)


def enter_for_result(what: str, call: Callable[..., Any], *values: Any) -> Any:
    """As `enter`, for a call whose error has an answer of its own, a text."""
    from componentize_py_types import Err

    global _live
    _live = True
    try:
        answer = call(*values)
    except Exception as error:
        raise Err(describe(error)) from None
    return enter(what, lambda: answer)


def soon(action: Callable[[], None]) -> None:
    """Has `action` run once the callback that is running has returned."""
    _ready.append(action)


class Future(Generic[T]):
    """A value that is waited for: `await` it, in one coroutine or several."""

    def __init__(self) -> None:
        self._done = False
        self._value: T | None = None
        self._error: BaseException | None = None
        self._actions: list[Callable[[], None]] = []

    def done(self) -> bool:
        return self._done

    def set_result(self, value: T) -> None:
        if not self._done:
            self._value = value
            self._finish()

    def set_exception(self, error: BaseException) -> None:
        if not self._done:
            self._error = error
            self._finish()

    def _finish(self) -> None:
        self._done = True
        for action in self._actions:
            soon(action)
        self._actions = []

    def add_done_callback(self, action: Callable[[], None]) -> None:
        if self._done:
            soon(action)
        else:
            self._actions.append(action)

    def result(self) -> T:
        if self._error is not None:
            raise self._error
        return self._value  # type: ignore[return-value]

    def __await__(self) -> Generator[Any, Any, T]:
        if not self._done:
            yield self
        return self.result()


class Task(Future[Any]):
    """A coroutine that runs by itself; an exception that nobody awaits is an error as in a callback."""

    def __init__(self, what: str, coroutine: Coroutine[Any, Any, Any]) -> None:
        super().__init__()
        self._what = what
        self._coroutine = coroutine
        self._awaited = False
        self._step()

    def _step(self) -> None:
        if self._done:
            return
        try:
            waited = self._coroutine.send(None)
        except StopIteration as end:
            self.set_result(end.value)
            return
        except Exception as error:
            if not self._awaited:
                raise fail(self._what, error) from None
            self.set_exception(error)
            return
        if not isinstance(waited, Future):
            wrong = TypeError(f"await of {type(waited).__name__}: only what sandloop gives can be awaited here, and asyncio's own loop does not run")
            self._coroutine.close()
            raise fail(self._what, wrong)
        waited.add_done_callback(self._step)

    def cancel(self) -> None:
        """Ends it where it waits."""
        if not self._done:
            self._coroutine.close()
            self.set_result(None)

    def __await__(self) -> Generator[Any, Any, Any]:
        self._awaited = True
        return super().__await__()


def create_task(coroutine: Coroutine[Any, Any, Any]) -> Task:
    """Begins a coroutine beside the one that is running."""
    return Task(getattr(coroutine, "__qualname__", "a coroutine"), coroutine)


async def gather(*coroutines: Coroutine[Any, Any, Any]) -> list[Any]:
    """Waits for all of several coroutines; their results in order."""
    tasks = [create_task(coroutine) for coroutine in coroutines]
    return [await task for task in tasks]


def to_bytes(data: object, call: str) -> bytes:
    """The bytes of what a call takes as data; anything but text and bytes is the author's mistake."""
    if type(data) is bytes:
        return data
    if isinstance(data, str):
        return data.encode()
    if isinstance(data, (bytes, bytearray, memoryview)):
        return bytes(data)
    raise TypeError(f"{call} takes str or bytes, not {type(data).__name__}: str(it) or json.dumps(it) makes text of it")
