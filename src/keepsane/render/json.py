# SPDX-License-Identifier: GPL-2.0-or-later
r"""
The JSON contract (docs/reference/json.md): keys are the dataclass field names letter for letter.

What only one kind of event says stands under `fields`; `records` is not rendered; bytes become hex. A text is
given as it was, but what would drive a terminal or hide in it is escaped, as `\u202e`.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from keepsane.render.cleaned import names_of
from keepsane.render.json_line import LineWriter
from keepsane.render.visible import escaped_json
from keepsane.report import Fragment, Report

_LINES = LineWriter()


def render_json(report: Report) -> str:
    """Give a report as one indented JSON document."""
    return "".join(json_parts(report))


def value_json(value: object) -> str:
    """Give any value of this program as indented JSON, by the names of its fields."""
    return _indented(value, 0) + "\n"


def json_parts(report: Report) -> Iterator[str]:
    """Give the same in pieces, an event each: as one text thousands of events take gigabytes."""
    opening = "{"
    for name in names_of(type(report)) or ():
        yield f'{opening}\n "{name}": '
        opening = ","
        value = getattr(report, name)
        if type(value) is tuple and value:
            yield from _list_parts(value)
        else:
            yield _indented(value, 1)
    yield "\n}\n"


def _list_parts(values: tuple[Any, ...]) -> Iterator[str]:
    opening = "["
    for value in values:
        yield f"{opening}\n  {_indented(value, 2)}"
        opening = ","
    yield "\n ]"


def _indented(value: Any, depth: int) -> str:
    text = json.dumps(json.loads(_LINES.text(value)), indent=1, ensure_ascii=False)
    # A string holds no line feed of its own in JSON.
    return escaped_json(text).replace("\n", "\n" + " " * depth)


def render_jsonl(part: Fragment | Report) -> str:
    """Give a fragment of a stream, or its final report, as one line of JSON."""
    return escaped_json(_LINES.text(part)) + "\n"
