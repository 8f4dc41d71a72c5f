# SPDX-License-Identifier: GPL-2.0-or-later
"""A rule about a log may say that something is not the cause, as one about a machine may."""

from __future__ import annotations

import json

import pytest

from keepsane.api import Options, explain, explain_stream
from keepsane.judge import RULES, CannotTell, Clear, Rule
from keepsane.model import Event
from keepsane.render.html.page import render_html
from keepsane.render.json import render_json, render_jsonl
from keepsane.render.text.report import render_text

LOG = """\
WARNING: CPU: 0 PID: 7 at mm/widget.c:7 inner+0x10/0x20
CPU: 0 PID: 7 Comm: made-up Not tainted 6.12.0 #1
RIP: 0010:inner+0x10/0x20
---[ end trace 0000000000000000 ]---
"""


@pytest.fixture(autouse=True)
def two_rules(monkeypatch: pytest.MonkeyPatch) -> None:
    def clear(event: Event) -> Clear:
        return Clear("7 of 7 widgets are whole")

    def lacking(event: Event) -> None:
        raise CannotTell("the count of widgets was not printed")

    monkeypatch.setitem(RULES, "widget-broken", Rule("widget-broken", Event, clear))
    monkeypatch.setitem(RULES, "widget-lost", Rule("widget-lost", Event, lacking))


def test_what_a_rule_about_a_log_rules_out_is_in_every_output() -> None:
    report = explain(LOG, Options(name="a.log", cache=False))

    assert "\n  ruled out\n    widget-broken: 7 of 7 widgets are whole\n" in render_text(report)
    assert "7 of 7 widgets are whole" in render_html(report)
    ruled_out = [{"rule": "widget-broken", "why": "7 of 7 widgets are whole"}]
    assert json.loads(render_json(report))["ruled_out"] == ruled_out
    first, last = explain_stream(LOG.splitlines(), cache=False)
    assert json.loads(render_jsonl(first))["ruled_out"] == ruled_out
    assert json.loads(render_jsonl(last))["ruled_out"] == []


def test_what_a_rule_lacks_is_a_field_of_its_own() -> None:
    report = explain(LOG, cache=False)

    (said,) = [one for one in json.loads(render_json(report))["failures"] if one["rule"]]
    assert said == {
        "what": "rule widget-lost",
        "why": "cannot tell: the count of widgets was not printed",
        "kind": "cannot-tell",
        "rule": "widget-lost",
        "lacks": "the count of widgets was not printed",
    }
    assert "rule widget-lost: cannot tell: the count of widgets was not printed" in render_text(report)


def test_options_are_said_as_a_value_or_by_name_and_a_wrong_name_is_refused() -> None:
    assert explain(LOG, Options(name="a", cache=False), name="b").source == "b"
    with pytest.raises(TypeError, match="vmlinuz"):
        explain(LOG, vmlinuz="/boot/vmlinuz")
