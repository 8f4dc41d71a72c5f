# SPDX-License-Identifier: GPL-2.0-or-later
"""The names and bits of gfp flags against the table that the kernels themselves print them from."""

from __future__ import annotations

import re
import struct
import subprocess
from pathlib import Path

import pytest
from elftools.elf.elffile import ELFFile

from keepsane.kernel.pages.gfp import table_of, version_of
from tests.live.guests import Guest

pytestmark = pytest.mark.live


def _printed_by(vmlinux: Path) -> list[tuple[str, int]]:
    """Read lib/vsprintf.c's gfpflag_names[] from the kernel file: name and mask of each entry, in order."""
    said = subprocess.run(["nm", "-S", vmlinux], capture_output=True, text=True, check=True).stdout
    found = re.search(r"^(\w+) (\w+) . gfpflag_names$", said, re.MULTILINE)
    assert found is not None
    with vmlinux.open("rb") as file:
        elf = ELFFile(file)
        table = _bytes_at(elf, int(found[1], 16), int(found[2], 16))
        rows = struct.iter_unpack("<QQ", table)
        return [(_text_at(elf, name), mask) for mask, name in rows if name]


def _bytes_at(elf: ELFFile, address: int, size: int) -> bytes:
    for segment in elf.iter_segments("PT_LOAD"):
        start = segment["p_vaddr"]
        if start <= address < start + segment["p_filesz"]:
            elf.stream.seek(segment["p_offset"] + address - start)
            return bytes(elf.stream.read(size))
    raise AssertionError(f"{address:#x} lies in no segment")


def _text_at(elf: ELFFile, address: int) -> str:
    return _bytes_at(elf, address, 40).partition(b"\0")[0].decode()


def test_every_name_that_the_kernel_prints_has_its_bits(guest: Guest) -> None:
    version = version_of(guest.release)
    assert version is not None
    table = table_of(version)
    known = dict(table.bits) | dict(table.names)
    printed = _printed_by(guest.vmlinux)
    assert len(printed) > 30
    assert {name: hex(known.get(name, 0)) for name, mask in printed} == {n: hex(m) for n, m in printed}


def test_short_names_are_looked_for_in_the_kernels_order(guest: Guest) -> None:
    version = version_of(guest.release)
    assert version is not None
    ours = [name for name, mask in table_of(version).names if mask]
    kernels = [name for name, mask in _printed_by(guest.vmlinux) if mask and name in ours]
    assert [name for name in ours if name in kernels] == kernels
