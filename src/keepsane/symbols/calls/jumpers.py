# SPDX-License-Identifier: GPL-2.0-or-later
"""Who jumps to a function? Looked for in all of the text by its bytes, then disassembled."""

from __future__ import annotations

from array import array
from collections.abc import Iterator

from keepsane.symbols.calls.graph import (
    CONDITIONAL_JUMP,
    FAR_CONDITIONAL_JUMP,
    JUMP,
    NEAR_BYTES,
    SHORT_JUMP,
    Form,
    Graph,
    Sources,
    code_at,
    scan,
)
from keepsane.symbols.calls.jumps import jumps_from
from keepsane.symbols.code.text import (
    Function,
    Place,
    Text,
    body_of,
    function_at,
    is_same,
    module_functions,
    positions_of,
    references_of,
)

_MAX_JUMPERS = 200
_NEAR_CONDITIONAL_BYTES = 1 << 16
_TEXT_SECTIONS = (".text", ".init.text", ".text.unlikely")


def jumpers(graph: Graph, goal: Function, *, thorough: bool = False) -> tuple[Function, ...] | None:
    """
    List the functions that jump to a function, None where they are too many to tell.

    A conditional jump of less than 64 KiB is looked for only by a `thorough` search, since nearly all stay
    inside of their function and there are more of them than of all others; so are those of modules.
    """
    if goal.module is None:
        places = [*_far_jumps_to(graph, goal), *_near_jumps_to(graph.text, goal, SHORT_JUMP, NEAR_BYTES)]
        if len(places) > _MAX_JUMPERS:
            return None
        if thorough:
            places += _near_jumps_to(graph.text, goal, CONDITIONAL_JUMP, _NEAR_CONDITIONAL_BYTES)
        likely = {function_at(graph.text, Place(None, place)) for place in places}
        owners = {body_of(graph.text, function) for function in likely if function is not None}
        owners |= set(_in_modules(graph.text, goal)) if thorough else set()
    else:
        owners = set(module_functions(graph.text, goal.module))
    # In the order of their addresses: the same words on every run.
    ordered = sorted(owners, key=lambda owner: (owner.module or "", owner.address))
    return tuple(owner for owner in ordered if owner != goal and _jumps_to(graph, owner, goal))


def _in_modules(text: Text, goal: Function) -> Iterator[Function]:
    """List the functions of modules at hand that refer to a function of vmlinux."""
    for module in text.images:
        references = references_of(text, module) if module is not None else {}
        for at, reference in references.items():
            if reference.is_distance and reference.place.name == goal.name:
                found = function_at(text, Place(module, at))
                if found is not None:
                    yield body_of(text, found)


def _jumps_to(graph: Graph, function: Function, goal: Function) -> bool:
    return any(is_same(graph.text, hop.callee, goal) for hop in jumps_from(graph, function))


def _far_jumps_to(graph: Graph, goal: Function) -> Iterator[int]:
    """List the places of far jumps to a function's start: those of the whole text are looked for once."""
    if graph.sources is None:
        graph.sources = list(_sources(graph.text))
    for start, ends, targets in graph.sources:
        wanted = (goal.address - start) % (1 << 64)
        for position in positions_of(targets, wanted.to_bytes(8, "little")):
            if position % 8 == 0:
                yield start + ends[position // 8] - 1


def _sources(text: Text) -> Iterator[Sources]:
    image = text.images[None]
    for section in image.elf.sections:
        if section.is_text and section.name in _TEXT_SECTIONS:
            content = image.elf.content(section)
            for form in (JUMP, FAR_CONDITIONAL_JUMP):
                ends, targets = scan(content, form)
                yield Sources(section.address, ends, array("q", targets).tobytes())


def _near_jumps_to(text: Text, goal: Function, form: Form, reach_bytes: int) -> Iterator[int]:
    """List the places of jumps to a function's start in the text around it."""
    sections = text.images[None].elf.sections
    begins = [section.address for section in sections if section.is_text and section.address <= goal.address]
    start = max(goal.address - reach_bytes, max(begins, default=0))
    ends, targets = scan(code_at(text, start, 2 * reach_bytes), form)
    for end, target in zip(ends, targets, strict=True):
        if start + target == goal.address:
            yield start + end - 1
