# SPDX-License-Identifier: GPL-2.0-or-later
"""What keepsane says in words is for people: no code reads its own sentences to decide what to do."""

from __future__ import annotations

import re
from pathlib import Path

import keepsane

_WORDS = r"(?:why|note|what|lacks|explanation|damage)"
_READS = re.compile(
    rf"\.{_WORDS}\.(?:startswith|endswith|removeprefix|removesuffix|partition)\("
    rf"|\.(?:why|what|explanation) == (?!frame\.note)"
    rf"|\"[^\"]+\" in \w+\.{_WORDS}\b"
)
ROOMS = ("api.py", "commands", "judge.py", "memory", "render", "report.py", "symbols")


def test_the_forms_are_found_where_they_stand() -> None:
    for line in ('edge.why.startswith("one of")', 'failure.what == "verdict"', '"not decoded" in frame.note'):
        assert _READS.search(line)


def test_no_sentence_is_read_again() -> None:
    root = Path(keepsane.__file__).parent
    files = [
        file for room in ROOMS for file in ([root / room] if "." in room else (root / room).rglob("*.py"))
    ]
    found = [
        f"{file}: {line}" for file in files for line in file.read_text().splitlines() if _READS.search(line)
    ]
    assert len(files) > 100
    assert not found
