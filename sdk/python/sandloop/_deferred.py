"""Deferred work: operations that a worker does, off the loop, in a sandbox of their own."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any, TypeVar

from ._loop import Future, ask, enter, enter_for_answer, need_host, word

F = TypeVar("F", bound=Callable[..., Any])

_operations: list[Callable[..., Any]] = []
_jobs: dict[int, tuple[str, Future[Any]]] = {}


class OperationError(Exception):
    """Why an operation gave nothing; `kind` is `failed`, `trapped`, `too-long`, `too-large` or `unavailable`."""

    def __init__(self, words: str, kind: str) -> None:
        super().__init__(words)
        self.kind = kind


def operation(function: F) -> F:
    """Makes a function one that `defer` can ask for. An exception's text is its answer."""
    _operations.append(function)
    return function


def _pack(value: object) -> bytes:
    """Bytes go over as they are, behind a 0; anything else as JSON, behind a 1."""
    return b"\0" + value if isinstance(value, bytes) else b"\1" + json.dumps(value).encode()


def _unpack(data: bytes) -> Any:
    return data[1:] if data[0] == 0 else json.loads(data[1:])


def defer(function: Callable[..., Any], *values: Any) -> Future[Any]:
    """`await defer(primes, 10)` has a worker call `primes(10)`. Arguments and result are bytes or whatever JSON has."""
    need_host("defer")
    from wit_world.imports import deferred

    if function not in _operations:
        raise ValueError(f"defer: {getattr(function, '__name__', function)} is no operation: write @operation above its def, at the top level of its module")
    argument = _pack(values[0]) if len(values) == 1 and isinstance(values[0], bytes) else b"\1" + json.dumps(values).encode()
    job = ask(f"defer {function.__name__}", deferred.defer, _operations.index(function), argument)
    future: Future[Any] = Future()
    _jobs[job] = (function.__name__, future)
    return future


def run(number: int, argument: bytes) -> bytes:
    """For the host, in a worker: does one."""
    from componentize_py_types import Err

    function = _operations[number]
    failed: list[Exception] = []

    def call() -> bytes:
        try:
            values = _unpack(argument)
            return _pack(function(values) if isinstance(values, bytes) else function(*values))
        except Exception as error:
            failed.append(error)
            return b""

    answer: bytes = enter_for_answer(f"the operation {function.__name__}", call)
    if failed:
        raise Err(str(failed[0]))
    return answer


def completed(job: int, outcome: Any) -> None:
    name, future = _jobs.pop(job, (None, None))
    if future is None:
        return

    def settle() -> None:
        from componentize_py_types import Ok

        if isinstance(outcome, Ok):
            future.set_result(_unpack(outcome.value))
        else:
            kind = word(outcome.value)
            words = outcome.value.value if kind == "failed" else f"the operation {name} gave nothing: {kind}"
            future.set_exception(OperationError(words, kind))

    enter(f"the answer of the operation {name}", settle)
