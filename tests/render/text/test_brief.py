# SPDX-License-Identifier: GPL-2.0-or-later
"""A text about one crash: at most 48 lines of 100 columns, the big fact kept, what went is named."""

from __future__ import annotations

import gzip
import re
from pathlib import Path

import pytest

from keepsane.api import explain
from keepsane.render.text.report import render_text
from keepsane.report import Finding, Report
from tests.golden import CASES, read_case

PATHS = sorted(CASES.glob("*/*.case"))
LOG = """\
[    9.{at:06}] BUG: kernel NULL pointer dereference, address: 0000000000000080
[    9.{at:06}] Oops: 0000 [#{count}] PREEMPT SMP NOPTI
[    9.{at:06}] CPU: 1 PID: {pid} Comm: widget{pid} {taint} 6.12.0 #1
[    9.{at:06}] RIP: 0010:widget_poke+0x16/0x40
[    9.{at:06}] Code: 48 8b 08
[    9.{at:06}] RAX: 0000000000000000 RBX: 0000000000000005 RCX: 0000000000000000
[    9.{at:06}] Call Trace:
[    9.{at:06}]  ? widget_leftover+0x1/0x20
{frames}
[    9.{at:06}] Modules linked in: widget gadget
[    9.{at:06}] ---[ end trace 0000000000000000 ]---
"""
COLUMNS = 100


def crash(at: int, *, count: int = 1, pid: int = 7, frames: int = 5) -> str:
    """Write a crash; the kernel marks itself with D behind the first."""
    taint = "Not tainted" if count == 1 else "Tainted: G      D"
    stack = "\n".join(f"[    9.{at:06}]  widget_call{n}+0x10/0x40" for n in range(frames))
    return LOG.format(at=at, count=count, pid=pid, frames=stack, taint=taint)


def brief(log: str) -> str:
    return render_text(explain(log, cache=False), brief=True)


def lines_of(text: str) -> int:
    """Count lines as a terminal does."""
    return sum(max(1, -(-len(line) // COLUMNS)) for line in text.splitlines())


@pytest.mark.parametrize("path", PATHS, ids=[f"{path.parent.name}/{path.stem}" for path in PATHS])
def test_one_crash_has_48_lines_and_keeps_its_big_facts(path: Path) -> None:
    case = read_case(path)
    report = explain(case.log, cache=False, what_if=case.what_if)

    text = render_text(report, brief=True)

    if len(report.events) == 1:
        assert lines_of(text) <= 48
    flat = re.sub(r"\s+", " ", re.sub(r"(\S) +line \d+\n  (?=\S)", r"\1 ", text))
    for event in report.events[:1]:
        assert event.title in flat
        assert f" line {event.line}\n" in text
        if event.task is not None and event.task.comm:
            assert " ".join(event.task.comm.split()) in flat
    for finding in findings_of_first(report):
        assert finding.title in flat
        assert all(advice.text in flat for advice in finding.advice)


def findings_of_first(report: Report) -> list[Finding]:
    lines = {record.line for event in report.events[:1] for record in event.records}
    return [finding for finding in report.findings if finding.evidence[0].line in lines]


def test_what_is_left_out_is_named_and_all_shows_it() -> None:
    log = crash(1, frames=60)

    short, whole = brief(log), render_text(explain(log, cache=False))

    (said,) = re.findall(r"^  (\d+) more lines with --all: (.+(?:\n    .+)*)", short, re.M)
    assert len(whole.splitlines()) - int(said[0]) + len(said[1].splitlines()) == len(short.splitlines())
    assert "2 modules" in said[1] and "1 `?` frame" in said[1] and "outer frames" in said[1]
    assert "widget_call0+" in short and "widget_call59+" in short and "widget_call40+" not in short
    assert "widget_call40+" in whole and "gadget" in whole and "widget_leftover" in whole


def test_what_has_room_is_not_cut() -> None:
    log = crash(1, frames=3)

    assert brief(log) == render_text(explain(log, cache=False))


def test_a_recursion_of_crashes_is_one_crash_and_what_followed() -> None:
    """Fourteen crashes, each in the oops of the one before, were 1032 lines."""
    log = "".join(crash(at, count=at, pid=6 + at, frames=40) for at in range(1, 15))

    text = brief(log)

    assert lines_of(text) <= 48
    assert "again      13 more like it, lines 51 to 651, 9.000001 s to 9.000014 s" in text
    assert "13 reports like others only counted: --all shows them whole" in text
    assert len(explain(log, cache=False).events) == 14


def test_what_only_followed_has_its_title_and_the_report_it_followed() -> None:
    log = crash(1) + crash(2, count=2).replace("widget_poke", "gadget_poke")

    text = brief(log)

    assert text.count("  kind       null-deref") == 1
    assert re.search(r"^NULL pointer dereference in gadget_poke +line 16$", text, re.M)
    assert "also: not the first crash: line 1, NULL pointer dereference in widget_poke" in text
    assert "1 report by title only: --all shows them whole" in text


def test_equal_reports_of_several_boots_are_given_once() -> None:
    boot = "[    0.000000] Linux version 6.12.0 (made@up) #1 SMP\n"
    log = "".join(boot + crash(at, pid=at) for at in range(1, 5))

    text = brief(log)

    assert text.count("  kind       null-deref") == 1
    assert "3 more like it, lines 18, 34, 50" in text
    assert "3 reports like others only counted: --all shows them whole" in text
    assert render_text(explain(log, cache=False)).count("  kind       null-deref") == 4


def test_a_report_with_another_conclusion_is_not_counted_as_alike() -> None:
    """The second names another function, so it stands for itself."""
    log = (
        crash(1) + "[   10.000000] a line of somebody else\n" + crash(2).replace("widget_poke", "gadget_poke")
    )

    assert brief(log).count("  kind       null-deref") == 2


def test_a_long_title_leaves_the_column_of_the_line_free() -> None:
    path = "drivers/net/wireless/widget/" + "deep/" * 12 + "widget_table.c"
    log = (
        f"[    1.000000] UBSAN: array-index-out-of-bounds in {path}:7:9\n[    1.0] index 5 is out of range\n"
    )

    (title,) = [line for line in brief(log).splitlines() if line.endswith("line 1")]

    assert re.search(r"\S {2,}line 1$", title)
    assert len(title) <= COLUMNS or path in title


def test_a_narrow_terminal_gets_narrow_lines() -> None:
    log = gzip.decompress(Path("examples/null-deref/console.log.gz").read_bytes()).decode()

    text = render_text(explain(log, cache=False), columns=80)

    wide = [line for line in text.splitlines() if len(line) > 80]
    assert [line for line in wide if " " in line.strip()] == []


def test_stalls_of_one_line_are_one_report_with_its_numbers() -> None:
    """Twelve of them had 53 lines, and their t= was not said."""
    log = "".join(
        f"[{5000 + 60 * at}.500000] INFO: rcu_sched_state detected stall on CPU {at % 4}"
        f" (t={105060 + at} jiffies)\n"
        for at in range(12)
    )

    text = brief(log)

    assert "again      11 more like it, lines 2 to 12, 5000.5 s to 5660.5 s after boot" in text
    assert "stalled    105060 jiffies" in text
    assert lines_of(text) <= 12


def test_of_thousands_of_reports_the_crash_is_whole_and_most_are_counted() -> None:
    warning = (
        "[    1.{at:06}] WARNING: CPU: 0 PID: 1 at widget.c:{at} widget_{at}+0x1/0x20\n"
        "[    1.{at:06}] ---[ end trace 0 ]---\n"
    )
    log = "".join(warning.format(at=at) for at in range(1, 200)) + crash(1)

    text = brief(log)

    assert text.count("  kind       warning") == 7
    assert text.count("  kind       null-deref") == 1
    assert "40 reports by title only, 152 further reports only counted: --all shows them whole" in text


def test_what_an_interrupt_did_is_no_frame_of_the_report() -> None:
    """The frame that was executing when a timer came has no part in what the timer's function did."""
    outer = "".join(f" widget_outer{at}+0x1/0x20\n" for at in range(40))
    log = (
        "BUG: KASAN: slab-use-after-free in widget_timer+0x10/0x40\n"
        "Read of size 8 at addr ffff888104054010 by task swapper/1/0\n"
        "CPU: 1 PID: 0 Comm: swapper/1 Not tainted 6.12.0 #1\n"
        "Call Trace:\n <IRQ>\n dump_stack_lvl+0x5d/0x80\n kasan_report+0xda/0x110\n"
        " widget_timer+0x10/0x40\n call_timer_fn+0x19/0x40\n </IRQ>\n"
        f"RIP: 0010:default_idle+0xf/0x20\n{outer}"
    )

    text = brief(log)

    assert "       widget_timer+0x10/0x40\n       call_timer_fn+0x19/0x40\n" in text
    assert "kasan_report+" not in text
    assert "2 frames of the report itself" in text


def test_a_frame_that_was_executing_stands_behind_the_trap_that_printed() -> None:
    outer = "".join(f" widget_outer{at}+0x1/0x20\n" for at in range(40))
    log = (
        "WARNING: CPU: 0 PID: 7 at widget.c:7 widget_check+0x1/0x20\n"
        "RIP: 0010:widget_check+0x1/0x20\n"
        "Call Trace:\n __warn+0x1/0x20\n report_bug+0x1/0x20\n invalid_op+0x1/0x20\n"
        f"RIP: 0010:widget_check+0x1/0x20\n widget_call+0x1/0x20\n{outer}"
    )

    assert "  Call Trace\n    ip widget_check+0x1/0x20\n       widget_call+0x1/0x20\n" in brief(log)
