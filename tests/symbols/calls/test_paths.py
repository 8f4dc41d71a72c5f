# SPDX-License-Identifier: GPL-2.0-or-later
"""Ways between functions that were compiled to call each other, and the sites that they start from."""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import pytest

from keepsane.commands.path import run_path
from keepsane.errors import InputError, SymbolError
from keepsane.symbols.binary.image import Image
from keepsane.symbols.calls.graph import Graph, exits_of, leads_of
from keepsane.symbols.calls.paths import Reach, reach
from keepsane.symbols.calls.site import Site, calls_at, functions_of, parse_site
from keepsane.symbols.code.text import Function, Text, functions_named
from tests.symbols.calling import build, returns

pytest.importorskip("capstone")
Images = dict[str | None, Image]


@pytest.fixture(scope="module")
def images(tmp_path_factory: pytest.TempPathFactory) -> Images:
    return build(tmp_path_factory.mktemp("calling"))


@pytest.fixture(scope="module")
def graph(images: Images) -> Graph:
    return Graph(Text(images), with_calls=True)


def _function(graph: Graph, name: str) -> Function:
    (found,) = functions_named(graph.text, name)
    return found


def _reach(graph: Graph, start: str, goal: str, max_depth: int = 12) -> Reach:
    return reach(graph, [_function(graph, start)], [_function(graph, goal)], max_depth=max_depth)


def _ways(found: Reach) -> set[tuple[str, ...]]:
    return {tuple(f"{hop.kind} {hop.callee.name}" for hop in way) for way in found.paths}


def test_a_way_goes_through_calls_and_jumps(graph: Graph) -> None:
    assert _ways(_reach(graph, "tail_two", "end")) == {("call two", "jump one", "jump end")}


def test_every_shortest_way_is_given(graph: Graph) -> None:
    found = _reach(graph, "forked", "end")
    assert {way[1].split()[-1] for way in _ways(found)} == {"one", "other"}
    assert not found.more and not found.gave_up


def test_an_inlined_body_is_no_hop(graph: Graph) -> None:
    assert _ways(_reach(graph, "holder", "end")) == {("call end",)}


def test_a_module_leads_into_the_kernel(graph: Graph) -> None:
    assert _ways(_reach(graph, "to_kernel", "end")) == {("call one", "jump end")}


def test_pointers_are_counted_and_not_followed(graph: Graph) -> None:
    found = _reach(graph, "member", "run")
    assert not found.paths and not found.gave_up
    assert (found.pointers.total, found.pointers.is_exact, found.functions) == (1, True, 1)


def test_a_search_that_ends_early_says_so(graph: Graph) -> None:
    found = _reach(graph, "tail_two", "end", max_depth=2)
    assert not found.paths and found.gave_up == "after 2 calls and jumps in a row"
    limited = reach(graph, [_function(graph, "start")], [_function(graph, "end")], max_functions=3)
    assert not limited.paths and limited.gave_up.startswith("after")


def test_bytes_suggest_no_fewer_functions_than_the_instructions_lead_to(graph: Graph) -> None:
    for name in ("start", "forked", "either", "two", "gives", "init"):
        function = _function(graph, name)
        read = {hop.callee.name for hop in exits_of(graph, function).hops}
        suggested = {target.name for target in leads_of(graph, function).targets}
        assert {name for name in read if "thunk" not in name} <= suggested


@pytest.mark.parametrize(
    ("said", "site"),
    [
        ("tty_read+0x96", Site("tty_read", 0x96, None, None)),
        ("tty_read+0x96/0x100", Site("tty_read", 0x96, 0x100, None)),
        ("init+0x14/0x30 [mod]", Site("init", 0x14, 0x30, "mod")),
        ("tty_read.isra.0", Site("tty_read.isra.0", None, None, None)),
    ],
)
def test_a_site_is_read_as_a_trace_prints_it(said: str, site: Site) -> None:
    assert parse_site(said) == site


@pytest.mark.parametrize("said", ["", "+0x1", "f+12", "f+0x", "a b", "f+0x1/0x2/0x3", "f+0x" + "1" * 40])
def test_what_is_no_site_is_refused(said: str) -> None:
    with pytest.raises(InputError, match="is no place in the code"):
        parse_site(said)


def test_only_a_return_address_has_a_call(images: Images, graph: Graph) -> None:
    (offset_bytes,) = returns(images, "tail_one")
    (function,) = functions_of(graph.text, parse_site("tail_one"))
    (call,) = calls_at(graph.text, function, offset_bytes)
    assert call.branch.kind == "call"
    assert not list(calls_at(graph.text, function, offset_bytes + 1))
    assert not list(calls_at(graph.text, function, 0x7FFFFFFF))


def _arguments(
    images: Images, site: str, goal: str, tmp_path: Path, form: str = "text"
) -> argparse.Namespace:
    kernel, module = images[None], images["mod"]
    return argparse.Namespace(
        path=[site, goal],
        vmlinux=str(kernel.path),
        modules=[str(module.path.parent)],
        no_cache=True,
        format=form,
        output=str(tmp_path / "said"),
    )


def test_the_answer_names_caller_line_and_callee(images: Images, tmp_path: Path) -> None:
    pytest.importorskip("drgn")
    (offset_bytes,) = returns(images, "holder")
    site = f"holder+{offset_bytes:#x}"
    assert run_path(_arguments(images, site, "end", tmp_path)) == 0
    said = (tmp_path / "said").read_text()
    assert said.startswith(f"{site} can reach end (could, not did):")
    assert "kernel.c:16" in said and "calls end" in said and "in part, inlined into holder" in said


def test_the_answer_as_json(images: Images, tmp_path: Path) -> None:
    assert run_path(_arguments(images, "to_kernel", "end", tmp_path, "json")) == 0
    document = json.loads((tmp_path / "said").read_text())
    (path,) = document["paths"]
    assert document["found"] and [hop["callee"] for hop in path] == ["one", "end"]
    assert [hop["module"] for hop in path] == ["mod", None]


def test_a_call_through_a_pointer_is_said_to_be_one(images: Images, tmp_path: Path) -> None:
    (offset_bytes,) = returns(images, "member")
    assert run_path(_arguments(images, f"member+{offset_bytes:#x}", "run", tmp_path)) == 1
    assert "goes through a pointer" in (tmp_path / "said").read_text()


def test_a_place_without_a_call_and_a_name_without_a_function_are_errors(
    images: Images, tmp_path: Path
) -> None:
    with pytest.raises(SymbolError, match="no call returns to holder"):
        run_path(_arguments(images, "holder+0x1", "end", tmp_path))
    with pytest.raises(SymbolError, match="no file at hand has a function nobody"):
        run_path(_arguments(images, "holder", "nobody", tmp_path))
