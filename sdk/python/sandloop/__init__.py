"""Sandloop's SDK for Python: handlers of network protocols, each in a sandbox, on an event loop.

    from sandloop import Connection

    class Echo(Connection):
        def receive_data(self, data):
            self.send_data(data)

A class that extends `Connection` is a handler by its name in lower case. The names are EventMachine's. One callback runs at a time in
the whole sandbox, always, and what it asks for (a close, a connect, a timer) happens after it has returned.

A callback may be `async def`, and a `Stream` is one coroutine, `async def serve(self)`: what it waits for (`sleep`, `readline`,
`connect`, `defer`) goes on with the host's next event. asyncio's own loop does not run.

A program has functions `prepare`, `start`, `stopping`, `stopped` at the top level of its module, each of them or not. With
`save_state()` and `restore_state(state)`, both of bytes, it hands a state to its next version.

An exception that no callback catches ends its sandbox, and one line of the host's log says which, with the file and line.

The top level of a module runs when the plugin is built. There is no host then: what calls it belongs into `start()`, `post_init()` or
another callback. Times are seconds. `print` writes to the host's log.
"""

from . import log
from ._channels import Channel, Queue, Subscription
from ._connection import Connection, Stream, bind_connect, connect, connect_unix, open_datagram_socket
from ._deferred import OperationError, defer, operation
from ._files import watch_file
from ._http import HttpRequest, HttpResponse, HttpServer
from ._loop import Future, HostError, Task, create_task, gather
from ._processes import Process, current_process, exit_process, notify, spawn
from ._protocol import Transport, protocol, serve
from ._servers import Server, is_running, options, start_server, stop
from ._timers import Timer, call_every, call_later, next_tick, sleep

__all__ = [
    "Channel",
    "Connection",
    "Future",
    "HostError",
    "HttpRequest",
    "HttpResponse",
    "HttpServer",
    "OperationError",
    "Process",
    "Queue",
    "Server",
    "Stream",
    "Subscription",
    "Task",
    "Timer",
    "Transport",
    "bind_connect",
    "call_every",
    "call_later",
    "connect",
    "connect_unix",
    "create_task",
    "current_process",
    "defer",
    "exit_process",
    "gather",
    "is_running",
    "log",
    "next_tick",
    "notify",
    "open_datagram_socket",
    "operation",
    "options",
    "protocol",
    "serve",
    "sleep",
    "spawn",
    "start_server",
    "stop",
    "watch_file",
]
