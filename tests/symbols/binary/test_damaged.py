# SPDX-License-Identifier: GPL-2.0-or-later
"""Files that are damaged or made to harm: every one is one sentence, soon."""

from __future__ import annotations

import contextlib
import gzip
import os
import random
import struct
import subprocess
import sys
from pathlib import Path

import pytest
import zstandard

from keepsane.errors import KeepsaneError, SymbolError
from keepsane.symbols.binary.elf import read_elf
from keepsane.symbols.binary.image import open_image

SECTION = struct.Struct("<IIQQQQIIQQ")
FIELDS = {"kind": 1, "flags": 2, "address": 3, "offset": 4, "size": 5, "link": 6, "align": 8}
HOSTILE = (1 << 64) - 1, 1 << 63, 1 << 40, 0x7FFFFFFF, 3, 1, 0


def _with_field(content: bytes, name: str, field: str, value: int) -> bytes:
    """Change one number of one section header; what the header looks like is said in elf(5)."""
    (start,), (count, names) = struct.unpack_from("<Q", content, 40), struct.unpack_from("<HH", content, 60)
    headers = [SECTION.unpack_from(content, start + index * SECTION.size) for index in range(count)]
    table = headers[names][4]
    index = next(
        i for i, one in enumerate(headers) if content[table + one[0] :].startswith(name.encode() + b"\0")
    )
    changed = [*headers[index]]
    changed[FIELDS[field]] = min(value, 0xFFFFFFFF) if field in {"kind", "link"} else value
    at = start + index * SECTION.size
    return content[:at] + SECTION.pack(*changed) + content[at + SECTION.size :]


def _ask(path: Path) -> None:
    image = open_image(path)
    for symbols in image.symbols(["outer", "rare"]).values():
        image.locate(symbol.address + 1 for symbol in symbols)
    image.containing([0xFFFFFFFFC0000001])


@pytest.mark.parametrize("field", FIELDS)
@pytest.mark.parametrize(
    "name", [".text", ".symtab", ".strtab", ".debug_info", ".debug_line", ".rela.debug_info"]
)
def test_no_number_in_a_section_header_is_more_than_one_sentence(
    build: Path, tmp_path: Path, name: str, field: str
) -> None:
    pytest.importorskip("drgn", reason="drgn has wheels for x86-64 only")
    content = (build / "tiny.ko").read_bytes()
    path = tmp_path / "tiny.ko"
    for value in HOSTILE:
        path.write_bytes(_with_field(content, name, field, value))
        # Answers or one sentence: anything else that is raised fails the test.
        with contextlib.suppress(KeepsaneError):
            _ask(path)


def test_no_damage_in_the_content_is_more_than_one_sentence(build: Path, tmp_path: Path) -> None:
    pytest.importorskip("drgn", reason="drgn has wheels for x86-64 only")
    content = (build / "tiny.ko").read_bytes()
    path = tmp_path / "tiny.ko"
    said = set()
    elf = read_elf(build / "tiny.ko")
    damaged = [one for one in elf.sections if one.name.startswith(".debug") and one.size_bytes]
    for seed in range(150):
        chance, changed = random.Random(seed), bytearray(content)
        section = chance.choice(damaged)
        for _ in range(chance.choice([1, 20, 200])):
            changed[section.offset + chance.randrange(section.size_bytes)] = chance.randrange(256)
        path.write_bytes(changed)
        try:
            _ask(path)
        except SymbolError as problem:
            said.add(str(problem))
    assert said
    assert all(str(path) in one for one in said)


@pytest.mark.parametrize("value", [1 << 63, 3, 1 << 30])
def test_an_alignment_that_no_loader_takes_is_said(build: Path, tmp_path: Path, value: int) -> None:
    path = tmp_path / "tiny.ko"
    path.write_bytes(_with_field((build / "tiny.ko").read_bytes(), ".text", "align", value))
    with pytest.raises(SymbolError, match=f"damaged ELF file.*text is to be aligned to {value:#x} bytes"):
        open_image(path)


def test_a_module_without_end_is_said(build: Path, tmp_path: Path) -> None:
    content = _with_field((build / "tiny.ko").read_bytes(), ".text", "kind", 8)
    path = tmp_path / "tiny.ko"
    path.write_bytes(_with_field(content, ".text", "size", 1 << 62))
    with pytest.raises(SymbolError, match="bytes of memory"):
        open_image(path)


@pytest.mark.parametrize("name", ["vmlinux", "crashme.ko", "crashme.ko.xz"])
def test_a_fifo_is_refused_and_not_waited_for(tmp_path: Path, name: str) -> None:
    os.mkfifo(tmp_path / name)
    program = (
        "import sys; from pathlib import Path; from keepsane.symbols.binary.elf import read_elf\n"
        "from keepsane.errors import SymbolError\n"
        "try: read_elf(Path(sys.argv[1]))\n"
        "except SymbolError as problem: print(problem)\n"
    )
    # In a process of its own: one that waits for ever can be ended.
    said = subprocess.run(
        [sys.executable, "-c", program, tmp_path / name],
        capture_output=True,
        text=True,
        check=True,
        timeout=20,
    ).stdout
    assert said == f"{tmp_path / name} cannot be read: it is no regular file; give another copy\n"


def test_a_device_is_refused() -> None:
    with pytest.raises(SymbolError, match="/dev/zero cannot be read: it is no regular file"):
        read_elf(Path("/dev/zero"))


@pytest.mark.parametrize("kept", [12, 400, -1])
def test_a_truncated_zst_is_called_truncated(build: Path, tmp_path: Path, kept: int) -> None:
    path = tmp_path / "tiny.ko.zst"
    path.write_bytes(zstandard.compress((build / "tiny.ko").read_bytes())[:kept])
    with pytest.raises(SymbolError, match="cannot be unpacked: it ends inside a zstd frame; copy it again"):
        open_image(path)


def test_a_zst_of_several_frames_is_read(build: Path, tmp_path: Path) -> None:
    content = (build / "tiny.ko").read_bytes()
    path = tmp_path / "tiny.ko.zst"
    path.write_bytes(zstandard.compress(content[:999]) + zstandard.compress(content[999:]))
    assert open_image(path).symbols(["outer"]) == open_image(build / "tiny.ko").symbols(["outer"])


@pytest.mark.parametrize("begin", [b"\x7fELF", b"\0\0\0\0"])
@pytest.mark.parametrize("suffix", ["gz", "zst"])
def test_a_bomb_is_given_up(tmp_path: Path, suffix: str, begin: bytes) -> None:
    bomb, zeros = tmp_path / f"tiny.ko.{suffix}", bytes(1 << 20)
    opened = gzip.open(bomb, "wb", 1) if suffix == "gz" else zstandard.open(bomb, "wb")
    with opened as file:
        file.write(begin)
        for _ in range(513):
            file.write(zeros)
    with pytest.raises(SymbolError, match=r"holds no ELF file|unpacks to more than 536870912 bytes"):
        open_image(bomb)


def test_a_full_disk_is_not_filled(build: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    full = os.statvfs_result((4096, 4096, 100, 100, 100, 9, 9, 9, 0, 255))
    monkeypatch.setattr(os, "fstatvfs", lambda _descriptor: full)
    path = tmp_path / "tiny.ko.gz"
    path.write_bytes(gzip.compress((build / "tiny.ko").read_bytes()))
    with pytest.raises(SymbolError, match="temporary directory"):
        open_image(path)
