# SPDX-License-Identifier: GPL-2.0-or-later
"""
The slab cache that got no page.

    SLUB: Unable to allocate memory on node -1, gfp=0xa20(GFP_ATOMIC)
      cache: kmalloc-512, object size: 512, buffer size: 512, default order: 1, min order: 0
      node 0: slabs: 93, objs: 1488, free: 0
    SLAB: Unable to allocate memory on node 0 (gfp=0x20)                                 mm/slab.c, until 6.7
      cache: skbuff_head_cache, object size: 256, order: 0
      node 0: slabs: 42/42, objs: 640/640, free: 0

Source: mm/slub.c, slab_out_of_memory(); mm/slab.c, slab_out_of_memory().
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import NamedTuple

from keepsane.kernel.events.show_mem.lines import plain_line
from keepsane.kernel.log.groups import read
from keepsane.model import LogRecord

MAX_NODES = 1024
_CACHE = re.compile(
    r"cache: (?P<name>[^,]{1,64}), object size: (?P<object_bytes>\d{1,9})"
    r"(?:, buffer size: (?P<buffer_bytes>\d{1,9}))?"
    r"(?:, default order: (?P<default_order>\d{1,2}), min order: (?P<min_order>\d{1,2})"
    r"|, order: (?P<only>\d{1,2}))?"
)
_NODE = re.compile(
    r"node (?P<node>\d{1,5}): slabs: (?P<slabs>\d{1,12})(?:/\d{1,12})?, objs: (?P<objects>\d{1,12})"
    r"(?:/\d{1,12})?, free: (?P<free>\d{1,12})"
)


class SlabNode(NamedTuple):
    """A cache's slabs and objects on one node; `free` objects are there but not in the reach of this CPU."""

    node: int
    slabs: int
    objects: int
    free: int


@dataclass(frozen=True, slots=True, kw_only=True)
class SlabCache:
    """
    The cache: an object takes `buffer_bytes`, a slab 2**`default_order` pages, at the least 2**`min_order`.

    Where the least order failed too there was not even one page of it.
    """

    name: str
    object_bytes: int
    buffer_bytes: int | None = None
    default_order: int | None = None
    min_order: int | None = None
    nodes: tuple[SlabNode, ...] = ()


def parse_slab_cache(records: Iterable[LogRecord]) -> SlabCache | None:
    """
    Read the cache and its nodes from the lines of a block; None where no line names a cache.

    Accepted format:
        cache: kmalloc-512, object size: 512, buffer size: 512, default order: 1, min order: 0
    """
    cache: re.Match[str] | None = None
    nodes: list[SlabNode] = []
    for record in records:
        if "cache: " not in record.text and ": slabs: " not in record.text:
            continue
        text = plain_line(record.text)
        if cache is None:
            cache = _CACHE.match(text)
        elif len(nodes) < MAX_NODES and (node := _NODE.match(text)):
            nodes.append(read(SlabNode, node))
    if cache is None:
        return None
    only = {} if cache["only"] is None else dict.fromkeys(("default_order", "min_order"), int(cache["only"]))
    return read(SlabCache, cache, nodes=tuple(nodes), **only)
