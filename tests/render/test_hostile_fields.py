# SPDX-License-Identifier: GPL-2.0-or-later
"""
No field of no type escapes: each text of a full report is hostile, and every format still holds.

The reports are those of the committed cases with every text replaced, and one made from the types alone,
with an event of every kind, in which no field is empty.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import fields, is_dataclass, replace
from importlib import import_module
from itertools import islice
from pkgutil import walk_packages
from types import NoneType, UnionType
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

import pytest

import keepsane.kernel
from keepsane.api import diagnose, explain
from keepsane.kernel.events.alloc_failure.failure import AllocFailure
from keepsane.kernel.events.oom_kill.kill import OomKill
from keepsane.kernel.pages.ledger import Loss
from keepsane.model import Event
from keepsane.render.html.page import render_html
from keepsane.render.json import render_json, render_jsonl
from keepsane.render.text.paint import Paint, plain, terminal
from keepsane.render.text.report import render_text
from keepsane.report import Fragment, Report
from tests.golden import CASES, read_case
from tests.memory_case import memory_cases
from tests.render.html.test_page import _ATTRIBUTES, _TAGS, _Page
from tests.render.unseen import HOSTILE, SHORT, unseen_in

KINDS = sorted(
    folder for folder in CASES.iterdir() if any(folder.glob("*.case")) and "memory" not in folder.name
)
_OWN_PAINT = re.compile(r"\x1b\[[0-9;]*m|\x1b\]8;;[!-~]*\x1b\\")


def _hints(cls: type) -> dict[str, Any]:
    return get_type_hints(cls)


def _is_word(cls: type, name: str) -> bool:
    """Tell whether a field holds one of keepsane's own words, which no input can choose."""
    is_kind = issubclass(cls, Event) and name == "kind"
    return get_origin(_hints(cls)[name]) is Literal or is_kind or (cls is Loss and name == "reason")


def _hostile(value: Any) -> Any:
    """Give a value with every text in it replaced."""
    if isinstance(value, str):
        return SHORT
    names = _names(type(value))
    if names:
        changed = {name: _hostile(getattr(value, name)) for name in names if not _is_word(type(value), name)}
        return replace(value, **changed) if is_dataclass(value) else value._replace(**changed)  # type: ignore[type-var]
    return tuple(map(_hostile, value)) if isinstance(value, tuple) else value


def _names(cls: type) -> tuple[str, ...]:
    return tuple(field.name for field in fields(cls)) if is_dataclass(cls) else getattr(cls, "_fields", ())


def _made(hint: Any) -> Any:
    """Make a value of a type in which nothing is empty and every text is hostile."""
    simple = {str: HOSTILE, int: 1, float: 1.0, bool: True, bytes: b"\x90", NoneType: None, object: HOSTILE}
    if hint in simple:
        return simple[hint]
    origin, parts = get_origin(hint), get_args(hint)
    if origin is Literal:
        return parts[0]
    if origin in (Union, UnionType):
        return _made(next(part for part in parts if part is not NoneType))
    if origin is tuple:
        return tuple(_made(part) for part in parts if part is not Ellipsis)
    return _made_of(hint)


def _made_of(cls: type) -> Any:
    made = cls(**{name: _made(hint) for name, hint in _hints(cls).items() if name in _names(cls)})
    return made._replace(reason="CMA") if isinstance(made, Loss) else made


def _kinds() -> Iterator[type[Event]]:
    for module in walk_packages(keepsane.kernel.__path__, "keepsane.kernel."):
        import_module(module.name)
    known = [Event]
    for cls in known:
        known += cls.__subclasses__()
    yield from dict.fromkeys(known)


def _full() -> Report:
    events = tuple(map(_made_of, _kinds()))
    words = {AllocFailure: "alloc-failure", OomKill: "oom-kill"}
    # The names of kinds choose the renderer's words: of those that have words of their own, both ways.
    events += tuple(replace(event, kind=words[type(event)]) for event in events if type(event) in words)
    report: Report = _made_of(Report)
    return replace(report, state=None, events=events)


def _reports() -> Iterator[Report]:
    yield _full()
    for kind in KINDS:
        for path in islice(sorted(kind.glob("*.case")), 1):
            case = read_case(path)
            yield _hostile(explain(case.log, name="a.log", cache=False, what_if=case.what_if))


def _machines() -> Iterator[Report]:
    yield replace(_made_of(Report), events=())
    for case in memory_cases()[::4]:
        state = case.state()
        if state is not None:
            yield _hostile(diagnose(state))


REPORTS, MACHINES = tuple(_reports()), tuple(_machines())


def test_the_reports_have_every_kind_of_event() -> None:
    assert len(REPORTS[0].events) > 35
    assert len(REPORTS) > 30 and len(MACHINES) > 10


def _require_plain(text: str) -> None:
    assert not unseen_in(text)
    assert not [line for line in text.split("\n") if line.startswith("forged")], "a line of its own"


@pytest.mark.parametrize("paint", [plain, terminal])
def test_text(paint: Paint) -> None:
    for report in REPORTS:
        for brief in (False, True):
            _require_plain(_OWN_PAINT.sub("", render_text(report, paint, brief=brief)))
    for machine in MACHINES:
        _require_plain(_OWN_PAINT.sub("", render_text(machine, paint)))


def test_no_escape_sequence_but_those_of_the_paint() -> None:
    for report in REPORTS:
        text = render_text(report, terminal)
        painted = {found[0] for found in _OWN_PAINT.finditer(text)}
        assert not {
            one for one in painted if one.startswith("\x1b]8;;") and "script" in one and "%" not in one
        }
        assert "\x1b[31mred" not in text


def test_json_holds_every_text_as_it_was() -> None:
    for report in (*REPORTS, *MACHINES):
        written = render_json(report)
        assert not unseen_in(written)
        document = json.loads(written)
        assert document["source"] == report.source
        for event, said in zip(report.events, document["events"], strict=True):
            assert said["title"] == event.title
            line = render_jsonl(Fragment(event=event, findings=(), failures=()))
            assert not unseen_in(line) and line.count("\n") == 1
            assert json.loads(line)["event"] == said


def test_html() -> None:
    for page in map(render_html, (*REPORTS, *MACHINES)):
        assert not unseen_in(page)
        assert "<script" not in page.lower()
        seen = _Page(page)
        assert seen.tags <= _TAGS | {"th"}
        assert {name for name, _ in seen.attributes} <= _ATTRIBUTES | {"style"}
        styles = {value or "" for name, value in seen.attributes if name == "style"}
        assert all(re.fullmatch(r"width:\d+\.\d\d%", style) for style in styles)
        links = {value or "" for name, value in seen.attributes if name == "href"}
        assert all(re.match(r"https?://|#event-\d+\Z", link) for link in links)
