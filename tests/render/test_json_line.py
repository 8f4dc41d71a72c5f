# SPDX-License-Identifier: GPL-2.0-or-later
"""A line of a stream is what the standard library writes of the same fields."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from keepsane.api import explain_stream
from keepsane.render.json import render_jsonl, value_json

CASES = sorted((Path(__file__).parents[1] / "cases").glob("*/*.case"))
FOLDERS = sorted({case.parent.name for case in CASES})


@pytest.mark.parametrize("folder", FOLDERS)
def test_each_line_is_what_the_standard_library_writes(folder: str) -> None:
    for case in (case for case in CASES if case.parent.name == folder):
        for part in explain_stream(case.read_text(encoding="utf-8").split("\n"), cache=False):
            expected = json.dumps(json.loads(value_json(part)), ensure_ascii=False) + "\n"
            # The second time with what is remembered of the first.
            assert [render_jsonl(part), render_jsonl(part)] == [expected, expected]
