# SPDX-License-Identifier: GPL-2.0-or-later
r"""
What a bzImage says of itself.

    000001f1  1f                         31 sectors of 512 bytes of setup code behind the first one; 0 is 4
    000001f4  40 a3 01 00                107,328 paragraphs of 16 bytes, the kernel behind them
    00000202  48 64 72 53                "HdrS"
    0000020e  80 3b                      0x200 bytes before the version: "6.1.0-57-cloud-amd64 (...) #1 SMP"

Source: Documentation/arch/x86/boot.rst, the fields `setup_sects`, `syssize`, `header` and
`kernel_version`.
"""

from __future__ import annotations

import re
from typing import NamedTuple

HEAD_BYTES = 64 << 10
"""So much of a file is enough to read it: the setup code has at most 64 sectors."""

_SETUP_AT, _SIZE_AT, _MAGIC_AT, _VERSION_AT, _BEFORE = 0x1F1, 0x1F4, 0x202, 0x20E, 0x200
_MAX_VERSION_BYTES = 512
_BANNER = re.compile(r"(?P<release>[!-~]{1,64}) (?P<more>[ -~]{0,400})")
_NUMBER = re.compile(r"#\d{1,9}")


class KernelImage(NamedTuple):
    """
    The release of a kernel, the number of its build (`#12`), and all that its image says: "" where not.

    A file with less than `least_bytes` is cut off; a signed one has more.
    """

    release: str
    number: str
    banner: str
    least_bytes: int


def read_image_head(head: bytes) -> KernelImage | None:
    """Read the first HEAD_BYTES of a bzImage; None where they are those of something else."""
    if head[_MAGIC_AT : _MAGIC_AT + 4] != b"HdrS":
        return None
    start = int.from_bytes(head[_VERSION_AT : _VERSION_AT + 2], "little") + _BEFORE
    said = head[start : start + _MAX_VERSION_BYTES].partition(b"\0")[0].decode("ascii", "replace")
    banner = _BANNER.fullmatch(said)
    if banner is None:
        return KernelImage("", "", "", _least_bytes(head))
    number = _NUMBER.search(said)
    return KernelImage(banner["release"], number[0] if number else "", said, _least_bytes(head))


def _least_bytes(head: bytes) -> int:
    setup_sectors = head[_SETUP_AT] or 4
    return (setup_sectors + 1) * 512 + int.from_bytes(head[_SIZE_AT : _SIZE_AT + 4], "little") * 16
