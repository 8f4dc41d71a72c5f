# SPDX-License-Identifier: GPL-2.0-or-later
"""Who jumps to a function? Looked for in all of the text by its bytes, then disassembled."""

from __future__ import annotations

import re
import struct
from array import array
from collections.abc import Iterator, Sequence
from operator import add

from keepsane.symbols.calls.jumps import Jumps, Sources, body_of, is_same, jumps_from
from keepsane.symbols.code.patch_tables import bytes_at
from keepsane.symbols.code.text import (
    Function,
    Place,
    Text,
    function_at,
    module_functions,
    positions_of,
    references_of,
    symbols_of,
)

# The distance to another place of the text has one of these as its highest byte. A conditional jump of less
# than 64 KiB is nearly always one inside its function, and there are more of them than of all others.
# Two patterns, since one that begins with a fixed byte is looked for four times as fast as one of two.
_FAR_JUMPS = (
    re.compile(rb"\xe9(?=...[\x00-\x03\xfc-\xff])", re.DOTALL),
    re.compile(rb"\x0f[\x80-\x8f](?=(?!..(?:\x00\x00|\xff\xff))...[\x00-\x03\xfc-\xff])", re.DOTALL),
)
_MAX_JUMPERS = 200
_NEAR_CONDITIONAL = re.compile(rb"\x0f[\x80-\x8f](?=(?P<near>..(?:\x00\x00|\xff\xff)))", re.DOTALL)
_NEAR_CONDITIONAL_BYTES = 1 << 16
_NEAR_JUMPS = frozenset({0xEB, *range(0x70, 0x80)})
_NEAR_BYTES = 130
_FARTHEST_BYTES = 1 << 33
_TEXT_SECTIONS = (".text", ".init.text", ".text.unlikely")


def jumpers(jumps: Jumps, goal: Function, *, thorough: bool = False) -> tuple[Function, ...] | None:
    """
    List the functions that jump to a function, None where they are too many to tell.

    A conditional jump of less than 64 KiB is looked for only by a `thorough` search, since nearly all stay
    inside of their function and there are more of them than of all others; so are those of modules.
    """
    if goal.module is None:
        if jumps.sources is None:
            jumps.sources = _sources(jumps.text)
        places = [*_places_to(jumps.sources, goal.address), *_places_beside(jumps.text, goal)]
        if len(places) > _MAX_JUMPERS:
            return None
        places += _places_near(jumps.text, goal) if thorough else ()
        likely = {function_at(jumps.text, Place(None, place)) for place in places}
        owners = {body_of(jumps.text, one) for one in likely if one is not None}
        owners |= set(_in_modules(jumps.text, goal)) if thorough else set()
    else:
        owners = set(module_functions(jumps.text, goal.module))
    # In the order of their addresses: the same words on every run.
    ordered = sorted(owners, key=lambda one: (one.module or "", one.address))
    return tuple(one for one in ordered if one != goal and _jumps_to(jumps, one, goal))


def _in_modules(text: Text, goal: Function) -> Iterator[Function]:
    """List the functions of modules at hand that refer to a function of vmlinux."""
    for module in text.images:
        references = references_of(text, module) if module is not None else {}
        for at, reference in references.items():
            if reference.is_distance and reference.place.name == goal.name:
                found = function_at(text, Place(module, at))
                if found is not None:
                    yield body_of(text, found)


def _jumps_to(jumps: Jumps, function: Function, goal: Function) -> bool:
    return any(
        step.function is not None and is_same(jumps.text, step.function, goal)
        for step in jumps_from(jumps, function)
    )


def _sources(text: Text) -> list[Sources]:
    image = text.images.get(None)
    sections = image.elf.sections if image is not None else ()
    return [
        _sources_of(section.address, image.elf.content(section))
        for section in sections
        if image is not None and section.is_text and section.name in _TEXT_SECTIONS
    ]


def _sources_of(start: int, content: bytes) -> Sources:
    places = [jump.end() for pattern in _FAR_JUMPS for jump in pattern.finditer(content)]
    distances = array("i", b"".join([content[at : at + 4] for at in places]))
    return Sources(start, places, array("q", map(add, places, distances)))


def _places_to(sources: Sequence[Sources], target: int) -> Iterator[int]:
    for start, places, targets in sources:
        if not -_FARTHEST_BYTES <= target - start < _FARTHEST_BYTES:
            continue
        wanted, raw, size = struct.pack("<q", target - start - 4), targets.tobytes(), targets.itemsize
        for position in positions_of(raw, wanted):
            if position % size == 0:
                yield start + places[position // size]


def _places_near(text: Text, goal: Function) -> Iterator[int]:
    """Where bytes within 64 KiB of a function look like a conditional jump to its start."""
    image = text.images[None]
    begins = [one.address for one in image.elf.sections if one.is_text and one.address <= goal.address]
    start = max(goal.address - _NEAR_CONDITIONAL_BYTES, max(begins, default=0))
    code = bytes_at(image.elf, symbols_of(image), start, 2 * _NEAR_CONDITIONAL_BYTES)
    for jump in _NEAR_CONDITIONAL.finditer(code):
        if start + jump.end() + 4 + int.from_bytes(jump["near"], "little", signed=True) == goal.address:
            yield start + jump.start()


def _places_beside(text: Text, goal: Function) -> Iterator[int]:
    """Where bytes near a function look like a jump of one byte to its start."""
    image = text.images[None]
    begins = [one.address for one in image.elf.sections if one.is_text and one.address <= goal.address]
    start = max(goal.address - _NEAR_BYTES, max(begins, default=0))
    code = bytes_at(image.elf, symbols_of(image), start, 2 * _NEAR_BYTES)
    for at in range(len(code) - 1):
        target = start + at + 2 + int.from_bytes(code[at + 1 : at + 2], "little", signed=True)
        if target == goal.address and code[at] in _NEAR_JUMPS:
            yield start + at
