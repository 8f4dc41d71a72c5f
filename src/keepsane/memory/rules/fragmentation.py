# SPDX-License-Identifier: GPL-2.0-or-later
"""Free memory in pieces too small: what it looks like, what holds it, and what the kernel does against it."""

from __future__ import annotations

import re
from collections.abc import Iterator

from keepsane.judge import CannotTell, Clear, need, rule
from keepsane.kernel.pages.advice import PROACTIVENESS, compact, more_proactive
from keepsane.kernel.pages.zone import Zone, zone_name
from keepsane.memory.proc.pagetypeinfo import Pageblocks
from keepsane.memory.rules.amount import pages_words
from keepsane.memory.rules.harm import quote_failures, recent_failures
from keepsane.memory.rules.needs import NO_TYPES, need_zones
from keepsane.memory.rules.quote import quote_file, quote_risen
from keepsane.memory.rules.setting import change, double_min_free
from keepsane.memory.rules.zones import main_zones, size_pages, zones_with_blocks
from keepsane.memory.state import MemoryState
from keepsane.report import Advice, Evidence, Finding
from keepsane.words import counted, rate_words, share_words

_PAGETYPEINFO, _BUDDYINFO = "proc/pagetypeinfo", "proc/buddyinfo"


@rule("fragmentation-high-order", on=MemoryState)
def fragmentation_high_order(
    state: MemoryState,
    *,
    order: int = 3,
    free_percent: float = 5.0,
    unusable_percent: float = 95.0,
    fails_per_second: float = 1.0,
) -> Finding | Clear:
    """
    Much memory is free, and next to none of it in pieces of eight pages.

    What it means: network cards, drivers and kernel stacks ask for a few pages side by side. Where no such
    block is free they wait for compaction, or fail, however much MemAvailable says.

    How we know: in one of the main zones more than a twentieth is free, above its high watermark, and by
    /proc/buddyinfo 95 % of that or more lies in blocks smaller than order 3 (the kernel's unusable_index).
    It matters now if compact_fail rises, or the kernel log has failures of higher order.

    What to do: compact once, and let the kernel do it ahead of time: vm.compaction_proactiveness (since
    5.9). On older kernels a larger vm.min_free_kbytes helps blocks to form.

    When it is wrong: blocks come and go within a second. If unmovable pages lie between the free ones
    (unmovable-pollution), compaction cannot help.
    """
    zones = main_zones(zones_with_blocks(state)) or None
    zones = need(zones, "/proc/buddyinfo and /proc/zoneinfo of one moment are needed")
    poor = [zone for zone in zones if _is_poor(zone, order, free_percent, unusable_percent)]
    if not poor:
        said = ", ".join(f"{_blocks_from(zone, order)} in {zone_name(zone)}" for zone in zones[:8])
        return Clear(f"free blocks of order {order} or more: {said}; enough, or little is free at all")
    failed = [request for request in recent_failures(state) if request.order]
    in_vain = state.rate("compact_fail")
    suffers = bool(failed) or (in_vain or 0) >= fails_per_second
    most = max(poor, key=lambda zone: zone.free_pages)
    quotes = [quote for zone in poor[:4] for quote in _quote_blocks(state, zone)]
    return Finding(
        severity="warning" if suffers else "info",
        confidence="high" if len(poor) == len(zones) else "medium",
        title=f"free memory is in small pieces: hardly any of order {order} in {zone_name(most)}",
        evidence=(*quotes, *quote_failures(state, failed[-2:]), *quote_risen(state, "compact_fail")),
        explanation=_pieces_words(state, most, order) + _suffering_words(in_vain, len(failed)),
        advice=tuple(_against_fragmentation(state, order)),
        references=("mm/vmstat.c, unusable_show_print()", "Documentation/admin-guide/sysctl/vm.rst"),
    )


def _is_poor(zone: Zone, order: int, free_percent: float, unusable_percent: float) -> bool:
    plenty = zone.free_pages > zone.high_pages and 100 * zone.free_pages > free_percent * size_pages(zone)
    return plenty and _unusable_percent(zone, order) >= unusable_percent


def _blocks_from(zone: Zone, order: int) -> int:
    return sum(block.count for block in zone.blocks or () if block.order >= order)


def _unusable_percent(zone: Zone, order: int) -> float:
    """Give the share of free pages in smaller blocks, as extfrag/unusable_index in debugfs does."""
    blocks = zone.blocks or ()
    pages = sum(block.count << block.order for block in blocks)
    smaller = sum(block.count << block.order for block in blocks if block.order < order)
    return 100 * smaller / pages if pages else 0


def _pieces_words(state: MemoryState, zone: Zone, order: int) -> str:
    return (
        f"{pages_words(state, zone.free_pages)} are free in {zone_name(zone)}, "
        f"{share_words(_unusable_percent(zone, order))} of that in blocks smaller than order {order}. "
    )


def _quote_blocks(state: MemoryState, zone: Zone) -> Iterator[Evidence]:
    yield from quote_file(state, _BUDDYINFO, rf"^Node {zone.node}, zone +{zone.name} ")


def _suffering_words(in_vain: float | None, failed: int) -> str:
    said = [f"compaction failed {rate_words(in_vain)} times a second"] if in_vain else []
    said += [f"{counted(failed, 'request')} of higher order failed by the log"] if failed else []
    return f"Lately {' and '.join(said)}." if said else "Nobody is seen to wait for a block now."


def _against_fragmentation(state: MemoryState, order: int) -> Iterator[Advice]:
    blocks = f"/proc/buddyinfo shows blocks of order {order} and more"
    now = state.sysctl_number(PROACTIVENESS)
    if now is None:
        more = double_min_free(state, text="help blocks to form", verify=blocks)
        yield from (more,) if more else ()
    elif now < 100:
        value = more_proactive(now)
        text = f"let the kernel compact ahead of time: {PROACTIVENESS} from {now} to {value}"
        yield change(state, PROACTIVENESS, value, text=text, verify=blocks, risk="kcompactd takes some CPU")
    yield compact(order)


@rule("unmovable-pollution", on=MemoryState)
def unmovable_pollution(
    state: MemoryState, *, unmovable_percent: float = 30.0, fails_per_second: float = 1.0
) -> Finding | Clear:
    """
    Memory that the kernel cannot move is spread over much of a zone.

    What it means: compaction moves pages of programs and of the page cache. Slabs, page tables and drivers'
    buffers stay where they are, and one of them is enough to keep a block from forming.

    How we know: /proc/pagetypeinfo counts more than 30 % of a main zone's pageblocks as Unmovable, and
    compact_fail rises: somebody wants blocks, and moving pages does not make any.

    What to do: find who owns it: the largest slabs (slab-growth), drivers, page tables. Reserve huge pages
    at boot rather than later. A restart clears it.

    When it is wrong: a file server's or a router's memory is the kernel's for good reason, and the page cache
    of a disk without a file system counts as unmovable too.
    """
    blocks = state.newest(lambda sample: (sample.pagetypeinfo and sample.pagetypeinfo.pageblocks) or None)
    types, zones = need(blocks, NO_TYPES), main_zones(need_zones(state))
    shares = {zone: share for zone in zones if (share := _unmovable_percent(types, zone)) is not None}
    if not shares:
        raise CannotTell("/proc/pagetypeinfo does not list the main zones")
    worst = max(shares, key=lambda zone: shares[zone])
    said = f"{share_words(shares[worst])} of the pageblocks of {zone_name(worst)} are unmovable"
    in_vain = state.rate("compact_fail")
    if in_vain is None and shares[worst] > unmovable_percent:
        raise CannotTell(f"{said}; two samples of compact_fail say whether that harms")
    if in_vain is None or shares[worst] <= unmovable_percent or in_vain < fails_per_second:
        return Clear(
            said if in_vain is None else f"{said}; compaction failed {rate_words(in_vain)} times a second"
        )
    counts = re.compile(rf"^Node {worst.node:d}, zone {{1,9}}{re.escape(worst.name)} {{1,16}}\d")
    return Finding(
        severity="note",
        confidence="medium",
        title=f"unmovable memory is spread over {zone_name(worst)}",
        evidence=(
            *quote_file(state, _PAGETYPEINFO, r"^Number of blocks type"),
            *quote_file(state, _PAGETYPEINFO, counts, "pageblocks by type"),
            *quote_risen(state, "compact_fail"),
        ),
        explanation=f"{said}. " + _suffering_words(in_vain, 0),
        advice=(Advice(text="find the owner: the largest slabs in /proc/slabinfo, drivers, page tables"),),
        references=("mm/vmstat.c, pagetypeinfo_showblockcount_print()",),
    )


def _unmovable_percent(types: tuple[Pageblocks, ...], zone: Zone) -> float | None:
    own = {kind.type: kind.blocks for kind in types if (kind.node, kind.zone) == (zone.node, zone.name)}
    total = sum(own.values())
    return 100 * own.get("Unmovable", 0) / total if total else None
