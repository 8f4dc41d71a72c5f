# SPDX-License-Identifier: GPL-2.0-or-later
"""What a tar may make its reader keep: nothing of the members that nobody wants."""

from __future__ import annotations

import io
import tarfile
from pathlib import Path

import pytest

from keepsane.memory.archive import read_members

NAMES = 1000


def header_of_all(number: int) -> bytes:
    """A header that sets names for every member after it, as pax(1) defines type g."""
    records = [f" vendor.{number:03}.{at:03}=1\n".encode() for at in range(NAMES)]
    body = b"".join(b"%d%s" % (len(record) + 2, record) for record in records)  # two digits of length
    info = tarfile.TarInfo("g")
    info.type, info.size = tarfile.XGLTYPE, len(body)
    return info.tobuf(tarfile.USTAR_FORMAT) + body + bytes(-len(body) % 512)


def test_names_that_global_headers_set_are_not_heaped_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    empty = tarfile.TarInfo("empty").tobuf(tarfile.USTAR_FORMAT)
    out = tmp_path / "capture.tar"
    out.write_bytes(b"".join(header_of_all(number) + empty for number in range(9)) + bytes(1024))
    kept: list[int] = []
    go_on = tarfile.TarFile.next

    def watched(tar: tarfile.TarFile) -> tarfile.TarInfo | None:
        found = go_on(tar)
        kept.append(len(tar.pax_headers))
        return found

    monkeypatch.setattr(tarfile.TarFile, "next", watched)

    assert list(read_members(out, lambda name: True)) == [("empty", "", None)] * 9
    assert max(kept) == NAMES


def test_links_devices_and_ways_out_are_passed_over(tmp_path: Path) -> None:
    out = tmp_path / "capture.tar"
    with tarfile.open(out, "w") as tar:
        for kind in (tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.CHRTYPE, tarfile.FIFOTYPE, tarfile.DIRTYPE):
            info = tarfile.TarInfo("proc/vmstat")
            info.type, info.linkname = kind, "/etc/passwd"
            tar.addfile(info)
        info = tarfile.TarInfo("proc/meminfo")
        info.size = 2
        tar.addfile(info, io.BytesIO(b"x\n"))

    assert list(read_members(out, lambda name: True)) == [("proc/meminfo", "x\n", None)]


def test_a_file_that_cannot_be_read_to_its_end_is_missing_and_no_failure() -> None:
    # /proc/self/mem looks like a file, and reading its beginning fails (EIO): nothing is mapped there.
    if not Path("/proc/self/mem").exists():
        pytest.skip("there is no /proc/self/mem")
    found = list(read_members(Path("/proc/self"), lambda name: name == "mem"))
    assert found == [("mem", None, "unreadable")]
