# SPDX-License-Identifier: GPL-2.0-or-later
"""A kernel log: the input is the file, plain or packed."""

from __future__ import annotations

import gzip
import lzma
from collections.abc import Iterator
from pathlib import Path

import zstandard

from keepsane.api import explain, explain_stream
from keepsane.errors import KeepsaneError
from keepsane.kernel.events.alloc_failure.what_if_asked import parse_settings
from keepsane.kernel.log.input import read_log
from tests.fuzz.targets.target import Target, render_log, render_part
from tests.golden import CASES, read_case

EXAMPLES = Path(__file__).parents[3] / "examples"
WHAT_IF = parse_settings(["min_free_kbytes=8192"])


def feed(data: bytes, folder: Path) -> None:
    """Explain a log at once and as a stream."""
    path = folder / "log"
    path.write_bytes(data)
    lines: list[str] = []
    try:
        lines.extend(read_log(str(path)))
    except KeepsaneError:  # what was read before it is explained all the same
        pass
    render_log(explain(lines, cache=False, what_if=WHAT_IF))
    for part in explain_stream(lines, cache=False):
        render_part(part)


def log_seeds() -> Iterator[bytes]:
    """The log of each case, and that of an example."""
    for path in sorted(CASES.glob("*/*.case")):
        yield read_case(path).log.encode("utf-8", "surrogateescape")
    yield gzip.decompress((EXAMPLES / "null-deref" / "console.log.gz").read_bytes())


def seeds() -> Iterator[bytes]:
    """Each log, and one in each packing."""
    yield from log_seeds()
    small = read_case(CASES / "refcount" / "kref-3.16.case").log.encode()
    yield gzip.compress(small)
    yield lzma.compress(small)
    yield zstandard.compress(small)


LOG = Target(feed, seeds)
