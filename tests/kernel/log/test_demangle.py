# SPDX-License-Identifier: GPL-2.0-or-later
"""Rust names; the examples are those of RFC 2603 and names put together by its grammar."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from keepsane.api import explain
from keepsane.kernel.log.demangle import demangled
from keepsane.render.text.report import render_text

RFC_2603 = "_RINvNtC3std3mem8align_ofNtNtC3std3mem12DiscriminantE"
UPDATE = "_RNvMs_NtCs7ihNwsBWbnA_6widget4nodeNtB4_4Node6update"


@pytest.mark.parametrize(
    ("mangled", "plain"),
    [
        (RFC_2603, "std::mem::align_of::<std::mem::Discriminant>"),
        (UPDATE, "<widget::node::Node>::update"),
        (f"__pfx_{UPDATE}", "__pfx_<widget::node::Node>::update"),
        (f"{UPDATE}.cold", "<widget::node::Node>::update.cold"),
        ("vfs_write", "vfs_write"),
        ("_Rubbish", "_Rubbish"),
        ("_R" + "A" * 3000, "_R" + "A" * 3000),
    ],
)
def test_names(mangled: str, plain: str) -> None:
    assert demangled(mangled) == plain


@given(st.from_regex(r"_R[A-Z][A-Za-z0-9_]{0,80}", fullmatch=True))
def test_any_name_is_answered(name: str) -> None:
    assert demangled(name)


def test_titles_and_text_say_the_plain_name() -> None:
    log = f"""\
WARNING: CPU: 0 PID: 7 at rust/kernel/widget.rs:7 {UPDATE}+0x10/0x20
CPU: 0 PID: 7 Comm: made-up Not tainted 6.15.0 #1
RIP: 0010:{UPDATE}+0x10/0x20
Call Trace:
 {UPDATE}+0x18/0x20
---[ end trace 0000000000000000 ]---
"""
    report = explain(log)

    assert report.events[0].title == "warning in <widget::node::Node>::update"
    assert report.events[0].stacks[0].frames[0].function == UPDATE
    assert "<widget::node::Node>::update+0x18/0x20" in render_text(report)
