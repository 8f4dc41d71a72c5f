# SPDX-License-Identifier: GPL-2.0-or-later
"""/proc/slabinfo, as cache_show() prints it."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from keepsane.memory.proc.slabinfo import parse_slabinfo

TEXT = """\
slabinfo - version: 2.1
# name            <active_objs> <num_objs> <objsize> <objperslab> <pagesperslab> : tunables <limit>
dma-kmalloc-96         0      0     96   42    1 : tunables    0    0    0 : slabdata      0      0      0
dentry            812345 815640    192   21    1 : tunables    0    0    0 : slabdata  38840  38841      0
ext4_inode   1000  1100   1128   14    4 : tunables   24   12    8 : slabdata  20000  20000  0 : globalstat 1
"""


def test_the_largest_cache_comes_first() -> None:
    slabs = parse_slabinfo(TEXT)

    # 20000 slabs of 4 pages are more than 38841 of one
    assert [(slab.name, slab.pages) for slab in slabs] == [
        ("ext4_inode", 80000),
        ("dentry", 38841),
        ("dma-kmalloc-96", 0),
    ]


@given(st.text() | st.lists(st.sampled_from(TEXT.splitlines())).map("\n".join))
def test_any_text_is_read(text: str) -> None:
    parse_slabinfo(text)
