# SPDX-License-Identifier: GPL-2.0-or-later
"""Memory that is free, or set aside, and that most requests may not use."""

from __future__ import annotations

import re
from collections.abc import Iterator

from keepsane.judge import CannotTell, Clear, need, rule
from keepsane.kernel.pages.advice import less_cma, write
from keepsane.kernel.pages.zone import Zone, zone_name
from keepsane.memory.proc.hugepages import FOLDER, Hugepages
from keepsane.memory.proc.machine import option
from keepsane.memory.proc.meminfo import Meminfo
from keepsane.memory.proc.pagetypeinfo import Highatomic, Pagetypeinfo
from keepsane.memory.rules.amount import (
    available_percent,
    is_of_container,
    kibibytes,
    page_kibibytes,
    pages_words,
)
from keepsane.memory.rules.harm import harmed_words, harms, quote_failures, recent_failures, severity_of
from keepsane.memory.rules.needs import NO_MEMINFO, NO_TYPES, need_part
from keepsane.memory.rules.quote import quote_file, quote_meminfo, quote_zone
from keepsane.memory.rules.setting import change
from keepsane.memory.rules.zones import newest_zones, zones_of
from keepsane.memory.state import MemorySample, MemoryState
from keepsane.report import Advice, Finding
from keepsane.words import counted, share_words, size_words

_PAGETYPEINFO = "proc/pagetypeinfo"
_GRAIN_KIBIBYTES = 4096
_LEAST_CMA_KIBIBYTES = 16 * 1024


@rule("cma-hoard", on=MemoryState)
def cma_hoard(state: MemoryState, *, share_percent: float = 70.0) -> Finding | Clear:
    """
    Most of what is free belongs to CMA, which the kernel itself may not use.

    What it means: cameras and displays get large blocks from an area that only movable memory, such as
    programs' and the page cache, may fill meanwhile. Network buffers and slabs may not, and fail while
    "free" looks well.

    How we know: CmaFree is more than 70 % of MemFree. It harms if requests fail in the log that may not use
    it, or if the rest is no more than the zones' high watermarks while tasks wait for memory.

    What to do: make the area smaller: cma= on the kernel command line, or the device tree. Boards such as
    the Raspberry Pi reserve it there.

    When it is wrong: a machine that needs the area for a camera or display has it for a reason.
    """
    newest = None if is_of_container(state) else state.newest(lambda sample: sample.meminfo)
    meminfo = need(newest, NO_MEMINFO)
    free = need(meminfo.kibibytes.get("MemFree"), NO_MEMINFO)
    total, cma = meminfo.kibibytes.get("CmaTotal"), meminfo.kibibytes.get("CmaFree")
    if not total or cma is None:
        return Clear("this kernel has no CMA area")
    said = f"{size_words(cma)} of the {size_words(free)} free are CMA"
    if not free or 100 * cma <= share_percent * free:
        return Clear(said)
    failed = [
        request
        for request in recent_failures(state)
        if request.order == 0 and request.gfp and not request.gfp.movable
    ]
    marks = sum(zone.high_pages for zone in newest_zones(state)) * page_kibibytes(state)
    suffering = harms(state) if free - cma <= marks else ()
    return Finding(
        severity=severity_of((*failed, *suffering)),
        confidence="high" if failed else "medium",
        title="most of what is free is CMA, and the kernel itself may not use it",
        evidence=(
            *quote_meminfo(state, "MemFree", "CmaTotal", "CmaFree"),
            *quote_failures(state, failed[-2:]),
        ),
        explanation=f"{said}: other requests have {size_words(max(free - cma, 0))}. "
        + (
            f"By the log {counted(len(failed), 'request')} of that kind failed lately."
            if failed
            else harmed_words(suffering)
        ),
        advice=tuple(_shrink_cma(state, meminfo)),
        references=("Documentation/admin-guide/kernel-parameters.txt, cma=",),
    )


def _shrink_cma(state: MemoryState, meminfo: Meminfo) -> Iterator[Advice]:
    total, free = meminfo.kibibytes.get("CmaTotal") or 0, meminfo.kibibytes.get("CmaFree") or 0
    wanted = max(2 * (total - free), _LEAST_CMA_KIBIBYTES)
    wanted += -wanted % _GRAIN_KIBIBYTES
    now = option(state.machine, "cma")
    if wanted >= total:
        yield Advice(text="the area is in use or small: find more memory for the kernel elsewhere")
        return
    was = (
        f"the command line now says cma={now}"
        if now
        else "it is not on the command line: see the device tree"
    )
    yield less_cma(
        f"boot with cma={wanted // 1024}M instead of {size_words(total)}: twice its use now; {was}"
    )


@rule("highatomic-hoard", on=MemoryState)
def highatomic_hoard(state: MemoryState) -> Finding | Clear:
    """
    What a zone has free is held for atomic requests of higher order, and others starve.

    What it means: up to a hundredth of each zone is reserved for requests that need several pages and
    cannot wait. Where the rest is used up, the OOM killer may come with a hundredth of memory free.

    How we know: /proc/pagetypeinfo shows free pages of the type HighAtomic, without which the zone would be
    at or below its min watermark.

    What to do: run a newer kernel, which gives the reserve back earlier (6.8 and later), and let whoever
    asks for higher orders ask for less: a smaller MTU, no jumbo frames.

    When it is wrong: for a moment before kswapd has caught up it is nothing.
    """
    types, zones = need(state.newest(_types_and_zones), NO_TYPES)
    if not types.free:
        raise CannotTell(NO_TYPES)
    held = {zone: pages for zone in zones if (pages := types.highatomic_pages(zone)) is not None}
    starved = [zone for zone, pages in held.items() if _starves(zone, pages)]
    if not starved:
        said = sum(pages.reserved for pages in held.values())
        return Clear(f"{said} pages are reserved for atomic blocks, and no zone lives on them alone")
    worst, suffering = max(starved, key=lambda zone: held[zone].free), harms(state)
    blocks = re.compile(
        rf"^Node {{1,9}}{worst.node:d}, zone {{1,9}}{re.escape(worst.name)}, type {{1,9}}HighAtomic "
    )
    return Finding(
        severity=severity_of(suffering),
        confidence="high",
        title=f"what {zone_name(worst)} has free is held for atomic blocks",
        evidence=(*quote_file(state, _PAGETYPEINFO, blocks), *quote_zone(state, worst, "free", "min")),
        explanation=f"{held[worst].free} of {worst.free_pages} free pages are held; min: {worst.min_pages}. "
        + harmed_words(suffering),
        advice=(
            Advice(text="run a newer kernel: since 6.8 the reserve is given back before the OOM killer"),
            Advice(text="let fewer requests be of higher order: a smaller MTU, no jumbo frames"),
        ),
        references=("mm/page_alloc.c, unreserve_highatomic_pageblock()",),
    )


def _types_and_zones(sample: MemorySample) -> tuple[Pagetypeinfo, tuple[Zone, ...]] | None:
    zones = zones_of(sample)
    return (sample.pagetypeinfo, zones) if sample.pagetypeinfo and zones else None


def _starves(zone: Zone, held: Highatomic) -> bool:
    return zone.free_pages > zone.min_pages >= zone.free_pages - held.free


@rule("hugepage-hoard", on=MemoryState)
def hugepage_hoard(
    state: MemoryState, *, unused_percent: float = 20.0, least_available_percent: float = 10.0
) -> Finding | Clear:
    """
    Much memory is set aside as huge pages that nobody uses.

    What it means: pages of vm.nr_hugepages are taken out of memory when they are set aside. Programs that
    do not ask for them cannot use them, even if everything else is short.

    How we know: the free huge pages, less those promised to somebody, are more than 20 % of MemTotal. It
    harms if less than 10 % of memory is available, or tasks wait for memory.

    What to do: set vm.nr_hugepages to what is used or promised.

    When it is wrong: a database that has not started yet will want them.
    """
    total, _ = need_part(state, "MemTotal")
    sizes = need(_sizes(state) or None, "the counts of huge pages were not read")
    unused = sum(_unused(pages) * pages.size_kibibytes for pages in sizes)
    share = share_words(100 * unused / total)
    said = f"{size_words(unused)} lie in huge pages that nobody uses, {share} of memory"
    if 100 * unused <= unused_percent * total:
        return Clear(said)
    worst = max(sizes, key=lambda pages: _unused(pages) * pages.size_kibibytes)
    available = available_percent(state)
    suffering = harms(state)
    if not suffering and available is not None and available < least_available_percent:
        suffering = (f"only {share_words(available)} of memory is available",)
    path = f"{FOLDER}/hugepages-{worst.size_kibibytes}kB"
    return Finding(
        severity=severity_of(suffering),
        confidence="high",
        title=f"{size_words(unused)} are set aside as huge pages that nobody uses",
        evidence=(
            *quote_meminfo(state, "MemTotal", "HugePages_Free", "HugePages_Rsvd"),
            *quote_file(state, f"{path}/free_hugepages", note=f"free pages of {worst.size_kibibytes} kB"),
        ),
        explanation=f"{said}. {harmed_words(suffering)}",
        advice=(_fewer_hugepages(state, worst, path),),
        references=("Documentation/admin-guide/mm/hugetlbpage.rst",),
    )


def _sizes(state: MemoryState) -> tuple[Hugepages, ...]:
    """The sizes as /sys has them, or the default size from meminfo."""
    known = tuple(pages for pages in state.hugepages if pages.free is not None and pages.reserved is not None)
    if known:
        return known
    meminfo = state.newest(lambda sample: sample.meminfo)
    size = None if meminfo is None else meminfo.kibibytes.get("Hugepagesize")
    if meminfo is None or not size:
        return ()
    names = ("Total", "Free", "Rsvd")
    total, free, reserved = (meminfo.counts.get(f"HugePages_{name}") for name in names)
    if free is None or reserved is None:
        return ()
    return (Hugepages(size_kibibytes=size, total=total, free=free, reserved=reserved),)


def _unused(pages: Hugepages) -> int:
    # A promised page is still counted as free.
    return max((pages.free or 0) - (pages.reserved or 0), 0)


def _fewer_hugepages(state: MemoryState, pages: Hugepages, path: str) -> Advice:
    default = kibibytes(state, "Hugepagesize") == pages.size_kibibytes
    now, wanted = pages.total or 0, max((pages.total or 0) - _unused(pages), 0)
    text = (
        f"keep the {counted(wanted, 'huge page')} in use or promised, of {now}"
        if wanted
        else f"set no huge pages aside: none of the {now} is in use or promised"
    )
    if option(state.machine, "hugepages"):
        text += ", and change hugepages= on the kernel command line"
    verify = f"HugePages_Free in /proc/meminfo falls by {_unused(pages)}, and MemAvailable rises by "
    verify += pages_words(state, _unused(pages) * pages.size_kibibytes / page_kibibytes(state))
    risk = "a program that wants them later may not get them: memory in blocks of that size becomes rare"
    if default:
        return change(state, "vm.nr_hugepages", wanted, text=text, verify=verify, risk=risk)
    return write(
        f"/{path}/nr_hugepages",
        wanted,
        now,
        text=f"{text}. To keep it, change hugepages= on the kernel command line, if it is there",
        verify=verify.replace("HugePages_Free in /proc/meminfo", f"/{path}/free_hugepages"),
        risk=risk,
    )
