# SPDX-License-Identifier: GPL-2.0-or-later
"""What a tar or a folder may make its reader do: nothing without a limit, and nothing outside of it."""

from __future__ import annotations

import io
import os
import tarfile
from pathlib import Path

import pytest

from keepsane.errors import InputError
from keepsane.memory.capture import archive
from keepsane.memory.capture.archive import read_members
from keepsane.memory.capture.tar import MAX_HEADER_BYTES

NAMES = 1000


def header_of_all(number: int) -> bytes:
    """A header that sets names for every member after it, as pax(1) defines type g."""
    records = [f" vendor.{number:03}.{at:03}=1\n".encode() for at in range(NAMES)]
    body = b"".join(b"%d%s" % (len(record) + 2, record) for record in records)  # two digits of length
    info = tarfile.TarInfo("g")
    info.type, info.size = tarfile.XGLTYPE, len(body)
    return info.tobuf(tarfile.USTAR_FORMAT) + body + bytes(-len(body) % 512)


def test_names_that_global_headers_set_name_no_file(tmp_path: Path) -> None:
    empty = tarfile.TarInfo("empty").tobuf(tarfile.USTAR_FORMAT)
    out = tmp_path / "capture.tar"
    out.write_bytes(b"".join(header_of_all(number) + empty for number in range(9)) + bytes(1024))

    assert list(read_members(out, lambda name: True)) == [("empty", "", None)] * 9


def header(kind: bytes, body: bytes, name: str = "h") -> bytes:
    info = tarfile.TarInfo(name)
    info.type, info.size = kind, len(body)
    return info.tobuf(tarfile.GNU_FORMAT) + body + bytes(-len(body) % 512)


def file(name: str, text: bytes) -> bytes:
    return header(tarfile.REGTYPE, text, name)


END = bytes(1024)


@pytest.mark.parametrize("kind", [tarfile.XHDTYPE, tarfile.XGLTYPE, tarfile.GNUTYPE_LONGNAME])
def test_a_header_of_digits_is_refused_before_anybody_reads_it(tmp_path: Path, kind: bytes) -> None:
    out = tmp_path / "capture.tar"
    out.write_bytes(file("a", b"1") + header(kind, b"1" * (MAX_HEADER_BYTES + 1)) + file("b", b"2") + END)
    found = []

    with pytest.raises(InputError, match="a header claims 65537 bytes"):
        found += [member.path for member in read_members(out, lambda name: True)]
    assert found == []


def test_digits_as_far_as_the_limit_are_read_once(tmp_path: Path) -> None:
    out = tmp_path / "capture.tar"
    digits = header(tarfile.XHDTYPE, b"1" * MAX_HEADER_BYTES)
    out.write_bytes(b"".join(digits + file(f"{at}", b"1") for at in range(50)) + END)

    assert len(list(read_members(out, lambda name: True))) == 50


@pytest.mark.parametrize("form", [tarfile.USTAR_FORMAT, tarfile.GNU_FORMAT, tarfile.PAX_FORMAT])
def test_every_format_that_the_library_writes_is_read(tmp_path: Path, form: int) -> None:
    out = tmp_path / "capture.tar"
    names = ["proc/vmstat", "long/" * 19 + "name", "ä/" + "x" * 40, "deep/" * 30 + "n" * 60]
    with tarfile.open(out, "w", format=form) as tar:
        for number, name in enumerate(names):
            info = tarfile.TarInfo(name)
            info.size = number * 300
            tar.addfile(info, io.BytesIO(b"x" * info.size))

    found = [(name, text) for name, text, _ in read_members(out, lambda name: True)]
    assert found == [(name, "x" * (number * 300)) for number, name in enumerate(names)]


def test_sparse_files_are_passed_over_with_their_maps_and_data(tmp_path: Path) -> None:
    old = bytearray(header(tarfile.GNUTYPE_SPARSE, b"", "old"))
    old[124:136] = b"00000001000\0"  # 512 bytes of data
    old[482] = 1
    old[148:156] = b"%06o\0 " % sum(bytes(old[:148]) + b" " * 8 + bytes(old[156:]))
    new = header(tarfile.XHDTYPE, b"22 GNU.sparse.major=1\n") + file("new", b"y" * 9)
    out = tmp_path / "capture.tar"
    more = bytearray(512)
    more[504] = 1
    out.write_bytes(bytes(old) + bytes(more) + bytes(512) + b"z" * 512 + new + file("a", b"1") + END)

    assert list(read_members(out, lambda name: True)) == [("a", "1", None)]


def test_a_name_in_a_header_counts_for_what_is_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(archive, "MAX_KEPT_BYTES", 1 << 20)
    out = tmp_path / "capture.tar"
    out.write_bytes(
        b"".join(header(b"L", b"%04d" % at + b"x" * 2000) + file("a", b"") for at in range(900)) + END
    )

    with pytest.raises(InputError, match="holds more than 1024 kB"):
        list(read_members(out, lambda name: True))


def test_a_letter_that_makes_a_text_four_times_as_large_counts_as_much(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(archive, "MAX_KEPT_BYTES", 1 << 20)
    out = tmp_path / "capture.tar"
    out.write_bytes(file("a", b"x" * 400_000 + "\U0001f600".encode()) + END)

    with pytest.raises(InputError, match="holds more than 1024 kB"):
        list(read_members(out, lambda name: True))


def test_folders_that_lie_in_each_other_without_end_are_left_at_some_depth(tmp_path: Path) -> None:
    below = tmp_path.joinpath(*["d"] * (archive.MAX_DEPTH + 1))
    below.mkdir(parents=True)
    (below / "vmstat").write_text("b 1\n")
    (tmp_path / "vmstat").write_text("a 1\n")

    assert list(read_members(tmp_path, lambda name: True)) == [("vmstat", "a 1\n", None)]


def test_what_is_wanted_in_a_folder_and_no_file_is_not_opened(tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("mine\n")
    (tmp_path / "t0" / "proc").mkdir(parents=True)
    (tmp_path / "t0" / "proc" / "vmstat").symlink_to(tmp_path / "secret")
    (tmp_path / "t0" / "proc" / "uptime").symlink_to("/dev/tty")
    os.mkfifo(tmp_path / "t0" / "proc" / "meminfo")
    (tmp_path / "t1").symlink_to(tmp_path)

    found = list(read_members(tmp_path / "t0", lambda name: True))
    assert found == [(f"proc/{name}", None, "unreadable") for name in ("meminfo", "uptime", "vmstat")]
    assert all(member.path != "t1/secret" for member in read_members(tmp_path, lambda name: True))


def test_a_pipe_or_device_in_the_place_of_a_tar_is_not_opened(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    for path in (tmp_path / "pipe", Path("/dev/zero")):
        with pytest.raises(InputError, match="no regular file"):
            list(read_members(path, lambda name: True))


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
