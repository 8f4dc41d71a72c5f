# SPDX-License-Identifier: GPL-2.0-or-later
"""
Which bit of a gfp mask meant what, in which kernels.

The bits moved often, so a mask means nothing without its kernel: 0x20 is GFP_ATOMIC up to 4.3 and the bare
__GFP_HIGH today. Each row is one flag at one place, from the first kernel that had it there up to the first
that had not. Distributions keep the bits of the release they branched from.

Source: include/linux/gfp.h, since 6.4 gfp_types.h; the combinations and the order in which they are printed:
include/trace/events/mmflags.h, __def_gfpflag_names.
"""

from __future__ import annotations

from typing import NamedTuple

Version = tuple[int, ...]

NEVER: Version = (99,)
"""Later than every kernel."""


class Bit(NamedTuple):
    """A flag's bit from version `since` up to, but not in, version `until`."""

    name: str
    mask: int
    since: Version
    until: Version = NEVER


class Combination(NamedTuple):
    """A name for several flags at once, "-" before a flag that it takes away again."""

    name: str
    parts: tuple[str, ...]
    since: Version
    until: Version = NEVER


BITS = (
    Bit("__GFP_DMA", 0x1, (2, 4)),
    Bit("__GFP_HIGHMEM", 0x2, (2, 4)),
    Bit("__GFP_DMA32", 0x4, (2, 6, 15)),
    Bit("__GFP_MOVABLE", 0x100000, (2, 6, 23), (2, 6, 30)),
    Bit("__GFP_MOVABLE", 0x8, (2, 6, 30)),
    # Linux kernel commit d0164adc89f6 ("mm, page_alloc: distinguish between being unable to sleep,
    # unwilling to sleep and avoiding waking kswapd") (in v4.4) took __GFP_WAIT apart.
    Bit("__GFP_WAIT", 0x10, (2, 4), (4, 4)),
    Bit("__GFP_RECLAIMABLE", 0x80000, (2, 6, 23), (4, 4)),
    Bit("__GFP_RECLAIMABLE", 0x10, (4, 4)),
    Bit("__GFP_HIGH", 0x20, (2, 4)),
    Bit("__GFP_IO", 0x40, (2, 4)),
    Bit("__GFP_HIGHIO", 0x80, (2, 4), (2, 6)),
    Bit("__GFP_FS", 0x100, (2, 4), (2, 6)),
    Bit("__GFP_FS", 0x80, (2, 6)),
    Bit("__GFP_COLD", 0x100, (2, 6), (4, 15)),
    Bit("__GFP_NOWARN", 0x200, (2, 6), (5, 1)),
    Bit("__GFP_NOWARN", 0x2000, (5, 1)),
    Bit("__GFP_REPEAT", 0x400, (2, 6), (4, 13)),
    Bit("__GFP_RETRY_MAYFAIL", 0x400, (4, 13), (5, 1)),
    Bit("__GFP_RETRY_MAYFAIL", 0x4000, (5, 1)),
    Bit("__GFP_NOFAIL", 0x800, (2, 6), (5, 1)),
    Bit("__GFP_NOFAIL", 0x8000, (5, 1)),
    Bit("__GFP_NORETRY", 0x1000, (2, 6), (5, 1)),
    Bit("__GFP_NORETRY", 0x10000, (5, 1)),
    Bit("__GFP_NO_GROW", 0x2000, (2, 6), (2, 6, 19)),
    Bit("__GFP_MEMALLOC", 0x2000, (3, 6), (5, 1)),
    Bit("__GFP_MEMALLOC", 0x20000, (5, 1)),
    Bit("__GFP_COMP", 0x4000, (2, 6), (5, 1)),
    Bit("__GFP_COMP", 0x40000, (5, 1)),
    Bit("__GFP_ZERO", 0x8000, (2, 6, 11), (5, 1)),
    Bit("__GFP_ZERO", 0x100, (5, 1)),
    Bit("__GFP_NOMEMALLOC", 0x10000, (2, 6, 14), (5, 1)),
    Bit("__GFP_NOMEMALLOC", 0x80000, (5, 1)),
    Bit("__GFP_HARDWALL", 0x20000, (2, 6, 14), (5, 1)),
    Bit("__GFP_HARDWALL", 0x100000, (5, 1)),
    Bit("__GFP_THISNODE", 0x40000, (2, 6, 19), (5, 1)),
    Bit("__GFP_THISNODE", 0x200000, (5, 1)),
    Bit("__GFP_ATOMIC", 0x80000, (4, 4), (5, 1)),
    Bit("__GFP_ATOMIC", 0x200, (5, 1), (6, 3)),
    Bit("__GFP_KMEMCG", 0x100000, (3, 8), (3, 19)),
    # The same bit with the opposite meaning from 4.5 on.
    Bit("__GFP_NOACCOUNT", 0x100000, (4, 1), (4, 5)),
    Bit("__GFP_ACCOUNT", 0x100000, (4, 5), (5, 1)),
    Bit("__GFP_ACCOUNT", 0x400000, (5, 1)),
    Bit("__GFP_NOTRACK", 0x200000, (2, 6, 31), (4, 15)),
    Bit("__GFP_NO_KSWAPD", 0x400000, (2, 6, 32), (4, 4)),
    Bit("__GFP_DIRECT_RECLAIM", 0x400000, (4, 4), (4, 18)),
    Bit("__GFP_DIRECT_RECLAIM", 0x200000, (4, 18), (5, 1)),
    Bit("__GFP_DIRECT_RECLAIM", 0x400, (5, 1)),
    Bit("__GFP_OTHER_NODE", 0x800000, (3, 0), (4, 10)),
    Bit("__GFP_WRITE", 0x1000000, (3, 3), (4, 10)),
    Bit("__GFP_WRITE", 0x800000, (4, 10), (4, 18)),
    Bit("__GFP_WRITE", 0x100, (4, 18), (5, 1)),
    Bit("__GFP_WRITE", 0x1000, (5, 1)),
    Bit("__GFP_KSWAPD_RECLAIM", 0x2000000, (4, 4), (4, 10)),
    Bit("__GFP_KSWAPD_RECLAIM", 0x1000000, (4, 10), (4, 18)),
    Bit("__GFP_KSWAPD_RECLAIM", 0x400000, (4, 18), (5, 1)),
    Bit("__GFP_KSWAPD_RECLAIM", 0x800, (5, 1)),
    Bit("__GFP_NOLOCKDEP", 0x2000000, (4, 12), (4, 18)),
    Bit("__GFP_NOLOCKDEP", 0x800000, (4, 18), (5, 14)),
    Bit("__GFP_ZEROTAGS", 0x800000, (5, 14)),
    Bit("__GFP_SKIP_KASAN_POISON", 0x1000000, (5, 14), (5, 18)),
    Bit("__GFP_NOLOCKDEP", 0x2000000, (5, 14), (5, 18)),
    Bit("__GFP_SKIP_ZERO", 0x1000000, (5, 18), (6, 9)),
    Bit("__GFP_SKIP_KASAN_UNPOISON", 0x2000000, (5, 18), (6, 4)),
    Bit("__GFP_SKIP_KASAN_POISON", 0x4000000, (5, 18), (6, 4)),
    Bit("__GFP_NOLOCKDEP", 0x8000000, (5, 18), (6, 4)),
    Bit("__GFP_SKIP_KASAN", 0x2000000, (6, 4), (6, 9)),
    Bit("__GFP_NOLOCKDEP", 0x4000000, (6, 4), (6, 9)),
)
"""Every bit. From 6.9 on those from CONFIGURED up are numbered by what the kernel was built with."""

CONFIGURED_SINCE: Version = (6, 9)
CONFIGURED = 0x1000000
"""The first bit that depends on the configuration."""

_RECLAIM = ("__GFP_DIRECT_RECLAIM", "__GFP_KSWAPD_RECLAIM")
_KERNEL = (*_RECLAIM, "__GFP_IO", "__GFP_FS")
_OLD_KERNEL = ("__GFP_WAIT", "__GFP_IO", "__GFP_FS")
_OLD_USER = (*_OLD_KERNEL, "__GFP_HARDWALL")
_USER = (*_KERNEL, "__GFP_HARDWALL")
_MOVABLE = (*_USER, "__GFP_HIGHMEM", "__GFP_MOVABLE")
_THP = (
    *("__GFP_HARDWALL", "__GFP_HIGHMEM", "__GFP_MOVABLE", "__GFP_IO", "__GFP_FS"),
    *("__GFP_COMP", "__GFP_NOMEMALLOC", "__GFP_NOWARN"),
)
_FIRST, _SPLIT = (2, 6), (4, 4)

COMBINATIONS = (
    Combination(
        "GFP_TRANSHUGE", (*_THP, "__GFP_WAIT", "__GFP_NORETRY", "__GFP_NO_KSWAPD"), (2, 6, 38), _SPLIT
    ),
    Combination("GFP_TRANSHUGE", (*_THP, "__GFP_NORETRY", "__GFP_DIRECT_RECLAIM"), _SPLIT, (4, 8)),
    Combination("GFP_TRANSHUGE", (*_THP, "__GFP_DIRECT_RECLAIM"), (4, 8), (5, 14)),
    Combination("GFP_TRANSHUGE_LIGHT", _THP, (4, 8), (5, 14)),
    Combination(
        "GFP_TRANSHUGE", (*_THP, "__GFP_DIRECT_RECLAIM", "__GFP_SKIP_KASAN_POISON"), (5, 14), (5, 18)
    ),
    Combination("GFP_TRANSHUGE_LIGHT", (*_THP, "__GFP_SKIP_KASAN_POISON"), (5, 14), (5, 18)),
    Combination("GFP_TRANSHUGE", (*_THP, "__GFP_DIRECT_RECLAIM"), (5, 18)),
    Combination("GFP_TRANSHUGE_LIGHT", _THP, (5, 18)),
    Combination("GFP_HIGHUSER_MOVABLE", (*_OLD_USER, "__GFP_HIGHMEM", "__GFP_MOVABLE"), (2, 6, 23), _SPLIT),
    Combination("GFP_HIGHUSER_MOVABLE", _MOVABLE, _SPLIT, (5, 14)),
    Combination("GFP_HIGHUSER_MOVABLE", (*_MOVABLE, "__GFP_SKIP_KASAN_POISON"), (5, 14), (5, 18)),
    Combination("GFP_HIGHUSER_MOVABLE", _MOVABLE, (5, 18)),
    Combination(
        "GFP_HIGHUSER",
        ("__GFP_WAIT", "__GFP_IO", "__GFP_HIGHIO", "__GFP_FS", "__GFP_HIGHMEM"),
        (2, 4),
        _FIRST,
    ),
    Combination("GFP_HIGHUSER", (*_OLD_KERNEL, "__GFP_HIGHMEM"), _FIRST, (2, 6, 14)),
    Combination("GFP_HIGHUSER", (*_OLD_USER, "__GFP_HIGHMEM"), (2, 6, 14), _SPLIT),
    Combination("GFP_HIGHUSER", (*_USER, "__GFP_HIGHMEM"), _SPLIT),
    Combination("GFP_USER", _OLD_USER, (2, 6, 14), _SPLIT),
    Combination("GFP_USER", _USER, _SPLIT),
    Combination("GFP_TEMPORARY", (*_OLD_KERNEL, "__GFP_RECLAIMABLE"), (2, 6, 24), _SPLIT),
    Combination("GFP_TEMPORARY", (*_KERNEL, "__GFP_RECLAIMABLE"), _SPLIT, (4, 15)),
    Combination("GFP_KERNEL_ACCOUNT", (*_KERNEL, "__GFP_ACCOUNT"), (4, 5)),
    Combination(
        "GFP_KERNEL", ("__GFP_HIGH", "__GFP_WAIT", "__GFP_IO", "__GFP_HIGHIO", "__GFP_FS"), (2, 4), _FIRST
    ),
    Combination("GFP_USER", ("__GFP_WAIT", "__GFP_IO", "__GFP_HIGHIO", "__GFP_FS"), (2, 4), _FIRST),
    Combination("GFP_NOFS", ("__GFP_HIGH", "__GFP_WAIT", "__GFP_IO", "__GFP_HIGHIO"), (2, 4), _FIRST),
    Combination("GFP_NOIO", ("__GFP_HIGH", "__GFP_WAIT"), (2, 4), _FIRST),
    Combination("GFP_KERNEL", _OLD_KERNEL, _FIRST, _SPLIT),
    Combination("GFP_KERNEL", _KERNEL, _SPLIT),
    Combination("GFP_NOFS", ("__GFP_WAIT", "__GFP_IO"), _FIRST, _SPLIT),
    Combination("GFP_NOFS", (*_RECLAIM, "__GFP_IO"), _SPLIT),
    Combination("GFP_ATOMIC", ("__GFP_HIGH", "__GFP_ATOMIC", "__GFP_KSWAPD_RECLAIM"), _SPLIT, (6, 3)),
    Combination("GFP_ATOMIC", ("__GFP_HIGH", "__GFP_KSWAPD_RECLAIM"), (6, 3)),
    Combination("GFP_NOIO", ("__GFP_WAIT",), _FIRST, _SPLIT),
    Combination("GFP_NOIO", _RECLAIM, _SPLIT),
    # Without the bit that may wait, __GFP_HIGH was all of it. After the others, which hold that bit in 2.4.
    Combination("GFP_ATOMIC", ("__GFP_HIGH",), (2, 4), _SPLIT),
    Combination("GFP_NOWAIT", ("__GFP_KSWAPD_RECLAIM",), _SPLIT, (6, 8)),
    # Linux kernel commit 16f5dfbc851b ("gfp: include __GFP_NOWARN in GFP_NOWAIT") (in v6.8)
    Combination("GFP_NOWAIT", ("__GFP_KSWAPD_RECLAIM", "__GFP_NOWARN"), (6, 8)),
    Combination("GFP_DMA", ("__GFP_DMA",), (2, 4)),
    Combination("__GFP_HIGHMEM", ("__GFP_HIGHMEM",), (2, 4)),
    Combination("GFP_DMA32", ("__GFP_DMA32",), (2, 6, 15)),
)
"""The kernel's short names in the order in which it looks for them; the rest is printed flag by flag."""

PRINTED = (
    "__GFP_HIGH",
    "__GFP_ATOMIC",
    "__GFP_IO",
    "__GFP_HIGHIO",
    "__GFP_FS",
    "__GFP_COLD",
    "__GFP_NOWARN",
    "__GFP_REPEAT",
    "__GFP_RETRY_MAYFAIL",
    "__GFP_NOFAIL",
    "__GFP_NORETRY",
    "__GFP_NO_GROW",
    "__GFP_COMP",
    "__GFP_ZERO",
    "__GFP_NOMEMALLOC",
    "__GFP_MEMALLOC",
    "__GFP_HARDWALL",
    "__GFP_THISNODE",
    "__GFP_RECLAIMABLE",
    "__GFP_MOVABLE",
    "__GFP_KMEMCG",
    "__GFP_NOACCOUNT",
    "__GFP_ACCOUNT",
    "__GFP_NOTRACK",
    "__GFP_WRITE",
    "__GFP_WAIT",
    "__GFP_RECLAIM",
    "__GFP_DIRECT_RECLAIM",
    "__GFP_KSWAPD_RECLAIM",
    "__GFP_NO_KSWAPD",
    "__GFP_OTHER_NODE",
    "__GFP_ZEROTAGS",
    "__GFP_SKIP_ZERO",
    "__GFP_SKIP_KASAN_POISON",
    "__GFP_SKIP_KASAN_UNPOISON",
    "__GFP_SKIP_KASAN",
    "__GFP_NOLOCKDEP",
)
"""The order of single flags."""
