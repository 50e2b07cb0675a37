"""Loads everything of the contract while the plugin is built: a component has no files to import from later."""

from __future__ import annotations

import importlib

_IMPORTS = (
    "byte_counts", "channels", "datagrams", "deferred", "file_versions", "files", "listeners", "log", "options", "processes",
    "proxying", "queues", "reactor", "socket_options", "sockets", "timers", "tls", "types", "watching",
)  # fmt: skip
_EXPORTS = ("deferred_handler", "drain_handler", "processes_handler")

for name in _IMPORTS:
    importlib.import_module(f"wit_world.imports.{name}")
for name in _EXPORTS:
    importlib.import_module(f"wit_world.exports.{name}")
