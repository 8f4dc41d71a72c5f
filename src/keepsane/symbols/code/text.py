# SPDX-License-Identifier: GPL-2.0-or-later
"""
The code of vmlinux and its modules as one text: functions by name or place, and their instructions.

A module's calls stand in its file as zeros with a relocation beside them; here they have their targets, in
the module itself, in vmlinux or in another module.
Source: arch/x86/kernel/module.c, apply_relocate_add(); the System V ABI, AMD64 supplement, relocation types.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from keepsane.symbols.binary.elf import EM_X86_64, Elf, name_at
from keepsane.symbols.binary.image import Image
from keepsane.symbols.binary.symtab import Symbol, SymbolTable, read_pages, read_symbols, symbol_containing
from keepsane.symbols.code.insn import Decoder, Insn, decode, open_decoder
from keepsane.symbols.code.patch_tables import PatchTables, bytes_at, read_patch_tables

_RELA = struct.Struct("<QQq")
_DISTANCES = {2, 4, 42, 41}  # R_X86_64_PC32, PLT32, REX_GOTPCRELX, GOTPCRELX
_EIGHT_BYTES = {1, 24, 257}  # R_X86_64_64, R_X86_64_PC64, R_AARCH64_ABS64
_ARM64_BRANCHES = {282, 283, 280, 279}  # JUMP26, CALL26, CONDBR19, TSTBR14
_STT_FUNC = 2
_MAX_FUNCTION_BYTES = 1 << 17


class Place(NamedTuple):
    """
    An address in vmlinux (`module` None) or a module.

    Where only a name is known, of a symbol that no file at hand defines, `address` is None.
    """

    module: str | None
    address: int | None
    name: str = ""


class Function(NamedTuple):
    """A function of vmlinux (`module` None) or of a module; `size_bytes` reaches to the next symbol."""

    module: str | None
    name: str
    address: int
    size_bytes: int


class Reference(NamedTuple):
    """What a relocation refers to: `addend_bytes` is what its file adds to the symbol."""

    place: Place
    addend_bytes: int
    is_distance: bool
    size_bytes: int = 4


@dataclass(slots=True)
class Text:
    """The images of one kernel, and what was already read of them."""

    images: Mapping[str | None, Image]
    decoder: Decoder | None = None
    decoded: dict[Function, tuple[Insn, ...]] = field(default_factory=dict)
    found: dict[Place, Function | None] = field(default_factory=dict)
    references: dict[str, dict[int, Reference]] = field(default_factory=dict)
    patches: dict[str | None, PatchTables] = field(default_factory=dict)

    @property
    def machine(self) -> int:
        """Give the ELF machine of the images; x86-64 where there are none."""
        return next((image.elf.machine for image in self.images.values()), EM_X86_64)


def symbols_of(image: Image) -> SymbolTable:
    """
    Give the symbol table of an image, read once.

    Raises SymbolError where the file is stripped.
    """
    if image.table is None:
        image.table = read_symbols(image.elf)
    # Jumps lead all over the text: page by page would cost more.
    read_pages(image.table)
    return image.table


def function_at(text: Text, place: Place) -> Function | None:
    """Find the function that contains a place; a name without an address is looked up in every image."""
    if place not in text.found:
        text.found[place] = _function_at(text, place)
    return text.found[place]


def _function_at(text: Text, place: Place) -> Function | None:
    if place.address is None:
        found = functions_named(text, place.name)
        return found[0] if len(found) == 1 else None
    image = text.images.get(place.module)
    if image is None:
        return None
    symbol = symbol_containing(symbols_of(image), place.address)
    return None if symbol is None else _function(place.module, symbol)


def functions_named(text: Text, name: str) -> list[Function]:
    """Find the functions of a name, those of vmlinux before those of modules."""
    for module, image in sorted(text.images.items(), key=lambda item: item[0] or ""):
        symbols = image.symbols([name])[name]
        if symbols:
            return [_function(module, symbol) for symbol in symbols]
    return []


def _function(module: str | None, symbol: Symbol) -> Function:
    return Function(module, symbol.name, symbol.address, symbol.size_bytes)


def positions_of(content: bytes, address: bytes) -> Iterator[int]:
    """
    Give every place where bytes hold an address, the last first.

    Functions are aligned, so the first byte of an address is a common one. The second differs most, and
    rfind() skips by the first byte of what it looks for.
    """
    rest, position = address[1:], len(content)
    while (position := content.rfind(rest, 0, position + len(rest) - 1)) >= 0:
        if position and content[position - 1] == address[0]:
            yield position - 1


def module_functions(text: Text, module: str) -> list[Function]:
    """List the functions of a module."""
    symbols = symbols_of(text.images[module])
    starts = {
        address
        for head, address in zip(symbols.heads, symbols.addresses, strict=True)
        if head >> 32 & 0xF == _STT_FUNC and address
    }
    found = (function_at(text, Place(module, start)) for start in sorted(starts))
    return [function for function in found if function is not None]


def start_of(function: Function) -> Place:
    """Give the place of a function's first byte."""
    return Place(function.module, function.address)


def body_of(text: Text, function: Function) -> Function:
    """Give the function that a `.cold` part belongs to, else the function itself."""
    name, cold, _ = function.name.partition(".cold")
    if not cold:
        return function
    owners = [owner for owner in functions_named(text, name) if owner.module == function.module]
    return owners[0] if len(owners) == 1 else function


def is_same(text: Text, function: Function, other: Function) -> bool:
    """Say whether two functions are one: the same start under any name, or one the cold part of the other."""
    if start_of(function) == start_of(other):
        return True
    if ".cold" not in function.name + other.name:
        return False
    return start_of(body_of(text, function)) == start_of(body_of(text, other))


def instructions(text: Text, function: Function) -> tuple[Insn, ...]:
    """
    Disassemble a function as it stands in its file; what a relocation fills refers to its symbol.

    Raises MissingExtraError without capstone.
    """
    if function not in text.decoded:
        size_bytes = min(function.size_bytes, _MAX_FUNCTION_BYTES)
        text.decoded[function] = decode_at(text, function.module, function.address, size_bytes)
    return text.decoded[function]


def decode_at(text: Text, module: str | None, address: int, size_bytes: int) -> tuple[Insn, ...]:
    """Disassemble bytes of a file from an address on; raises MissingExtraError without capstone."""
    image = text.images.get(module)
    if image is None:
        return ()
    code = bytes_at(image.elf, symbols_of(image), address, size_bytes)
    if text.decoder is None:
        text.decoder = open_decoder(text.machine)
    return decode(text.decoder, code, address)


def patches_of(text: Text, module: str | None) -> PatchTables:
    """Give the tables of what may be patched in an image, read once."""
    if module not in text.patches:
        image = text.images[module]
        text.patches[module] = read_patch_tables(image.elf, symbols_of(image))
    return text.patches[module]


def refers_to(text: Text, module: str | None, insn: Insn) -> Place | None:
    """Say which place an instruction names: the target of a branch, an address, memory at a fixed address."""
    if module is not None:
        return _relocated(text, module, insn)
    return None if insn.value is None else Place(None, insn.value)


def _relocated(text: Text, module: str, insn: Insn) -> Place | None:
    references = references_of(text, module)
    for at in range(insn.address, insn.end):
        reference = references.get(at)
        if reference is not None:
            base, offset_bytes = reference.place, reference.addend_bytes
            if reference.is_distance and text.machine == EM_X86_64:
                offset_bytes += insn.end - at
            if base.address is None:
                return base
            return Place(base.module, base.address + offset_bytes)
    return Place(module, insn.value) if insn.is_branch and insn.value is not None else None


def references_of(text: Text, module: str) -> dict[int, Reference]:
    """Read the relocations of a module, by the address of the bytes that they fill."""
    if module not in text.references:
        image = text.images[module]
        text.references[module] = read_references(module, image.elf, symbols_of(image))
    return text.references[module]


def read_references(module: str, elf: Elf, symbols: SymbolTable) -> dict[int, Reference]:
    """Read the relocations of a module's file, by the address of the bytes that they fill."""
    found: dict[int, Reference] = {}
    for base, section in zip(symbols.section_addresses, elf.sections, strict=True):
        relocations = elf.section(f".rela{section.name}") if base else None
        if relocations is not None:
            found |= _section_references(module, elf, symbols, base, elf.content(relocations))
    return found


def _section_references(
    module: str, elf: Elf, symbols: SymbolTable, base: int, content: bytes
) -> dict[int, Reference]:
    found = {}
    distances = _DISTANCES if elf.machine == EM_X86_64 else _ARM64_BRANCHES
    for offset, info, addend in _RELA.iter_unpack(content[: len(content) // _RELA.size * _RELA.size]):
        row, kind = info >> 32, info & 0xFFFFFFFF
        if row < len(symbols.addresses):
            place, size_bytes = _place_of(module, symbols, row), 8 if kind in _EIGHT_BYTES else 4
            found[base + offset] = Reference(place, addend, kind in distances, size_bytes)
    return found


def _place_of(module: str, symbols: SymbolTable, row: int) -> Place:
    if symbols.heads[row] >> 48:
        return Place(module, symbols.addresses[row])
    name = name_at(symbols.strings, symbols.name_offsets[row]).decode("utf-8", "replace")
    return Place(module, None, name)
