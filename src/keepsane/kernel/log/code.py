# SPDX-License-Identifier: GPL-2.0-or-later
"""
`Code:` lines: the bytes around the instruction that trapped.

    Code: 40 00 48 c7 c2 e0 ff ff ff f7 d8 0f 05 <48> 3d 00 f0 ff ff 77     x86: bytes, the trapping one in <>
    Code: a90efbfd d2800441 143a3ed3 9344dc10 (38706930)                    arm64, arm: words, in ()
    Code: 4b1a 2b00 d1fb (681b)                                             arm in Thumb mode: half words
    Code: 0793 fff0 b783 0007 (4388)                                        riscv: half words
    Code: 8c820000  24420001 <ac820000> 03e00008                            mips, loongarch: words, in <>
    Instruction dump:                                                       powerpc: words on two lines
    e8030000 7c0802a6 f8010010 4bfffd89 60000000 38600000 e8010010 7c0803a6
    4e800020 60000000 60420000 7c0802a6 <e9230018> 7d234b78 XXXXXXXX 60000000
    Krnl Code: 000003ff8008c022: c00400000000  brcl  0,000003ff8008c022     s390: instructions, decoded
              #000003ff8008c02e: a7290001      lghi  %r2,1                  what ran before the PSW
              >000003ff8008c032: e32010180024  stg   %r2,24(%r1)            where the PSW stands

Source: arch/x86/kernel/dumpstack.c, show_opcodes(); arch/arm64/kernel/traps.c, dump_kernel_instr();
arch/arm/kernel/traps.c, dump_instr(); arch/riscv/kernel/traps.c, dump_instr(); arch/mips/kernel/traps.c and
arch/loongarch/kernel/traps.c, show_code(); arch/powerpc/kernel/process.c, show_instructions();
arch/s390/kernel/dis.c, show_code().
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from keepsane.model import Code, Instruction

_LINE = re.compile(r"\s*Code:[ \t]+(?P<words>[0-9a-f<(X][0-9a-f<>()X \t]{0,2047})")
_DUMP = "Instruction dump:"
_NEXT = re.compile(r"\s{0,8}(?P<words>(?:(?:<[0-9a-f]{8}>|[0-9a-f]{8}|X{8}) ?){1,8})\s*+$")
_WORD = re.compile(r"(?:[0-9a-f]{2}|[0-9a-f]{4}|[0-9a-f]{8})\Z")
_MARKED = re.compile(
    r"<(?P<byte>[0-9a-f]{2}|[0-9a-f]{4}|[0-9a-f]{8})>\Z|\((?P<word>[0-9a-f]{4}|[0-9a-f]{8})\)\Z"
)
_S390 = re.compile(
    r"\s{0,20}(?P<head>Krnl Code:)?\s{0,20}(?P<mark>[#>* ]?)(?P<address>[0-9a-f]{16}): "
    r"(?P<raw>[0-9a-f]{4}|[0-9a-f]{8}|[0-9a-f]{12})\s{1,8}(?P<text>\S.{0,80})$"
)
_MAX_LINES = 40
_S390_UNIT_BYTES = 2


@dataclass(slots=True)
class CodeReader:
    """
    Collects the code of one report line by line.

    Mutable on purpose, as BodyReader is. Only the first code of a report is kept.
    """

    _code: Code | None = None
    _words: list[str] = field(default_factory=list)
    _lines: list[re.Match[str]] = field(default_factory=list)
    _numbers: list[int] = field(default_factory=list)
    _open: bool = False

    def take(self, text: str, line: int, *, wanted: bool) -> bool:
        """Read one line; False where it has no code. Not `wanted` is code of user space, of another CPU."""
        wanted = wanted and self._code is None
        was_open, self._open = self._open, False
        plain = text.strip()
        if plain.startswith("Code:") or plain == _DUMP:
            self._begin(text, line, wanted=wanted)
            return True
        further = _NEXT.match(text) if was_open else None
        if further is not None:
            self._add(further["words"], line)
            return True
        return self._decoded(text, line, wanted=wanted)

    def finish(self, *, psw_is_behind: bool = False) -> Code | None:
        """Give what was read; on s390 the PSW may stand behind the instruction that trapped."""
        if self._lines:
            return _s390_code(self._lines, self._numbers, "#" if psw_is_behind else ">")
        return self._code or _words_code(self._words, self._numbers)

    def _begin(self, text: str, line: int, *, wanted: bool) -> None:
        if not wanted or self._words or self._lines:
            return
        found = _LINE.match(text)
        if found is None:
            self._open = _DUMP in text
        elif _NEXT.match(found["words"]):
            self._add(found["words"], line)
        else:
            self._code = parse_code(text, line)

    def _add(self, words: str, line: int) -> None:
        self._open = len(self._numbers) < _MAX_LINES
        self._words += words.split()
        self._numbers += [line] * len(words.split())

    def _decoded(self, text: str, line: int, *, wanted: bool) -> bool:
        found = _S390.match(text) if ": " in text else None
        if found is None or bool(found["head"]) == bool(self._lines):
            return False
        if wanted and not self._words and len(self._lines) < _MAX_LINES:
            self._lines.append(found)
            self._numbers.append(line)
        return True


def _words_code(words: list[str], numbers: list[int]) -> Code | None:
    """Build the code of words on several lines; what could not be read (`XXXXXXXX`) ends it."""
    marked = next((at for at, word in enumerate(words) if _MARKED.match(word)), len(words))
    before = (at for at in range(marked - 1, -1, -1) if words[at][0] == "X")
    first = next(before, -1) + 1
    line = numbers[min(marked, len(numbers) - 1)] if numbers and words else 0
    return _of_words(words[first:], line)


def _s390_code(lines: list[re.Match[str]], numbers: list[int], mark: str) -> Code:
    """Build the code of decoded lines; the one with the mark trapped."""
    here = next((at for at, found in enumerate(lines) if found["mark"] == mark), None)
    trap = int(lines[here]["address"], 16) if here is not None else int(lines[0]["address"], 16)
    instructions = tuple(
        Instruction(
            offset_bytes=int(found["address"], 16) - trap,
            raw=bytes.fromhex(found["raw"]),
            text=re.sub(r"\s{1,8}", " ", found["text"].strip()),
            trapping=at == here,
        )
        for at, found in enumerate(lines)
    )
    data = b"".join(one.raw for one in instructions)
    before = b"".join(one.raw for one in instructions[: here or 0])
    return Code(
        line=numbers[here or 0],
        data=data,
        trap_bytes=None if here is None else len(before),
        word_bytes=_S390_UNIT_BYTES,
        instructions=instructions,
    )


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
    return None if found is None else _of_words(found["words"].split(), line)


def _of_words(printed: list[str], line: int) -> Code | None:
    words, trap = _words(printed)
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
