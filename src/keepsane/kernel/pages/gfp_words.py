# SPDX-License-Identifier: GPL-2.0-or-later
"""What each gfp flag means, in words for somebody who never read include/linux/gfp_types.h."""

from __future__ import annotations

from collections.abc import Iterator

from keepsane.kernel.pages.gfp import COSTLY_ORDER, Gfp

MEANING = {
    "__GFP_DMA": "only memory that old devices reach (the DMA zone, the first 16 MB on x86)",
    "__GFP_DMA32": "only memory below 4 GB",
    "__GFP_HIGHMEM": "memory that the kernel need not have mapped will do (matters on 32-bit)",
    "__GFP_MOVABLE": "the page can be moved later, so it may come from CMA and movable memory",
    "__GFP_RECLAIMABLE": "the memory can be freed by shrinkers; kept apart from what cannot",
    "__GFP_WAIT": "may sleep: memory may be reclaimed for it",
    "__GFP_HIGH": "urgent: may use part of the reserves below the min watermark",
    "__GFP_IO": "reclaim for it may start disk I/O",
    "__GFP_HIGHIO": "reclaim for it may start disk I/O on high memory",
    "__GFP_FS": "reclaim for it may call into filesystems",
    "__GFP_COLD": "a page that is not in the cache will do",
    "__GFP_NOWARN": "no report in the log where it fails",
    "__GFP_REPEAT": "try harder, but it may fail",
    "__GFP_RETRY_MAYFAIL": "try harder, short of the OOM killer; it may fail",
    "__GFP_NOFAIL": "must not fail: tries for ever",
    "__GFP_NORETRY": "gives up early: one try at reclaim and no OOM killer",
    "__GFP_NO_GROW": "the slab cache must not grow",
    "__GFP_COMP": "a block of several pages is used as one compound page",
    "__GFP_ZERO": "the memory is filled with zeros",
    "__GFP_NOMEMALLOC": "must not use the emergency reserves, even where the task may",
    "__GFP_MEMALLOC": "may use all reserves: what it does will free memory",
    "__GFP_HARDWALL": "only from the nodes that the task's cpuset allows",
    "__GFP_THISNODE": "only from the one node that was asked for",
    "__GFP_ATOMIC": "cannot sleep and is urgent",
    "__GFP_KMEMCG": "charged to the control group",
    "__GFP_NOACCOUNT": "not charged to the control group",
    "__GFP_ACCOUNT": "charged to the task's control group",
    "__GFP_NOTRACK": "not followed by kmemcheck",
    "__GFP_NO_KSWAPD": "does not wake kswapd",
    "__GFP_OTHER_NODE": "counted for the other node",
    "__GFP_WRITE": "the page will be written to: spread over the zones",
    "__GFP_DIRECT_RECLAIM": "may sleep: memory may be reclaimed for it",
    "__GFP_KSWAPD_RECLAIM": "wakes kswapd, which reclaims in the background",
    "__GFP_NOLOCKDEP": "lockdep does not look at it",
    "__GFP_ZEROTAGS": "memory tags are cleared with the page",
    "__GFP_SKIP_ZERO": "not filled with zeros where tags do it",
    "__GFP_SKIP_KASAN_POISON": "not poisoned by KASAN when freed",
    "__GFP_SKIP_KASAN_UNPOISON": "not unpoisoned by KASAN",
    "__GFP_SKIP_KASAN": "left alone by KASAN",
}
"""Each flag's meaning."""


def asked_words(gfp: Gfp, order: int = 0) -> str:
    """
    Say in a sentence what a request for 2**`order` pages asks for.

    Source: mm/page_alloc.c, __alloc_pages_may_oom(); mm/oom_kill.c, out_of_memory(), which kills nothing
    without __GFP_FS.
    """
    if gfp.memalloc and not gfp.nomemalloc:
        return "memory at any price: all reserves may be used, because the work done with it frees memory"
    if not gfp.may_sleep and gfp.high:
        return "memory now, and do not put me to sleep: nothing is reclaimed for it, but it may use reserves"
    if not gfp.may_sleep:
        return "memory only if it is there: it neither waits nor dips into reserves, and is expected to fail"
    if gfp.nofail:
        return "memory, however long it takes: it must not fail"
    if gfp.noretry:
        return "memory with one light try at reclaim: it gives up early and has something else to do then"
    if gfp.retry_mayfail:
        return "memory with many tries at reclaim, but without killing a process for it"
    if order > COSTLY_ORDER or gfp.thisnode or not gfp.may_call_fs:
        return "memory, and I can wait: reclaim and compaction work for it, but nothing is killed for it"
    return "memory, and I can wait: reclaim, compaction and at last the OOM killer work for it"


def shape_words(gfp: Gfp) -> str:
    """Name a well-known caller by the flags that it alone combines; "" where there is none."""
    if not gfp.may_sleep and gfp.nomemalloc and gfp.noretry and gfp.nowarn:
        return (
            "This is the first try of a mempool (or the like): where it fails, a reserve of its own serves."
        )
    if gfp.names.startswith("GFP_TRANSHUGE"):
        return "This is a transparent huge page: where it fails, small pages are used instead."
    if not gfp.may_sleep and gfp.compound and gfp.noretry:
        return "This is how network buffers ask for a large block first: where it fails, single pages serve."
    return ""


_ZONE_ORDER = ("Movable", "HighMem", "Normal", "DMA32", "DMA")


def zones_words(gfp: Gfp) -> str:
    """Say which zones serve a request, in the order in which the kernel tries them."""
    zones = _ZONE_ORDER[_ZONE_ORDER.index(gfp.highest_zone) :]
    return ", then ".join(zones) + ", as far as the machine has them"


def reach_words(gfp: Gfp) -> Iterator[tuple[str, str]]:
    """Give what a request may do, each with its name."""
    yield "may sleep", "yes: it waits for reclaim" if gfp.may_sleep else "no"
    if gfp.memalloc and not gfp.nomemalloc:
        yield "reserves", "all of them"
    elif gfp.high:
        yield "reserves", "a part of what lies below the min watermark"
    else:
        yield "reserves", "none: free memory must stay above the min watermark"
    yield "wakes kswapd", "yes" if gfp.wakes_kswapd else "no"
    yield "zones", zones_words(gfp)
    if gfp.thisnode:
        yield "nodes", "only the one asked for: free memory elsewhere does not help"
    elif gfp.hardwall:
        yield "nodes", "those of the task's cpuset"
    if gfp.may_sleep and not (gfp.may_do_io and gfp.may_call_fs):
        lacks = "start disk I/O" if not gfp.may_do_io else "call into filesystems"
        yield "gives up", f"reclaim for it must not {lacks}: less can be freed"
    elif not gfp.may_sleep:
        yield "gives up", "reclaim, compaction and waiting: it lives on what kswapd freed before"
    yield "on failure", "silent" if gfp.nowarn else "a report in the log"
