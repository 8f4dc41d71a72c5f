# SPDX-License-Identifier: GPL-2.0-or-later
"""Every way to get from one function of a trace to the next, against the marks of edges.c."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from pathlib import PurePosixPath

import pytest

from tests.live.edges import ARM64_POINTERS, ARM64_SYSRQC, CRASHES, SOURCE, VARIANTS, Mark, marks, scenarios
from tests.live.guests import Guest, Json, boot_arm64, boot_edges, frames, plain_name

pytestmark = pytest.mark.live
Explain = Callable[..., Json]
Pair = tuple[Json, Json | None]  # a frame and the one that it called, None for a `?` frame and the innermost


@pytest.fixture(scope="session", autouse=True)
def logs() -> None:
    boot_edges()


def trace_of(explained: Explain, guest: Guest, variant: str, scenario: str) -> list[Json]:
    """The frames between the line that says which scenario begins and the one that says it is over."""
    log = guest.log(f"{variant}/edges")
    said = re.compile(rf"\bedges: (end of )?{scenario}\b")
    lines = [number for number, line in enumerate(log.read_text().splitlines(), 1) if said.search(line)]
    report = explained(log, guest.vmlinux, guest.modules, "--edges")
    return [frame for frame in all_frames(report) if lines[0] < frame["line"] < lines[-1]]


def all_frames(report: Json) -> list[Json]:
    """Every frame of a report, as the log has them: what was executing stands in front of its trace."""
    found = [frame for event in report["events"] for frame in frames(event)]
    return sorted(found, key=lambda frame: frame["line"])


def pairs(trace: list[Json]) -> Iterator[Pair]:
    """Every frame with the one that it called: the last reliable one above it."""
    callee = None
    for frame in trace:
        if not frame["reliable"]:
            yield frame, None
        elif callee is None or not is_same_place(frame, callee):  # a trace may begin with what was executing
            yield frame, callee
            callee = frame


def is_same_place(one: Json, other: Json) -> bool:
    return all(one[key] == other[key] for key in ("line", "function", "offset_bytes"))


def is_named(function: str | None, names: str) -> bool:
    """Whether a frame's function is one of a mark's names; a name without a dot stands for its clones."""
    return function is not None and any(name in (function, plain_name(function)) for name in names.split("|"))


def is_meant(mark: Mark, pair: Pair) -> bool:
    frame, callee = pair
    if not is_named(frame["function"], mark.caller):
        return False
    if mark.callee is None:
        return callee is None
    return callee is not None and is_named(callee["function"], mark.callee)


def missing(edge: Json, callee: Json | None) -> tuple[str, ...]:
    """The functions of an edge's hops that are no frame."""
    names = [
        hop["function"] for hop in edge["via"] if hop["kind"] not in ("table", "possible table", "pointer")
    ]
    return tuple(name for name in names if callee is None or not is_named(callee["function"], name))


def tables(edge: Json, kind: str) -> set[str]:
    return {hop["name"] for hop in edge["via"] if hop["kind"] == kind}


def wrong(mark: Mark, pair: Pair, lines: set[int | None]) -> str:
    """What an edge says other than its mark, "" where it says the same."""
    frame, callee = pair
    edge = frame["edge"]
    assert edge is not None, f"{frame['function']} has no edge: explain does not judge edges"
    possible = tables(edge, "table") | tables(edge, "possible table")
    facts = {
        "verdict": edge["verdict"] in mark.verdicts,
        "missing functions": edge["verdict"] != "tail-call" or missing(edge, callee) == mark.missing,
        "table": mark.used is None or tables(edge, "table") == {mark.used},
        # What could be may also be known: then the mark must name that table and no other.
        "possible tables": mark.possible <= possible and is_marked(mark, tables(edge, "table")),
        "line": mark.line is None or line_of(frame) in lines,
    }
    false = [name for name, is_right in facts.items() if not is_right]
    return f"{mark.caller} to {mark.callee}: {', '.join(false)} of {edge}" if false else ""


def is_marked(mark: Mark, used: set[str]) -> bool:
    """Whether a `maybe` mark allows what is said to be used: nothing, or the only table that it names."""
    return not mark.possible or not used or used == mark.possible


def line_of(frame: Json) -> int | None:
    """The innermost line of edges.c that a frame comes from."""
    own = [place for place in frame["locations"] if PurePosixPath(place["file"] or "").name == SOURCE.name]
    return own[0]["line"] if own else None


@pytest.mark.parametrize("variant", VARIANTS)
@pytest.mark.parametrize("scenario", scenarios())
def test_edges_are_what_the_source_marks(
    scenario: str, variant: str, guest: Guest, explained: Explain
) -> None:
    found = list(pairs(trace_of(explained, guest, variant, scenario)))
    wanted = [mark for mark in marks(guest.series) if mark.scenario == scenario]
    said = []
    for mark in wanted:
        meant = [pair for pair in found if is_meant(mark, pair)]
        lines = {one.line for one in wanted if (one.caller, one.callee) == (mark.caller, mark.callee)}
        said += [wrong(mark, pair, lines) for pair in meant] or [f"{mark.caller} to {mark.callee}: not there"]
    assert [one for one in said if one] == []


@pytest.mark.parametrize("variant", VARIANTS)
def test_every_question_mark_has_a_reason(variant: str, guest: Guest, explained: Explain) -> None:
    report = explained(guest.log(f"{variant}/edges"), guest.vmlinux, guest.modules, "--edges")
    doubtful = [frame for frame in all_frames(report) if not frame["reliable"]]
    assert len(doubtful) > 100
    assert all(frame["edge"] for frame in doubtful), "frames have no edge: explain does not judge edges"
    assert [frame["function"] for frame in doubtful if not frame["edge"]["why"]] == []


def of_words(trace: list[Json]) -> dict[tuple[str, str], tuple[str, list[str]]]:
    """The verdict and hops by caller and callee, for reliable frames."""
    found = list(pairs(trace))
    assert all(frame["edge"] for frame, _ in found), "frames have no edge: explain does not judge edges"
    return {
        (str(frame["function"]), str(callee["function"])): (
            frame["edge"]["verdict"],
            [f"{hop['kind']} {hop['function']} {hop['name']}" for hop in frame["edge"]["via"]],
        )
        for frame, callee in found
        if callee is not None
    }


@pytest.mark.parametrize("variant", VARIANTS[1:])
@pytest.mark.parametrize("scenario", scenarios())
def test_verdicts_do_not_depend_on_the_command_line(
    scenario: str, variant: str, guest: Guest, explained: Explain
) -> None:
    here = of_words(trace_of(explained, guest, variant, scenario))
    there = of_words(trace_of(explained, guest, VARIANTS[0], scenario))
    # Which processor idles in which way, and what is a bare address, is not the same in every boot.
    assert {
        pair: (here[pair], there[pair]) for pair in here if here[pair] != there.get(pair, here[pair])
    } == {}
    # A processor that idles by polling takes an IPI without an interrupt: then only what it ran is the same.
    least = 2 if scenario == "ipi" else min(len(here), len(there)) - 4
    assert len(here.keys() & there.keys()) >= least


@pytest.mark.parametrize("variant", VARIANTS[1:])
@pytest.mark.parametrize("scenario", CRASHES)
def test_verdicts_of_crashes_do_not_depend_on_the_command_line(
    scenario: str, variant: str, guest: Guest, explained: Explain
) -> None:
    logs = (guest.log(f"{variant}/{scenario}"), guest.log(scenario))
    said = [explained(log, guest.vmlinux, guest.modules, "--edges") for log in logs]
    here, there = (of_words(all_frames(report)) for report in said)
    assert here == there


@pytest.mark.parametrize(("caller", "callee"), ARM64_SYSRQC)
def test_arm64_edges(caller: str, callee: str, explained: Explain) -> None:
    assert arm64_edge(caller, callee, explained)["verdict"] == ARM64_SYSRQC[caller, callee]


@pytest.mark.parametrize(("caller", "callee"), ARM64_POINTERS)
def test_arm64_pointers_are_named_as_the_source_has_them(
    caller: str, callee: str, explained: Explain
) -> None:
    edge = arm64_edge(caller, callee, explained)
    expression, table = ARM64_POINTERS[caller, callee]
    assert edge["why"].startswith(f"a call through {expression}: {table} is {callee}")
    assert tables(edge, "table") == {table}


def arm64_edge(caller: str, callee: str, explained: Explain) -> Json:
    guest = boot_arm64()
    trace = all_frames(explained(guest.log("sysrqc"), guest.vmlinux, guest.modules, "--edges"))
    (frame,) = [
        one
        for one, inner in pairs(trace)
        if inner and (one["function"], inner["function"]) == (caller, callee)
    ]
    edge: Json | None = frame["edge"]
    assert edge is not None, "frames have no edge: explain does not judge edges"
    return edge
