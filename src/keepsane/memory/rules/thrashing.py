# SPDX-License-Identifier: GPL-2.0-or-later
"""Thrashing: pages are thrown out and read back, again and again."""

from __future__ import annotations

from keepsane.judge import CannotTell, Clear, rule
from keepsane.kernel.pages.advice import interleave
from keepsane.memory.rules.amount import free_percent, page_kibibytes
from keepsane.memory.rules.binding import in_need, mems_words
from keepsane.memory.rules.needs import need_free, need_rate, need_rates, need_scanned
from keepsane.memory.rules.quote import quote_marks, quote_meminfo, quote_pressure, quote_risen
from keepsane.memory.rules.zones import Imbalance, imbalance_words, latest_imbalance
from keepsane.memory.state import MemoryState
from keepsane.report import Advice, Evidence, Finding
from keepsane.words import share_words, size_words

_REFERENCES = ("mm/workingset.c, Double CLOCK lists", "Documentation/accounting/psi.rst")
_MUCH_FREE_PERCENT = 10.0


@rule("thrash-file", on=MemoryState)
def thrash_file(
    state: MemoryState,
    *,
    refaults_per_second: float = 100.0,
    read_percent: float = 10.0,
    majfaults_per_second: float = 50.0,
    activated_percent: float = 25.0,
    stalled_percent: float = 2.0,
) -> Finding | Clear:
    """
    File pages are dropped and read again at once: the page cache is smaller than what is in use.

    What it means: programs and mapped files are thrown out while in use, and fetched from disk page by page.
    Reading a file once that is larger than memory looks alike from afar, and does no harm.

    How we know: workingset_refault_file rises by 100 pages per second and is a tenth of all that is read
    (pgpgin); the pages are in use: pgmajfault rises by 50 per second, or a quarter of them goes to the active
    list at once; and tasks stood still for memory (PSI), where this kernel tells.

    What to do: more memory for the page cache: less for others, or protect the service by memory.low of its
    control group. Programs that read large files once can say so (posix_fadvise, O_DIRECT).

    When it is wrong: at the limit of one control group only that group thrashes; memory-limit names it. Where
    much memory is free as a whole, this rule stands back.
    """
    refaults, read, majfaults = need_rates(state, "workingset_refault_file", "pgpgin", "pgmajfault")
    again = refaults * page_kibibytes(state)
    said = _again_words(again, read)
    if refaults < refaults_per_second or 100 * again < read_percent * read:
        return Clear(said)
    activated = state.rate("workingset_activate_file") or 0.0
    if majfaults < majfaults_per_second and 100 * activated < activated_percent * refaults:
        return Clear(f"{said}, but few were in use: {majfaults:.0f} major faults per second")
    why_clear = _harmless(state, stalled_percent)
    if why_clear:
        return Clear(f"{said}, but {why_clear}")
    return _files_thrash(state, f"{said}, with {majfaults:.0f} major faults per second", refaults)


def _files_thrash(state: MemoryState, said: str, refaults: float) -> Finding:
    stalled = state.stalled_percent("memory", "some")
    return Finding(
        severity="warning",
        confidence="high" if stalled is not None else "medium",
        title="the page cache thrashes: files in use are dropped and read again",
        evidence=_evidence(
            state, "workingset_refault_file", "workingset_activate_file", "pgmajfault", "pgpgin"
        ),
        explanation=f"{said}{_stalled_words(stalled)}.",
        advice=(
            Advice(
                text="leave more memory to the page cache: reduce the heaps and buffers of processes, or "
                "protect the service's cache by memory.low of its control group",
                verify=f"workingset_refault_file rises by far less than {refaults:.0f} per second",
                risk="what is protected for one is taken from the others",
            ),
        ),
        references=_REFERENCES,
    )


@rule("thrash-anon", on=MemoryState)
def thrash_anon(
    state: MemoryState, *, pages_per_second: float = 50.0, stalled_percent: float = 2.0
) -> Finding | Clear:
    """
    Pages go to swap and come back all the time.

    What it means: processes use more memory than there is, in turns. Each touch of a page in swap waits for
    the disk, and drives another page out.

    How we know: pswpin and pswpout both rise by 50 pages per second or more, and tasks stood still for memory
    (PSI), where this kernel tells.

    What to do: fewer or smaller processes, or more memory. Compressed swap in memory (zswap, zram) makes it
    bearable. Less swap does not help: the file pages thrash then, or a process is killed.

    When it is wrong: one large process that goes out while another comes in does the same for a while.
    """
    out, back = need_rates(state, "pswpout", "pswpin")
    said = f"{out:.0f} pages went to swap and {back:.0f} came back per second"
    if min(out, back) < pages_per_second:
        return Clear(said)
    why_clear = _harmless(state, stalled_percent)
    if why_clear:
        return Clear(f"{said}, but {why_clear}")
    stalled, full = state.stalled_percent("memory", "some"), state.stalled_percent("memory", "full")
    return Finding(
        severity="error" if full is not None and full >= 20 else "warning",
        confidence="high" if stalled is not None else "medium",
        title="memory thrashes: pages go to swap and come back",
        evidence=_evidence(state, "pswpin", "pswpout", "workingset_refault_anon", "pgmajfault"),
        explanation=f"{said}{_stalled_words(stalled)}: processes use more than there is.",
        advice=(
            Advice(
                text="run less at once, or limit the largest by its control group (memory.high); see who "
                "by VmSwap in /proc/PID/status. zswap softens it",
                verify=f"pswpin rises by far less than {back:.0f} per second",
                risk="what is limited becomes slower instead of all others",
            ),
        ),
        references=_REFERENCES,
    )


@rule("swap-with-free", on=MemoryState)
def swap_with_free(
    state: MemoryState, *, pages_per_second: float = 10.0, free_percent_from: float = _MUCH_FREE_PERCENT
) -> Finding | Clear:
    """
    The machine swaps although much memory is free: one kind of memory is short, not all.

    What it means: pages go to swap for the sake of a node or zone that is full, while another has plenty.

    How we know: pswpout rises, more than 10 % of memory was free in every sample, pages were scanned for the
    whole machine, and a zone near its high watermark or below was seen beside one with plenty.

    What to do: spread the memory over the nodes: numactl --interleave=all for the large process, and
    vm.zone_reclaim_mode 0.

    When it is wrong: a control group at its limit swaps with memory free, and rightly so; since the counts of
    scanned pages leave it out, it is not taken for this.
    """
    out, free, scanned = need_rate(state, "pswpout"), need_free(state), need_scanned(state)
    said = f"{out:.0f} pages went to swap per second, with {share_words(free)} of memory free at the least"
    if out < pages_per_second or free <= free_percent_from:
        return Clear(said)
    if scanned < out:
        return Clear(f"{said}, but not for want of it in the machine: a control group is at its limit")
    if (who := in_need(state)) is not None:
        return Clear(f"{said}; {who.name} is bound to {mems_words(who)}: bind-starved judges that")
    found = latest_imbalance(state)
    if found is None or found.free is None:
        raise CannotTell(
            f"{said}; no full zone was seen beside one with plenty, so which is short is not known"
        )
    return _swaps_for_a_node(state, found, said, out)


def _swaps_for_a_node(state: MemoryState, found: Imbalance, said: str, out: float) -> Finding:
    return Finding(
        severity="warning",
        confidence="high",
        title="the machine swaps although memory is free: it is free on another node",
        evidence=(
            *quote_risen(state, "pswpout"),
            *quote_meminfo(state, "MemFree"),
            *quote_marks(state, found.sample, found.full, found.free),
        ),
        explanation=f"{said}. {imbalance_words(state, found)}",
        advice=(
            interleave(
                "spread the large process over the nodes, with vm.zone_reclaim_mode at 0",
                f"pswpout rises by far less than {out:.0f} per second",
            ),
        ),
        references=("Documentation/admin-guide/mm/numa_memory_policy.rst", *_REFERENCES[:1]),
    )


def _harmless(state: MemoryState, stalled_percent: float) -> str:
    """Say why pages that come back do no harm, or are not for want of memory; "" where neither is seen."""
    free, stalled = free_percent(state), state.stalled_percent("memory", "some")
    if free is not None and free > _MUCH_FREE_PERCENT:
        said = f"{share_words(free)} of memory was free"
        return f"{said}: what is short is a kind of it, or a control group's share"
    if stalled is not None and stalled < stalled_percent:
        return f"tasks stood still for memory only {share_words(stalled)} of the time"
    return ""


def _again_words(again_kibibytes: float, read_kibibytes: float) -> str:
    if not again_kibibytes:
        return "no page of a file was needed again after it had been dropped (workingset_refault_file)"
    return (
        f"{size_words(again_kibibytes)} of files were needed again per second just after they had been "
        f"dropped; {size_words(read_kibibytes)} were read from disks"
    )


def _stalled_words(stalled: float | None) -> str:
    return "" if stalled is None else f"; tasks stood still for memory {share_words(stalled)} of the time"


def _evidence(state: MemoryState, *counters: str) -> tuple[Evidence, ...]:
    return (*quote_risen(state, *counters), *quote_pressure(state))
