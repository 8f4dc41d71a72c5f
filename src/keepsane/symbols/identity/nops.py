# SPDX-License-Identifier: GPL-2.0-or-later
"""
Runs of x86 instructions that do nothing: the kernel rewrites them at boot to fewer, longer ones.

    90 90 90                        nop; nop; nop
    0f 1f 00                        nopl (%rax)
    eb 0c cc cc cc cc cc ...        since 6.7 a jump over what would be more than one of the longest

Source: arch/x86/kernel/alternative.c, optimize_nops() and add_nop(); arch/x86/include/asm/nops.h.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

_NOPS = re.compile(
    rb"(?>\x66{0,4}\x90|\x66{0,3}\x2e?\x0f\x1f"
    rb"(?:\x00|\x40\x00|\x44\x00[\x00\x08]|\x80\x00{4}|\x84\x00\x00{4})){1,256}"
)
_INT3 = b"\xcc"


def nop_runs(code: bytes) -> Iterator[range]:
    """List where bytes of this code look like instructions that do nothing."""
    for found in _NOPS.finditer(code):
        yield range(found.start(), found.end())


def is_nop_run(code: bytes) -> bool:
    """Say whether code does nothing, from its first byte to its last."""
    return _NOPS.fullmatch(code) is not None or _is_jump_over(code)


def _is_jump_over(code: bytes) -> bool:
    for opcode, size_bytes in ((b"\xeb", 2), (b"\xe9", 5)):
        rest = len(code) - size_bytes
        if rest > 0 and code == opcode + rest.to_bytes(size_bytes - 1, "little") + _INT3 * rest:
            return True
    return False
