# SPDX-License-Identifier: GPL-2.0-or-later
"""Memory reports of all eras, read as numbers; the expected pages are worked out by hand in comments."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from keepsane.kernel.events.show_mem.show_mem import MAX_ZONES, parse_mem_info
from keepsane.kernel.pages.mem_info import HugePages, MemInfo, SlabUsage
from keepsane.model import LogRecord
from tests.golden import CASES, read_case
from tests.kernel.memory_reports import ARM, NEW, OLD, cuts, report, zone
from tests.lines import records

FULL = read_case(CASES / "alloc-failure" / "lab-order9-6.12.case").log


def test_a_report_of_2_6() -> None:
    info = report(OLD)
    dma = zone(info, "DMA")

    assert info.page_bytes == 4096
    # 400, 360, 448, 540 kB in pages of 4 kB
    assert (dma.free_pages, dma.min_pages, dma.low_pages, dma.high_pages) == (100, 90, 112, 135)
    assert (dma.active_pages, dma.inactive_pages, dma.present_pages) == (90, 120, 2048)
    assert dma.lowmem_reserve_pages == (0, 0, 16)
    assert (dma.node, dma.managed_pages, dma.all_unreclaimable) == (None, None, False)
    assert zone(info, "Normal").all_unreclaimable is True
    assert dma.blocks is not None
    assert sum(block.count << block.order for block in dma.blocks) == 100
    assert {block.types for block in dma.blocks} == {None}
    assert zone(info, "Normal").blocks == ()
    assert (info.total("active"), info.total("slab"), info.total("free")) == (90, 44, 100)
    assert (info.ram_pages, info.reserved_pages, info.swap_free_kibibytes) == (2048, 1031, 1016)
    assert info.lacks == ""


def test_zones_that_hold_the_lru_counters_and_cma() -> None:
    info = report(ARM)
    normal = zone(info, "Normal")

    assert (normal.free_pages, normal.free_cma_pages) == (300, 250)
    assert (normal.active_file_pages, normal.active_anon_pages) == (785, 100)
    assert normal.lowmem_reserve_pages == (0, 0, 2048)
    assert zone(info, "HighMem").free_pages == 1024
    assert [block.types for block in normal.blocks or ()] == ["UC", "UC", "C", ""]
    assert info.nodes == ()


def test_a_caller_that_could_not_sleep_got_no_count_of_ram_before_3_19() -> None:
    """SHOW_MEM_FILTER_PAGE_COUNT: nothing is missing."""
    assert report(ARM).ram_pages is None
    assert report(ARM).lacks == ""


def test_pages_of_64_kb() -> None:
    info = report(NEW)
    normal = zone(info, "Normal")

    assert info.page_bytes == 65536
    # 6144 / 64, 5120 / 64, 1024 / 64
    assert (normal.free_pages, normal.min_pages, normal.boost_pages) == (96, 80, 16)
    assert (normal.reserved_highatomic_pages, normal.free_highatomic_pages) == (32, 8)
    assert (normal.free_pcp_pages, normal.local_pcp_pages, normal.unaccepted_pages) == (7, 1, 10)
    assert (normal.node, normal.lowmem_reserve_pages) == (1, (0, 0, 0, 32))
    assert [block.count for block in normal.blocks or ()] == [4, 6, 0, 4, 1, 1]
    assert info.lacks == ""


def test_what_stands_around_the_zones() -> None:
    info = report(NEW)

    assert info.nodes[0].node == 1
    assert info.nodes[0].all_unreclaimable is True
    # 116992 / 64
    assert dict(info.nodes[0].amounts)["active_anon"] == 1828
    assert info.hugepages == (HugePages(1, 524288, 4, 3, 1),)
    assert info.slabs == (SlabUsage("kmalloc-64", 1216, 1536),)
    assert (info.pagecache_pages, info.swapcache_pages) == (12, 3)
    assert (info.cma_pages, info.hwpoisoned_pages, info.highmem_pages) == (16, 2, 0)


def test_free_swap_may_be_negative_while_swap_is_switched_off() -> None:
    assert report(NEW).swap_free_kibibytes == -64


def test_reserved_highatomic_is_not_invented_from_letters() -> None:
    text = NEW.replace("reserved_highatomic:2048KB free_highatomic:512KB ", "")

    assert zone(report(text), "Normal").reserved_highatomic_pages is None


def test_pages_of_a_zone_without_its_list_come_from_the_totals() -> None:
    """6144 kB free are 96 pages by the total: 64 kB each."""
    text = "\n".join(line for line in NEW.splitlines() if "*" not in line and "RAM" not in line)

    assert report(text).page_bytes == 65536
    assert "no list of free blocks of Node 1 Normal" in report(text).lacks


def test_where_nothing_tells_the_page_size_that_is_said() -> None:
    line = "Normal free:1200kB min:300kB low:400kB high:500kB"

    assert "size of a page" in report(line).lacks


@pytest.mark.parametrize("text", [NEW, ARM, OLD], ids=["new", "arm", "old"])
def test_folded_and_quoted_by_mail(text: str) -> None:
    """The same numbers, whatever a mail program did to the lines."""
    folded = []
    for line in text.splitlines():
        words = line.split(" ")
        while len(words) > 12 and not line.startswith((" ", "Unre", "Name", "kmalloc")):
            folded.append("> " + " ".join(words[:9]).replace("=", "=3D") + "=20")
            words = words[9:]
        folded.append("> " + " ".join(words).replace("=", "=3D"))
    whole, mailed = report(text), report("\n".join(folded))

    assert [_numbers(one) for one in mailed.zones] == [_numbers(one) for one in whole.zones]
    assert (mailed.lacks, mailed.totals) == (whole.lacks, whole.totals)
    assert (mailed.swap_free_kibibytes, mailed.hugepages) == (whole.swap_free_kibibytes, whole.hugepages)


def _numbers(one: object) -> str:
    return str(one).replace(f"line={getattr(one, 'line', '')}", "")


def test_quoted_printable_breaks_inside_a_word() -> None:
    """A line of 76 characters ends with `=`, and the next begins where it broke off."""
    broken = []
    for line in NEW.splitlines():
        rest = line.replace("=", "=3D")
        while len(rest) > 75 and rest[74:75] not in "=3D2":
            broken.append(rest[:75] + "=")
            rest = rest[75:]
        broken.append(rest)
    whole, mailed = report(NEW), report("\n".join(broken))

    assert [_numbers(one) for one in mailed.zones] == [_numbers(one) for one in whole.zones]
    assert mailed.lacks == ""


def test_line_feeds_that_rsyslog_wrote_as_octal() -> None:
    text = "Mem-Info:\nactive_anon:7 inactive_anon:6 isolated_anon:0#012 active_file:1#012 free:3 free_cma:0"

    assert [report(text).total(name) for name in ("active_anon", "active_file", "free")] == [7, 1, 3]


def test_lines_of_others_in_between_are_passed_over() -> None:
    mixed = NEW.replace("\n", "\n[   12.345678] usb 1-1: new device\n do_thing+0x12/0x34\n")
    whole, among = report(NEW), report(mixed)

    assert [_numbers(one) for one in among.zones] == [_numbers(one) for one in whole.zones]
    assert among.lacks == ""


def test_cut_at_every_line_says_what_is_missing() -> None:
    """Whole is a report from `pages reserved` on: what follows depends on the kernel's configuration."""
    begun = ended = False
    for _, text in cuts(FULL):
        last = text.splitlines()[-1]
        begun, ended = begun or "Mem-Info:" in last, ended or "pages reserved" in last
        info = parse_mem_info(records(text.splitlines()))
        assert (info is None) != begun
        if info is not None:
            assert (info.lacks == "") == ended, (last, info.lacks)


def test_zones_elided_by_hand() -> None:
    assert (
        report("Mem-Info:\n......\n").lacks == "no line of a zone; lines were left out where only dots stand"
    )


def test_a_list_without_its_zone_and_a_zone_without_its_list() -> None:
    text = "\n".join(line for line in ARM.splitlines() if not line.startswith(("Normal free", "HighMem: ")))

    lacks = report(text).lacks
    assert "no line of Normal, only its free blocks" in lacks
    assert "no list of free blocks of HighMem" in lacks


def test_a_list_that_does_not_add_up_is_not_used() -> None:
    """The kernel sums the same counts: 20*4 became 2*4."""
    info = report(ARM.replace("Normal: 20*4kB", "Normal: 2*4kB"))

    assert zone(info, "Normal").blocks is None
    assert "the list of free blocks of Normal does not add up" in info.lacks


def test_a_list_whose_front_is_lost_is_not_numbered() -> None:
    """It still adds up where only zeros are lost."""
    without = NEW.replace("4*64kB (UMH) 6*128kB (U) 0*256kB", "0*256kB")
    info = report(without.replace("= 6144kB", "= 5120kB"))

    assert zone(info, "Normal").blocks is None
    assert "does not begin with single pages" in info.lacks


@pytest.mark.parametrize("kibibytes", [4, 8, 16, 64])
def test_the_size_of_a_page_is_the_smallest_block(kibibytes: int) -> None:
    """Three single pages and two pairs are seven pages; all amounts of the zone are 7 pages too."""
    free = 7 * kibibytes
    info = report(
        f"Normal free:{free}kB min:{free}kB low:{free}kB high:{free}kB present:{free}kB free_cma:0kB\n"
        f"lowmem_reserve[]: 0 0\nNormal: 3*{kibibytes}kB (M) 2*{2 * kibibytes}kB (M) = {free}kB\n"
        "9 pages reserved\n"
    )

    assert info.page_bytes == kibibytes * 1024
    assert (info.zones[0].free_pages, info.zones[0].present_pages, info.lacks) == (7, 7, "")


def test_a_zone_whose_line_is_cut_in_the_middle() -> None:
    info = report(NEW.replace(NEW[NEW.index(" writepending:") : NEW.index("lowmem_reserve")], "\n"))

    assert zone(info, "Normal").free_pages == 96
    assert "the end of the line of Node 1 Normal" in info.lacks


def test_two_reports_mixed_by_two_cpus() -> None:
    lines = NEW.splitlines()
    mixed = "\n".join(line for pair in zip(lines, lines, strict=True) for line in pair)

    assert "two reports are mixed" in report(mixed).lacks


def test_the_second_report_of_a_block_is_left_alone() -> None:
    both = report(NEW + ARM)

    assert [one.name for one in both.zones] == ["Normal"]
    assert both.page_bytes == 65536


def test_no_report() -> None:
    assert parse_mem_info(()) is None
    assert parse_mem_info(records(["warn_alloc: 3 callbacks suppressed", "... and more"])) is None


@settings(deadline=None)
@given(
    st.lists(st.one_of(st.text(max_size=80), st.sampled_from((OLD + ARM + NEW).splitlines())), max_size=40)
)
def test_any_lines(lines: list[str]) -> None:
    info = parse_mem_info(records(lines))

    assert info is None or isinstance(info, MemInfo)
    assert info is None or info.zones or info.lacks


@settings(deadline=None)
@given(st.data())
def test_any_cut_inside_a_line(data: st.DataObject) -> None:
    """No half of a number is taken for a zone that is whole."""
    end = data.draw(st.integers(0, NEW.index("hugepages_total")))
    info = parse_mem_info(records(NEW[:end].splitlines()))

    assert info is None or info.lacks


def test_a_number_after_an_equals_sign_is_no_encoded_blank() -> None:
    """`=20` is a blank of a mail only where it ends a line: x86 has huge pages of 2048 kB."""
    pool = "Node 0 hugepages_total=2000 hugepages_free=20 hugepages_surp=0 hugepages_size=2048kB"

    info = report(f"{OLD}{pool}\n")

    assert info.hugepages == (HugePages(0, 2048, 2000, 20, 0),)


def test_of_very_many_zones_the_rest_is_left_out_and_said_to_be() -> None:
    lines = [
        f"Node {node} Normal free:4000kB min:400kB low:500kB high:600kB present:40000kB managed:40000kB"
        for node in range(MAX_ZONES + 3)
    ]
    found = parse_mem_info([LogRecord(at, None, None, None, text) for at, text in enumerate(lines, 1)])
    assert found is not None
    assert len(found.zones) == MAX_ZONES and not found.zones_whole
    assert f"3 zones beyond the first {MAX_ZONES} were left out" in found.lacks
