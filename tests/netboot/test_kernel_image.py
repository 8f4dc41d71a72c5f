# SPDX-License-Identifier: GPL-2.0-or-later
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from keepsane.errors import InputError
from keepsane.netboot.install import said_of
from keepsane.netboot.kernel_image import read_image_head


def image(banner: bytes) -> bytes:
    """Write the fields of Documentation/arch/x86/boot.rst: the version lies at 0x200 + 0x3a80."""
    head = bytearray(64 << 10)
    head[0x202:0x206] = b"HdrS"
    head[0x20E:0x210] = (0x3A80).to_bytes(2, "little")
    head[0x3C80 : 0x3C80 + len(banner) + 1] = banner + b"\0"
    return bytes(head)


def test_release_and_number_of_the_build_are_read() -> None:
    said = b"6.12.9-test+ (dave@box) #12 SMP PREEMPT_DYNAMIC Mon Nov 30 10:00:00 UTC 2026"
    found = read_image_head(image(said))
    assert found is not None
    assert (found.release, found.number, found.banner) == ("6.12.9-test+", "#12", said.decode())


def test_what_is_no_kernel_is_none() -> None:
    assert read_image_head(b"\x7fELF" + bytes(70_000)) is None
    assert read_image_head(b"") is None


def test_a_kernel_that_says_nothing_of_itself_is_still_one() -> None:
    found = read_image_head(image(b"\xff\xfe"))
    assert found is not None and found[:3] == ("", "", "")


def test_a_kernel_says_how_long_it_is() -> None:
    head = bytearray(image(b"6.12.9"))
    head[0x1F1] = 31
    head[0x1F4:0x1F8] = (0x1A340).to_bytes(4, "little")
    found = read_image_head(bytes(head))
    assert found is not None and found.least_bytes == 1_733_632  # of a kernel that was built


def test_a_kernel_that_is_cut_off_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "bzImage"
    head = bytearray(image(b"6.12.9"))
    head[0x1F4:0x1F8] = (0x1A340).to_bytes(4, "little")
    file.write_bytes(head)
    with pytest.raises(InputError, match="is cut off: 65536 of 1719808 bytes"):
        said_of(file, "", None)


@given(st.binary(max_size=0x300))
def test_no_bytes_raise(head: bytes) -> None:
    read_image_head(head)
