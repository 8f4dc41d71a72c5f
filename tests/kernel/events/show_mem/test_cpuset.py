# SPDX-License-Identifier: GPL-2.0-or-later
"""Allowed nodes, in one line and in several."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from keepsane.kernel.events.show_mem.cpuset import AllowedNodes, parse_allowed_nodes, parse_nodes
from tests.lines import records


@pytest.mark.parametrize(
    ("text", "nodes"),
    [("0", (0,)), ("0-1,4", (0, 1, 4)), ("3,5-7", (3, 5, 6, 7)), ("(null)", None), ("", None), ("0-", None)],
)
def test_a_list_of_nodes(text: str, nodes: tuple[int, ...] | None) -> None:
    assert parse_nodes(text) == nodes


def test_one_line_since_5_0() -> None:
    text = "x: page allocation failure: order:0, mode:0x0, nodemask=0-1,cpuset=/a,mems_allowed=0-1,4"

    assert parse_allowed_nodes(records([text])) == AllowedNodes((0, 1), "/a", (0, 1, 4))


def test_a_line_of_its_own_before() -> None:
    lines = ["x: page allocation failure: order:0, mode:0x1, nodemask=(null)", "x cpuset=/ mems_allowed=0"]

    assert parse_allowed_nodes(records(lines)) == AllowedNodes(None, "/", (0,))


def test_three_lines_where_another_cpu_printed_in_between() -> None:
    lines = ["syz cpuset=", " frame+0x1/0x2", "syz1", " mems_allowed=0-1"]

    assert parse_allowed_nodes(records(lines)).mems_allowed == (0, 1)


def test_the_summary_of_the_oom_killer() -> None:
    text = "oom-kill:constraint=CONSTRAINT_NONE,nodemask=(null),cpuset=/,mems_allowed=0-1,global_oom,task=x"

    assert parse_allowed_nodes(records([text])) == AllowedNodes(None, "/", (0, 1))


@settings(deadline=None)
@given(st.text(max_size=200))
def test_any_text(text: str) -> None:
    parse_allowed_nodes(records([text, f"cpuset={text}", f"mems_allowed={text}"]))
    assert len(parse_nodes(text) or ()) <= 1024
