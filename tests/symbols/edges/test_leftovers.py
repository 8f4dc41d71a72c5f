# SPDX-License-Identifier: GPL-2.0-or-later
"""The `?` frames of stacks that we make up from calls that we compiled."""

from __future__ import annotations

import subprocess
from dataclasses import replace

import pytest

from keepsane.model import Edge, Frame, Kind
from keepsane.symbols.binary.image import Image
from keepsane.symbols.edges.edges import judge_edges
from tests.symbols.calling import KERNEL_OF_LOG, build, event, frame, returns

pytest.importorskip("capstone")
pytest.importorskip("drgn", reason="drgn has wheels for x86-64 only")

Images = dict[str | None, Image]


@pytest.fixture(scope="module")
def images(tmp_path_factory: pytest.TempPathFactory) -> Images:
    return build(tmp_path_factory.mktemp("calling"))


def _edges(images: Images, *frames: Frame, kind: Kind = "other", damage: str = "") -> list[Edge]:
    one = replace(event(*frames), kind=kind, damage=damage)
    (judged,) = judge_edges([one], images, KERNEL_OF_LOG)
    return [frame.edge for frame in judged.stacks[0].frames if frame.edge is not None]


def _path(images: Images, *left: Frame) -> list[Frame]:
    """A call of direct() from start(), with frames that lay on the stack between the two."""
    to_direct = _return_to(images, "start", "direct")
    return [
        replace(frame(images, "end", 1), role="ip"),
        frame(images, "direct", returns(images, "direct")[0]),
        *left,
        frame(images, "start", to_direct),
    ]


def _return_to(images: Images, caller: str, callee: str) -> int:
    for offset_bytes in returns(images, caller):
        edge = _edges(
            images, replace(frame(images, callee, 1), role="ip"), frame(images, caller, offset_bytes)
        )[1]
        if edge.verdict == "direct":
            return offset_bytes
    raise AssertionError(f"{caller} does not call {callee}")


def _left(images: Images, function: str, offset_bytes: int) -> Frame:
    return frame(images, function, offset_bytes, reliable=False)


def test_what_follows_a_call_that_is_not_on_the_path_is_stale(images: Images) -> None:
    edge = _edges(images, *_path(images, _left(images, "tail_one", returns(images, "tail_one")[0])))[2]
    assert edge.verdict == "stale" and "it calls one" in edge.why


@pytest.mark.parametrize("offset_bytes", [0, 2])
def test_what_follows_no_call_is_not_a_call(images: Images, offset_bytes: int) -> None:
    assert _edges(images, *_path(images, _left(images, "run", offset_bytes)))[2].verdict == "not-a-call"


def test_the_end_of_a_function_is_the_start_of_the_next(images: Images) -> None:
    table = images[None]
    listed = subprocess.run(["nm", "-n", table.path], check=True, capture_output=True, text=True).stdout
    names = [row.split()[2] for row in listed.splitlines()]
    (run,) = table.symbols(["run"])["run"]
    edge = _edges(images, *_path(images, _left(images, "run", run.size_bytes)))[2]
    assert edge.verdict == "not-a-call" and f"a pointer to {names[names.index('run') + 1]}:" in edge.why


def test_leftovers_that_call_each_other_are_one_earlier_path(images: Images) -> None:
    inner = _left(images, "parameter", returns(images, "parameter")[0])
    outer = _left(images, "gives", returns(images, "gives")[0])
    edges = _edges(images, *_path(images, inner, outer))[2:4]
    assert [edge.verdict for edge in edges] == ["stale", "stale"]
    assert all("2 frames of an earlier call: parameter, called from gives" in edge.why for edge in edges)


def test_leftovers_of_a_deep_recursion_are_one_path_in_few_words(images: Images) -> None:
    left = _left(images, "again", returns(images, "again")[0])
    edges = _edges(images, *_path(images, *[left] * 3000))[2:-1]
    (text,) = {edge.group for edge in edges}
    assert text.startswith("3000 frames of an earlier call: again → again →")
    assert text.endswith(" → 2988 more, called from again"), "twelve are named, the outermost among them"


def test_a_frame_that_the_unwinder_lost_is_said_to_be_on_the_path(images: Images) -> None:
    lost = _left(images, "direct", returns(images, "direct")[0])
    frames = [
        replace(frame(images, "end", 1), role="ip"),
        lost,
        frame(images, "start", _return_to(images, "start", "direct")),
    ]
    edge = _edges(images, *frames)[1]
    assert edge.verdict == "direct" and "on the path" in edge.why


def test_stacks_that_must_not_be_judged_are_not(images: Images) -> None:
    frames = _path(images, _left(images, "tail_one", returns(images, "tail_one")[0]))
    assert _edges(images, *frames, kind="stack-overflow")[2].verdict == "unjudged"
    assert _edges(images, *frames, damage="no end")[2].verdict == "unjudged"
    guessed = [replace(one, reliable=False, role="return") for one in frames]
    assert {edge.verdict for edge in _edges(images, *guessed)} == {"unjudged"}


def test_after_the_unwinder_gave_up_nothing_is_judged(images: Images) -> None:
    frames = [*_path(images)[:2], _left(images, "tail_one", returns(images, "tail_one")[0])]
    edge = _edges(images, *frames)[2]
    assert edge.verdict == "unjudged" and "gave up" in edge.why
