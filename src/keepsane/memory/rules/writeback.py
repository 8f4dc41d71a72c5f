# SPDX-License-Identifier: GPL-2.0-or-later
"""Writeback: dirty pages that wait for a disk, and tasks that wait for them."""

from __future__ import annotations

from typing import NamedTuple

from keepsane.judge import Clear, need, rule
from keepsane.kernel.pages.advice import keep, set_now
from keepsane.memory.rules.amount import page_kibibytes, pages_words
from keepsane.memory.rules.needs import need_rate
from keepsane.memory.rules.quote import VMSTAT, quote_file, quote_pressure, quote_risen
from keepsane.memory.state import MemoryState
from keepsane.report import Advice, Finding
from keepsane.words import share_words, size_words

DIRTY, BACKGROUND = "vm.dirty_bytes", "vm.dirty_background_bytes"
_MEBIBYTE = 1 << 20


class Dirty(NamedTuple):
    """Pages that wait to be written, at one moment, and from how many on writers are made to wait."""

    pages: int
    free_run_pages: int


@rule("dirty-writeback-stall", on=MemoryState)
def dirty_writeback_stall(
    state: MemoryState,
    *,
    throttled_percent: float = 50.0,
    backlog_seconds: float = 5.0,
    stalled_percent: float = 10.0,
) -> Finding | Clear:
    """
    More is written than the disk takes, and every task that writes is made to wait.

    What it means: dirty pages pile up until the kernel slows down all who write. What is piled up is
    seconds of work for the disk; a database that calls fsync() stands behind it.

    How we know: in half of the samples or more, nr_dirty and nr_writeback together lie above the middle
    between nr_dirty_background_threshold and nr_dirty_threshold, from where on the kernel makes writers
    wait; at the pace of nr_written it takes the disk more than 5 seconds; and tasks stood still for I/O
    (PSI), where this kernel tells.

    What to do: begin to write earlier and let less pile up: vm.dirty_background_bytes about one second
    and vm.dirty_bytes about four seconds of what the disk takes.

    When it is wrong: a copy of a large file does this and hurts nobody else if nobody else writes. A slow
    device, a USB stick or a network share, is limited on its own.
    """
    moments = need(
        _moments(state) or None, "/proc/vmstat counts no dirty pages, or has no thresholds of them"
    )
    written = need_rate(state, "nr_written")
    above = 100 * sum(moment.pages >= moment.free_run_pages for moment in moments) / len(moments)
    pages = min(moment.pages for moment in moments)
    if not pages:
        return Clear("in at least one sample nothing waited to be written: the disk keeps up")
    seconds = pages / written if written else float("inf")
    said = f"{pages_words(state, pages)} or more were waiting to be written, " + (
        f"{seconds:.0f} s of work at {pages_words(state, written)} per second" if written else "and none was"
    )
    stalled = state.stalled_percent("io", "some")
    if above < throttled_percent or seconds < backlog_seconds:
        waits = f"writers had to wait in {share_words(above)} of the samples"
        return Clear(
            f"{said}; {waits}" if above else "no writer was made to wait: too little is dirty for that"
        )
    if stalled is not None and stalled < stalled_percent:
        return Clear(f"{said}, but tasks stood still for I/O only {share_words(stalled)} of the time")
    waited = "" if stalled is None else f"; tasks stood still for I/O {share_words(stalled)} of the time"
    return _is_stalled(
        state, f"{said}; writers had to wait in {share_words(above)} of the samples{waited}.", written
    )


def _is_stalled(state: MemoryState, explanation: str, written: float) -> Finding:
    names = ("nr_dirty", "nr_writeback", "nr_dirty_threshold", "nr_dirty_background_threshold")
    return Finding(
        severity="warning",
        confidence="high" if state.stalled_percent("io", "some") is not None else "medium",
        title="tasks that write wait for the disk: too much is dirty",
        evidence=(
            *(quote for name in names for quote in quote_file(state, VMSTAT, rf"^{name} ")),
            *quote_risen(state, "nr_written"),
            *quote_pressure(state, "proc/pressure/io"),
        ),
        explanation=explanation,
        advice=(_let_less_pile_up(state, written),),
        references=(
            "Documentation/admin-guide/sysctl/vm.rst, dirty_background_bytes",
            "mm/page-writeback.c, balance_dirty_pages()",
        ),
    )


def _moments(state: MemoryState) -> tuple[Dirty, ...]:
    found = []
    for sample in state.samples:
        counters = sample.vmstat
        if counters is None:
            continue
        limit, background = counters.get("nr_dirty_threshold"), counters.get("nr_dirty_background_threshold")
        pages = counters.total(("nr_dirty", "nr_writeback", "nr_unstable"))
        if limit is not None and background is not None and pages is not None:
            found.append(Dirty(pages, (limit + background) // 2))
    return tuple(found)


def _let_less_pile_up(state: MemoryState, written: float) -> Advice:
    """Size both limits by the pace of the disk; no command where that is none, or would raise them."""
    pace = round(written * page_kibibytes(state) * 1024)
    background = max(_rounded(pace), 4 * _MEBIBYTE)
    limit = max(_rounded(4 * pace), 16 * _MEBIBYTE)
    now = state.newest(lambda sample: sample.vmstat and sample.vmstat.get("nr_dirty_threshold"))
    if not pace or not isinstance(now, int) or limit >= now * page_kibibytes(state) * 1024:
        return Advice(
            text="find who writes so much (pidstat -d), and why the disk takes so little (iostat -x)",
            verify="nr_written in /proc/vmstat rises faster, or nr_dirty falls",
        )
    wanted = (BACKGROUND, background), (DIRTY, limit)
    pages = limit // 1024 // page_kibibytes(state)
    sizes = f"{size_words(background / 1024)} and {size_words(limit / 1024)}"
    return Advice(
        text=f"begin to write earlier and let less pile up: one and four seconds of this disk are {sizes}. "
        f"{keep(*wanted)}",
        as_root=True,
        command=set_now(*wanted),
        undo=_undo(state),
        verify=f"nr_dirty and nr_writeback in /proc/vmstat together stay below {pages}",
        risk="short bursts of writing are no longer taken up by memory",
    )


def _undo(state: MemoryState) -> str | None:
    # Setting the ratio is what takes the bytes away again.
    old: list[tuple[str, int]] = []
    for name in (BACKGROUND, DIRTY):
        ratio = name.replace("bytes", "ratio")
        in_bytes = state.sysctl_number(name)
        default = 10 if name == BACKGROUND else 20
        value = state.sysctl_number(ratio)
        old.append((name, in_bytes) if in_bytes else (ratio, default if value is None else value))
    return set_now(*old)


def _rounded(size_bytes: int) -> int:
    return -(-size_bytes // _MEBIBYTE) * _MEBIBYTE
