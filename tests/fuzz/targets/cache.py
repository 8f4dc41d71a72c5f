# SPDX-License-Identifier: GPL-2.0-or-later
"""The cache of answers: the input is what is changed in one that was just written."""

from __future__ import annotations

import os
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple

from keepsane.api import explain
from keepsane.report import Report
from tests.fuzz.targets.changes import changed, changes, set_rows
from tests.fuzz.targets.ko import EXAMPLE, log, module
from tests.fuzz.targets.target import Target, render_log

NAME = "keepsane/symbols.sqlite"


class Kept(NamedTuple):
    """The module in a folder that lasts as long as the process, the report, and the cache it left."""

    binaries: TemporaryDirectory[str]
    report: Report
    cache: bytes


@cache
def kept() -> Kept:
    """Explain for the first time."""
    binaries = TemporaryDirectory()
    (Path(binaries.name) / "crashme.ko").write_bytes(module())
    with TemporaryDirectory() as folder:
        report = _explained(binaries.name, folder)
        return Kept(binaries, report, Path(folder, NAME).read_bytes())


def feed(data: bytes, folder: Path) -> None:
    """Explain again with the cache changed: the report must be the same."""
    asked, first = list(changes(data)), kept()
    path = folder / NAME
    path.parent.mkdir(mode=0o700)
    path.write_bytes(first.cache)
    set_rows(path, asked)
    path.write_bytes(changed(path.read_bytes(), asked))
    second = _explained(first.binaries.name, str(folder))
    render_log(second)
    assert second.events == first.report.events, "a damaged cache changed what is said"
    assert second.findings == first.report.findings, "a damaged cache changed what is found"


def _explained(binaries: str, folder: str) -> Report:
    before = os.environ.get("XDG_CACHE_HOME", "")
    os.environ["XDG_CACHE_HOME"] = folder
    try:
        return explain(log(), modules=binaries, source=EXAMPLE)
    finally:
        os.environ["XDG_CACHE_HOME"] = before


def seeds() -> Iterator[bytes]:
    """A byte of the head, the end lost, an answer to no question."""
    yield b'["put", 18, "ff"]\n'
    yield b'["cut", 8192]\n'
    yield b'["set", "answer", 0, "question", "x"]\n'


CACHE = Target(feed, seeds)
