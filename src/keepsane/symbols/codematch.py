# SPDX-License-Identifier: GPL-2.0-or-later
"""
Whether the bytes of a `Code:` line are those of a file, apart from what the kernel changes in itself.

Three things may differ: what symbols/patch.py lists; in vmlinux, addresses that KASLR moved (all by one
offset, a multiple of 2 MiB, so that a value of the file that points into the kernel differs by just that;
a distance to a per-CPU variable differs by as much in the other direction); in a module, what is relocated.

Source: arch/x86/boot/compressed/misc.c, handle_relocations(); arch/x86/boot/compressed/kaslr.c,
find_random_virt_addr(); arch/x86/kernel/module.c, apply_relocate_add().
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Iterator
from typing import NamedTuple

from keepsane.model import Code
from keepsane.symbols.elf import SHF_ALLOC, Elf
from keepsane.symbols.patch import PatchSite, PatchTables, bytes_at, patch_sites
from keepsane.symbols.symtab import SymbolTable

_CONTEXT_BYTES = 64
_SHOWN_BYTES = 8
_KERNEL_HALF = 1 << 63
_KERNEL_MAP = 0xFFFFFFFF80000000
_OFFSET_STEP_BYTES = 0x200000
_MAX_OFFSET_BYTES = 1 << 30
_EDGE_BYTES = 7
_CALL_PADDING_BYTES = 16
_RELA = struct.Struct("<QQq")
_EIGHT_BYTE_RELOCATIONS = {1, 24, 257}  # R_X86_64_64, R_X86_64_PC64, R_AARCH64_ABS64


class CodeMatch(NamedTuple):
    """
    How the bytes of a `Code:` line compare with a file's.

    `equal_bytes` are equal as they stand or by KASLR's offset; `changed_bytes` differ where they may.
    `different` holds the positions, relative to the trapping instruction, where they contradict each other;
    `log_bytes` and `file_bytes` are up to eight of each side from the first such position on.
    """

    equal_bytes: int
    changed_bytes: int
    different: tuple[int, ...]
    log_bytes: bytes
    file_bytes: bytes


class _Window(NamedTuple):
    address: int  # of the first byte of log
    log: bytes
    file: bytes  # as long as log, with _CONTEXT_BYTES more at both ends
    free: frozenset[int]
    pointers: range
    per_cpu: range


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
    # The big tables take milliseconds each, so the small ones come first and most are not asked.
    for table in (None, *sorted(patches.tables, key=lambda one: len(one.content))):
        if different:
            tables = PatchTables((table,) if table else (), ())
            sites = patch_sites(tables, window.address - _CONTEXT_BYTES, window.file, _CONTEXT_BYTES)
            window = window._replace(free=window.free | _free(window, sites))
            different = _unexplained(window, offset_bytes)
    return _result(window, code.trap_bytes, different)


def _result(window: _Window, trap_bytes: int, different: list[int]) -> CodeMatch:
    first = different[0] if different else len(window.log)
    file = window.file[_CONTEXT_BYTES:-_CONTEXT_BYTES]
    changed_bytes = sum(at in window.free and window.log[at] != file[at] for at in range(len(file)))
    return CodeMatch(
        equal_bytes=len(window.log) - changed_bytes - len(different),
        changed_bytes=changed_bytes,
        different=tuple(at - trap_bytes for at in different),
        log_bytes=window.log[first : first + _SHOWN_BYTES],
        file_bytes=file[first : first + _SHOWN_BYTES],
    )


def _unexplained(window: _Window, offset_bytes: int | None) -> list[int]:
    if offset_bytes is not None:
        return _different(window, offset_bytes)
    different = min((_different(window, offset) for offset in _offsets(window)), key=len)
    # An address cut off at the end of the line fits any offset, so such an end is no contradiction.
    return [at for at in different if _EDGE_BYTES <= at < len(window.log) - _EDGE_BYTES]


def _window(elf: Elf, symbols: SymbolTable, code: Code, start: int) -> _Window | None:
    log, end = code.data, start + len(code.data)
    section = next((one for one in _texts(elf, symbols) if start + (code.trap_bytes or 0) in one), None)
    if section is None:
        return None
    # What lies outside the section that holds the trap is not the file's to say.
    outside = {at for at in range(len(log)) if start + at not in section}
    first, last = max(start - _CONTEXT_BYTES, section.start), min(end + _CONTEXT_BYTES, section.stop)
    file = bytes(first - start + _CONTEXT_BYTES) + bytes_at(elf, symbols, first, last - first)
    file = file.ljust(len(log) + 2 * _CONTEXT_BYTES, b"\0")
    relocated = _relocated(elf, symbols, start, end) if symbols.relocatable else ()
    loaded = [
        section for section in elf.sections if section.flags & SHF_ALLOC and section.address >= _KERNEL_HALF
    ]
    pointers = range(
        min((section.address for section in loaded), default=0),
        max((section.address + section.size_bytes for section in loaded), default=0),
    )
    per_cpu = elf.section(".data..percpu")
    is_zero_based = per_cpu is not None and per_cpu.address == 0 and not symbols.relocatable
    return _Window(
        address=start,
        log=log,
        file=file,
        free=frozenset(outside.union(address - start for address in relocated)),
        pointers=pointers,
        per_cpu=range(per_cpu.size_bytes if per_cpu is not None and is_zero_based else 0),
    )


def _texts(elf: Elf, symbols: SymbolTable) -> Iterator[range]:
    for address, section in zip(symbols.section_addresses, elf.sections, strict=True):
        if section.is_text and address:
            yield range(address, address + section.size_bytes)


def _free(window: _Window, sites: Iterable[PatchSite]) -> set[int]:
    """The positions in the line that these sites leave open."""
    starts = [(site.address - window.address, site) for site in sites if _is_open(window, site)]
    return {at for start, site in starts for at in range(start, start + site.size_bytes)}


def _is_open(window: _Window, site: PatchSite) -> bool:
    """A call for call depth tracking may move to the padding in front of its target, and nowhere else."""
    at = site.address - window.address
    if site.table != ".call_sites" or at < 0 or at + 5 > len(window.log):
        return True
    theirs, ours = window.log[at : at + 5], window.file[at + _CONTEXT_BYTES : at + _CONTEXT_BYTES + 5]
    moved_bytes = int.from_bytes(ours[1:], "little") - int.from_bytes(theirs[1:], "little")
    return theirs[:1] == ours[:1] and 0 < moved_bytes <= _CALL_PADDING_BYTES


def _relocated(elf: Elf, symbols: SymbolTable, start: int, end: int) -> Iterator[int]:
    """The addresses of the bytes of a module's text that its relocations fill."""
    for base, section in zip(symbols.section_addresses, elf.sections, strict=True):
        relocations = elf.section(f".rela{section.name}")
        if relocations is not None and base and base < end and start < base + section.size_bytes:
            content = elf.content(relocations)
            for offset, info, _ in _RELA.iter_unpack(content[: len(content) // _RELA.size * _RELA.size]):
                size_bytes = 8 if info & 0xFFFFFFFF in _EIGHT_BYTE_RELOCATIONS else 4
                yield from range(base + offset, base + offset + size_bytes)


def _different(window: _Window, offset_bytes: int) -> list[int]:
    """The positions in the line whose bytes nothing explains."""
    explained = set(window.free)
    different = []
    for at, (theirs, ours) in enumerate(zip(window.log, window.file[_CONTEXT_BYTES:], strict=False)):
        if theirs == ours or at in explained:
            continue
        moved = next((span for span in _spans(at) if _is_moved(window, span, offset_bytes)), None)
        if moved is None:
            different.append(at)
        else:
            explained.update(moved)
    return different


def _spans(at: int) -> Iterable[range]:
    return [range(start, start + size) for size in (4, 8) for start in range(at - size + 1, at + 1)]


def _is_moved(window: _Window, span: range, offset_bytes: int) -> bool:
    """Whether the line holds, as far as it is not cut, the file's value of this span moved by the offset."""
    ours = _value(window.file, span, _CONTEXT_BYTES)
    sign = _direction(window, span, ours)
    moved = ((ours + sign * offset_bytes) % (1 << 8 * len(span))).to_bytes(len(span), "little")
    return sign != 0 and all(
        window.log[at] == byte for at, byte in zip(span, moved, strict=True) if 0 <= at < len(window.log)
    )


def _direction(window: _Window, span: range, value: int) -> int:
    """1 for a value that points into the kernel, -1 for a distance to a per-CPU variable, else 0."""
    if (value if len(span) == 8 else _extended(value)) in window.pointers:
        return 1
    # Code that runs before the page tables, or asks for the offset, has pointers less the start of the map.
    if value == 0 or value + _KERNEL_MAP in window.pointers:
        return 1
    # Up to four bytes of an immediate operand may follow the distance.
    after = window.address + span.stop
    targets = ((after + immediate + value) % (1 << 32) for immediate in (0, 1, 2, 4))
    return -1 if len(span) == 4 and any(target in window.per_cpu for target in targets) else 0


def _extended(value: int) -> int:
    return value | 0xFFFFFFFF00000000 if value & 0x80000000 else value


def _value(data: bytes, span: range, before: int = 0) -> int:
    return int.from_bytes(data[span.start + before : span.stop + before], "little")


def _offsets(window: _Window) -> set[int]:
    """Every offset of KASLR by which some moved value of the line could be explained, and none."""
    offsets = {0}
    for start in range(len(window.log) - 3):
        span = range(start, start + 4)
        ours, theirs = _value(window.file, span, _CONTEXT_BYTES), _value(window.log, span)
        offset = _direction(window, span, ours) * (theirs - ours) % (1 << 32)
        if 0 < offset < _MAX_OFFSET_BYTES and offset % _OFFSET_STEP_BYTES == 0:
            offsets.add(offset)
    return offsets
