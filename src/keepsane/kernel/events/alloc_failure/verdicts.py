# SPDX-License-Identifier: GPL-2.0-or-later
"""
Why an allocation failed, by the kind of memory that was short.

Each rule is one verdict of keepsane.kernel.pages.ledger; what the request itself was to blame for is in
keepsane.kernel.events.alloc_failure.verdicts.
"""

from __future__ import annotations

from collections.abc import Iterator

from keepsane.judge import rule
from keepsane.kernel.events.alloc_failure.advice import (
    CHECK_THE_SIZE,
    COLLECT_MORE,
    OPEN_LOW_ZONES,
    ask_for_less,
    ask_less_of_low_memory,
    raise_min_free,
    update_kernel,
    wake_kswapd_earlier,
)
from keepsane.kernel.events.alloc_failure.failure import AllocFailure
from keepsane.kernel.events.alloc_failure.finding import judged
from keepsane.kernel.pages.advice import allow_more_nodes, compact_for, shrink_cma
from keepsane.report import Finding


@rule("allocation-shortage", on=AllocFailure)
def allocation_shortage(event: AllocFailure) -> Iterator[Finding]:
    """
    Too little memory was free in every zone that the request could use.

    What it means: the zone was below its min watermark, less what the request's own rights took off it. For
    a request that may not sleep nothing is reclaimed: it lives on what kswapd freed before. A burst of such
    requests, packets for instance, is then faster than kswapd.

    How we know: the zone's free memory, less what is kept for others, does not exceed the watermark by the
    kernel's own arithmetic (__zone_watermark_ok()). The account shows each step.

    What to do: keep more memory free, or wake kswapd earlier. Where only low memory is short (DMA, DMA32) and
    most of what is free lies elsewhere, let fewer requests need it: IOMMU, 64-bit DMA masks. Where page
    cache is large, only the time to reclaim it is missing; where nothing can be reclaimed, the machine has
    too little memory.

    When it is wrong: the report is printed after the failure. The numbers are those of a moment later, and
    each CPU holds back a few pages of its changes. A margin that small is said to be borderline.
    """
    title = "too little memory was free for this request"
    advisers = (ask_less_of_low_memory, raise_min_free, wake_kswapd_earlier)
    yield from judged(event, "shortage", title, *advisers)


@rule("allocation-lowmem-reserve", on=AllocFailure)
def allocation_lowmem_reserve(event: AllocFailure) -> Iterator[Finding]:
    """
    What was free is kept for requests that can use no other memory.

    What it means: a lower zone (DMA, DMA32) had free memory, and keeps it from requests that may use a
    higher zone too. The higher zones were short.

    How we know: the zone is above its watermark, and not above it by what lowmem_reserve[] keeps from
    requests of this kind.

    What to do: this is the reserve doing its work. The zone that was really short is the higher one: keep
    more of that free. vm.lowmem_reserve_ratio can open the lower zones, at the price of devices that need
    them.

    When it is wrong: as for every zone, the numbers are those of a moment after the failure.
    """
    title = "the free memory is kept for requests that can use nothing else"
    yield from judged(event, "lowmem-reserve", title, raise_min_free, OPEN_LOW_ZONES)


@rule("allocation-fragmentation", on=AllocFailure)
def allocation_fragmentation(event: AllocFailure) -> Iterator[Finding]:
    """
    Enough memory was free, but not in one piece.

    What it means: the request wanted a block of several pages that lie together, and all free blocks were
    smaller, or held memory of another kind (CMA, the atomic reserve).

    How we know: the watermark check passes, and the list of free blocks has none that is large enough and
    of a type that the request may take.

    What to do: ask for less at once (smaller MTU, fewer buffers in one piece, kvmalloc() in the driver);
    compaction puts blocks together. More free memory helps only a little.

    When it is wrong: blocks come and go. The list was printed a moment after the failure.
    """
    title = "enough memory was free, but no block of this size"
    yield from judged(event, "fragmentation", title, ask_for_less, compact_for)


@rule("allocation-cma-only", on=AllocFailure)
def allocation_cma_only(event: AllocFailure) -> Iterator[Finding]:
    """
    What was free belongs to the contiguous memory area (CMA), which this request may not use.

    What it means: CMA is lent to movable pages only, so that a device can have it back. Free memory in it is
    counted as free, and is out of reach for the kernel's own requests.

    How we know: free_cma is most of free, and without it the zone is below the watermark; or every block of
    the size is marked (C).

    What to do: reserve less for CMA (`cma=` on the kernel's command line) if the devices need less, and keep
    more other memory free.

    When it is wrong: kernels before 3.7 count CMA as usable; there no such verdict is given.
    """
    title = "the free memory is CMA, which this request may not use"
    yield from judged(event, "cma-only", title, shrink_cma, raise_min_free)


@rule("allocation-highatomic-held", on=AllocFailure)
def allocation_highatomic_held(event: AllocFailure) -> Iterator[Finding]:
    """
    What was free is held for atomic requests of higher order.

    What it means: since 4.4 the kernel sets pageblocks aside for atomic requests of more than a page, up to
    a hundredth of a zone. Others may not use them.

    How we know: reserved_highatomic is subtracted from what is free, and then too little is left; or every
    free block is marked (H). Before 6.12 the whole reserve is subtracted, used or not: where no (H) block is
    free, the kernel counts too much and refuses memory that it has.

    What to do: where the reserve is not even free, use 6.12 or later, which subtracts the free part only
    (c928807f6f6b, "mm/page_alloc: keep track of free highatomic"). Otherwise keep more memory free.

    When it is wrong: kernels from 4.4 to 5.0 do not print the reserve; there at least one pageblock is taken
    where (H) blocks show it. From 6.12 to 6.15 the free part is not printed; where that decides, the report
    is called incomplete.
    """
    title = "the free memory is held for atomic requests of higher order"
    yield from judged(event, "highatomic-held", title, update_kernel, raise_min_free)


@rule("allocation-cpuset-or-movable-only", on=AllocFailure)
def allocation_cpuset_or_movable_only(event: AllocFailure) -> Iterator[Finding]:
    """
    Memory is free, but on nodes or in zones that this request may not use.

    What it means: the task's cpuset or memory policy holds the request to some nodes, or these nodes have
    only a Movable zone, from which the kernel's own requests are not served.

    How we know: another zone that was printed would have served the request; mems_allowed, nodemask or the
    zone's name bars it.

    What to do: give the cpuset a node with a Normal zone (cpuset.mems), or take the binding away.

    When it is wrong: zones that were not printed are not judged. Since 6.1 the kernel prints none above the
    request's.
    """
    title = "memory is free where this request may not use it"
    yield from judged(event, "cpuset-or-movable-only", title, allow_more_nodes)


@rule("allocation-zone-empty", on=AllocFailure)
def allocation_zone_empty(event: AllocFailure) -> Iterator[Finding]:
    """
    The zone that was asked for has no pages at all.

    What it means: the request names a zone (GFP_DMA, for old devices) that this machine does not have, as in
    a crash kernel, which is given memory above it. Nothing that is set can change that.

    How we know: the zone's managed pages are 0.

    What to do: nothing, where the caller is a pool that is filled at boot just in case. A driver that needs
    the zone cannot work there.

    When it is wrong: where the report does not print managed pages, a zone without any counter is taken for
    empty.
    """
    yield from judged(event, "zone-empty", "the zone that was asked for has no memory on this machine")


@rule("allocation-reserves-exhausted", on=AllocFailure)
def allocation_reserves_exhausted(event: AllocFailure) -> Iterator[Finding]:
    """
    Not even a request that may use all reserves was served.

    What it means: no watermark holds for this request, because its work frees memory (writing out pages,
    swap over the network). Even so nothing was left: the machine may not come out of this by itself.

    How we know: the mask has __GFP_MEMALLOC, so the watermark is 0 for it, and the zones had nothing free.

    What to do: larger reserves let reclaim go on: raise vm.min_free_kbytes.

    When it is wrong: a task that may use all reserves by itself (PF_MEMALLOC) is not shown in the report.
    """
    title = "all reserves were used up"
    yield from judged(event, "reserves-exhausted", title, raise_min_free)


@rule("allocation-policy-gives-up", on=AllocFailure)
def allocation_policy_gives_up(event: AllocFailure) -> Iterator[Finding]:
    """
    The request asked the kernel not to insist.

    What it means: memory was short, and the request (or its size) says to give up rather than reclaim for
    long or kill a process. Its caller should have another way.

    How we know: the zone is below its watermark, and the mask or the order is one for which the kernel stops
    early (__GFP_NORETRY, more than 8 pages at once, one node only, a dying task).

    What to do: see whether the caller copes; if it does, nothing. Else memory has to be kept free.

    When it is wrong: the same report comes from callers without another way. See what the caller is.
    """
    title = "memory was short, and the request does not insist"
    yield from judged(event, "policy-gives-up", title, ask_for_less, raise_min_free)


@rule("allocation-size-absurd", on=AllocFailure)
def allocation_size_absurd(event: AllocFailure) -> Iterator[Finding]:
    """
    More was asked for than this machine can ever give.

    What it means: the size is larger than all memory, or larger than the largest block there is. Such a size
    was often computed from something that a user or a file said, and was not checked.

    How we know: the size in the report against the pages of RAM, or the order against the largest order.

    What to do: find where the caller gets the size from. No setting helps.

    When it is wrong: a kernel built with larger blocks (ARCH_FORCE_MAX_ORDER) has a higher largest order;
    the longest list of free blocks that was printed is respected.
    """
    yield from judged(event, "size-absurd", "more was asked for than can ever be had", CHECK_THE_SIZE)


@rule("allocation-race", on=AllocFailure)
def allocation_race(event: AllocFailure) -> Iterator[Finding]:
    """
    When the report was printed, the request would have been served: the cause is not in it.

    What it means: memory was freed between the failure and the report. Whatever stood in the way was gone.

    How we know: the kernel's own check passes with the numbers printed.

    What to do: once is noise. If it comes again and again, memory is short in bursts: keep more free.

    When it is wrong: what is not printed (another task's claim, a reserve) may still have barred it.
    """
    title = "memory was free again when this was printed: what was missing cannot be told"
    yield from judged(event, "race", title, raise_min_free)


@rule("allocation-contradiction", on=AllocFailure)
def allocation_contradiction(event: AllocFailure) -> Iterator[Finding]:
    """
    By its own numbers the request should not have failed.

    What it means: plenty is free, and the kernel does not give up on such a request. Something that the
    report does not print decided.

    How we know: the zone is above its high watermark, the request may sleep, and nothing lets it give up.

    What to do: collect more: /proc/zoneinfo, /proc/buddyinfo, the lines before. Suspect a fault that was
    injected for a test, a task that reclaims memory itself or is dying, or a bug of this kernel.

    When it is wrong: as a race, if a great deal was freed between the failure and the report.
    """
    title = "by the numbers printed this request should have been served"
    yield from judged(event, "contradiction", title, COLLECT_MORE)


@rule("allocation-incomplete", on=AllocFailure)
def allocation_incomplete(event: AllocFailure) -> Iterator[Finding]:
    """
    The report lacks what would tell why the allocation failed.

    What it means: the part that says what was free, and in which blocks, is missing, cut off or mixed with
    others. Nothing is guessed from the rest.

    How we know: the lines that the account needs are not in the log.

    What to do: get the whole report: `dmesg`, the console or the journal, from the headline to `pages
    reserved` or `pages hwpoisoned`. Some kernels print no state of memory where they did a moment before.

    When it is wrong: where the missing part could not change the answer, the answer is given as a part.
    """
    title = "why it failed cannot be told from this report"
    yield from judged(event, "incomplete", title, COLLECT_MORE)
