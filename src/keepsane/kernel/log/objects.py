# SPDX-License-Identifier: GPL-2.0-or-later
"""
The object in which a pointer of a report lies, as the slab allocator names it.

     slab kernfs_node_cache start ffff888006b29b10 pointer offset 120 size 136

What arm says of each register (`Register r0 information:`) is read with the registers.
Source: mm/util.c, mem_dump_obj(); mm/slab_common.c, kmem_dump_obj().
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import NamedTuple

from keepsane.kernel.log.groups import read
from keepsane.model import Register

MAX_OBJECTS = 64

_OBJECT = re.compile(
    r"(?:(?P<register>[A-Z0-9]{2,6}):)? {0,4}+slab "
    r"(?P<cache>\S{1,64}) start (?P<start>[0-9a-f]{8,16})(?: data offset \d{1,10})? "
    r"pointer offset (?P<offset_bytes>\d{1,10})(?: size (?P<size_bytes>\d{1,10}))?"
)


class SlabObject(NamedTuple):
    """An object of a slab cache and how far inside of it a pointer lies; `register` holds the pointer."""

    cache: str
    start: str
    offset_bytes: int
    size_bytes: int | None = None
    register: str | None = None

    @property
    def words(self) -> str:
        """Say what the pointer points to."""
        size = f", which has {self.size_bytes}" if self.size_bytes is not None else ""
        return f"in an object of the slab cache {self.cache}, {self.offset_bytes} bytes into it{size}"

    def is_in(self, register: Register) -> bool:
        """Tell whether a register holds the pointer: by its name, else by its value."""
        if self.register is not None:
            return self.register == register.name
        return int(self.start, 16) + self.offset_bytes == register.value


def parse_object(text: str) -> SlabObject | None:
    """Read a line of the form above; None where it names no object."""
    found = _OBJECT.match(text) if "pointer offset" in text else None
    return read(SlabObject, found) if found else None


def with_objects(registers: Iterable[Register], objects: Iterable[SlabObject]) -> tuple[Register, ...]:
    """Give registers of which nothing is known the object they point into as their meaning."""
    known = tuple(objects)
    return tuple(
        register
        if register.meaning
        else register._replace(meaning=next((one.words for one in known if one.is_in(register)), None))
        for register in registers
    )
