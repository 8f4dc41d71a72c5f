# SPDX-License-Identifier: GPL-2.0-or-later
"""Chains of jumps between functions that were compiled to jump on."""

from __future__ import annotations

import pytest

from keepsane.symbols.binary.image import Image
from keepsane.symbols.calls import jumps as jumps_module
from keepsane.symbols.calls.graph import Graph, Hop
from keepsane.symbols.calls.jumpers import jumpers
from keepsane.symbols.calls.jumps import chains, open_ends
from keepsane.symbols.code.text import Function, Text, functions_named
from tests.symbols.calling import build

pytest.importorskip("capstone")


@pytest.fixture(scope="module")
def graph(tmp_path_factory: pytest.TempPathFactory) -> Graph:
    images: dict[str | None, Image] = build(tmp_path_factory.mktemp("calling"))
    return Graph(Text(images))


def _function(graph: Graph, name: str) -> Function:
    (found,) = functions_named(graph.text, name)
    return found


def _ways(graph: Graph, start: str, goal: str) -> set[tuple[str, ...]]:
    found = chains(graph, _function(graph, start), _function(graph, goal))
    assert not found.gave_up
    return {tuple(hop.callee.name for hop in chain) for chain in found.closed}


def test_a_function_is_reached_without_a_jump_from_itself(graph: Graph) -> None:
    assert _ways(graph, "end", "end") == {()}


def test_jumps_are_followed_to_the_end(graph: Graph) -> None:
    assert _ways(graph, "two", "end") == {("one", "end")}


def test_every_way_is_found(graph: Graph) -> None:
    assert _ways(graph, "either", "end") == {("one", "end"), ("other", "end")}


def test_a_function_that_is_only_called_is_not_reached(graph: Graph) -> None:
    assert _ways(graph, "direct", "end") == set()


def test_who_jumps_to_a_function_is_known_from_all_of_the_text(graph: Graph) -> None:
    assert {one.name for one in jumpers(graph, _function(graph, "end")) or ()} == {
        "one",
        "other",
        "__SCT__hook",
    }
    assert {one.name for one in jumpers(graph, _function(graph, "one")) or ()} == {"two", "either"}
    assert jumpers(graph, _function(graph, "direct")) == ()


def test_a_jump_through_a_pointer_is_an_open_end(graph: Graph) -> None:
    (end,) = open_ends(graph, _function(graph, "jumps_on")).found
    assert not end.chain and not isinstance(end.last, Hop) and end.last.branch.kind == "indirect jump"
    assert open_ends(graph, _function(graph, "two")).found == ()


def test_two_jumps_through_one_register_are_two_ends(graph: Graph) -> None:
    assert len(open_ends(graph, _function(graph, "picks")).found) == 2


def test_what_lies_beyond_the_limit_is_known_to_be_left_out(
    graph: Graph, monkeypatch: pytest.MonkeyPatch
) -> None:
    # near_or_far jumps to closed at once, and by three others in between.
    near, closed = _function(graph, "near_or_far"), _function(graph, "closed")
    whole = chains(graph, near, closed)
    assert len(whole.closed) == 2 and not whole.gave_up
    monkeypatch.setattr(jumps_module, "_MAX_STEPS", 2)
    cut = chains(graph, near, closed)
    assert len(cut.closed) == 1 and cut.gave_up
    monkeypatch.setattr(jumps_module, "_MAX_STEPS", 1)
    assert open_ends(graph, _function(graph, "far_two")).gave_up


def test_a_thorough_search_finds_conditional_jumps_too(graph: Graph) -> None:
    found = jumpers(graph, _function(graph, "closed"), thorough=True) or ()
    assert {one.name for one in found} == {"near_or_far", "far_four"}
