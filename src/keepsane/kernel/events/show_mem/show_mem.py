# SPDX-License-Identifier: GPL-2.0-or-later
"""
The lines of show_mem(): what memory looked like when an allocation failed or the OOM killer was called.

    Mem-Info:
    active_anon:48828 inactive_anon:0 isolated_anon:0
     free:575 free_pcp:731 free_cma:0
    Node 0 active_anon:195312kB inactive_anon:0kB ... all_unreclaimable? no                   since 4.8
    Node 0 DMA free:7712kB boost:0kB min:324kB low:404kB high:484kB
    lowmem_reserve[]: 0 1961 1961 1961 1961
    Node 0 DMA: 0*4kB 0*8kB 1*16kB (U) 0*32kB 2*64kB (UM) = 7712kB
    48513 total pagecache pages
    65406 pages RAM

Source: mm/show_mem.c (until 6.3 mm/page_alloc.c and lib/show_mem.c), __show_mem(); mm/slab_common.c,
dump_unreclaimable_slab().
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from typing import Any, TypeVar

from keepsane.kernel.events.show_mem.free_blocks import LIST, BlockList, free_blocks, parse_block_list
from keepsane.kernel.events.show_mem.gaps import are_zones_whole, gaps
from keepsane.kernel.events.show_mem.lines import QUOTED, MemoryLine, memory_lines
from keepsane.kernel.events.show_mem.zone_line import ZONE, parse_zone, read_amounts
from keepsane.kernel.log.groups import read, said
from keepsane.kernel.pages.mem_info import Amount, HugePages, MemInfo, Node, SlabUsage
from keepsane.kernel.pages.zone import Zone
from keepsane.model import LogRecord

MEM_INFO = (
    QUOTED + r"(?:Mem-[Ii]nfo:|(?:in)?active_(?:anon|file):|(?:unevictable|slab_reclaimable|mapped"
    r"|kernel_misc_reclaimable|free|sec_pagetables|bounce|free_cma):\d"
    r"|(?:Active|Inactive|Active_anon):\s*\d|(?:Node \d{1,20} )?(?:\w+ )?(?:DMA|DMA32|Normal|HighMem|Movable"
    r"|Device)(?: free|:| per-cpu)"
    r"|Node \d{1,20} |lowmem_reserve\[\]|protections\[\]|(?:\d{1,20} )?(?:total pagecache pages"
    r"|pages in swap cache"
    r"|pages (?:RAM|HighMem|HIGHMEM|reserved|cma|hwpoisoned|in swap|swap cached|of \w+|shared|slab|free"
    r"|mapped|dirty|writeback|pagetables|non-shared))"
    r"|\d{1,20} (?:reserved pages|pages |free pages|slab pages|total)"
    r"|Swap cache|Free swap|Total swap"
    r"|Free pages:|(?:CPU|cpu)\s+\d{1,20}:? (?:hi|hot|cold|Hot)|all_unreclaimable|per-cpu|Unreclaimable slab"
    r"|Name\s+Used\s+Total|[\w:.-]{1,64}\s+\d{1,20}KB\s+\d{1,20}KB"
    r"|\d{1,20}\*\d{1,20}kB|\([UMEHCIR]{1,6}\)\s|=\s*\d{1,20}kB\s*+$|pages_scanned:\d|\.{3,}\s*+$"
    r"|[a-z_]{3,32}(?:\((?:anon|file)\))?:\d{1,12}(?:[kK]B)?(?:[\s=#]|$)"
    r"|[\w():*]{0,40}[kK]B\b|B \d{1,9}\*"
    r"|cpuset=|warn_alloc|Memory allocations:"
    r"|[\d.]+ ?[kMG]?i?B\s+\d{1,20} \S+:\d{1,20}|cma: |HighMem)"
)
"""Lines of a memory report, as a regular expression."""

CGROUP = (
    QUOTED
    + r"(?:(?:memory|memory\+swap|swap|kmem): usage \d|Memory cgroup stats|[a-z][a-z_]{2,40} \d{1,20}\s*+$"
    r"|Task in /|Tasks? state|"
    r"\[\s*pid\s*\]|\[\s*\d{1,10}\]\s+\d{1,20}\s+\d|Tasks in /|cache:\d{1,20}KB|oom-kill:|oom_reaper: "
    r"|(?:Memory cgroup o|O)ut of [mM]emory|Killed process \d"
    r"|Memory cgroup min protection)"
)
"""Lines of a control group's memory, of the table of tasks and of the verdict, as a regular expression."""

MAX_SLABS = 2000
MAX_ZONES = 1024
"""Of a machine with more the rest is left out, and said to be: every zone is checked against the others."""
_KIND = re.compile(
    r"(?P<heads>Mem-[Ii]nfo:)"
    rf"|(?P<zones>{ZONE.pattern})"
    rf"|(?P<lists>{LIST.pattern.replace('<node>', '<list_node>').replace('<name>', '<list_name>')})"
    r"|(?P<pools>Node \d{1,5} hugepages_total=)"
    r"|(?P<nodes>Node \d{1,5} active_anon:\s*\d)"
    r"|(?P<totals>(?:[Aa]ctive(?:_anon|_file)?|inactive(?:_anon|_file)?|isolated_anon|unevictable|dirty"
    r"|unstable|slab|slab_reclaimable|mapped|pagetables|sec_pagetables|bounce|kernel_misc_reclaimable|free"
    r"|free_pcp|free_cma):\d{1,15}(?![\d]*[kK]B))"
    r"|(?P<counts>\d{1,15} (?:total pagecache pages|pages|reserved pages)\b)"
    r"|(?P<swap>(?:Free|Total) swap\s*[=:])"
    r"|(?P<slabs>\S{1,64}\s+\d{1,15}KB\s+\d{1,15}KB$)"
    r"|(?P<per_cpu>(?:CPU|cpu)\s+\d{1,5}:?\s+(?:hi:|hot:|cold:|Hot:))"
    r"|(?P<elisions>\.{3,}$)"
)
_TOTAL = re.compile(
    r"(?<![\w(])([A-Za-z_]{3,32}+(?:\((?:anon|file)\))?):\s{0,8}(\d{1,15})(?!\d{0,20}[kK]B)\b"
)
_POOL = re.compile(
    r"Node (?P<node>\d{1,5}) hugepages_total=(?P<total>\d{1,12}) hugepages_free=(?P<free>\d{1,12}) "
    r"hugepages_surp=(?P<surplus>\d{1,12}) hugepages_size=(?P<size_kibibytes>\d{1,12})kB"
)
_COUNT = re.compile(
    r"(?P<pagecache_pages>\d{1,20}) total pagecache pages"
    r"|(?P<swapcache_pages>\d{1,20}) pages (?:in swap cache|swap cached)"
    r"|(?P<ram_pages>\d{1,20}) pages (?:of )?RAM"
    r"|(?P<highmem_pages>\d{1,20}) pages (?:of )?(?:HighMem|HIGHMEM)"
    r"|(?P<cma_pages>\d{1,20}) pages cma reserved"
    r"|(?P<hwpoisoned_pages>\d{1,20}) pages hwpoisoned"
    r"|(?P<reserved_pages>\d{1,20}) (?:pages reserved|reserved pages)"
)
_SWAP = re.compile(r"(Free|Total) swap\s*[=:]\s*(-?\d{1,15})kB")
_SLAB = re.compile(
    r"(?P<name>\S{1,64})\s{1,40}+(?P<used_kibibytes>\d{1,20})KB\s{1,40}+(?P<total_kibibytes>\d{1,20})KB$"
)
T = TypeVar("T")
_PAGES_BYTES = (4096, 8192, 16384, 65536)


@dataclass(slots=True)
class Sorted:
    """The lines of one memory report by what they tell."""

    heads: list[MemoryLine] = field(default_factory=list)
    zones: list[MemoryLine] = field(default_factory=list)
    lists: list[MemoryLine] = field(default_factory=list)
    pools: list[MemoryLine] = field(default_factory=list)
    nodes: list[MemoryLine] = field(default_factory=list)
    totals: list[MemoryLine] = field(default_factory=list)
    counts: list[MemoryLine] = field(default_factory=list)
    swap: list[MemoryLine] = field(default_factory=list)
    slabs: list[MemoryLine] = field(default_factory=list)
    per_cpu: list[MemoryLine] = field(default_factory=list)
    elisions: list[MemoryLine] = field(default_factory=list)
    last_line: int = 0
    is_mixed: bool = False


def parse_mem_info(records: Iterable[LogRecord]) -> MemInfo | None:
    """
    Read the first memory report in a block's lines; None where there is none.

    Lines of others in between are passed over. A report that is cut, elided, folded or damaged is read as
    far as it goes, and `lacks` says what is missing.
    """
    report = sort_lines(memory_lines(records))
    left_out = len(report.zones) - MAX_ZONES
    del report.zones[MAX_ZONES:]
    begin = min(
        (line.line for line in (*report.heads, *report.totals, *report.zones, *report.lists)), default=0
    )
    if not begin:
        return None
    lists = [blocks for line in report.lists if (blocks := parse_block_list(line.text, line.line))]
    page_bytes = _page_bytes(report, lists)
    lists = [_from_one_page(blocks, page_bytes or 4096) for blocks in lists]
    zones = [zone for line in report.zones if (zone := parse_zone(line.text, line.line, page_bytes or 4096))]
    counts, swap = _counts(report.counts), _swap(report.swap)
    info = MemInfo(
        line=begin,
        last_line=report.last_line,
        page_bytes=page_bytes or 4096,
        totals=tuple(Amount(name.lower(), int(pages)) for name, pages in _found(_TOTAL, report.totals)),
        nodes=tuple(_node(line, page_bytes or 4096) for line in report.nodes),
        zones=_with_blocks(zones, lists),
        swap_free_kibibytes=swap.get("Free"),
        swap_total_kibibytes=swap.get("Total"),
        hugepages=tuple(_read_all(HugePages, _POOL, report.pools)),
        slabs=tuple(_read_all(SlabUsage, _SLAB, report.slabs[:MAX_SLABS])),
        **counts,
    )
    return _with_gaps(info, lists, report, left_out, sized=page_bytes is not None)


def _with_gaps(
    info: MemInfo, lists: list[BlockList], report: Sorted, left_out: int, *, sized: bool
) -> MemInfo:
    """Say what a report lacks; `left_out` zones are beyond MAX_ZONES, `sized` if it tells the page size."""
    missing = gaps(
        info, lists, zone_lines=report.zones, elided=bool(report.elisions), old=bool(report.per_cpu)
    )
    if not sized and info.zones:
        missing.append("nothing that tells the size of a page, so that 4 kB are assumed")
    whole = are_zones_whole(info, lists, report.zones) and not report.is_mixed and left_out <= 0
    if left_out > 0:
        missing.append(f"{left_out} zones beyond the first {MAX_ZONES} were left out")
    if report.is_mixed:
        missing.append("another begins inside it: two reports are mixed")
    elisions = tuple(line.line for line in report.elisions)
    return replace(info, zones_whole=whole, elisions=elisions, lacks="; ".join(missing))


def sort_lines(lines: Iterable[MemoryLine]) -> Sorted:
    """Sort the lines of the first memory report; a second head ends it once it has told anything."""
    report = Sorted()
    for line in lines:
        kind = found.lastgroup if (found := _KIND.match(line.text)) else None
        kind = next((name for name in ("zones", "lists") if found and found[name] is not None), kind)
        if kind is None:
            continue
        if kind == "heads" and report.heads:
            # The lines that come last count pages: without them the first report has not ended here.
            report.is_mixed = not report.counts
            break
        if kind in ("elisions", "counts", "slabs") and not (report.heads or report.zones or report.totals):
            continue
        getattr(report, kind).append(line)
        report.last_line = line.line
    return report


def _found(pattern: re.Pattern[str], lines: Iterable[MemoryLine]) -> Iterable[tuple[str, ...]]:
    return (found for line in lines for found in pattern.findall(line.text))


def _read_all(cls: type[T], pattern: re.Pattern[str], lines: Iterable[MemoryLine]) -> Iterable[T]:
    return (read(cls, found) for line in lines for found in pattern.finditer(line.text))


def _page_bytes(report: Sorted, lists: list[BlockList]) -> int | None:
    """Give the size of a page: the smallest block, else what makes the zones as large as the totals."""
    smallest = next((blocks.sizes[0][1] for blocks in lists if blocks.sizes and not blocks.damage), None)
    if smallest is not None:
        return smallest * 1024 if smallest * 1024 in _PAGES_BYTES else None
    free = next((int(pages) for name, pages in _found(_TOTAL, report.totals) if name == "free"), None)
    return _ratio(report, "present", _counts(report.counts).get("ram_pages")) or _ratio(report, "free", free)


def _from_one_page(blocks: BlockList, page_bytes: int) -> BlockList:
    """Mark a list whose front is lost: its orders cannot be numbered."""
    if blocks.damage or not blocks.sizes or blocks.sizes[0][1] * 1024 == page_bytes:
        return blocks
    return replace(blocks, damage="does not begin with single pages")


def _ratio(report: Sorted, name: str, pages: int | None) -> int | None:
    """Give the size of a page: the zones' kibibytes of a counter, divided by its total in pages."""
    kibibytes = sum(read_amounts(line.text).get(name, 0) for line in report.zones)
    if not pages or not kibibytes:
        return None
    return next((size for size in _PAGES_BYTES if 0.9 < kibibytes * 1024 / (pages * size) < 1.1), None)


def _with_blocks(zones: list[Zone], lists: list[BlockList]) -> tuple[Zone, ...]:
    lettered = any(types for blocks in lists for _, _, types in blocks.sizes)
    whole = {(blocks.node, blocks.name): blocks for blocks in reversed(lists) if not blocks.damage}
    return tuple(
        replace(zone, blocks=free_blocks(found, lettered=lettered))
        if (found := whole.get((zone.node, zone.name)))
        else zone
        for zone in zones
    )


def _node(line: MemoryLine, page_bytes: int) -> Node:
    said = re.search(r"all_unreclaimable\? (yes|no)", line.text)
    return Node(
        node=int(line.text.split()[1]),
        line=line.line,
        amounts=tuple(
            Amount(name, kibibytes * 1024 // page_bytes)
            for name, kibibytes in reversed(read_amounts(line.text).items())
        ),
        all_unreclaimable=said[1] == "yes" if said else None,
    )


def _counts(lines: Iterable[MemoryLine]) -> dict[str, Any]:
    """Read the lines that count pages, by the field of MemInfo that they fill."""
    return said(MemInfo, *(_COUNT.match(line.text) for line in lines))


def _swap(lines: Iterable[MemoryLine]) -> dict[str, int]:
    pairs = [(found[1], int(found[2])) for line in lines if (found := _SWAP.match(line.text))]
    return dict(reversed(pairs))
