# SPDX-License-Identifier: GPL-2.0-or-later
"""A binary whose DWARF names another file is refused before anything is opened."""

from __future__ import annotations

import os
import struct
import subprocess
import sys
import zlib
from pathlib import Path

import pytest

from keepsane.errors import SymbolError
from keepsane.symbols.binary.elf import read_elf
from keepsane.symbols.binary.split_dwarf import refuse_split_dwarf
from tests.symbols.binary.test_damaged import SECTION

pytest.importorskip("drgn", reason="drgn has wheels for x86-64 only")

ASK = """
import sys
from pathlib import Path
from keepsane.errors import SymbolError
from keepsane.symbols.binary.image import open_image
image = open_image(Path(sys.argv[1]))
try: image.locate([image.symbols(["outer"])["outer"][0].address + 1])
except SymbolError as problem: print(problem)
"""


def _built(build: Path, folder: Path, *flags: str) -> Path:
    subprocess.run(
        ["gcc", "-g", "-O2", "-fno-pic", "-mcmodel=kernel", *flags, "-c", build / "tiny.c", "-o", "evil.ko"],
        cwd=folder,
        check=True,
    )
    return folder / "evil.ko"


def _packed(content: bytes, *names: str) -> bytes:
    """Compress sections as `objcopy --compress-debug-sections=zlib` would, the small ones too."""
    (start,) = struct.unpack_from("<Q", content, 40)
    count, at_names = struct.unpack_from("<HH", content, 60)
    headers = [[*SECTION.unpack_from(content, start + row * SECTION.size)] for row in range(count)]
    strings = headers[at_names][4]
    changed = bytearray(content)
    for row, header in enumerate(headers):
        name = content[strings + header[0] :].split(b"\0")[0].decode()
        if name in names:
            plain = content[header[4] : header[4] + header[5]]
            packed = struct.pack("<IIQQ", 1, 0, len(plain), 1) + zlib.compress(plain)
            header[2], header[4], header[5] = header[2] | 0x800, len(changed), len(packed)
            changed += packed
            changed[start + row * SECTION.size : start + (row + 1) * SECTION.size] = SECTION.pack(*header)
    return bytes(changed)


@pytest.mark.parametrize("is_packed", [False, True])
@pytest.mark.parametrize("version", [4, 5])
def test_a_fifo_that_the_dwarf_names_is_not_waited_for(
    build: Path, tmp_path: Path, version: int, is_packed: bool
) -> None:
    ko = _built(build, tmp_path, "-gsplit-dwarf", f"-gdwarf-{version}")
    if is_packed:
        ko.write_bytes(_packed(ko.read_bytes(), ".debug_info", ".debug_abbrev"))
    (tmp_path / "evil.dwo").unlink()
    os.mkfifo(tmp_path / "evil.dwo")
    # In a process of its own: one that waits for ever can be ended.
    done = subprocess.run([sys.executable, "-c", ASK, ko], capture_output=True, text=True, timeout=60)
    assert done.stdout.startswith(f"{ko} has split DWARF: "), done.stderr


@pytest.mark.parametrize("version", [3, 4, 5])
@pytest.mark.parametrize("is_packed", [False, True])
def test_other_dwarf_is_read(build: Path, tmp_path: Path, version: int, is_packed: bool) -> None:
    ko = _built(build, tmp_path, f"-gdwarf-{version}")
    if is_packed:
        ko.write_bytes(_packed(ko.read_bytes(), ".debug_info", ".debug_abbrev"))
    refuse_split_dwarf(read_elf(ko))


def test_linked_files_are_no_split_dwarf(build: Path) -> None:
    for name in ("tiny.ko", "vmlinux"):
        refuse_split_dwarf(read_elf(build / name))


@pytest.mark.parametrize("at", [4, 6])
def test_a_relocation_that_makes_a_unit_another_is_refused(build: Path, tmp_path: Path, at: int) -> None:
    ko = _built(build, tmp_path, "-gdwarf-5")
    content = bytearray(ko.read_bytes())
    relocations = read_elf(ko).section(".rela.debug_info")
    assert relocations is not None
    struct.pack_into("<QQq", content, relocations.offset, at, 14, 4)  # R_X86_64_8
    ko.write_bytes(content)
    with pytest.raises(SymbolError, match="a relocation changes how its DWARF is read"):
        refuse_split_dwarf(read_elf(ko))


def test_a_section_that_unpacks_to_more_than_memory_is_refused(build: Path, tmp_path: Path) -> None:
    ko = _built(build, tmp_path, "-gdwarf-5")
    ko.write_bytes(_packed(ko.read_bytes(), ".debug_info"))
    section = read_elf(ko).section(".debug_info")
    assert section is not None
    content = bytearray(ko.read_bytes())
    struct.pack_into("<Q", content, section.offset + 8, 1 << 40)
    ko.write_bytes(content)
    with pytest.raises(SymbolError, match="its debug sections unpack to"):
        refuse_split_dwarf(read_elf(ko))


def test_units_without_end_are_given_up(build: Path, tmp_path: Path) -> None:
    ko = _built(build, tmp_path, "-gdwarf-5")
    content, section = bytearray(ko.read_bytes()), read_elf(ko).section(".debug_info")
    assert section is not None
    headers = struct.unpack_from("<Q", content, 40)[0]
    row = next(i for i, one in enumerate(read_elf(ko).sections) if one == section)
    struct.pack_into("<QQ", content, headers + row * SECTION.size + 24, len(content), 1 << 30)
    ko.write_bytes(content)
    with ko.open("r+b") as file:
        file.truncate(len(content) + (1 << 30))
    with pytest.raises(SymbolError, match="its DWARF has more than 20000 units"):
        refuse_split_dwarf(read_elf(ko))
