"""Lines in the operator's log, by their levels. `print` writes lines of level `info` too."""

from __future__ import annotations


def _at(level: str, message: object) -> None:
    from wit_world.imports import log

    log.log(log.Level[level], str(message))


def trace(message: object) -> None:
    _at("TRACE", message)


def debug(message: object) -> None:
    _at("DEBUG", message)


def info(message: object) -> None:
    _at("INFO", message)


def warn(message: object) -> None:
    _at("WARN", message)


def error(message: object) -> None:
    _at("ERROR", message)
