# SPDX-License-Identifier: GPL-2.0-or-later
"""What is fuzzed: one input goes the way that a user's file goes, from its bytes to each form of output."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import NamedTuple

from keepsane.render.html.element import Markup
from keepsane.render.html.page import render_html
from keepsane.render.json import json_parts, render_jsonl
from keepsane.render.text.report import render_text
from keepsane.report import Fragment, Report


class Target(NamedTuple):
    """
    `feed` takes one input and a folder of its own to work in; `seeds` are what fuzzing begins with.

    Only a KeepsaneError is an answer. Whatever else `feed` raises is a fault, and so is a wrong answer,
    which it raises as an AssertionError.
    """

    feed: Callable[[bytes, Path], None]
    seeds: Callable[[], Iterable[bytes]]


OWN_FAULT = re.compile(
    r"the rule itself failed"
    r"|\b(?:Assertion|Attribute|Index|Key|Name|Recursion|Type|UnboundLocal|ZeroDivision)Error\("
)


TO_A_TERMINAL = re.compile("[\0-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]")
"""What moves, hides or reorders text, or begins a line that no line feed began."""


def require_plain(text: str) -> str:
    """Give what a terminal would get. Raises AssertionError where that does more than show letters."""
    found = TO_A_TERMINAL.search(text)
    assert found is None, f"a terminal gets more than letters: {text[found.start() - 40 : found.end()]!a}"
    return text


def require_sound(part: Report | Fragment) -> None:
    """Raise AssertionError for what keepsane reports as its own fault, and for what rests on nothing."""
    for failure in part.failures:
        assert not OWN_FAULT.search(failure.why), f"{failure.what}: {failure.why}"
    for finding in part.findings:
        assert finding.evidence, f"{finding.rule} has no evidence"


def render_log(report: Report) -> None:
    """Write a report about a log in every form."""
    require_sound(report)
    require_plain(render_text(report))
    require_plain(render_text(report, brief=True))
    json.loads(require_plain("".join(json_parts(report))))
    render_html(report)


def render_part(part: Report | Fragment) -> None:
    """Write one part of a stream."""
    require_sound(part)
    json.loads(require_plain(render_jsonl(part)))


def render_memory(report: Report, plots: Iterable[Markup] = ()) -> None:
    """Write a report about memory in every form."""
    require_sound(report)
    require_plain(render_text(report))
    json.loads(require_plain("".join(json_parts(report))))
    render_html(report, plots=plots)
