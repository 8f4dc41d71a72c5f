# SPDX-License-Identifier: GPL-2.0-or-later
"""
Whether the bytes of a `Code:` line are those of a file, apart from what the kernel changes in itself.

Three things may differ: what code/patch_tables.py lists; in vmlinux, addresses that KASLR moved; in a module,
what is relocated. What is listed may hold the contents of identity/run_time_bytes.py. Others are told apart
and contradict nothing: a probe or a live patch writes there too.

Source: arch/x86/kernel/module.c, apply_relocate_add().
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Iterator
from typing import NamedTuple

from keepsane.model import Code
from keepsane.symbols.binary.elf import Elf
from keepsane.symbols.binary.symtab import SymbolTable
from keepsane.symbols.code.patch_tables import PatchSite, PatchTables, bytes_at, patch_sites
from keepsane.symbols.code.patched import Patched
from keepsane.symbols.identity.kaslr import CONTEXT_BYTES, Window, differences, memory_of, offsets
from keepsane.symbols.identity.run_time_bytes import unpredicted

_SHOWN_BYTES = 8
_EDGE_BYTES = 7
_RELA = struct.Struct("<QQq")
_EIGHT_BYTE_RELOCATIONS = {1, 24, 257}  # R_X86_64_64, R_X86_64_PC64, R_AARCH64_ABS64


class CodeMatch(NamedTuple):
    """
    How the bytes of a `Code:` line compare with a file's.

    `equal_bytes` are equal as they stand or by KASLR's offset; `changed_bytes` differ where they may.
    `different` holds the positions, relative to the trapping instruction, where they contradict each other;
    `log_bytes` and `file_bytes` are up to eight of each side from the first such position on.
    `unpredicted` holds the positions of bytes that may differ, but not by being what the line says.
    """

    equal_bytes: int
    changed_bytes: int
    different: tuple[int, ...]
    log_bytes: bytes
    file_bytes: bytes
    unpredicted: tuple[int, ...] = ()


def match_code(
    elf: Elf,
    symbols: SymbolTable,
    patches: PatchTables,
    code: Code,
    trap_address: int,
    offset_bytes: int | None,
) -> CodeMatch | None:
    """
    Compare a `Code:` line with the file's bytes, its trapping byte with the one at `trap_address`.

    `offset_bytes` is what KASLR added, None where the log does not say it; then any offset that explains
    the bytes is accepted. Returns None where the line has no mark, or where the file has no such bytes.
    """
    if code.trap_bytes is None:
        return None
    window = _window(elf, symbols, code, trap_address - code.trap_bytes)
    if window is None:
        return None
    offset_bytes = 0 if symbols.relocatable else offset_bytes
    different = _unexplained(window, offset_bytes)
    patched = Patched(elf, symbols, patches)
    sites: list[PatchSite] = []
    # The big tables take milliseconds each, so the small ones come first and most are not asked.
    for table in (None, *sorted(patches.tables, key=lambda table: len(table.content))):
        if different:
            found = _sites(window, PatchTables((table,) if table else (), ()))
            sites += found
            window = window._replace(free=window.free | _free(patched, window, found))
            different = _unexplained(window, offset_bytes)
    changed = _changed(window)
    odd = _unpredicted(patched, window, sites, offset_bytes) & changed if sites else set()
    return _result(window, code.trap_bytes, different, changed, odd)


def _sites(window: Window, patches: PatchTables) -> tuple[PatchSite, ...]:
    return patch_sites(patches, window.address - CONTEXT_BYTES, window.file, CONTEXT_BYTES)


def _changed(window: Window) -> set[int]:
    """The positions that differ where they may."""
    pairs = enumerate(zip(window.log, window.file[CONTEXT_BYTES:], strict=False))
    return {at for at, (theirs, ours) in pairs if theirs != ours and at in window.free}


def _result(
    window: Window, trap_bytes: int, different: list[int], changed: set[int], odd: set[int]
) -> CodeMatch:
    first = different[0] if different else len(window.log)
    file = window.file[CONTEXT_BYTES:-CONTEXT_BYTES]
    return CodeMatch(
        equal_bytes=len(window.log) - len(changed) - len(different),
        changed_bytes=len(changed - odd),
        different=tuple(at - trap_bytes for at in different),
        log_bytes=window.log[first : first + _SHOWN_BYTES],
        file_bytes=file[first : first + _SHOWN_BYTES],
        unpredicted=tuple(at - trap_bytes for at in sorted(odd)),
    )


def _unpredicted(
    patched: Patched, window: Window, sites: list[PatchSite], offset_bytes: int | None
) -> set[int]:
    """The positions in sites that hold nothing these may have, by the offset that leaves fewest."""
    tried = offsets(window) if offset_bytes is None else {offset_bytes}
    for known in (sites, None):
        # What one table does not say another may, which was not asked.
        judged = _sites(window, patched.patches) if known is None else known
        found = min((set(unpredicted(patched, judged, window, content)) for content in tried), key=len)
        if not found:
            break
    return found


def _unexplained(window: Window, offset_bytes: int | None) -> list[int]:
    if offset_bytes is not None:
        return list(differences(window, offset_bytes))
    different = min((list(differences(window, offset)) for offset in offsets(window)), key=len)
    # An address cut off at the end of the line fits any offset, so such an end is no contradiction.
    return [at for at in different if _EDGE_BYTES <= at < len(window.log) - _EDGE_BYTES]


def _window(elf: Elf, symbols: SymbolTable, code: Code, start: int) -> Window | None:
    log, end = code.data, start + len(code.data)
    section = next((text for text in _texts(elf, symbols) if start + (code.trap_bytes or 0) in text), None)
    if section is None:
        return None
    # What lies outside the section that holds the trap is not the file's to say.
    outside = {at for at in range(len(log)) if start + at not in section}
    first, last = max(start - CONTEXT_BYTES, section.start), min(end + CONTEXT_BYTES, section.stop)
    file = bytes(first - start + CONTEXT_BYTES) + bytes_at(elf, symbols, first, last - first)
    file = file.ljust(len(log) + 2 * CONTEXT_BYTES, b"\0")
    relocated = _relocated(elf, symbols, start, end) if symbols.relocatable else ()
    return Window(
        address=start,
        log=log,
        file=file,
        free=frozenset(outside.union(address - start for address in relocated)),
        memory=memory_of(elf, symbols),
    )


def _texts(elf: Elf, symbols: SymbolTable) -> Iterator[range]:
    for address, section in zip(symbols.section_addresses, elf.sections, strict=True):
        if section.is_text and address:
            yield range(address, address + section.size_bytes)


def _free(patched: Patched, window: Window, sites: Iterable[PatchSite]) -> set[int]:
    """The positions in the line that these sites leave open: a call's only where it was moved."""
    # That table has nearly every call of a kernel: open ones would leave too little to compare.
    spans = [
        range(site.address - window.address, site.address - window.address + site.size_bytes)
        for site in sites
        if site.table != ".call_sites" or not unpredicted(patched, [site], window, 0)
    ]
    return {at for span in spans for at in span if 0 <= at < len(window.log)}


def _relocated(elf: Elf, symbols: SymbolTable, start: int, end: int) -> Iterator[int]:
    """The addresses of the bytes of a module's text that its relocations fill."""
    for base, section in zip(symbols.section_addresses, elf.sections, strict=True):
        relocations = elf.section(f".rela{section.name}")
        if relocations is not None and base and base < end and start < base + section.size_bytes:
            content = elf.content(relocations)
            for offset, info, _ in _RELA.iter_unpack(content[: len(content) // _RELA.size * _RELA.size]):
                size_bytes = 8 if info & 0xFFFFFFFF in _EIGHT_BYTE_RELOCATIONS else 4
                yield from range(base + offset, base + offset + size_bytes)
