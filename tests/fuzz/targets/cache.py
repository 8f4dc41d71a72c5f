# SPDX-License-Identifier: GPL-2.0-or-later
"""The cache of answers: the input is what is changed in one that was just written."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from keepsane.api import explain
from keepsane.model import Report
from tests.fuzz.targets.changes import changed, changes, set_rows
from tests.fuzz.targets.ko import EXAMPLE, log, module
from tests.fuzz.targets.target import Target, render_log

NAME = "keepsane/symbols.sqlite"


def feed(data: bytes, folder: Path) -> None:
    """Explain twice, with the cache changed in between: the report must be the same."""
    binaries = folder / "binaries"
    binaries.mkdir()
    (binaries / "crashme.ko").write_bytes(module())
    before = os.environ.get("XDG_CACHE_HOME")
    os.environ["XDG_CACHE_HOME"] = str(folder)
    try:
        first = _explained(binaries)
        _damage(folder / NAME, data)
        second = _explained(binaries)
    finally:
        os.environ["XDG_CACHE_HOME"] = before or ""
    render_log(second)
    assert second.events == first.events, "a damaged cache changed what is said"
    assert second.findings == first.findings, "a damaged cache changed what is found"


def _explained(binaries: Path) -> Report:
    return explain(log(), modules=binaries, source=EXAMPLE)


def _damage(path: Path, data: bytes) -> None:
    asked = list(changes(data))
    set_rows(path, asked)
    path.write_bytes(changed(path.read_bytes(), asked))


def seeds() -> Iterator[bytes]:
    """A byte of the head, the end lost, an answer that is none."""
    yield b'["put", 18, "ff"]\n'
    yield b'["cut", 8192]\n'
    yield b'["set", "answer", 0, "answer", "[]"]\n'


CACHE = Target(feed, seeds)
