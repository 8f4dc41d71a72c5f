# SPDX-License-Identifier: GPL-2.0-or-later
"""The JSON contract: field names letter for letter, what only one kind says under `fields`."""

from __future__ import annotations

import json
from dataclasses import fields

from keepsane.api import explain
from keepsane.model import Event, Frame
from keepsane.render.json import render_json
from keepsane.report import Report

LOG = """\
BUG: kernel NULL pointer dereference, address: 0000000000000080
Oops: 0000 [#1] SMP
CPU: 3 PID: 77 Comm: made-up Not tainted 6.1.0 #1
RIP: 0010:first+0x12/0x40 [widget]
Code: 90 90 <0f> 0b 90
Call Trace:
 second+0x5f/0x90 [widget]
---[ end trace 0000000000000000 ]---
"""


def test_keys_are_the_field_names() -> None:
    document = json.loads(render_json(explain(LOG)))
    event = document["events"][0]

    assert set(document) == {field.name for field in fields(Report)}
    assert set(event) == {field.name for field in fields(Event)} - {"records"} | {"fields"}
    assert set(event["stacks"][0]["frames"][0]) == {field.name for field in fields(Frame)}


def test_values_are_the_log_s() -> None:
    event = json.loads(render_json(explain(LOG)))["events"][0]

    assert event["fields"]["address"] == 128
    assert event["task"] == {"comm": "made-up", "pid": 77, "cpu": 3}
    assert event["code"]["data"] == "90900f0b90" and event["code"]["trap_bytes"] == 2


def test_schema_number_is_one() -> None:
    assert json.loads(render_json(explain("")))["schema"] == 1


def test_the_pieces_are_the_document_that_json_itself_would_write() -> None:
    """Written event by event, so the punctuation between them is held against the standard encoder."""
    for log in ("", "__alloc_pages: 0-order allocation failed (gfp=0xf0/0)\n" * 2, LOG_OF_TWO):
        text = render_json(explain(log))
        assert text == json.dumps(json.loads(text), indent=1, ensure_ascii=False) + "\n"


LOG_OF_TWO = """\
__alloc_pages: 0-order allocation failed (gfp=0xf0/0)
cma: cma_alloc: a\\nb"c: alloc failed, req-size: 148 pages, ret: -16
cma: cma_alloc: linux,cma: alloc failed, req-size: 148 pages, ret: -16
"""
