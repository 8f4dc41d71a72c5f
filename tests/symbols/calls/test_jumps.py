# SPDX-License-Identifier: GPL-2.0-or-later
"""Chains of jumps between functions that were compiled to jump on."""

from __future__ import annotations

import pytest

from keepsane.symbols.binary.image import Image
from keepsane.symbols.calls import jumps as jumps_module
from keepsane.symbols.calls.jumpers import jumpers
from keepsane.symbols.calls.jumps import Jumps, chains, open_ends
from keepsane.symbols.code.text import Function, Text, functions_named
from tests.symbols.calling import build

pytest.importorskip("capstone")


@pytest.fixture(scope="module")
def jumps(tmp_path_factory: pytest.TempPathFactory) -> Jumps:
    images: dict[str | None, Image] = build(tmp_path_factory.mktemp("calling"))
    return Jumps(Text(images))


def _function(jumps: Jumps, name: str) -> Function:
    (found,) = functions_named(jumps.text, name)
    return found


def _ways(jumps: Jumps, start: str, goal: str) -> set[tuple[str, ...]]:
    found = chains(jumps, _function(jumps, start), _function(jumps, goal))
    assert not found.gave_up
    return {tuple(step.function.name for step in chain if step.function) for chain in found.closed}


def test_a_function_is_reached_without_a_jump_from_itself(jumps: Jumps) -> None:
    assert _ways(jumps, "end", "end") == {()}


def test_jumps_are_followed_to_the_end(jumps: Jumps) -> None:
    assert _ways(jumps, "two", "end") == {("one", "end")}


def test_every_way_is_found(jumps: Jumps) -> None:
    assert _ways(jumps, "either", "end") == {("one", "end"), ("other", "end")}


def test_a_function_that_is_only_called_is_not_reached(jumps: Jumps) -> None:
    assert _ways(jumps, "direct", "end") == set()


def test_who_jumps_to_a_function_is_known_from_all_of_the_text(jumps: Jumps) -> None:
    assert {one.name for one in jumpers(jumps, _function(jumps, "end")) or ()} == {
        "one",
        "other",
        "__SCT__hook",
    }
    assert {one.name for one in jumpers(jumps, _function(jumps, "one")) or ()} == {"two", "either"}
    assert jumpers(jumps, _function(jumps, "direct")) == ()


def test_a_jump_through_a_pointer_is_an_open_end(jumps: Jumps) -> None:
    ((step,),) = open_ends(jumps, _function(jumps, "jumps_on")).closed
    assert step.kind == "indirect jump" and step.function is None
    assert open_ends(jumps, _function(jumps, "two")).closed == ()


def test_two_jumps_through_one_register_are_two_ends(jumps: Jumps) -> None:
    assert len(open_ends(jumps, _function(jumps, "picks")).closed) == 2


def test_what_lies_beyond_the_limit_is_known_to_be_left_out(
    jumps: Jumps, monkeypatch: pytest.MonkeyPatch
) -> None:
    # near_or_far jumps to closed at once, and by three others in between.
    near, closed = _function(jumps, "near_or_far"), _function(jumps, "closed")
    whole = chains(jumps, near, closed)
    assert len(whole.closed) == 2 and not whole.gave_up
    monkeypatch.setattr(jumps_module, "_MAX_STEPS", 2)
    cut = chains(jumps, near, closed)
    assert len(cut.closed) == 1 and cut.gave_up
    monkeypatch.setattr(jumps_module, "_MAX_STEPS", 1)
    assert open_ends(jumps, _function(jumps, "far_two")).gave_up


def test_a_thorough_search_finds_conditional_jumps_too(jumps: Jumps) -> None:
    found = jumpers(jumps, _function(jumps, "closed"), thorough=True) or ()
    assert {one.name for one in found} == {"near_or_far", "far_four"}
