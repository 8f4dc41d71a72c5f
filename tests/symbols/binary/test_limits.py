# SPDX-License-Identifier: GPL-2.0-or-later
"""Files that claim to be huge: each is one sentence, and takes neither the memory nor the disk."""

from __future__ import annotations

import lzma
import os
import struct
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from keepsane.api import explain
from keepsane.errors import SymbolError
from keepsane.symbols.binary import elf
from keepsane.symbols.binary.elf import read_elf
from keepsane.symbols.binary.image import open_image
from keepsane.symbols.binary.limits import MAX_SYMTAB_BYTES
from keepsane.symbols.binary.unnamed import Room, unpacked
from keepsane.symbols.calls.members import source_name
from keepsane.symbols.identity.binaries import Binaries
from tests.symbols.binary.test_damaged import SECTION

LOG = """\
[    1.000000] init: page allocation failure: order:0, mode:0x820(GFP_ATOMIC), nodemask=(null),cpuset=/
[    1.000001] CPU: 0 PID: 10 Comm: init Not tainted 6.12.1 #1
[    1.000002] Call Trace:
[    1.000003]  outer+0x1/0x20 [tiny]
"""
ASK = """
import resource, sys
from collections.abc import Iterator
from pathlib import Path
from keepsane.errors import SymbolError
from keepsane.symbols.binary.image import open_image
resource.setrlimit(resource.RLIMIT_AS, (700 << 20, 700 << 20))
try: open_image(Path(sys.argv[1])).symbols(["outer", "rare"])
except SymbolError as problem: print(problem)
"""


def _sparse(content: bytes, path: Path, name: str, size_bytes: int) -> None:
    """Put a section behind the end of a file, so large and with nothing in it."""
    path.write_bytes(content)
    row = next(i for i, one in enumerate(read_elf(path).sections) if one.name == name)
    start = struct.unpack_from("<Q", content, 40)[0] + row * SECTION.size
    changed = bytearray(content)
    struct.pack_into("<QQ", changed, start + 24, len(content), size_bytes)
    path.write_bytes(changed)
    with path.open("r+b") as file:
        file.truncate(len(content) + size_bytes)


@pytest.mark.parametrize("size_bytes", [1 << 30, 40 << 30])
@pytest.mark.parametrize("name", [".symtab", ".strtab"])
def test_a_symbol_table_of_nothing_is_one_sentence(
    build: Path, tmp_path: Path, name: str, size_bytes: int
) -> None:
    path = tmp_path / "tiny.ko"
    _sparse((build / "tiny.ko").read_bytes(), path, name, size_bytes)
    said = subprocess.run(
        [sys.executable, "-c", ASK, path], capture_output=True, text=True, check=True, timeout=60
    ).stdout
    assert said.startswith(f"{path} is not used: its section {name} has {size_bytes} bytes, more than the ")


def test_the_largest_symbol_table_that_is_read_fits_into_memory(build: Path, tmp_path: Path) -> None:
    path = tmp_path / "tiny.ko"
    _sparse((build / "tiny.ko").read_bytes(), path, ".symtab", MAX_SYMTAB_BYTES)
    subprocess.run([sys.executable, "-c", ASK, path], check=True, timeout=60)


def test_names_without_end_are_cut(build: Path, tmp_path: Path) -> None:
    path = tmp_path / "tiny.ko"
    _sparse((build / "tiny.ko").read_bytes(), path, ".strtab", 64 << 20)
    with path.open("r+b") as file:
        file.seek(len((build / "tiny.ko").read_bytes()))
        file.write(b"a" * (64 << 20))
    wanted = [f"name_{number}" for number in range(40)]
    assert open_image(path).symbols(wanted) == dict.fromkeys(wanted, ())


def test_a_name_of_a_thousand_numbers_is_read_once() -> None:
    assert source_name("ops.12.3") == "ops"
    assert source_name("ops.x.3") == "ops.x"
    assert source_name(".1" * 1_000_000 + "x") == ".1" * 1_000_000 + "x"
    assert source_name("ops" + ".1" * 1_000_000) == "ops"


def _compressed_copies(build: Path, top: Path, count: int) -> None:
    packed = lzma.compress((build / "tiny.ko").read_bytes())
    for number in range(count):
        (top / str(number)).mkdir()
        (top / str(number) / "tiny.ko.xz").write_bytes(packed)


def test_all_that_a_run_unpacks_together_is_limited(build: Path, tmp_path: Path) -> None:
    _compressed_copies(build, tmp_path, 3)
    size_bytes = (build / "tiny.ko").stat().st_size
    binaries = Binaries(keeps=False, room=Room(2 * size_bytes))
    for number in (0, 1, 0):
        binaries.open(tmp_path / str(number) / "tiny.ko.xz")  # what is open already takes no more room
    with pytest.raises(SymbolError, match="would take more than"):
        binaries.open(tmp_path / "2" / "tiny.ko.xz")


@pytest.mark.parametrize(("is_the_one", "opened"), [(True, 1), (False, 4)])
def test_a_module_is_judged_before_the_next_is_unpacked(
    build: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, is_the_one: bool, opened: int
) -> None:
    _compressed_copies(build, tmp_path, 4)
    calls: list[object] = []

    def counted(path: Path, pieces: Iterator[bytes], room: Room) -> int:
        calls.append(path)
        return unpacked(path, pieces, room)

    monkeypatch.setattr(elf, "unpacked", counted)
    (symbol,) = open_image(build / "tiny.ko").symbols(["outer"])["outer"]
    size_bytes = symbol.size_bytes if is_the_one else symbol.size_bytes + 64
    report = explain(LOG.replace("0x20", f"{size_bytes:#x}"), modules=tmp_path, cache=False)
    assert len(calls) == opened
    outcomes = [check.outcome for check in report.checks if check.name == "function sizes"]
    assert outcomes == ["match" if is_the_one else "mismatch"]


def test_memory_that_runs_out_is_one_sentence(build: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def none_left(*_arguments: object) -> None:
        raise MemoryError

    monkeypatch.setattr("keepsane.symbols.binary.image.read_symbols", none_left)
    report = explain(LOG, modules=build, cache=False)
    said = {one.what: one.why for one in report.failures}
    assert said["decode the frames of tiny"] == "it takes more memory than there is; free some"


@pytest.mark.parametrize("link", [False, True])
def test_a_named_pipe_among_the_modules_is_not_opened(tmp_path: Path, link: bool) -> None:
    os.mkfifo(tmp_path / "pipe")
    if link:
        (tmp_path / "tiny.ko").symlink_to("pipe")
    else:
        (tmp_path / "pipe").rename(tmp_path / "tiny.ko")
    report = explain(LOG, modules=tmp_path, cache=False)
    assert any("it is no regular file" in one.why for one in report.failures)


def test_a_vmlinux_that_is_named_is_looked_at_even_if_only_modules_are_asked_for(tmp_path: Path) -> None:
    (tmp_path / "vmlinux").write_text("this is no kernel")
    for path in (tmp_path / "vmlinux", Path("/dev/zero")):
        report = explain(LOG, vmlinux=path, cache=False)
        assert any(one.what == "read the vmlinux" and str(path) in one.why for one in report.failures)


def test_a_truncated_xz_is_said(build: Path, tmp_path: Path) -> None:
    path = tmp_path / "tiny.ko.xz"
    path.write_bytes(lzma.compress((build / "tiny.ko").read_bytes())[:-20])
    with pytest.raises(SymbolError, match="cannot be unpacked"):
        open_image(path)


def test_an_xz_of_several_streams_is_read(build: Path, tmp_path: Path) -> None:
    content = (build / "tiny.ko").read_bytes()
    path = tmp_path / "tiny.ko.xz"
    path.write_bytes(lzma.compress(content[:999]) + bytes(8) + lzma.compress(content[999:]) + bytes(4))
    assert open_image(path).symbols(["outer"]) == open_image(build / "tiny.ko").symbols(["outer"])
