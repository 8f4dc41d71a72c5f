# SPDX-License-Identifier: GPL-2.0-or-later
"""
The JSON contract (design section 5): keys are the dataclass field names letter for letter.

What only one kind of event says stands under `fields`; `records` is not rendered; bytes become hex.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import fields, is_dataclass
from typing import Any

from keepsane.model import Event, Fragment, Report

_COMMON = tuple(field.name for field in fields(Event))


def _value(value: Any) -> Any:
    if isinstance(value, Event):
        return dict(_event(value))
    if is_dataclass(value):
        return {field.name: _value(getattr(value, field.name)) for field in fields(value)}
    if isinstance(value, tuple) and hasattr(value, "_asdict"):
        return {name: _value(part) for name, part in value._asdict().items()}
    if isinstance(value, tuple):
        return [_value(part) for part in value]
    return value.hex() if isinstance(value, bytes) else value


def _event(event: Event) -> Iterator[tuple[str, Any]]:
    for name in _COMMON:
        if name != "records":
            yield name, _value(getattr(event, name))
    own = (field.name for field in fields(event) if field.name not in _COMMON)
    yield "fields", {name: _value(getattr(event, name)) for name in own}


def render_json(report: Report) -> str:
    """Give a report as one indented JSON document."""
    return json.dumps(_value(report), indent=1, ensure_ascii=False) + "\n"


def render_jsonl(part: Fragment | Report) -> str:
    """Give a fragment of a stream, or its final report, as one line of JSON."""
    return json.dumps(_value(part), ensure_ascii=False) + "\n"
