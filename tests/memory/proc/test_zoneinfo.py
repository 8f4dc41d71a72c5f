# SPDX-License-Identifier: GPL-2.0-or-later
"""/proc/zoneinfo. The texts follow zoneinfo_show_print() of the kernels they name."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from keepsane.memory.proc.zoneinfo import parse_zoneinfo

KERNEL_2_6_32 = """\
Node 0, zone      DMA
  pages free     3932
        min      22
        low      27
        high     33
        scanned  0
        spanned  4080
        present  3836
    nr_free_pages 3932
    nr_inactive_anon 11
    nr_active_file 12
        protection: (0, 3246, 32286, 32286)
  pagesets
    cpu: 0
              count: 3
              high:  186
              batch: 31
  vm stats threshold: 4
    cpu: 1
              count: 4
              high:  186
              batch: 31
  vm stats threshold: 4
  all_unreclaimable: 1
  prev_priority:     12
  start_pfn:         1
  inactive_ratio:    1
"""
KERNEL_6_12 = """\
Node 1, zone   Normal
  per-node stats
      nr_inactive_file 900
      workingset_refault_file 5
  pages free     1000
        boost    40
        min      100
        low      125
        high     150
        promo    175
        spanned  131072
        present  131072
        managed  126000
        cma      0
        protection: (0, 0, 0, 0, 0)
      nr_free_pages 1000
      nr_zone_inactive_anon 1
      nr_zone_active_anon 2
      nr_zone_inactive_file 3
      nr_zone_active_file 4
      nr_free_cma  5
      numa_hit     6
      numa_miss    0
  pagesets
    cpu: 0
              count:    7
              high:     378
              batch:    63
              high_min: 378
              high_max: 1680
  vm stats threshold: 16
  node_unreclaimable:  0
  start_pfn:           131072
Node 1, zone  Movable
  pages free     0
        boost    0
        min      0
        low      0
        high     0
        promo    0
        spanned  0
        present  0
        managed  0
        cma      0
        protection: (0, 0, 0, 0, 0)
"""


def test_the_zone_of_an_old_kernel() -> None:
    (zone,) = parse_zoneinfo(KERNEL_2_6_32)

    assert (zone.node, zone.name) == (0, "DMA")
    assert (zone.free_pages, zone.min_pages, zone.low_pages, zone.high_pages) == (3932, 22, 27, 33)
    assert zone.lowmem_reserve_pages == (0, 3246, 32286, 32286)
    assert zone.managed_pages is None  # until 3.8 there is no such number
    assert zone.boost_pages is None
    assert zone.active_file_pages == 12
    assert zone.inactive_file_pages is None
    assert zone.free_pcp_pages == 3 + 4
    assert zone.all_unreclaimable is True


def test_the_zone_of_a_new_kernel() -> None:
    zone = parse_zoneinfo(KERNEL_6_12)[0]

    assert (zone.boost_pages, zone.min_pages, zone.high_pages) == (40, 100, 150)
    assert (zone.present_pages, zone.managed_pages) == (131072, 126000)
    assert (zone.inactive_anon_pages, zone.active_anon_pages) == (1, 2)
    assert (zone.inactive_file_pages, zone.active_file_pages) == (3, 4)
    assert zone.free_cma_pages == 5
    assert zone.free_pcp_pages == 7
    assert zone.all_unreclaimable is False


def test_the_nodes_own_counters_are_not_the_zones() -> None:
    # Kernels since 4.8 print both names with a node's first zone.
    text = KERNEL_6_12.replace("nr_inactive_file 900", "nr_zone_inactive_file 900")
    assert parse_zoneinfo(text)[0].inactive_file_pages == 3


def test_an_unpopulated_zone_is_whole() -> None:
    assert [zone.name for zone in parse_zoneinfo(KERNEL_6_12)] == ["Normal", "Movable"]


def test_a_zone_without_its_watermarks_is_left_out() -> None:
    assert parse_zoneinfo(KERNEL_6_12[: KERNEL_6_12.index("        low")]) == ()


@pytest.mark.parametrize("cut", range(0, len(KERNEL_6_12), 7))
def test_a_cut_file_gives_no_wrong_number(cut: int) -> None:
    whole = {zone.name: zone for zone in parse_zoneinfo(KERNEL_6_12)}
    for zone in parse_zoneinfo(KERNEL_6_12[:cut]):
        assert zone.free_pages == whole[zone.name].free_pages
        assert zone.high_pages == whole[zone.name].high_pages
        assert zone.managed_pages in (None, whole[zone.name].managed_pages)


@pytest.mark.skipif(not Path("/proc/zoneinfo").exists(), reason="this machine has no /proc/zoneinfo")
def test_this_machines_zones_say_twice_how_much_is_free() -> None:
    text = Path("/proc/zoneinfo").read_text()
    zones = parse_zoneinfo(text)
    again = [int(number) for number in re.findall(r"^ +nr_free_pages +(\d+)$", text, re.MULTILINE)]

    # The same number, printed a second time a moment later; a zone without pages has no second one.
    assert zones
    for free, zone in zip(again, (zone for zone in zones if zone.present_pages), strict=True):
        assert abs(free - zone.free_pages) <= 4096


@given(st.text() | st.lists(st.sampled_from(KERNEL_6_12.splitlines())).map("\n".join))
def test_any_text_is_read(text: str) -> None:
    parse_zoneinfo(text)
