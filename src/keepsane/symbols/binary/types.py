# SPDX-License-Identifier: GPL-2.0-or-later
"""What stands at an offset of a type, by the DWARF: `struct widget` + 0x10 is `pad[0]`."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

_MAX_DEPTH = 12
_MAX_NAMES = 3
"""Of a union, at most so many members are named: which is meant, no offset says."""


class Leaf(NamedTuple):
    """A member as C writes it, its own type, and how far behind its beginning the offset lies."""

    path: str
    kind: Any
    rest_bytes: int


def plain(drgn: Any, kind: Any) -> Any:
    """Give the type behind typedefs."""
    while kind.kind == drgn.TypeKind.TYPEDEF:
        kind = kind.type
    return kind


def size_of(drgn: Any, kind: Any) -> int:
    """Give a type's size, 0 for an array without a length and for a type that is only declared."""
    try:
        return int(drgn.sizeof(kind))
    except TypeError:
        return 0


def leaves(drgn: Any, kind: Any, offset_bytes: int) -> tuple[Leaf, ...]:
    """Name what stands at an offset of a structure: several where a union has several members there."""
    found = []
    for leaf in _leaves(drgn, kind, offset_bytes, "", 0):
        found.append(leaf)
        if len(found) == _MAX_NAMES:
            break
    return tuple(found)


def _leaves(drgn: Any, kind: Any, offset_bytes: int, path: str, depth: int) -> Iterator[Leaf]:
    kind = plain(drgn, kind)
    if depth > _MAX_DEPTH:
        return
    if kind.kind in (drgn.TypeKind.STRUCT, drgn.TypeKind.UNION):
        for member in _containing(drgn, kind, offset_bytes):
            name = f"{path}.{member.name}" if path and member.name else path or member.name or ""
            yield from _leaves(drgn, member.type, offset_bytes - member.offset, name, depth + 1)
    elif kind.kind == drgn.TypeKind.ARRAY and (size_bytes := size_of(drgn, kind.type)):
        index = offset_bytes // size_bytes
        yield from _leaves(drgn, kind.type, offset_bytes % size_bytes, f"{path}[{index}]", depth + 1)
    elif path:
        yield Leaf(path, kind, offset_bytes)


def _containing(drgn: Any, kind: Any, offset_bytes: int) -> Iterator[Any]:
    for member in kind.members or ():
        if member.bit_offset // 8 > offset_bytes:
            continue
        # All but the offset makes drgn read the member's type, and all DWARF if that is only declared here.
        if member.bit_field_size is None and offset_bytes < member.offset + size_of(drgn, member.type):
            yield member
