"""asyncio's dialect: classes with `connection_made`, `data_received`, `connection_lost`, over the class Connection."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ._channels import Data
from ._connection import Connection, handlers

_ORDINARY = ("peer-closed", "closed", "stopped")


class Transport:
    """A connection as asyncio shows it."""

    def __init__(self, connection: Connection) -> None:
        #: The connection behind it, for what asyncio has no word for.
        self.connection = connection

    def write(self, data: Data) -> None:
        self.connection.send_data(data)

    def writelines(self, pieces: list[Data]) -> None:
        for piece in pieces:
            self.write(piece)

    def close(self) -> None:
        self.connection.close_connection_after_writing()

    def abort(self) -> None:
        self.connection.close_connection()

    def write_eof(self) -> None:
        self.connection.half_close()

    def can_write_eof(self) -> bool:
        return True

    def is_closing(self) -> bool:
        return self.connection.closed is not None

    def pause_reading(self) -> None:
        self.connection.pause()

    def resume_reading(self) -> None:
        self.connection.resume()

    def get_write_buffer_size(self) -> int:
        return self.connection.outbound_data_size

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        found = {"peername": lambda: self.connection.peer_address, "sockname": lambda: self.connection.local_address}.get(name)
        return found() if found else default


class _Served(Connection, handler=None):
    """A protocol's connection."""

    make: Callable[[], Any]

    def post_init(self) -> None:
        self.protocol = type(self).make()
        self.transport = Transport(self)
        if self.listener is not None:
            self.protocol.connection_made(self.transport)

    def connection_completed(self) -> None:
        self.protocol.connection_made(self.transport)

    def receive_data(self, data: bytes) -> None:
        self.protocol.data_received(data)

    def drained(self) -> None:
        getattr(self.protocol, "resume_writing", lambda: None)()

    def unbind(self, reason: str) -> None:
        if reason == "peer-closed":
            getattr(self.protocol, "eof_received", lambda: None)()
        self.protocol.connection_lost(None if reason in _ORDINARY else ConnectionError(reason))


def protocol(make: Callable[[], Any]) -> type[Connection]:
    """A class of connections of a class of asyncio's protocols: `connect(host, port, protocol(Client))`."""
    return type(getattr(make, "__name__", "Served"), (_Served,), {"make": staticmethod(make), "__module__": "sandloop"})


def serve(make: Callable[[], Any]) -> None:
    """Makes a class of asyncio's protocols a handler, by its name in lower case."""
    handlers[getattr(make, "__name__", "serve").lower()] = protocol(make)
