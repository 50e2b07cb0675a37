"""Timers and ticks."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

from ._loop import Future, ask, enter, need_host

_timers: dict[int, Timer] = {}
_ticks: dict[int, Callable[[], Any]] = {}


def milliseconds(seconds: float, least: int = 0) -> int:
    """Seconds as the contract takes them."""
    return min(max(math.ceil(seconds * 1000), least), 0xFFFFFFFF)


class Timer:
    """A timer that has been set."""

    def __init__(self, seconds: float, action: Callable[..., Any], values: tuple[Any, ...], periodic: bool) -> None:
        if not callable(action):
            raise TypeError(f"{'call_every' if periodic else 'call_later'} takes seconds and a function, not {type(action).__name__}")
        self._time = milliseconds(seconds, 1 if periodic else 0)
        self._action, self._values, self._periodic = action, values, periodic
        self._arm()

    def _arm(self) -> None:
        call = "call_every" if self._periodic else "call_later"
        need_host(call)
        from wit_world.imports import timers

        self._id = ask(call, timers.add_periodic_timer if self._periodic else timers.add_timer, self._time)
        _timers[self._id] = self

    def cancel(self) -> None:
        """Ends it; it does nothing where it has fired or has been ended."""
        if _timers.get(self._id) is self:
            from wit_world.imports import timers

            del _timers[self._id]
            timers.cancel_timer(self._id)

    def restart(self) -> None:
        """Begins its time anew, also after it has fired."""
        self.cancel()
        self._arm()

    @property
    def active(self) -> bool:
        """Whether it will fire."""
        return _timers.get(self._id) is self

    def _fire(self) -> Any:
        if not self._periodic:
            del _timers[self._id]
        return self._action(*self._values)


def call_later(seconds: float, action: Callable[..., Any], *values: Any) -> Timer:
    """Calls `action(*values)` once, after so many seconds. It may be an async function."""
    return Timer(seconds, action, values, False)


def call_every(seconds: float, action: Callable[..., Any], *values: Any) -> Timer:
    """Calls `action(*values)` every so many seconds, counted from the end of one call to the next."""
    return Timer(seconds, action, values, True)


def next_tick(action: Callable[..., Any], *values: Any) -> None:
    """Calls `action` when this turn's events are done; asked for in a tick, in the next turn."""
    need_host("next_tick")
    from wit_world.imports import reactor

    _ticks[ask("next_tick", reactor.next_tick)] = lambda: action(*values)


def sleep(seconds: float) -> Future[None]:
    """`await sleep(1.5)`."""
    future: Future[None] = Future()
    call_later(seconds, future.set_result, None)
    return future


def fired(timer: int) -> None:
    found = _timers.get(timer)
    if found:
        enter("the callback of a timer", found._fire)


def ticked(tick: int) -> None:
    action = _ticks.pop(tick, None)
    if action:
        enter("the callback of a tick", action)
