# SPDX-License-Identifier: GPL-2.0-or-later
"""
What the bits of a gfp mask ask for.

    0xa20 (GFP_ATOMIC)                       6.1
    0x24082c2(GFP_KERNEL|__GFP_HIGHMEM|...)  4.6 and later print the names
    0x20                                     before: only the kernel's version tells

Source: include/linux/gfp_types.h; lib/vsprintf.c, format_flags(); the bits: keepsane.kernel.pages.gfp_tables.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from functools import cache, lru_cache
from itertools import pairwise

from keepsane.kernel.pages.gfp_tables import (
    BITS,
    COMBINATIONS,
    CONFIGURED,
    CONFIGURED_SINCE,
    NEVER,
    PRINTED,
    Version,
)

COSTLY_ORDER = 3
"""PAGE_ALLOC_COSTLY_ORDER: up to here the kernel insists, above it gives up and kills nothing."""
_CONTRADICTION = frozenset({"__GFP_MEMALLOC", "__GFP_NOMEMALLOC"})
"""Use all reserves, and use none: nobody asks for both, so a table that reads a mask so is the wrong one."""
_RELEASE = re.compile(r"\D{0,20}(\d{1,3})\.(\d{1,3})(?:\.(\d{1,3}))?")


@dataclass(frozen=True, slots=True, kw_only=True)
class Gfp:
    """
    A gfp mask in the kernel's own words.

    `flags` are all bits by name ("__GFP_HIGH", ...), `names` the kernel's short form
    ("GFP_ATOMIC|__GFP_COMP") and `kernels` the range of kernels whose table was used ("5.1 to before 6.3").
    `rest` are bits that no name is known for; `doubt` says in words what is not certain, "" where all is.
    `highest_zone` is the highest zone the request may use. The booleans say what the mask grants or asks,
    whatever the family calls the bits: `may_sleep` is the direct-reclaim bit (__GFP_WAIT before 4.4).
    """

    mask: int
    names: str
    flags: tuple[str, ...]
    kernels: str
    rest: int = 0
    doubt: str = ""
    highest_zone: str = "Normal"
    may_sleep: bool
    wakes_kswapd: bool
    high: bool
    atomic: bool
    may_do_io: bool
    may_call_fs: bool
    movable: bool
    nofail: bool
    noretry: bool
    retry_mayfail: bool
    memalloc: bool
    nomemalloc: bool
    hardwall: bool
    thisnode: bool
    nowarn: bool
    compound: bool


@dataclass(frozen=True, slots=True)
class Table:
    """The flags and short names of the kernels from `since` up to, but not, `until`."""

    since: Version
    until: Version
    bits: tuple[tuple[str, int], ...]
    names: tuple[tuple[str, int], ...]


def version_of(release: str | None) -> Version | None:
    """Read the numbers of a release ("2.6.32-642.el6.x86_64"); None where there are none."""
    found = _RELEASE.match(release or "")
    return tuple(int(number) for number in found.groups() if number is not None) if found else None


@cache
def tables() -> tuple[Table, ...]:
    """Give every table, the oldest first: one for each version at which a bit or a name moved."""
    rows = (*BITS, *COMBINATIONS)
    moved = sorted({row.since for row in rows} | {row.until for row in rows} | {CONFIGURED_SINCE, NEVER})
    return tuple(_table(since, until) for since, until in pairwise(moved))


def _table(since: Version, until: Version) -> Table:
    bits = {bit.name: bit.mask for bit in BITS if bit.since <= since < bit.until}
    short = [
        (mask.name, sum(bits[part] for part in mask.parts))
        for mask in COMBINATIONS
        if mask.since <= since < mask.until and all(part in bits for part in mask.parts)
    ]
    reclaim = bits.get("__GFP_DIRECT_RECLAIM", 0) | bits.get("__GFP_KSWAPD_RECLAIM", 0)
    single = [
        (name, reclaim if name == "__GFP_RECLAIM" else bits.get(name, 0))
        for name in PRINTED
        if name in bits or (name == "__GFP_RECLAIM" and reclaim)
    ]
    return Table(since, until, tuple(bits.items()), (*short, *single))


def table_of(version: Version) -> Table:
    """Give the table of a kernel; the oldest for one that is older than all."""
    return next((table for table in reversed(tables()) if table.since <= version), tables()[0])


def names_of(table: Table, mask: int) -> tuple[str, int]:
    """Write a mask as the kernel does, greedily, and give the bits that are left over."""
    if mask == 0 and table.since < (4, 4):
        return "GFP_NOWAIT", 0
    said = []
    for name, bits in table.names:
        if bits and mask & bits == bits:
            said.append(name)
            mask &= ~bits
    if mask or not said:
        said.append(f"{mask:#x}")
    return "|".join(said), mask


def mask_of(table: Table, names: str) -> int | None:
    """Give the mask that names spell, None where this table does not know one of them."""
    known = dict(table.bits) | dict(table.names)
    mask = 0
    for name in names.split("|"):
        if re.fullmatch(r"0x[0-9a-fA-F]{1,8}", name):
            mask |= int(name, 16)
        elif name == "GFP_NOWAIT" and table.since < (4, 4):
            mask |= 0
        elif name in known:
            mask |= known[name]
        else:
            return None
    return mask


@lru_cache(1024)
def decode(mask: int, *, names: str | None = None, release: str | None = None) -> Gfp:
    """
    Decode a mask with the table of the kernel that printed it.

    `names` is what the log printed beside it ("GFP_ATOMIC|__GFP_COMP"): the table nearest to `release` that
    spells the mask this way is taken, and `doubt` says so where it is not the release's own: a vendor's
    kernel. With neither the likeliest of `candidates` is taken, and `doubt` says that it was a guess.
    """
    version = version_of(release)
    own = table_of(version) if version else None
    if names:
        fitting = [table for table in tables() if mask_of(table, names) == mask]
        if fitting and (own is None or own not in fitting):
            best = min(fitting, key=lambda table: _distance(table, own))
            vendor = f"{release} would print it otherwise: a vendor's kernel" if own else ""
            return replace(_gfp(best, mask, fitting), names=names, doubt=vendor)
        if own is not None and own in fitting:
            return replace(gfp_in(own, mask), names=names)
        if own is not None:
            doubt = f"the log calls it {names}, which no known kernel does: a vendor's kernel"
            return replace(_gfp(own, mask, [own]), doubt=doubt)
    if own is not None:
        return gfp_in(own, mask)
    likeliest = candidates(mask)[0]
    return replace(likeliest, doubt="the kernel's version is not known, and the bits moved between versions")


def gfp_in(table: Table, mask: int) -> Gfp:
    """Decode a mask by one table; `kernels` says in which others it reads the same."""
    return _gfp(table, mask, _alike(table, mask))


def _distance(table: Table, own: Table | None) -> int:
    return abs(tables().index(table) - (tables().index(own) if own else len(tables())))


def candidates(mask: int) -> tuple[Gfp, ...]:
    """
    Decode a mask by every table in which it makes sense, the likeliest first; by the newest where in none.

    A mask makes sense where all bits are known and none contradicts another. Likelier are the tables that
    have a short name for most of it and in which it says whether it may wait; of equals the newer.
    """
    read: dict[tuple[str, tuple[str, ...]], list[Table]] = {}
    for table in tables():
        names, rest = names_of(table, mask)
        flags = tuple(name for name, bit in table.bits if mask & bit)
        known = not rest or (rest >= CONFIGURED and table.since >= CONFIGURED_SINCE)
        if known and not set(flags) >= _CONTRADICTION:
            read.setdefault((names, flags), []).append(table)
    found = [_gfp(group[-1], mask, group) for group in read.values()]
    order = {id(reading): place for place, reading in enumerate(found)}
    found.sort(
        key=lambda reading: (not _says_enough(reading), len(reading.names.split("|")), -order[id(reading)])
    )
    return tuple(found) or (_gfp(tables()[-1], mask, [tables()[-1]]),)


def _says_enough(gfp: Gfp) -> bool:
    return gfp.names.startswith("GFP_") and not gfp.names.startswith(("GFP_DMA", "GFP_TRANSHUGE_LIGHT|"))


def _alike(own: Table, mask: int) -> list[Table]:
    """Give the tables around one in which a mask reads the same."""
    every = tables()
    first = last = every.index(own)
    while first > 0 and _reads(every[first - 1], mask) == _reads(own, mask):
        first -= 1
    while last + 1 < len(every) and _reads(every[last + 1], mask) == _reads(own, mask):
        last += 1
    return list(every[first : last + 1])


def _reads(table: Table, mask: int) -> tuple[str, frozenset[str]]:
    return names_of(table, mask)[0], frozenset(name for name, bit in table.bits if mask & bit)


def _kernels(group: list[Table]) -> str:
    """Say which kernels several tables are of; those in between read the mask otherwise."""
    runs: list[list[Table]] = []
    for table in group:
        if runs and runs[-1][-1].until == table.since:
            runs[-1].append(table)
        else:
            runs.append([table])
    return ", ".join(_run(run[0].since, run[-1].until) for run in runs)


def _run(since: Version, until: Version) -> str:
    first = ".".join(map(str, since))
    return f"{first} and later" if until == NEVER else f"{first} to before {'.'.join(map(str, until))}"


def _gfp(table: Table, mask: int, group: list[Table]) -> Gfp:
    names, rest = names_of(table, mask)
    has = frozenset(name for name, bit in table.bits if mask & bit)
    may_sleep = bool(has & {"__GFP_WAIT", "__GFP_DIRECT_RECLAIM"})
    old = table.since < (4, 4)
    configured = rest >= CONFIGURED and table.since >= CONFIGURED_SINCE
    return Gfp(
        mask=mask,
        names=names,
        flags=tuple(name for name in (*_ZONE_FLAGS, *PRINTED) if name in has),
        kernels=_kernels(group),
        rest=rest,
        doubt=f"bits {rest:#x} depend on the kernel's configuration" if configured else "",
        highest_zone=_highest_zone(has),
        may_sleep=may_sleep,
        wakes_kswapd="__GFP_NO_KSWAPD" not in has if old else "__GFP_KSWAPD_RECLAIM" in has,
        atomic=not may_sleep if old else "__GFP_ATOMIC" in has,
        may_do_io="__GFP_IO" in has,
        may_call_fs="__GFP_FS" in has,
        retry_mayfail=bool(has & {"__GFP_RETRY_MAYFAIL", "__GFP_REPEAT"}),
        compound="__GFP_COMP" in has,
        **{name: f"__GFP_{name.upper()}" in has for name in _ALIKE},
    )


_ALIKE = ("high", "movable", "nofail", "noretry", "memalloc", "nomemalloc", "hardwall", "thisnode", "nowarn")
"""Fields of Gfp that are a bit of that name."""
_ZONE_FLAGS = ("__GFP_DMA", "__GFP_DMA32", "__GFP_HIGHMEM")


def _highest_zone(has: frozenset[str]) -> str:
    """Give the highest zone that a request may use (include/linux/gfp.h, gfp_zone())."""
    if "__GFP_DMA" in has:
        return "DMA"
    if "__GFP_DMA32" in has:
        return "DMA32"
    if "__GFP_HIGHMEM" not in has:
        return "Normal"
    return "Movable" if "__GFP_MOVABLE" in has else "HighMem"
