# SPDX-License-Identifier: GPL-2.0-or-later
"""
The member that a trapping instruction wanted, by the DWARF: `struct widget.value`, through `w`.

    mov 0x80(%rsi),%ecx     w lies in %rsi: its member at 0x80 is `value`

Where no variable lies in the register, those count that the register was loaded from, then all that have a
member of that size there: candidates, not facts.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from keepsane.model import Code, Member, Trap
from keepsane.symbols.binary.dwarf import import_drgn, open_program
from keepsane.symbols.binary.elf import EM_X86_64
from keepsane.symbols.binary.types import leaves, plain, size_of
from keepsane.symbols.calls.pointer_origin import pointer_of
from keepsane.symbols.calls.variables import Held, pointers_at
from keepsane.symbols.code.patch_tables import bytes_at
from keepsane.symbols.code.text import (
    Place,
    Text,
    body_of,
    decode_at,
    function_at,
    instructions,
    references_of,
    symbols_of,
)

_LONGEST_BYTES = 15
_MAX_CANDIDATES = 3
_STACK = frozenset({"rsp", "sp"})


def code_at(text: Text, place: Place, line: int) -> Code | None:
    """
    Read the instruction at a place from its file, for a report that has none; `line` is the ip's in the log.

    None where the file has no code there, or where a relocation fills a part of it.
    """
    image = text.images.get(place.module)
    if image is None or place.address is None:
        return None
    decoded = decode_at(text, place.module, place.address, _LONGEST_BYTES)
    if not decoded:
        return None
    references = references_of(text, place.module) if place.module is not None else {}
    if any(at in references for at in range(place.address, decoded[0].end)):
        return None
    data = bytes_at(image.elf, symbols_of(image), place.address, decoded[0].size_bytes)
    word_bytes = 1 if text.machine == EM_X86_64 else 4
    return Code(line=line, data=data, trap_bytes=0, word_bytes=word_bytes, file=image.path.name)


def members_of(text: Text, place: Place, trap: Trap) -> tuple[Member, ...]:
    """
    Name the member that an instruction at a place used: one that is proven, else up to three candidates.

    () where the DWARF tells nothing, or where too many fit.
    """
    if trap.base is None or trap.index is not None or trap.base in _STACK or place.address is None:
        return ()
    try:
        program = open_program(import_drgn(), text.images[place.module].elf)
        held = tuple(pointers_at(program, text.machine, place.address))
        return _members(held, trap, _loaded_at(text, place, trap.base))
    # drgn has no base class for its errors, and raises a bare Exception for what libdw and libelf say.
    except Exception:
        return ()


def _members(held: Sequence[Held], trap: Trap, loaded_at: int | None) -> tuple[Member, ...]:
    proven = (one for one in held if one.register == trap.base and not one.in_memory)
    for one in proven:
        offset_bytes = trap.displacement - one.distance_bytes
        if found := tuple(_named(one.structure, one.name, offset_bytes, None, proven=True)):
            return found[:1] if len(found) == 1 else tuple(part._replace(proven=False) for part in found)
    ways = tuple(_loaded(held, loaded_at)) if loaded_at is not None else ()
    everything = ((one.structure, one.name) for one in held)
    return _candidates(ways, trap) or _candidates(everything, trap)


def _candidates(ways: Iterable[tuple[Any, str]], trap: Trap) -> tuple[Member, ...]:
    """Give what stands there in each structure, each once; nothing where more fit than a reader can weigh."""
    found: dict[tuple[str, str], Member] = {}
    for structure, name in ways:
        for member in _named(structure, name, trap.displacement, trap.width_bytes, proven=False):
            found.setdefault((member.structure, member.path), member)
    return tuple(found.values()) if len(found) <= _MAX_CANDIDATES else ()


def _loaded(held: Iterable[Held], loaded_at: int) -> Iterator[tuple[Any, str]]:
    """Yield what may have been loaded from an offset: a variable that lies there, a member that points."""
    drgn = import_drgn()
    for one in held:
        if one.in_memory and one.distance_bytes == loaded_at:
            yield one.structure, one.name
    for one in held:
        for leaf in leaves(drgn, one.structure, loaded_at):
            if leaf.kind.kind == drgn.TypeKind.POINTER and not leaf.rest_bytes:
                yield leaf.kind.type, f"{one.name}->{leaf.path}"


def _named(
    structure: Any, name: str, offset_bytes: int, width_bytes: int | None, *, proven: bool
) -> Iterator[Member]:
    """Yield the members at an offset; with a width only those that begin there and are as wide."""
    drgn = import_drgn()
    if offset_bytes < 0 or plain(drgn, structure).kind not in (drgn.TypeKind.STRUCT, drgn.TypeKind.UNION):
        return
    for leaf in leaves(drgn, structure, offset_bytes):
        if width_bytes is None or (not leaf.rest_bytes and size_of(drgn, leaf.kind) == width_bytes):
            said = str(structure.type_name()).removeprefix("const ").removeprefix("volatile ")
            yield Member(said, leaf.path, offset_bytes - leaf.rest_bytes, name, proven)


def _loaded_at(text: Text, place: Place, base: str) -> int | None:
    """Give the offset from which the register was loaded, where every way to the instruction agrees."""
    function = function_at(text, place)
    if function is None:
        return None
    known = (*instructions(text, body_of(text, function)), *instructions(text, function))
    here = next((insn for insn in known if insn.address == place.address), None)
    return None if here is None else pointer_of(text, function, here, base).displacement
