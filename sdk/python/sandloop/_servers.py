"""Listeners of the plugin's own, the loop itself, and what the operator configured."""

from __future__ import annotations

import re
from typing import Any, overload

from ._connection import Connection
from ._loop import ask, need_host

_ADDRESS = re.compile(r"(tcp|udp)://(?:\[(.+)\]|([^:]+)):(\d+)")


class Server:
    """A listener that the plugin has opened; `address` has the real port."""

    def __init__(self, listener: Any) -> None:
        self._id: int = listener.id
        value = listener.address.value
        self.address: tuple[str, int] | str = value if isinstance(value, str) else (value.host, value.port)

    def stop(self) -> None:
        """Closes it; accepted connections stay."""
        from wit_world.imports import listeners

        listeners.stop_server(self._id)


def start_server(address: str, handler: str | type[Connection] = "", options: dict[str, str] | None = None) -> Server:
    """Listens at `tcp://127.0.0.1:7000`, `udp://[::1]:53` or `unix:///path`, which `allow.listen` names."""
    need_host("start_server")
    from wit_world.imports import listeners, types

    name = handler if isinstance(handler, str) else handler.__name__
    at: listeners.ListenAddress
    if address.startswith("unix://"):
        at = listeners.ListenAddress_Unix(address.removeprefix("unix://"))
    elif found := _ADDRESS.fullmatch(address):
        kind = listeners.ListenAddress_Tcp if found[1] == "tcp" else listeners.ListenAddress_Udp
        at = kind(types.Endpoint(found[2] or found[3], int(found[4])))
    else:
        raise ValueError(f"start_server: {address} is no address: tcp://127.0.0.1:7000, udp://[::1]:53 and unix:///run/x.sock are")
    pairs = list((options or {}).items())
    return Server(ask(f"start_server at {address}", listeners.start_server, at, name.lower(), pairs))


def stop() -> None:
    """Ends the host's loops; `allow.stop = true` lets it."""
    need_host("stop")
    from wit_world.imports import reactor

    ask("stop", reactor.stop)


def is_running() -> bool:
    from wit_world.imports import reactor

    return reactor.is_running()


class Options:
    """What the operator wrote under `[plugins.NAME.options]`: text as it is, numbers and booleans as TOML writes them."""

    @overload
    def get(self, key: str) -> str | None: ...
    @overload
    def get(self, key: str, fallback: str) -> str: ...
    def get(self, key: str, fallback: str | None = None) -> str | None:
        need_host("options.get")
        from wit_world.imports import options

        value = options.get(key)
        return fallback if value is None else value

    def required(self, key: str) -> str:
        """Raises `LookupError` that names the missing line of plugins.toml."""
        value = self.get(key)
        if value is None:
            raise LookupError(f'the option {key} is missing: [plugins.NAME.options] of plugins.toml takes {key} = "…"')
        return value

    def all(self) -> dict[str, str]:
        need_host("options.all")
        from wit_world.imports import options

        return dict(options.all())


options = Options()
