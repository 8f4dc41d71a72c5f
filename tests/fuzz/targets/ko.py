# SPDX-License-Identifier: GPL-2.0-or-later
"""A module's ELF file: the input is what is changed in the example's, which then decodes its log."""

from __future__ import annotations

import gzip
import lzma
from collections.abc import Iterator
from functools import cache
from pathlib import Path

from keepsane.api import explain
from tests.fuzz.targets.changes import changed, changes
from tests.fuzz.targets.log import EXAMPLES
from tests.fuzz.targets.target import Target, render_log

EXAMPLE = EXAMPLES / "null-deref"


@cache
def module() -> bytes:
    """The module as it was built."""
    return lzma.decompress((EXAMPLE / "crashme.ko.xz").read_bytes())


@cache
def log() -> str:
    """The log of its crash, without the lines before it, which cost time and say nothing of the module."""
    whole = gzip.decompress((EXAMPLE / "console.log.gz").read_bytes()).decode()
    return whole[whole.index("BUG: kernel NULL pointer") :]


def feed(data: bytes, folder: Path) -> None:
    """Decode the log with the changed module, and with it as a vmlinux."""
    asked = list(changes(data))
    path = folder / "crashme.ko"
    path.write_bytes(changed(module(), asked))
    render_log(explain(log(), modules=folder, source=EXAMPLE, cache=False))
    if len(asked) % 4 == 3:
        render_log(explain(log(), vmlinux=path, cache=False))


def seeds() -> Iterator[bytes]:
    """The module as it is; a byte of its head; its second half lost."""
    yield b""
    yield b'["put", 4, "02"]\n'
    yield b'["cut", 180000]\n'


KO = Target(feed, seeds)
