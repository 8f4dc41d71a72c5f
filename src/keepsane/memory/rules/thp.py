# SPDX-License-Identifier: GPL-2.0-or-later
"""Transparent hugepages: what the search for blocks of 2 MB costs those who wait for it."""

from __future__ import annotations

import re

from keepsane.judge import Clear, need, rule
from keepsane.kernel.pages.advice import write
from keepsane.memory.proc.hugepages import Thp
from keepsane.memory.rules.harm import harms
from keepsane.memory.rules.needs import need_rate, need_rates
from keepsane.memory.rules.quote import quote_file, quote_risen
from keepsane.memory.state import MemoryState
from keepsane.report import Advice, Finding
from keepsane.words import rate_words, share_words

_REFERENCES = ("Documentation/admin-guide/mm/transhuge.rst",)
HARMLESS_PERCENT = 1.0
"""Tasks that stand still for memory a smaller share of the time than this hardly wait for huge pages."""
_WAITS = ("always", "madvise", "defer+madvise")


@rule("thp-direct-compact", on=MemoryState)
def thp_direct_compact(
    state: MemoryState, *, stalls_per_second: float = 1.0, in_vain: float = 0.5, of_faults: float = 0.2
) -> Finding | Clear:
    """
    Tasks that touch new memory wait while the kernel moves pages about to make a huge page for them.

    What it means: a page fault that could be served with any page looks for 2 MB in one piece. Where there is
    none, the faulting task itself compacts memory, for milliseconds. It shows as latency spikes with memory
    free, and is often blamed on NUMA.

    How we know: compact_stall rises, which counts those who wait, while huge pages are asked for at page
    faults (thp_fault_alloc and thp_fault_fallback): one fault may wait several times. compact_fail and
    thp_fault_fallback say how often the wait was for nothing. Information only where tasks stood still for
    memory less than 1 % of the time (PSI, which counts this wait).

    What to do: let faults take small pages and leave the rest to kcompactd and khugepaged: defrag set to
    defer+madvise (since 4.11) or madvise. RHEL 6 has the setting under redhat_transparent_hugepage.

    When it is wrong: khugepaged waits too and is counted with the others. A program that asks for huge pages
    itself may prefer to wait.
    """
    thp = _need_settings(state)
    if thp.enabled == "never":
        return Clear("transparent hugepages are switched off")
    stalls, got, missed = need_rates(state, "compact_stall", "thp_fault_alloc", "thp_fault_fallback")
    said = _stalls_words(stalls, got, missed)
    if stalls < stalls_per_second:
        return Clear(said)
    if got + missed < of_faults * stalls or thp.defrag not in _WAITS:
        return Clear(f"{said}, defrag is {thp.defrag}: others want large blocks, not page faults")
    failed = min((state.rate("compact_fail") or 0) / stalls, 1)
    vain = max(failed, missed / (got + missed))
    return Finding(
        severity="info" if _is_harmless(state) else "warning" if vain > in_vain else "note",
        confidence="high" if thp.defrag == "always" else "medium",
        title=f"page faults wait for huge pages: defrag is {thp.defrag}",
        evidence=(
            *quote_file(state, f"{thp.folder}/defrag"),
            *quote_risen(state, "compact_stall", "compact_fail", "thp_fault_alloc", "thp_fault_fallback"),
        ),
        explanation=f"{said}. {share_words(100 * failed)} of the waits were for nothing.",
        advice=(_wait_less(state, thp, stalls),),
        references=(*_REFERENCES, "mm/page_alloc.c, __alloc_pages_direct_compact()"),
    )


def _need_settings(state: MemoryState) -> Thp:
    thp = state.thp if state.thp and state.thp.enabled else None
    return need(thp, "the settings of transparent hugepages were not read, or this kernel has none")


def _stalls_words(stalls: float, got: float, missed: float) -> str:
    if not stalls:
        return "no task waited for compaction (compact_stall stood still)"
    return (
        f"tasks waited for compaction {rate_words(stalls)} times per second (compact_stall); "
        f"{rate_words(got)} page faults got a huge page, {rate_words(missed)} did not"
    )


def _is_harmless(state: MemoryState) -> bool:
    stalled = state.stalled_percent("memory", "some")
    return stalled is not None and stalled < HARMLESS_PERCENT


@rule("thp-split-storm", on=MemoryState)
def thp_split_storm(
    state: MemoryState, *, splits_per_second: float = 10.0, scans_per_second: float = 100.0
) -> Finding | Clear:
    """
    Huge pages are taken apart again because memory is short.

    What it means: reclaim cannot swap or drop part of a huge page, so it splits it first. That costs CPU
    under locks, and the work that went into making the huge page is lost.

    How we know: thp_split_page (thp_split before 4.5) rises while pages are scanned for reclaim. Information
    only where nothing is swapped out and no task suffers: page cache is then what is reclaimed.

    What to do: free memory, which is the cause. Where programs do not ask for huge pages themselves,
    enabled=madvise avoids making them.

    When it is wrong: programs that give back parts of huge pages make the kernel split them too, and that
    may fall together with unrelated reclaim.
    """
    splits, *scanned = need_rates(state, "thp_split_page", "pgscan_kswapd", "pgscan_direct")
    pages = sum(scanned)
    said = f"{rate_words(splits)} huge pages were split per second, while {pages:.0f} pages were scanned"
    if splits < splits_per_second or pages < scans_per_second:
        return Clear(said)
    thp, suffers = state.thp, bool(state.rate("pswpout") or harms(state))
    return Finding(
        severity="note" if suffers else "info",
        confidence="medium",
        title="huge pages are split for want of memory" if suffers else "huge pages are split",
        evidence=tuple(quote_risen(state, "thp_split_page", "pgscan_kswapd", "pgscan_direct")),
        explanation=f"{said}: reclaim takes huge pages apart to get at their parts."
        if suffers
        else f"{said}. Nothing was swapped out: programs that give back parts of them do that too.",
        advice=(_on_request(thp, splits),) if thp is not None and thp.enabled == "always" else (),
        references=(*_REFERENCES, "mm/huge_memory.c, split_huge_page_to_list()"),
    )


@rule("khugepaged-scan", on=MemoryState)
def khugepaged_scan(
    state: MemoryState, *, failures_per_second: float = 0.1, many: float = 1.0
) -> Finding | Clear:
    """
    Khugepaged looks for blocks of 2 MB again and again, and finds none.

    What it means: the daemon that puts small pages together to huge ones compacts memory for each attempt.
    That costs CPU, and moves pages that others are using.

    How we know: thp_collapse_alloc_failed rises faster than the daemon's own pause after a failure (60 s)
    lets it, so that somebody shortened the pauses.

    What to do: set khugepaged/defrag to 0: it then takes only what is free already.

    When it is wrong: right after much memory was freed the attempts soon succeed. Kernels that count
    MADV_COLLAPSE here too (6.1 and later) may mean a program that asks for it.
    """
    thp = _need_settings(state)
    failed = need_rate(state, "thp_collapse_alloc_failed")
    said = f"thp_collapse_alloc_failed rose by {rate_words(failed)} per second"
    if failed < failures_per_second or thp.khugepaged_defrag == "no":
        return Clear(f"{said}; khugepaged/defrag is {thp.khugepaged_defrag or 'not known'}")
    pages = thp.khugepaged_pages_to_scan
    round_of = "" if pages is None else f" It looks at {pages} pages in a round."
    return Finding(
        severity="note" if failed >= many else "info",
        confidence="medium",
        title="khugepaged looks for huge pages in vain",
        evidence=tuple(quote_risen(state, "thp_collapse_alloc_failed", "thp_collapse_alloc")),
        explanation=f"{said}.{round_of}",
        advice=(_stop_khugepaged(state, thp),),
        references=(*_REFERENCES, "mm/khugepaged.c, alloc_charge_folio()"),
    )


def _words(state: MemoryState, path: str) -> list[str]:
    text = state.newest(lambda sample: sample.snapshot.text(path)) or ""
    return re.findall(r"[\w+]{1,40}", text[:400])


def _wait_less(state: MemoryState, thp: Thp, stalls: float) -> Advice:
    path = f"{thp.folder}/defrag"
    known = _words(state, path)
    gentler = ("defer+madvise", "madvise", "never") if thp.defrag == "always" else ("defer", "never")
    value = next((word for word in gentler if word in known), "never")
    return write(
        f"/{path}",
        value,
        thp.defrag or "",
        text=f"let page faults take small pages: defrag from {thp.defrag} to {value}. " + _keep(path, value),
        verify=f"compact_stall in /proc/vmstat rises by far less than {rate_words(stalls)} per second",
        risk="fewer faults get a huge page at once; khugepaged makes them later",
    )


def _on_request(thp: Thp, splits: float) -> Advice:
    path = f"{thp.folder}/enabled"
    return write(
        f"/{path}",
        "madvise",
        thp.enabled or "",
        text="make huge pages only for programs that ask for them. " + _keep(path, "madvise"),
        verify=f"thp_split_page in /proc/vmstat rises by far less than {splits:.0f} per second",
        risk="programs that gain from huge pages and do not ask for them become slower; memory stays short",
    )


def _stop_khugepaged(state: MemoryState, thp: Thp) -> Advice:
    path = f"{thp.folder}/khugepaged/defrag"
    off, on = ("no", "yes") if "yes" in _words(state, path) else ("0", "1")
    return write(
        f"/{path}",
        off,
        on,
        text="let khugepaged take only what is free. " + _keep(path, off),
        verify="compact_stall in /proc/vmstat rises more slowly, and khugepaged takes less CPU time",
        risk="long-running programs get fewer huge pages",
    )


def _keep(path: str, value: str) -> str:
    return f"To keep it, put `w /{path} - - - - {value}` into /etc/tmpfiles.d/thp.conf (or into rc.local)"
