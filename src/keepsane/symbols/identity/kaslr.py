# SPDX-License-Identifier: GPL-2.0-or-later
"""
Bytes of a running kernel that differ from a file's only because the kernel moved.

KASLR moves all addresses by one offset, a multiple of 2 MiB, so that a value of the file that points into
the kernel differs by just that; a distance to a per-CPU variable differs by as much in the other direction.
Code that an alternative copies to its site has there other distances to what it names.

Source: arch/x86/boot/compressed/misc.c, handle_relocations(); arch/x86/boot/compressed/kaslr.c,
find_random_virt_addr(); arch/x86/kernel/alternative.c, apply_relocation().
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import NamedTuple

from keepsane.symbols.binary.elf import SHF_ALLOC, Elf
from keepsane.symbols.binary.symtab import SymbolTable

CONTEXT_BYTES = 64
_KERNEL_HALF = 1 << 63
_KERNEL_MAP = 0xFFFFFFFF80000000
_OFFSET_STEP_BYTES = 0x200000
_MAX_OFFSET_BYTES = 1 << 30


class Memory(NamedTuple):
    """The addresses of a file that KASLR moves, and those of per-CPU variables where they begin at 0."""

    pointers: range
    per_cpu: range


class Window(NamedTuple):
    """
    Bytes that ran beside those that a file has there.

    `free` holds the positions that say nothing; `moved_bytes` is how much longer a distance is here than
    where the file has these bytes.
    """

    address: int  # of the first byte of log
    log: bytes
    file: bytes  # as long as log, with CONTEXT_BYTES more at both ends
    free: frozenset[int]
    memory: Memory
    moved_bytes: int = 0


def memory_of(elf: Elf, symbols: SymbolTable) -> Memory:
    """Say which addresses of a file move."""
    loaded = [
        section for section in elf.sections if section.flags & SHF_ALLOC and section.address >= _KERNEL_HALF
    ]
    pointers = range(
        min((section.address for section in loaded), default=0),
        max((section.address + section.size_bytes for section in loaded), default=0),
    )
    per_cpu = elf.section(".data..percpu")
    is_zero_based = per_cpu is not None and per_cpu.address == 0 and not symbols.relocatable
    return Memory(pointers, range(per_cpu.size_bytes if per_cpu is not None and is_zero_based else 0))


def differences(window: Window, offset_bytes: int) -> Iterator[int]:
    """Give the positions in the window whose bytes nothing explains."""
    explained = set(window.free)
    for at, (theirs, ours) in enumerate(zip(window.log, window.file[CONTEXT_BYTES:], strict=False)):
        if theirs == ours or at in explained:
            continue
        moved = next((span for span in _spans(at) if _is_moved(window, span, offset_bytes)), None)
        if moved is None:
            yield at
        else:
            explained.update(moved)


def offsets(window: Window) -> set[int]:
    """List every offset of KASLR by which some moved value of the window could be explained, and none."""
    found = {0}
    for start in range(len(window.log) - 3):
        span = range(start, start + 4)
        ours, theirs = _value(window.file, span, CONTEXT_BYTES), _value(window.log, span)
        offset = _direction(window, span, ours) * (theirs - ours) % (1 << 32)
        if 0 < offset < _MAX_OFFSET_BYTES and offset % _OFFSET_STEP_BYTES == 0:
            found.add(offset)
    return found


def _spans(at: int) -> Iterable[range]:
    return [range(start, start + size) for size in (4, 8) for start in range(at - size + 1, at + 1)]


def _is_moved(window: Window, span: range, offset_bytes: int) -> bool:
    """Whether the log holds, as far as it is not cut, the file's value of this span as it is once moved."""
    ours = _value(window.file, span, CONTEXT_BYTES)
    return any(
        _holds(window, span, (ours + more) % (1 << 8 * len(span)))
        for more in _movements(window, span, ours, offset_bytes)
    )


def _movements(window: Window, span: range, ours: int, offset_bytes: int) -> Iterator[int]:
    sign = _direction(window, span, ours)
    if sign:
        yield sign * offset_bytes
    if window.moved_bytes and len(span) == 4:
        yield window.moved_bytes
        yield window.moved_bytes - offset_bytes  # a distance to a per-CPU variable


def _holds(window: Window, span: range, value: int) -> bool:
    moved = value.to_bytes(len(span), "little")
    return all(
        window.log[at] == byte for at, byte in zip(span, moved, strict=True) if 0 <= at < len(window.log)
    )


def _direction(window: Window, span: range, value: int) -> int:
    """1 for a value that points into the kernel, -1 for a distance to a per-CPU variable, else 0."""
    pointers, per_cpu = window.memory
    if (value if len(span) == 8 else _extended(value)) in pointers:
        return 1
    # Code that runs before the page tables, or asks for the offset, has pointers less the start of the map.
    if value == 0 or value + _KERNEL_MAP in pointers:
        return 1
    # Up to four bytes of an immediate operand may follow the distance.
    after = window.address + span.stop
    targets = ((after + immediate + value) % (1 << 32) for immediate in (0, 1, 2, 4))
    return -1 if len(span) == 4 and any(target in per_cpu for target in targets) else 0


def _extended(value: int) -> int:
    return value | 0xFFFFFFFF00000000 if value & 0x80000000 else value


def _value(data: bytes, span: range, before: int = 0) -> int:
    return int.from_bytes(data[span.start + before : span.stop + before], "little")
