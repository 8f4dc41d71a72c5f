# SPDX-License-Identifier: GPL-2.0-or-later
"""The names and bits of gfp flags against the table that the kernels themselves print them from."""

from __future__ import annotations

from pathlib import Path

import pytest

from keepsane.kernel.gfp import table_of, version_of
from tests.live.guests import Guest

pytestmark = pytest.mark.live


def _printed_by(vmlinux: Path) -> list[tuple[str, int]]:
    """Read lib/vsprintf.c's gfpflag_names[] from the kernel file: mask and name of each entry, in order."""
    import drgn

    program = drgn.Program(drgn.host_platform)
    program.load_debug_info([vmlinux])
    names = program.variable("gfpflag_names")
    raw = vmlinux.read_bytes()
    return _rows(raw, names.address_, names.type_.length or 0)


def _rows(raw: bytes, address: int, count: int) -> list[tuple[str, int]]:
    from io import BytesIO

    from elftools.elf.elffile import ELFFile

    elf = ELFFile(BytesIO(raw))

    def offset(at: int) -> int:
        for section in elf.iter_sections():
            start, size = section["sh_addr"], section["sh_size"]
            if start and start <= at < start + size and section["sh_type"] != "SHT_NOBITS":
                return int(at - start + section["sh_offset"])
        raise AssertionError(f"{at:#x} lies in no section")

    rows = []
    for index in range(count):
        row = offset(address + 16 * index)
        mask, name = (int.from_bytes(raw[row + at : row + at + 8], "little") for at in (0, 8))
        if name:
            start = offset(name)
            rows.append((raw[start : raw.index(b"\0", start)].decode(), mask))
    return rows


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
