# SPDX-License-Identifier: GPL-2.0-or-later
"""
One vmlinux or one module: functions by name and by address, addresses to source lines.

What the cache knows is answered without opening the symbol table or the DWARF.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Collection, Iterable, Mapping, Set
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from keepsane import __version__
from keepsane.symbols.binary.answers import read_documents
from keepsane.symbols.binary.cache import Cache
from keepsane.symbols.binary.elf import ET_REL, Elf, read_elf
from keepsane.symbols.binary.pages import join_pages, pack_pages, page_of, unpack_pages
from keepsane.symbols.binary.symtab import (
    Symbol,
    SymbolTable,
    names_starting,
    read_pages,
    read_symbols,
    symbol_containing,
    symbols_named,
)
from keepsane.symbols.binary.unnamed import Room

if TYPE_CHECKING:
    from keepsane.symbols.binary.dwarf import Chain

_MAX_LTO_NAMES = 50
_MANY_ADDRESSES = 40
_SECOND_NS = 1_000_000_000
_EDITION = 1
"""Raised with every change to how a function or a line is found: no old answer is asked for."""


@dataclass(slots=True, eq=False)
class Image:
    """
    An opened vmlinux or module.

    `elf` gives its path, build-id and sections. A module's addresses are those of symtab.lay_out().
    """

    elf: Elf
    cache: Cache
    table: SymbolTable | None = None
    named: dict[str, tuple[Symbol, ...]] = field(default_factory=dict)

    @property
    def path(self) -> Path:
        """Give the file as the user named it."""
        return self.elf.path

    @property
    def is_module(self) -> bool:
        """Say whether the file is relocatable: its addresses are not those of the running kernel."""
        return self.elf.kind == ET_REL

    @property
    def key(self) -> str | None:
        """Give the key of the file's answers in the cache; None where nothing can be kept of it."""
        elf = self.elf
        # A file system that counts in seconds does not show two writes of one second apart.
        if elf.identity.changed_ns % _SECOND_NS == 0:
            return None
        # What the file says of itself can be copied; device, inode and change time cannot.
        said = [__version__, _EDITION, *elf.identity, elf.build_id, elf.kind, elf.machine, elf.sections]
        return hashlib.sha256(repr(said).encode()).hexdigest()

    def symbols(self, names: Iterable[str]) -> dict[str, tuple[Symbol, ...]]:
        """
        Find the functions of each name, all of them where several share it; none is an empty tuple.

        A name the kernel printed without its LTO suffix (`f` for `f.llvm.123`) is found too.
        Raises SymbolError where the file is stripped.
        """
        wanted = set(names)
        unasked = wanted - self.named.keys()
        if unasked:
            known = self.cache.recall(self.key, "name", unasked)
            self.named |= _symbols(known)
        missing = wanted - self.named.keys()
        if missing:
            fresh = self._read_symbols(missing)
            self.named |= fresh
            self.cache.keep(self.key, "name", {name: _packed(symbols) for name, symbols in fresh.items()})
        return {name: self.named[name] for name in wanted}

    def containing(self, addresses: Iterable[int]) -> dict[int, Symbol]:
        """Find the function around each address; an address outside every function has no entry."""
        wanted = set(addresses)
        known = self.cache.recall(self.key, "at", [f"{address:x}" for address in wanted])
        found = {int(address, 16): symbols for address, symbols in _symbols(known).items()}
        missing = wanted - found.keys()
        if missing:
            around = self._read_containing(missing)
            fresh = {address: (around[address],) if address in around else () for address in missing}
            found |= fresh
            self.cache.keep(
                self.key, "at", {f"{address:x}": _packed(symbols) for address, symbols in fresh.items()}
            )
        return {address: symbols[0] for address, symbols in found.items() if symbols}

    def locate(self, addresses: Iterable[int]) -> dict[int, Chain]:
        """
        Decode each address exactly as it stands to its lines, innermost first; no line is an empty chain.

        The outermost function is the DWARF's, and the symbol's where the code is assembly.
        Raises MissingExtraError without drgn, SymbolError where the file has no usable DWARF.
        """
        wanted = set(addresses)
        found = self._kept_chains(wanted)
        missing = wanted - found.keys()
        if missing:
            from keepsane.symbols.binary.workers import read_chains_in_parallel  # not where all is kept

            fresh = self._named(read_chains_in_parallel(self.elf, missing))
            found |= fresh
            self.cache.keep(self.key, "lines", pack_pages(fresh), join_pages)
        return found

    def _kept_chains(self, wanted: Set[int]) -> dict[int, Chain]:
        known = self.cache.recall(self.key, "lines", {page_of(address) for address in wanted})
        try:
            return unpack_pages(known.values(), wanted)
        except (ValueError, TypeError, LookupError):  # another program wrote there: all is asked for anew
            return {}

    def _named(self, chains: dict[int, Chain]) -> dict[int, Chain]:
        unnamed = [address for address, chain in chains.items() if chain and not chain[-1].function]
        symbols = self._read_containing(unnamed) if unnamed else {}  # kept with the lines, not on their own
        for address in unnamed:
            *inner, outer = chains[address]
            name = symbols[address].name if address in symbols else "?"
            chains[address] = (*inner, replace(outer, function=name))
        return chains

    def _table(self) -> SymbolTable:
        if self.table is None:
            self.table = read_symbols(self.elf)
        return self.table

    def _read_containing(self, addresses: Collection[int]) -> dict[int, Symbol]:
        table = self._table()
        if len(addresses) > _MANY_ADDRESSES:
            read_pages(table)
        around = ((address, symbol_containing(table, address)) for address in addresses)
        return {address: symbol for address, symbol in around if symbol is not None}

    def _read_symbols(self, names: set[str]) -> dict[str, tuple[Symbol, ...]]:
        table = self._table()
        found = symbols_named(table, names)
        suffixed = {
            name: names_starting(table, f"{name}.llvm.", _MAX_LTO_NAMES) for name in names - found.keys()
        }
        more = symbols_named(table, {longer for several in suffixed.values() for longer in several})
        for name, several in suffixed.items():
            found[name] = tuple(symbol for longer in several for symbol in more.get(longer, ()))
        return found


def open_image(path: Path, cache: Cache | None = None, room: Room | None = None) -> Image:
    """
    Open a vmlinux or a `.ko`, plain or compressed.

    Raises SymbolError where it is no ELF file that can be used.
    """
    return Image(read_elf(path, room), cache or Cache())


def _packed(symbols: tuple[Symbol, ...]) -> str:
    return json.dumps(symbols)  # a list for each, in the order of its fields


def _symbols(answers: Mapping[str, str]) -> dict[str, tuple[Symbol, ...]]:
    """Unpack what the cache held; what another program wrote there is asked for anew."""
    try:
        rows = read_documents(answers.values())
        found = {
            subject: tuple(Symbol(*symbol) for symbol in row)
            for subject, row in zip(answers, rows, strict=True)
        }
    except (ValueError, TypeError):
        return {}
    return {subject: symbols for subject, symbols in found.items() if all(map(_is_symbol, symbols))}


def _is_symbol(kept: Any) -> bool:
    return (
        isinstance(kept.name, str)
        and isinstance(kept.address, int)
        and isinstance(kept.size_bytes, int)
        and isinstance(kept.exact, bool)
        and isinstance(kept.section, str)
    )
