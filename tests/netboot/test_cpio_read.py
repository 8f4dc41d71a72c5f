# SPDX-License-Identifier: GPL-2.0-or-later
import io
import subprocess
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from keepsane.errors import InputError
from keepsane.netboot.cpio import file, write_cpio
from keepsane.netboot.cpio_read import read_members

FILES = {"lib/modules/6.12/kernel/a.ko": b"abc", "lib/modules/6.12/modules.dep": b"", "b": b"12345678"}


def archive() -> bytes:
    out = io.BytesIO()
    write_cpio(out, (file(name, content) for name, content in FILES.items()))
    return out.getvalue()


def test_what_was_written_is_read() -> None:
    stream = io.BytesIO(archive())
    assert {member.name: stream.read(member.size_bytes) for member in read_members(stream)} == FILES


def test_a_link_of_an_initrd_stays_one(tmp_path: Path) -> None:
    (tmp_path / "usr" / "lib").mkdir(parents=True)
    (tmp_path / "lib").symlink_to("usr/lib")
    subprocess.run(["cpio", "-i", "-d", "-u", "--quiet"], input=archive(), cwd=tmp_path, check=True)
    assert (tmp_path / "lib").is_symlink()
    assert (tmp_path / "usr/lib/modules/6.12/kernel/a.ko").read_bytes() == b"abc"


@given(st.binary(max_size=400), st.integers(0, 120))
def test_no_bytes_raise_anything_else(raw: bytes, at: int) -> None:
    head = b"070701" + b"%08X" * 13 % (1, 0o100644, 0, 0, 1, 0, 3, 0, 0, 0, 0, 2, 0) + b"a\0abc\0"
    with pytest.raises(InputError, match="the archive is damaged"):
        list(read_members(io.BytesIO(head[:at] + raw)))
