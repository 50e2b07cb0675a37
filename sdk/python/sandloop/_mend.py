"""Mends what componentize-py 0.25.1 leaves behind: it never frees the bytes that a plugin hands to the host.

Its runtime copies each outgoing `list<u8>` into memory that nobody frees. The code that it is linked with can have memory freed when a
call is over (`wit_dylib_dealloc_bytes`), so a function of a few instructions is put before `wit_dylib_pop_list`, which asks for that.
"""

from __future__ import annotations

from collections.abc import Iterator

_TYPES, _IMPORTS, _FUNCTIONS, _EXPORTS, _CODE = 1, 2, 3, 7, 10
_COMPONENT_MODULE = 1
#: The types of the two functions, as the binary format has them: five words to nothing, three words to one.
_DEALLOCATE = b"\x60\x05\x7f\x7f\x7f\x7f\x7f\x00"
_POP = b"\x60\x03\x7f\x7f\x7f\x01\x7f"


class NotMended(Exception):
    """The component is not as componentize-py 0.25.1 makes it."""


def _number(data: bytes, at: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        byte = data[at]
        value |= (byte & 0x7F) << shift
        at, shift = at + 1, shift + 7
        if byte < 0x80:
            return value, at


def _leb(value: int) -> bytes:
    out = bytearray()
    while True:
        byte, value = value & 0x7F, value >> 7
        out.append(byte | (0x80 if value else 0))
        if not value:
            return bytes(out)


def _sections(data: bytes) -> Iterator[tuple[int, int, int, int]]:
    """Of a module or a component: what each is, where it begins, where its content begins and ends."""
    at = 8
    while at < len(data):
        size, start = _number(data, at + 1)
        yield data[at], at, start, start + size
        at = start + size


def _skip_limits(data: bytes, at: int) -> int:
    flags = data[at]
    _, at = _number(data, at + 1)
    return _number(data, at)[1] if flags & 1 else at


def _imported_functions(data: bytes) -> list[int]:
    """The types of the functions that a module imports."""
    types = []
    count, at = _number(data, 0)
    for _ in range(count):
        for _ in range(2):
            length, at = _number(data, at)
            at += length
        kind, at = data[at], at + 1
        if kind == 0:
            type_index, at = _number(data, at)
            types.append(type_index)
        elif kind == 1:
            at = _skip_limits(data, at + 1)
        elif kind == 2:
            at = _skip_limits(data, at)
        elif kind == 3:
            at += 2
        else:
            raise NotMended(f"an import of the kind {kind}")
    return types


def _vector(data: bytes) -> list[int]:
    count, at = _number(data, 0)
    values = []
    for _ in range(count):
        value, at = _number(data, at)
        values.append(value)
    return values


def _exports(data: bytes) -> dict[str, tuple[int, int, int]]:
    """By name: the index, and where it stands in the section."""
    found = {}
    count, at = _number(data, 0)
    for _ in range(count):
        length, at = _number(data, at)
        name, at = data[at : at + length].decode(), at + length + 1
        index, end = _number(data, at)
        found[name] = (index, at, end)
        at = end
    return found


def _has_type(types: bytes, index: int, wanted: bytes) -> bool:
    """Whether the type of this index is a function of that shape; only plain functions are understood."""
    count, at = _number(types, 0)
    for number in range(count):
        start = at
        if types[at] != 0x60:
            raise NotMended("a type that is no function")
        at += 1
        for _ in range(2):
            length, at = _number(types, at)
            at += length
        if number == index:
            return types[start:at] == wanted
    return False


def _mend_module(module: bytes) -> bytes:
    parts = {kind: module[start:end] for kind, _, start, end in _sections(module) if kind}
    exports = _exports(parts[_EXPORTS])
    pop, pop_at, pop_end = exports["wit_dylib_pop_list"]
    deallocate = exports["wit_dylib_dealloc_bytes"][0]
    functions = _imported_functions(parts[_IMPORTS]) + _vector(parts[_FUNCTIONS])
    pop_type = functions[pop]
    if not _has_type(parts[_TYPES], pop_type, _POP) or not _has_type(parts[_TYPES], functions[deallocate], _DEALLOCATE):
        raise NotMended("its functions have other types")
    body = (
        b"\x01\x01\x7f"  # one local
        + b"\x20\x00\x20\x01\x20\x02\x10" + _leb(pop) + b"\x21\x03"  # size = pop(call, type, &pointer)
        + b"\x20\x02\x28\x02\x00\x04\x40"  # if pointer
        + b"\x20\x00\x20\x02\x28\x02\x00\x20\x03\x41\x01\x41\x01\x10" + _leb(deallocate)  # free(call, pointer, size, 1, later)
        + b"\x0b\x20\x03\x0b"  # return size
    )  # fmt: skip
    new = {
        _FUNCTIONS: _appended(parts[_FUNCTIONS], _leb(pop_type)),
        _CODE: _appended(parts[_CODE], _leb(len(body)) + body),
        _EXPORTS: parts[_EXPORTS][:pop_at] + _leb(len(functions)) + parts[_EXPORTS][pop_end:],
    }
    out = bytearray(module[:8])
    for kind, begin, start, end in _sections(module):
        content = new.get(kind, module[start:end]) if kind else module[start:end]
        out += bytes([kind]) + _leb(len(content)) + content
    return bytes(out)


def _appended(section: bytes, entry: bytes) -> bytes:
    count, at = _number(section, 0)
    return _leb(count + 1) + section[at:] + entry


def mend(component: bytes) -> bytes:
    """The component with the function before the other one; raises `NotMended` where it is not what it should be."""
    out = bytearray(component[:8])
    mended = 0
    for kind, _, start, end in _sections(component):
        content = component[start:end]
        if kind == _COMPONENT_MODULE and b"wit_dylib_pop_list" in content:
            names = _exports(next((content[s:e] for k, _, s, e in _sections(content) if k == _EXPORTS), b"\0"))
            if "wit_dylib_pop_list" in names:
                content = _mend_module(content)
                mended += 1
        out += bytes([kind]) + _leb(len(content)) + content
    if mended != 1:
        raise NotMended(f"{mended} of its modules hand bytes out")
    return bytes(out)
