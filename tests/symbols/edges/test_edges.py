# SPDX-License-Identifier: GPL-2.0-or-later
"""Whole stacks: the source below says who calls whom, and objdump where each call returns to."""

from __future__ import annotations

from dataclasses import replace

import pytest

from keepsane.errors import SymbolError
from keepsane.model import Edge, Frame, SourceLine
from keepsane.symbols.binary.image import Image
from keepsane.symbols.calls import jumps as jumps_module
from keepsane.symbols.edges.edges import judge_edges
from tests.symbols.calling import KERNEL_OF_LOG, build, call_by_objdump, event, frame, returns

pytest.importorskip("capstone")
pytest.importorskip("drgn", reason="drgn has wheels for x86-64 only")

Images = dict[str | None, Image]


@pytest.fixture(scope="module")
def images(tmp_path_factory: pytest.TempPathFactory) -> Images:
    return build(tmp_path_factory.mktemp("calling"))


def _edges(images: Images, *frames: Frame) -> list[Edge]:
    (judged,) = judge_edges([event(*frames)], images, KERNEL_OF_LOG)
    return [one.edge for one in judged.stacks[0].frames if one.edge is not None]


def _edge(
    images: Images, caller: str, callee: str, module: str | None = None, callee_module: str | None = None
) -> Edge:
    """The edge of the first call of `caller`, with a frame of `callee` above."""
    inner = frame(images, callee, 1, callee_module)
    outer = frame(images, caller, returns(images, caller, module)[0], module)
    return _edges(images, replace(inner, role="ip"), outer)[1]


def _missing(edge: Edge) -> list[str | None]:
    return [hop.function for hop in edge.via[:-1]]


def test_a_call_is_direct(images: Images) -> None:
    edge = _edge(images, "direct", "end")
    assert edge.verdict == "direct" and [hop.function for hop in edge.via] == ["end"]


@pytest.mark.parametrize(("caller", "missing"), [("tail_one", ["one"]), ("tail_two", ["two", "one"])])
def test_functions_that_jump_on_are_named_with_their_lines(
    images: Images, caller: str, missing: list[str]
) -> None:
    edge = _edge(images, caller, "end")
    assert edge.verdict == "tail-call" and _missing(edge) == missing
    lines = [hop.source.function for hop in edge.via if hop.source]
    assert lines == [caller, *missing], "each hop stands in the function before"


@pytest.mark.parametrize(
    ("caller", "callee", "module"),
    [
        ("direct", "end", None),
        ("member", "run", None),
        ("to_kernel", "one", "mod"),
        ("own_table", "run", "mod"),
    ],
)
def test_an_edge_has_the_instruction_that_objdump_shows(
    images: Images, caller: str, callee: str, module: str | None
) -> None:
    edge = _edge(images, caller, callee, module)
    at, said = call_by_objdump(images, caller, module)
    assert (edge.at, edge.instruction) == (f"{caller}+{at:#x}", said)


def test_a_table_has_the_line_of_the_call_that_reads_it(images: Images) -> None:
    (hop,) = _edge(images, "member", "run").via
    assert hop.kind == "table" and hop.source is not None and hop.source.function == "member"


def test_of_two_ways_none_is_chosen(images: Images) -> None:
    edge = _edge(images, "forked", "end")
    assert edge.verdict == "tail-call" and not edge.via
    assert (
        "one of" in edge.why and "either -> one -> end" in edge.why and "either -> other -> end" in edge.why
    )


def test_a_second_way_counts_however_long_it_is(images: Images) -> None:
    edge = _edge(images, "calls_near_or_far", "closed")
    assert edge.verdict == "tail-call" and not edge.via
    assert "near_or_far -> far_two -> far_three -> far_four -> closed" in edge.why


def test_a_call_in_an_inlined_function_is_said_to_be_one(images: Images) -> None:
    line = SourceLine(function="part", file="kernel.c", line=1, column=1, inlined=True)
    outer = replace(
        frame(images, "holder", returns(images, "holder")[0]),
        locations=(line, replace(line, function="holder")),
    )
    assert _edges(images, replace(frame(images, "end", 1), role="ip"), outer)[1].verdict == "inlined"


def test_the_only_table_with_the_member_is_the_one_used(images: Images) -> None:
    edge = _edge(images, "member", "run")
    assert edge.verdict == "indirect" and [(hop.kind, hop.name) for hop in edge.via] == [
        ("table", "single_ops.run")
    ]
    assert "ops->run" in edge.why


def test_a_table_need_not_be_the_one_where_code_fills_in_another(images: Images) -> None:
    # fills_in() writes masks to the same member of written_ops, where the file holds nothing.
    edge = _edge(images, "member", "masks")
    assert edge.verdict == "indirect" and "could be masked_ops.run" in edge.why
    assert [(hop.kind, hop.name) for hop in edge.via] == [("possible table", "masked_ops.run")]


def test_of_two_tables_with_the_member_none_is_chosen(images: Images) -> None:
    edge = _edge(images, "member_of_two", "shared")
    assert (
        edge.verdict == "indirect" and "could be first_ops.finish" in edge.why and "1 more table" in edge.why
    )
    assert {hop.name for hop in edge.via} == {"first_ops.finish", "second_ops.finish"}
    assert {hop.kind for hop in edge.via} == {"possible table"}


def test_an_array_that_the_code_names_is_the_one_used(images: Images) -> None:
    edge = _edge(images, "indexed", "run")
    assert [(hop.kind, hop.name) for hop in edge.via] == [("table", "steps[1]")]


def test_a_function_that_jumps_through_a_table_is_named(images: Images) -> None:
    edge = _edge(images, "through_jump", "run")
    assert edge.verdict == "tail-call" and _missing(edge) == ["jumps_on"]
    assert edge.via[-1].name == "single_ops.run"


def test_a_pointer_that_was_passed_is_named_as_the_parameter(images: Images) -> None:
    edge = _edge(images, "parameter", "direct")
    assert edge.verdict == "indirect" and "through fn" in edge.why
    assert [(hop.kind, hop.function, hop.name) for hop in edge.via] == [("pointer", "direct", "gives")]


def test_a_function_that_is_handed_over_itself_need_not_have_been_jumped_to(images: Images) -> None:
    # hands() passes freed and drops, and drops jumps to freed: either may be what was called.
    edge = _edge(images, "parameter", "freed")
    assert edge.verdict == "indirect" and "could be freed itself, or a call of drops" in edge.why
    assert {(hop.kind, hop.function, hop.name) for hop in edge.via} == {
        ("pointer", "freed", "hands"),
        ("pointer", "drops", "hands"),
    }


def test_a_static_call_leads_to_no_function_that_nobody_hands_over(images: Images) -> None:
    assert _edge(images, "set_at_run_time", "end").verdict == "direct", "its default jumps there"
    assert _edge(images, "set_at_run_time", "one").verdict == "unknown"
    edge = _edge(images, "set_at_run_time", "direct")
    assert edge.verdict == "indirect" and "could be set to direct" in edge.why


def test_the_hook_at_an_entry_leads_to_the_tracer_alone(images: Images) -> None:
    assert _edge(images, "traced", "ftrace_hook").verdict == "direct"
    assert _edge(images, "traced", "one").verdict == "unknown"


def test_of_two_jumps_through_pointers_none_is_chosen(images: Images) -> None:
    edge = _edge(images, "through_picks", "run")
    assert edge.verdict == "unknown" and not edge.via


def test_a_name_of_another_structure_at_the_same_offset_is_not_said(images: Images) -> None:
    edge = _edge(images, "by_offset", "started")
    assert [hop.name for hop in edge.via] == ["only_task.start"] and "head->func" not in edge.why


def test_one_way_of_an_unfinished_search_is_not_the_one(
    images: Images, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(jumps_module, "_MAX_STEPS", 2)
    edge = _edge(images, "calls_near_or_far", "closed")
    assert edge.verdict == "tail-call" and not edge.via
    assert edge.why == "one of those that were looked at: near_or_far -> closed"


def test_a_table_of_a_type_that_no_variable_leads_to_could_be_and_no_more(images: Images) -> None:
    edge = _edge(images, "by_offset", "started")
    assert [hop.kind for hop in edge.via] == ["possible table"] and "could be" in edge.why
    # member() goes through a `struct ops`, and only_task is a `struct task`: both have a pointer at 8.
    edge = _edge(images, "member", "started")
    assert [hop.kind for hop in edge.via] == ["possible table"] and "ops->run" not in edge.why


def test_of_two_functions_with_one_name_none_is_chosen(images: Images) -> None:
    assert len(images[None].symbols(["twin"])["twin"]) == 2
    # Without a size they cannot be told apart, nor can they where both have the same.
    inner = replace(frame(images, "run", 1), function="twin", size_bytes=None, role="ip")
    edge = _edges(images, inner, frame(images, "member", returns(images, "member")[0]))[1]
    assert edge.verdict == "unknown" and not edge.via and "several functions" in edge.why


def test_an_entry_calls_its_handler_and_interrupts_what_is_below(images: Images) -> None:
    assert _edge(images, "asm_common_interrupt", "common_interrupt").verdict == "direct"
    assert _edge(images, "direct", "asm_common_interrupt").verdict == "exception"


def test_the_same_log_without_retpolines_has_the_same_verdicts(images: Images) -> None:
    inner = replace(frame(images, "run", 1), role="ip")
    (behind,) = returns(images, "member")
    for moved_bytes in (-3, 0):  # call *%rax is two bytes long, the call of the thunk five
        edge = _edges(images, inner, frame(images, "member", behind + moved_bytes))[1]
        assert edge.verdict == "indirect" and edge.via[0].name == "single_ops.run"


def test_a_module_reaches_the_kernel_by_the_name_it_asks_for(images: Images) -> None:
    edge = _edge(images, "to_kernel", "end", module="mod")
    assert edge.verdict == "tail-call" and _missing(edge) == ["one"]


def test_a_table_of_a_module_is_read_from_its_relocations(images: Images) -> None:
    edge = _edge(images, "own_table", "inside", module="mod", callee_module="mod")
    assert [(hop.kind, hop.name) for hop in edge.via] == [("table", "module_ops.run")]


def test_one_odd_return_address_is_unknown(images: Images) -> None:
    odd = frame(images, "direct", returns(images, "direct")[0] + 1)
    edge = _edges(images, replace(frame(images, "end", 1), role="ip"), odd)[1]
    assert edge.verdict == "unknown" and "no form" in edge.why


def test_what_is_executing_has_an_edge_too(images: Images) -> None:
    assert _edges(images, replace(frame(images, "end", 1), role="ip"))[0].verdict == "exception"


def test_without_a_file_the_verdict_is_unknown_and_says_so(images: Images) -> None:
    outer = replace(frame(images, "direct", 9), module="absent")
    (edge,) = _edges(images, outer)
    assert edge.verdict == "unknown" and "absent.ko" in edge.why
    (judged,) = judge_edges([event(outer)], {}, KERNEL_OF_LOG)
    edge = judged.stacks[0].frames[0].edge or Edge(verdict="direct", via=(), why="")
    assert edge.verdict == "unknown" and "no vmlinux and no module at hand" in edge.why


def test_the_files_of_another_architecture_judge_nothing(images: Images) -> None:
    with pytest.raises(SymbolError, match="riscv"):
        judge_edges([event(frame(images, "end", 1))], images, replace(KERNEL_OF_LOG, arch="riscv"))


def _entry_read(images: Images, callee: str) -> Edge:
    """The edge of the last call of `walks`, which goes through its table."""
    inner = replace(frame(images, callee, 1), role="ip")
    return _edges(images, inner, frame(images, "walks", returns(images, "walks")[-1]))[1]


@pytest.mark.parametrize(("callee", "entry"), [("odd", "entries[0].run"), ("even", "entries[1].run")])
def test_a_loop_over_a_table_names_the_entry(images: Images, callee: str, entry: str) -> None:
    edge = _entry_read(images, callee)
    assert [(hop.kind, hop.name) for hop in edge.via] == [("table", entry)]
    assert edge.why == f"a call through an entry of entries: {entry} is {callee}"


def test_of_two_entries_with_one_function_none_is_named(images: Images) -> None:
    hops = [(hop.kind, hop.name) for hop in _entry_read(images, "both").via]
    assert sorted(hops) == [("possible table", "entries[2].run"), ("possible table", "entries[3].run")]
