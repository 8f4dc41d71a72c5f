# SPDX-License-Identifier: GPL-2.0-or-later
"""Archives against GNU cpio, which unpacks what was written."""

from __future__ import annotations

import io
import os
import shutil
import subprocess
from pathlib import Path

import pytest

from keepsane.netboot.cpio import Member, console, file, folder, link, write_cpio

GNU_CPIO = shutil.which("cpio")


def archive(*members: Member) -> bytes:
    out = io.BytesIO()
    write_cpio(out, members)
    return out.getvalue()


@pytest.mark.skipif(GNU_CPIO is None, reason="no cpio here")
def test_gnu_cpio_unpacks_what_was_written(tmp_path: Path) -> None:
    big = tmp_path / "big.ko"
    big.write_bytes(os.urandom(3 * 1024 * 1024 + 1))
    whole = archive(
        file("init", b"#!/bin/sh\n", runs=True),
        file("lib/modules/6.1/big.ko", big),
        file("lib/modules/6.1/empty", b""),
        link("sbin/modprobe", "../bin/busybox"),
        folder("proc"),
    )
    place = tmp_path / "unpacked"
    place.mkdir()
    subprocess.run(["cpio", "-i", "-d", "--quiet"], input=whole, cwd=place, check=True)
    assert (place / "lib/modules/6.1/big.ko").read_bytes() == big.read_bytes()
    assert (place / "lib/modules/6.1/empty").read_bytes() == b""
    assert os.access(place / "init", os.X_OK)
    assert (place / "sbin/modprobe").readlink() == Path("../bin/busybox")
    assert (place / "proc").is_dir()


@pytest.mark.skipif(GNU_CPIO is None, reason="no cpio here")
def test_a_folder_comes_once_and_before_what_lies_in_it() -> None:
    whole = archive(file("a/b/c", b"1"), file("a/b/d", b"2"), folder("a/b"), console())
    listed = subprocess.run(["cpio", "-it", "--quiet"], input=whole, capture_output=True, check=True)
    assert listed.stdout.decode().split() == ["a/", "a/b/", "a/b/c", "a/b/d", "dev/", "dev/console"]


def test_the_same_members_give_the_same_bytes(tmp_path: Path) -> None:
    one, other = tmp_path / "one", tmp_path / "other"
    one.write_bytes(b"content")
    other.write_bytes(b"content")
    os.utime(other, (1, 1))
    other.chmod(0o600)
    assert archive(file("x", one)) == archive(file("x", other)) == archive(file("x", b"content"))


def test_two_archives_make_one_behind_each_other(tmp_path: Path) -> None:
    """As the kernel takes two initrds: each is padded to whole blocks."""
    assert len(archive(file("x", b"12345"))) % 512 == 0
