# SPDX-License-Identifier: GPL-2.0-or-later
"""
Reports of failed allocations that are cut, mixed or short of a zone: no verdict may need what is missing.

The whole report, 6.1 with 2 GB, GFP_ATOMIC, in pages. DMA32: 150 <= 427 - 213 - 53 = 161: short. Normal: 40
<= 100 - 50 - 12 = 38 is false: it would serve, by two pages.
"""

from __future__ import annotations

import pytest

from keepsane.api import explain
from keepsane.kernel.events.alloc_failure.failure import AllocFailure
from keepsane.kernel.log.scan import Scanner

HEAD = (
    "init: page allocation failure: order:0, mode:0xa20(GFP_ATOMIC), nodemask=(null),cpuset=/,mems_allowed=0"
)
TRACE = """\
CPU: 0 PID: 1 Comm: init Not tainted 6.1.0-56-cloud-amd64 #1
Call Trace:
 warn_alloc+0x110/0x1b0
 __alloc_pages+0xef8/0x1044
 exhaust+0x79/0x90 [crashme]
"""
DMA32 = (
    "Node 0 DMA32 free:600kB boost:0kB min:1708kB low:2132kB high:2556kB reserved_highatomic:0KB "
    "present:245632kB managed:209040kB free_cma:0kB\nlowmem_reserve[]: 0 0 1793 1793 1793\n"
)
NORMAL = (
    "Node 0 Normal free:160kB boost:0kB min:400kB low:500kB high:600kB reserved_highatomic:0KB "
    "present:1835008kB managed:1835008kB free_cma:0kB\nlowmem_reserve[]: 0 0 0 0 0\n"
)
LISTS = "Node 0 DMA32: 0*4kB 1*8kB (U) 37*16kB (M) = 600kB\nNode 0 Normal: 40*4kB (U) = 160kB\n"
END = "65406 pages RAM\n9812 pages reserved\n"
WHOLE = f"{HEAD}\n{TRACE}Mem-Info:\n free:190 free_pcp:1 free_cma:0\n{DMA32}{NORMAL}{LISTS}{END}"


def failures(text: str) -> list[AllocFailure]:
    return [event for event in Scanner().events(text.splitlines()) if isinstance(event, AllocFailure)]


def verdict(text: str) -> str | None:
    (event,) = failures(text)
    return event.ledger.verdict if event.ledger else None


def test_the_whole_report_is_a_race_by_its_normal_zone() -> None:
    assert verdict(WHOLE) == "race"


@pytest.mark.parametrize(
    ("gone", "instead"),
    [
        (NORMAL, ""),  # its list still stands there
        (NORMAL + LISTS, LISTS.splitlines()[0] + "\n"),  # DMA32 keeps 1793 pages for a zone that is not there
        ("free_cma:0kB\nlowmem_reserve[]: 0 0 0 0 0", "\nlowmem_reserve[]: 0 0 0 0 0"),  # cut inside the line
        ("0 0 1793 1793 1793", "0 0 17"),  # cut inside a number
    ],
)
def test_a_zone_that_is_missing_or_cut_leaves_no_verdict(gone: str, instead: str) -> None:
    assert gone in WHOLE
    assert verdict(WHOLE.replace(gone, instead)) == "incomplete"


def test_a_mask_that_ends_the_line_is_cut_where_the_kernel_prints_names() -> None:
    """Since 4.6 `(GFP_...)` follows every mask: `mode:0xa2` is the front of another number."""
    (event,) = failures(WHOLE.replace(HEAD, HEAD[: HEAD.index("0(GFP")]))

    assert event.mode is None
    assert event.ledger is not None and event.ledger.verdict == "incomplete"


def test_a_bare_mask_is_whole_where_no_names_are_printed() -> None:
    (event,) = failures(
        "cat: page allocation failure: order:0, mode:0x20\nPid: 7, comm: cat Not tainted 3.8.0\n"
    )

    assert event.mode == 0x20


def test_lines_of_two_tasks_leave_open_whose_memory_it_is() -> None:
    other = "CPU: 1 PID: 812 Comm: kworker/1:2 Not tainted 6.1.0-56-cloud-amd64 #1\n"

    assert verdict(WHOLE.replace("Call Trace:", other + "Call Trace:")) == "incomplete"


def test_memory_printed_before_the_failure_is_another_reports() -> None:
    late, early = WHOLE.split("Mem-Info:")
    text = "".join(f"[    9.000000] {line}\n" for line in late.splitlines())
    text += "".join(f"[    8.000000] {line}\n" for line in f"Mem-Info:{early}".splitlines())

    assert verdict(text) == "incomplete"


def test_vmalloc_without_the_line_that_says_for_how_much() -> None:
    """4.4 prints two lines; where the first is lost order 0 says nothing about 17 GB."""
    assert (
        verdict(WHOLE.replace("__alloc_pages+0xef8/0x1044", "__vmalloc_node_range+0x56b/0x6f0"))
        == "incomplete"
    )


def test_an_oom_report_without_its_order_has_no_verdict() -> None:
    """Before 2.6.16 no order is printed, but then a zone has `active:`."""
    text = WHOLE.replace(HEAD, "init invoked oom-killer: gfp_mask=0xcc0(GFP_KERNEL), or")
    (event,) = explain(text).events

    assert event.ledger.verdict == "incomplete"  # type: ignore[attr-defined]


def test_failures_of_one_place_with_different_masks_are_told_apart() -> None:
    """2.4 prints no stack: the mask is all that differs."""
    line = "__alloc_pages: 0-order allocation failed (gfp=0x{}/0)\n"
    found = explain(line.format("f0") + line.format("1d2") + line.format("f0")).events

    assert [(event.line, event.again) for event in found] == [(1, (3,)), (2, ())]


def test_two_cpus_that_fail_at_once_line_by_line_give_no_verdict_of_one_by_the_other() -> None:
    """Whose Mem-Info is whose cannot be told, whatever the order in which the lines come."""
    other = WHOLE.replace("PID: 1 ", "PID: 812 ").replace(
        "order:0, mode:0xa20(GFP_ATOMIC)", "order:4, mode:0xcc0"
    )
    pairs = zip(WHOLE.splitlines(), other.replace("0xcc0", "0xcc0(GFP_KERNEL)").splitlines(), strict=True)
    found = failures("\n".join(line for pair in pairs for line in pair))

    assert [event.order for event in found] == [0, 4]
    assert {event.ledger.verdict for event in found if event.ledger} == {"incomplete"}
