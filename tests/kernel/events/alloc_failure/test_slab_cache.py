# SPDX-License-Identifier: GPL-2.0-or-later
"""The cache that got no page."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from keepsane.kernel.events.alloc_failure.slab_cache import SlabCache, SlabNode, parse_slab_cache
from tests.lines import records

SLUB = """\
  cache: kmalloc-512, object size: 500, buffer size: 512, default order: 1, min order: 0
  node 0: slabs: 93, objs: 1488, free: 0
  node 1: slabs: 4, objs: 64, free: 9
"""
SLAB = """\
  cache: skbuff_head_cache, object size: 256, order: 0
  node 0: slabs: 42/43, objs: 640/641, free: 3
"""


def test_slub() -> None:
    assert parse_slab_cache(records(SLUB.splitlines())) == SlabCache(
        name="kmalloc-512",
        object_bytes=500,
        buffer_bytes=512,
        default_order=1,
        min_order=0,
        nodes=(SlabNode(0, 93, 1488, 0), SlabNode(1, 4, 64, 9)),
    )


def test_slab_before_6_8() -> None:
    cache = parse_slab_cache(records(SLAB.splitlines()))

    assert cache is not None
    assert (cache.buffer_bytes, cache.default_order, cache.min_order) == (None, 0, 0)
    assert cache.nodes == (SlabNode(0, 42, 640, 3),)


@settings(deadline=None)
@given(st.lists(st.one_of(st.text(max_size=60), st.sampled_from((SLUB + SLAB).splitlines())), max_size=20))
def test_any_lines(lines: list[str]) -> None:
    parse_slab_cache(records(lines))
