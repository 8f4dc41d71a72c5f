# SPDX-License-Identifier: GPL-2.0-or-later
"""
What make says while it runs: the file it is at, how many there were, and the first errors.

      CC [M]  fs/ext4/inode.o                                    Kbuild
    gcc -Wp,-MMD,fs/.ext4.o.d ... -c -o fs/ext4.o fs/ext4.c      the same with V=1
    drivers/demo.c:12:2: error: 'x' undeclared                   a compiler, two lines of the source behind it
       12 |  x = 1;
          |  ^
    main.c:(.text+0x10): undefined reference to `demo_init'      a linker
    make[1]: *** No rule to make target 'x.c', needed by 'x.o'.  Stop.

It comes in pieces of any size, cut anywhere; no more of it is held than a line of MAX_LINE_BYTES. Source:
scripts/Kbuild.include and scripts/Makefile.build (kecho, cmd); GCC's diagnostic-show-locus.cc; GNU make.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

MAX_LINE_BYTES = 4096
MAX_ERRORS = 20

_ENDS = re.compile(rb"[\r\n]")
_COLOURS = re.compile(rb"\x1b\[[0-9;]{0,20}[mK]")
_FILE = re.compile(r" {2}(?P<tool>[A-Z][A-Z0-9_]{1,11})(?: \[[A-Z]\])? {1,12}(?P<name>\S{1,255})")
_OBJECT = " -c -o "
_TELLING = (
    *(b"error: ", b"undefined reference", b"multiple definition", b"undefined symbol", b"cannot find "),
    b"*** ",
)
_OF_MAKE = re.compile(r".{0,255}?\*\*\* ")
_OF_NO_RULE = re.compile(r".{0,255}?\*\*\* (?:No rule|missing|multiple|recipe|.{0,255}Stop\.)")
_SOURCE = re.compile(r" {0,9}\d{0,7} {1,3}\|")
_ENTERING = re.compile(r"make(?:\[\d{1,4}\])?: (?:Entering|Leaving|Nothing)")
_OBJECTS = tuple(b"\n  %b " % tool for tool in (b"CC", b"AS", b"RUSTC", b"HOSTCC"))


class MakeOutput:
    """Takes what make writes, piece by piece."""

    def __init__(self) -> None:
        """Begin with nothing said."""
        self.line = ""
        """The file that make is at, else the last line that says something."""
        self.files = 0
        """How many files were compiled, or are being."""
        self._rest = b""
        self._of_tools: list[str] = []
        self._of_make: list[str] = []
        self._source_lines = 0

    def take(self, piece: bytes) -> None:
        """Read a piece of it."""
        text = self._rest + piece
        end = max(text.rfind(b"\n"), text.rfind(b"\r")) + 1
        self._rest = text[end:][:MAX_LINE_BYTES]
        if end:
            self._read(_COLOURS.sub(b"", text[:end]) if b"\x1b" in text else text[:end])

    def end(self) -> None:
        """Read what stands behind the last line break."""
        self.take(b"\n")

    def errors(self) -> list[str]:
        """Give the first errors; what make says of a command that failed, only where nothing else did."""
        return self._of_tools or self._of_make

    def _read(self, text: bytes) -> None:
        # Ten megabytes a second may come: what is done for each of them is bytes' own search.
        self.files += sum(map((b"\n" + text).count, _OBJECTS)) + text.count(_OBJECT.encode())
        at = [what for line in _lines(text[-MAX_LINE_BYTES:]) if (what := _file_of(line))]
        if at:
            self.line = at[-1]
        elif last := _last_line(text):
            self.line = last
        if self._source_lines or _tells(text):
            for line in _lines(text):
                self._look(line)

    def _look(self, line: str) -> None:
        """Keep an error, and the lines of the source that stand behind one."""
        if self._source_lines and _SOURCE.match(line):
            self._source_lines -= 1
            self._of_tools.append(line)
            return
        self._source_lines = 0
        if _OF_NO_RULE.match(line) or not _tells(line.encode()):
            said = self._of_tools if _OF_NO_RULE.match(line) else None
        else:
            said = self._of_make if _OF_MAKE.match(line) else self._of_tools
        if said is not None and line not in said and len(said) < MAX_ERRORS:
            said.append(line)
            self._source_lines = 2 if said is self._of_tools and "error: " in line else 0


def _tells(text: bytes) -> bool:
    return any(word in text for word in _TELLING)


def _lines(text: bytes) -> Iterator[str]:
    for raw in _ENDS.split(text):
        if line := raw[:MAX_LINE_BYTES].decode("utf-8", "replace").rstrip():
            yield line


def _file_of(line: str) -> str | None:
    """Give the file that a line says make is at."""
    named = _FILE.match(line)
    if named is not None:
        return f"{named['tool']:<7} {named['name']}"
    compiled = line.partition(_OBJECT)[2].split()
    return f"CC      {compiled[0]}" if compiled else None


def _says_something(line: str) -> bool:
    """Say whether a line is more than make's folders, a line of the source, or the caret below it."""
    return not (_ENTERING.match(line) or _SOURCE.match(line)) and bool(line.strip(" \t^~|"))


def _last_line(text: bytes) -> str:
    """Give the last line that says something; only the end of a text is looked at."""
    said = [line for line in _lines(text[-MAX_LINE_BYTES:]) if _says_something(line)]
    return said[-1].strip() if said else ""
