# SPDX-License-Identifier: GPL-2.0-or-later
"""
DWARF through drgn: addresses to inline chains.

stack_trace_from_pcs() answers a whole batch and gives function names without the walk over the symbol table
that SourceLocation.name() does for each address. It takes its first pc as it stands and the others as return
addresses, so the first one is a dummy and the rest are asked for at one more.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from keepsane.errors import MissingExtraError, SymbolError
from keepsane.model import SourceLine
from keepsane.symbols.binary.elf import EM_AARCH64, EM_X86_64, ET_REL, SHF_ALLOC, Elf
from keepsane.symbols.binary.split_dwarf import refuse_split_dwarf
from keepsane.symbols.binary.symtab import lay_out

if TYPE_CHECKING:
    import drgn

Chain = tuple[SourceLine, ...]
"""The lines of one address, innermost first; the outermost function is "" where DWARF has none."""


def read_chains(elf: Elf, batches: Iterable[Sequence[int]]) -> dict[int, Chain]:
    """
    Decode each address of each batch exactly as it stands; one without line information has an empty chain.

    The next batch is asked for when the last one is done.
    Raises MissingExtraError without drgn, SymbolError where the file has no DWARF or drgn cannot read it.
    """
    drgn = import_drgn()
    if not elf.has_debug_info:
        raise SymbolError(f"{elf.path} has no debug information; give the file from the debug package")
    chains: dict[int, list[SourceLine]] = {}
    program = open_program(drgn, elf)
    for addresses in batches:
        chains |= {address: [] for address in addresses}
        with _reading(elf):
            for pc, line in _lines(program, addresses):
                chains[pc].append(line)
    return {address: tuple(chain) for address, chain in chains.items()}


@contextmanager
def _reading(elf: Elf) -> Iterator[None]:
    """Make one sentence of whatever drgn raises about a damaged file."""
    try:
        yield
    # drgn has no base class for its errors: it raises a bare Exception for what libdw and libelf say, classes
    # that only its private module names, and OverflowError. None of them may cost the rest of a report.
    except Exception as problem:
        raise SymbolError(f"{elf.path} cannot be decoded: {problem}; give an undamaged copy") from problem


def import_drgn() -> Any:
    """Import drgn, which takes long enough to be worth avoiding; raises MissingExtraError without it."""
    try:
        import drgn
    except ImportError as missing:
        raise MissingExtraError(
            "decoding addresses needs drgn, which is not installed: pip install 'keepsane[symbols]'"
        ) from missing
    return drgn


def open_program(drgn: Any, elf: Elf) -> drgn.Program:
    """
    Open a file in drgn, its addresses as they stand there (a module's as lay_out() puts them).

    Raises SymbolError where the file has no code, is for another machine, has split DWARF, or drgn cannot
    read it.
    """
    machines = {EM_X86_64: drgn.Architecture.X86_64, EM_AARCH64: drgn.Architecture.AARCH64}
    if elf.machine not in machines:
        raise SymbolError(
            f"{elf.path} is for ELF machine {elf.machine}; only x86-64 and arm64 can be decoded"
        )
    program = drgn.Program(drgn.Platform(machines[elf.machine]))
    places = (
        lay_out(elf.sections) if elf.kind == ET_REL else tuple(section.address for section in elf.sections)
    )
    pairs = zip(places, elf.sections, strict=True)
    text = [(place, section.size_bytes) for place, section in pairs if section.is_text]
    if not text:
        raise SymbolError(f"{elf.path} has no code; give a vmlinux or a .ko")
    refuse_split_dwarf(elf)
    start, end = min(place for place, _ in text), max(place + size for place, size in text)
    with _reading(elf):
        _load(program, elf, places, (start, end))
    return program


def _load(program: drgn.Program, elf: Elf, places: Sequence[int], text: tuple[int, int]) -> None:
    start, end = text
    if elf.kind == ET_REL:
        module = program.relocatable_module(elf.path.name, start, create=True)
        for place, section in zip(places, elf.sections, strict=True):
            if section.flags & SHF_ALLOC:
                module.section_addresses[section.name] = place
        module.address_range = (start, end)
    else:
        module = program.extra_module(elf.path.name, create=True)
    module.try_file(elf.path, fd=os.dup(elf.descriptor), force=True)
    # Only now: drgn would otherwise take the difference to the file's own addresses for a bias.
    if elf.kind != ET_REL:
        module.address_range = (start, end)


def _lines(program: drgn.Program, addresses: Sequence[int]) -> Iterator[tuple[int, SourceLine]]:
    frames = iter(program.stack_trace_from_pcs([0, *(address + 1 for address in addresses)]))
    next(frames)
    for frame in frames:
        try:
            file, line, column = frame.source()
        except LookupError:
            continue
        yield (
            frame.pc - 1,
            SourceLine(
                function=frame.function_name or "",
                file=file or None,
                line=line or None,
                column=column or None,
                inlined=frame.is_inline,
            ),
        )
