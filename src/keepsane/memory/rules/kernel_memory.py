# SPDX-License-Identifier: GPL-2.0-or-later
"""What the kernel itself holds: slabs, cached names and inodes, page tables."""

from __future__ import annotations

import re
from collections.abc import Iterator

from keepsane.judge import Clear, rule
from keepsane.memory.proc.slabinfo import Slab
from keepsane.memory.rules.amount import kibibytes, page_kibibytes, pages_words, percent_of_memory
from keepsane.memory.rules.harm import harmed_words, harms, severity_of
from keepsane.memory.rules.needs import need_part
from keepsane.memory.rules.quote import quote_file, quote_meminfo, quote_risen
from keepsane.memory.rules.setting import change
from keepsane.memory.state import MemoryState
from keepsane.report import Advice, Evidence, Finding
from keepsane.words import share_words, size_words

_SLABINFO = "proc/slabinfo"
PRESSURE = "vm.vfs_cache_pressure"
NAMES_AND_INODES = re.compile(r"dentry|.{0,60}inode.{0,20}")


@rule("slab-growth", on=MemoryState)
def slab_growth(
    state: MemoryState, *, percent: float = 20.0, growth_percent: float = 0.05
) -> Finding | Clear:
    """
    The kernel holds much memory in slabs that it cannot give back, and holds more and more.

    What it means: something in the kernel allocates and does not free: a leak in a driver, or a table that
    grows with its users (connections, cgroups, mounts). No setting frees it.

    How we know: SUnreclaim is more than 20 % of MemTotal. If it grew by a two-thousandth of memory between
    the samples, it is going on. /proc/slabinfo names the caches.

    What to do: find the owner of the largest cache. Boot with slab_nomerge, so that caches of one size are
    not counted together; slab_debug=U (slub_debug=U before 6.9) records who allocated.

    When it is wrong: a router or storage server may need that much. Half a minute shows no slow leak.
    """
    amount, share = need_part(state, "SUnreclaim")
    said = f"{size_words(amount)} are in slabs that cannot be given back, {share_words(share)} of memory"
    if share <= percent:
        return Clear(said)
    grown = _grown_kibibytes(state, "SUnreclaim")
    grows = grown is not None and (percent_of_memory(state, grown) or 0) >= growth_percent
    suffering = harms(state)
    largest = _growing(state) if grows else _largest(state)
    return Finding(
        severity="warning" if grows or suffering else "info",
        confidence="high" if grows else "medium",
        title=f"the kernel holds {size_words(amount)} in slabs" + (" and takes more" if grows else ""),
        evidence=(*quote_meminfo(state, "MemTotal", "SUnreclaim"), *_quote_slabs(state, largest)),
        explanation=f"{said}. {_grown_words(grown)} {_slabs_words(state, largest)} {harmed_words(suffering)}",
        advice=(
            Advice(text="find the owner of the largest cache: its name, or who allocates, with slab_debug=U"),
            Advice(text="boot with slab_nomerge: caches of one size are else counted under one name"),
        ),
        references=("Documentation/mm/slab.rst",),
    )


def _quote_slabs(state: MemoryState, slabs: tuple[Slab, ...]) -> Iterator[Evidence]:
    for slab in slabs:
        yield from quote_file(state, _SLABINFO, rf"^{re.escape(slab.name)} ", pages_words(state, slab.pages))


def _grown_kibibytes(state: MemoryState, name: str) -> int | None:
    """By how much a line of meminfo grew, where it never fell in between."""
    found = [
        number
        for sample in state.samples
        if sample.meminfo and (number := sample.meminfo.kibibytes.get(name)) is not None
    ]
    if state.interval_seconds is None or len(found) < 2 or sorted(found) != found:
        return None
    return found[-1] - found[0]


def _grown_words(grown: int | None) -> str:
    return "It is not seen to grow." if not grown else f"It grew by {size_words(grown)} meanwhile."


def _largest(state: MemoryState) -> tuple[Slab, ...]:
    return (state.newest(lambda sample: sample.slabs) or ())[:3]


def _growing(state: MemoryState) -> tuple[Slab, ...]:
    """The caches that grew most; the largest where only one sample has them."""
    before, after = state.first.slabs, state.last.slabs
    if not before or not after or before is after:
        return _largest(state)
    had = {slab.name: slab.pages for slab in before}
    grown = sorted(after, key=lambda slab: slab.pages - had.get(slab.name, 0), reverse=True)
    return tuple(slab for slab in grown[:3] if slab.pages > had.get(slab.name, 0)) or _largest(state)


def _slabs_words(state: MemoryState, slabs: tuple[Slab, ...]) -> str:
    if not slabs:
        return "Which caches, only root can read (/proc/slabinfo)."
    return "Caches: " + ", ".join(f"{slab.name} {pages_words(state, slab.pages)}" for slab in slabs) + "."


@rule("dentry-inode-hoard", on=MemoryState)
def dentry_inode_hoard(
    state: MemoryState, *, percent: float = 30.0, scans_per_second: float = 1000.0
) -> Finding | Clear:
    """
    Names and inodes of files that were looked at once take much of memory.

    What it means: a backup, updatedb or find walks over millions of files, and the kernel keeps their names
    and inodes in case they come again. It gives them back, but slower than page cache, and holding locks.

    How we know: SReclaimable is more than 30 % of MemTotal. It harms if slabs_scanned rises by more than
    1000 per second while tasks wait for memory.

    What to do: vm.vfs_cache_pressure 200 makes the kernel prefer them over page cache. A value below 100 did
    the opposite.

    When it is wrong: a file server wants them. SReclaimable has other caches too: see /proc/slabinfo.
    """
    amount, share = need_part(state, "SReclaimable")
    said = f"{size_words(amount)} are in slabs that can be given back, {share_words(share)} of memory"
    if share <= percent:
        return Clear(said)
    names = tuple(slab for slab in _many_slabs(state) if NAMES_AND_INODES.fullmatch(slab.name))
    mostly = 2 * sum(slab.pages for slab in names) * page_kibibytes(state) > amount
    slabs = names[:3] or _largest(state)
    scanned = state.rate("slabs_scanned")
    suffering = harms(state) if scanned is not None and scanned >= scans_per_second else ()
    rate = "" if scanned is None else f" {scanned:.0f} objects were scanned per second."
    return Finding(
        severity=severity_of(suffering),
        confidence="high" if mostly else "medium",
        title=f"{size_words(amount)} are " + (_NAMES if mostly else _GIVEN_BACK),
        evidence=(
            *quote_meminfo(state, "MemTotal", "SReclaimable"),
            *_quote_slabs(state, slabs),
            *quote_risen(state, "slabs_scanned"),
        ),
        explanation=f"{said}.{rate} {_slabs_words(state, slabs)} {harmed_words(suffering)}",
        advice=tuple(_prefer_page_cache(state, amount)),
        references=("Documentation/admin-guide/sysctl/vm.rst, vfs_cache_pressure",),
    )


_NAMES, _GIVEN_BACK = "names and inodes of files, for the most part", "in slabs that could be given back"


def _many_slabs(state: MemoryState) -> tuple[Slab, ...]:
    return state.newest(lambda sample: sample.slabs) or ()


def _prefer_page_cache(state: MemoryState, amount: int) -> Iterator[Advice]:
    now = state.sysctl_number(PRESSURE)
    wanted = 200 if now is not None and now >= 100 else 100
    if now is None or now >= wanted:
        yield Advice(text="find out what walks over so many files: a backup, updatedb, a build")
        return
    yield change(
        state,
        PRESSURE,
        wanted,
        text=f"let the kernel drop them earlier: {PRESSURE} from {now} to {wanted}",
        verify=f"SReclaimable in /proc/meminfo falls from {size_words(amount)} once memory is wanted",
        risk="files are looked up on disk more often",
    )


@rule("pgtable-bloat", on=MemoryState)
def pgtable_bloat(
    state: MemoryState, *, percent: float = 2.0, large_kibibytes: int = 1 << 20, large_percent: float = 1.0
) -> Finding | Clear:
    """
    Page tables take much of memory.

    What it means: each process has its own tables for memory that it shares: a thousand database
    connections over 16 GB of shared buffers need up to 32 GB of them. They cannot be reclaimed.

    How we know: PageTables is more than 2 % of MemTotal, or more than 1 GB and 1 %.

    What to do: put the shared memory into huge pages (huge_pages=on in PostgreSQL, use_large_pages in
    Oracle), with vm.nr_hugepages for them; or let fewer processes share it: a connection pool.

    When it is wrong: many processes with much memory of their own need the tables: one page in 512.
    """
    amount, share = need_part(state, "PageTables")
    said = f"page tables take {size_words(amount)}, {share_words(share)} of memory"
    if share <= percent and not (amount > large_kibibytes and share > large_percent):
        return Clear(said)
    suffering = harms(state)
    return Finding(
        severity=severity_of(suffering),
        confidence="high",
        title=said,
        evidence=tuple(quote_meminfo(state, "MemTotal", "PageTables", "Shmem")),
        explanation=f"Tables are made for each process, for shared memory too. {harmed_words(suffering)}",
        advice=(_share_hugepages(state),),
        references=("Documentation/admin-guide/mm/hugetlbpage.rst",),
    )


def _share_hugepages(state: MemoryState) -> Advice:
    shared, size = kibibytes(state, "Shmem"), kibibytes(state, "Hugepagesize")
    if not shared or not size or (percent_of_memory(state, shared) or 0) < 1:
        return Advice(text="see which processes have large VmPTE in /proc/PID/status, and run fewer of them")
    pages = -(-shared // size)
    return Advice(
        text=f"put shared memory into huge pages: {size_words(shared)} are shared now, {pages} pages for "
        f"vm.nr_hugepages; then huge_pages=on in PostgreSQL, and restart it",
        verify="PageTables in /proc/meminfo is far smaller after the restart",
        risk="huge pages that the program does not take are lost to all others",
    )
