# SPDX-License-Identifier: GPL-2.0-or-later
import os
import random
import subprocess
from itertools import pairwise
from pathlib import Path

import pytest

from keepsane.netboot.make_output import MAX_ERRORS, MAX_LINE_BYTES, MakeOutput


def read(*pieces: bytes) -> MakeOutput:
    said = MakeOutput()
    for piece in pieces:
        said.take(piece)
    said.end()
    return said


@pytest.mark.parametrize(
    ("written", "line", "files"),
    [
        (b"  CC      init/main.o\n  CC [M]  fs/ext4/inode.o\n", "CC      fs/ext4/inode.o", 2),
        (b"  CC      init/main.o\nmake[2]: Leaving directory '/src'\n", "CC      init/main.o", 1),
        (b"gcc -Iinclude -c -o fs/inode.o fs/inode.c\n", "CC      fs/inode.o", 1),
        (b"make[1]: Entering directory '/src'\n", "", 0),
        (b"scripts: 10 %\rscripts: 20 %\r", "scripts: 20 %", 0),
        (b"cc1: note\n   12 |  x = 1;\n      |  ^\n    ^~~~\n", "cc1: note", 0),
        (b"  LD      vmlinux\n", "LD      vmlinux", 0),
        (b"\x1b[1m  CC      a.o\x1b[m\n", "CC      a.o", 1),
        (b"\0\xff\xfe\n", "\0\ufffd\ufffd", 0),
    ],
)
def test_the_file_that_is_compiled(written: bytes, line: str, files: int) -> None:
    said = read(written)
    assert (said.line, said.files) == (line, files)


def make(folder: Path) -> subprocess.CompletedProcess[bytes]:
    """Run make as from a shell: these tests may run below another make, which numbers the ones inside."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("MAKE")}
    return subprocess.run(["make", "-C", folder], capture_output=True, env=environment)


def test_pieces_cut_anywhere_say_the_same() -> None:
    written = b"  CC      a.o\r\n  AS [M]  b.o\nx.c:1:2: error: no\n    1 | int\n      |  ^\nbye\n" * 3
    whole = read(written)
    for seed in range(50):
        draw = random.Random(seed)
        cuts = [0, *sorted(draw.sample(range(len(written)), 12)), len(written)]
        said = read(*(written[start:end] for start, end in pairwise(cuts)))
        assert (said.files, said.errors()) == (whole.files, whole.errors())


def test_a_line_without_end_is_not_held() -> None:
    said = MakeOutput()
    for _ in range(1000):
        said.take(bytes(65536))
    assert len(said._rest) == MAX_LINE_BYTES


def test_errors_are_bounded() -> None:
    assert len(read(*(b"a.c:%d: error: no\n" % line for line in range(1000))).errors()) == MAX_ERRORS


def test_an_error_of_a_header_is_said_once() -> None:
    error = b"x.h:1:2: error: no\n    1 | int\n      |  ^\n"
    said = read(error, b"  CC      b.o\n", error, b"b.c:7:1: error: yes\n")
    assert said.errors() == ["x.h:1:2: error: no", "    1 | int", "      |  ^", "b.c:7:1: error: yes"]


def test_a_real_compilers_error_has_its_source_line(tmp_path: Path) -> None:
    (tmp_path / "w.c").write_text("int f(void)\n{\n\treturn absent;\n}\n")
    (tmp_path / "Makefile").write_text("w.o: w.c\n\tgcc -c -o w.o w.c\n")
    ran = make(tmp_path)
    *_, error, source, caret = read(ran.stdout + ran.stderr).errors()[:3]
    assert error.startswith("w.c:3:16: error: ")
    assert source.endswith("return absent;") and caret.strip().startswith("|")


def test_a_real_linkers_error_is_said_and_not_makes(tmp_path: Path) -> None:
    (tmp_path / "w.c").write_text("int absent(void);\nint main(void) { return absent(); }\n")
    (tmp_path / "Makefile").write_text("w: w.c\n\tgcc -o w w.c\n")
    ran = make(tmp_path)
    errors = read(ran.stdout + ran.stderr).errors()
    assert "undefined reference to `absent'" in errors[0]
    assert not any("***" in error for error in errors)


def test_what_make_cannot_make_is_said(tmp_path: Path) -> None:
    (tmp_path / "Makefile").write_text("w: no-such.c\n")
    ran = make(tmp_path)
    assert "*** No rule to make target 'no-such.c'" in read(ran.stderr).errors()[0]


def test_a_command_that_fails_silently_is_said_by_make(tmp_path: Path) -> None:
    (tmp_path / "Makefile").write_text("w:\n\t@false\n")
    ran = make(tmp_path)
    assert read(ran.stderr).errors() == ["make: *** [Makefile:2: w] Error 1"]
