# SPDX-License-Identifier: GPL-2.0-or-later
"""
`Code:` lines: the bytes around the instruction that trapped.

    Code: 40 00 48 c7 c2 e0 ff ff ff f7 d8 0f 05 <48> 3d 00 f0 ff ff 77     x86: bytes, the trapping one in <>
    Code: a90efbfd d2800441 143a3ed3 9344dc10 (38706930)                    arm64, arm: words, in ()
    Code: 4b1a 2b00 d1fb (681b)                                             arm in Thumb mode: half words
    Code: 0793 fff0 b783 0007 (4388)                                        riscv: half words
    Code: 8c820000 24420001 <ac820000> 03e00008                             mips, powerpc: words, in <>

Source: arch/x86/kernel/dumpstack.c, show_opcodes(); arch/arm64/kernel/traps.c, dump_kernel_instr();
arch/arm/kernel/traps.c, dump_instr(); arch/riscv/kernel/traps.c, dump_instr(); arch/mips/kernel/traps.c,
show_code(); arch/powerpc/kernel/process.c, show_instructions().
"""

from __future__ import annotations

import re

from keepsane.model import Code

_LINE = re.compile(r"\s*Code:[ \t]+(?P<words>[0-9a-f<(][0-9a-f<>() \t]{0,2047})")
_WORD = re.compile(r"(?:[0-9a-f]{2}|[0-9a-f]{4}|[0-9a-f]{8})\Z")
_MARKED = re.compile(r"<(?P<byte>[0-9a-f]{2}|[0-9a-f]{8})>\Z|\((?P<word>[0-9a-f]{4}|[0-9a-f]{8})\)\Z")


def parse_code(text: str, line: int) -> Code | None:
    """
    Read the bytes of a `Code:` line, in the order in which memory holds them.

    Accepted format: see the module's docstring. What is cut off or unreadable at the end of the line is
    left out; where the mark is lost, `trap_bytes` is None.

    Returns None where the line has no bytes:
        Code: Unable to access opcode bytes at 0xffffffffc02fcfe8.
        Code:  Bad RIP value.
    """
    found = _LINE.match(text)
    if found is None:
        return None
    words, trap = _words(found["words"].split())
    if not words:
        return None
    word_bytes = len(words[0]) // 2
    # The kernel prints a word as a number; most machines hold their instructions with the low byte first.
    data = b"".join(bytes.fromhex(word)[::-1] for word in words)
    return Code(
        line=line, data=data, trap_bytes=None if trap is None else trap * word_bytes, word_bytes=word_bytes
    )


def _words(printed: list[str]) -> tuple[list[str], int | None]:
    """Hex words of one size and the index of the marked one; ends at the first that does not fit."""
    words: list[str] = []
    trap: int | None = None
    for said in printed:
        marked = _MARKED.match(said) if trap is None else None
        word = (marked["byte"] or marked["word"]) if marked else said
        if not _WORD.match(word) or (words and len(word) != len(words[0])):
            break
        if marked:
            trap = len(words)
        words.append(word)
    return words, trap
