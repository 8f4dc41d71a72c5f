# SPDX-License-Identifier: GPL-2.0-or-later
"""The account of a failed allocation: what a reader sees adds up, in text and in HTML."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest

from keepsane.api import explain
from keepsane.kernel.events.alloc_failure.failure import AllocFailure
from keepsane.kernel.events.alloc_failure.words import memory_facts
from keepsane.render.event_page import account_parts
from keepsane.render.html.page import markup_of, render_html
from keepsane.render.text.writer import Writer
from tests.golden import CASES, events_of, read_case

NAMES = sorted(path.stem for path in CASES.glob("rules/allocation-*.case"))


def failure(case: str) -> AllocFailure:
    event = events_of(read_case(CASES / f"rules/{case}.case").log)[0]
    assert isinstance(event, AllocFailure)
    return event


def account_element(event: AllocFailure) -> str:
    return markup_of(account_parts(event))


def rows(case: str) -> tuple[list[str], list[list[str]]]:
    """Cut the table into its cells by the places where its heads end, as numbers stand to the right."""
    _, head, *lines = list(Writer().lines(account_parts(failure(case)))) or ["", ""]
    ends = [found.end() for found in re.finditer(r"\S+", head)][1:]
    cells = []
    for line in lines:
        name = re.match(r" {4}((?:Node \d+ )?\w+)", line)
        assert name
        starts = [name.end(), *ends]
        cells.append([name[1], *(line[a:b].strip() for a, b in zip(starts, ends, strict=False))])
    return head.split(), cells


@pytest.mark.parametrize("case", NAMES)
def test_the_numbers_of_each_zone_add_up_to_what_is_over(case: str) -> None:
    _, cells = rows(case)
    for _zone, *numbers, over in cells:
        if over:
            assert sum(int(number) for number in numbers if number) == int(over)


def test_each_zone_has_its_row() -> None:
    head, cells = rows("allocation-shortage")
    assert head == ["zone", "free", "lowmem_reserve", "watermark", "over"]
    assert cells == [
        ["Node 0 DMA", "250", "-489", "-6", "-245"],
        ["Node 0 DMA32", "100", "", "-264", "-164"],
    ]


def test_the_picture_has_its_numbers_as_text_too() -> None:
    # 1400 kB free: 1000 kB in DMA, all of it kept (71.4 %), 400 kB in DMA32, all
    # below the watermark (28.6 %).
    page = account_element(failure("allocation-shortage"))
    said = [re.sub(r"<[^>]+>", " ", row).split("  ") for row in page.split("<tr>")]
    words = {" ".join(row).strip() for row in said}
    assert any("(lowmem_reserve) 250 pages 71 %" in row for row in words)
    assert any("are below the watermark 100 pages 29 %" in row for row in words)


@pytest.mark.parametrize("case", NAMES)
def test_the_parts_of_the_picture_fill_it(case: str) -> None:
    widths = [float(width) for width in re.findall(r"width:([\d.]+)%", account_element(failure(case)))]
    assert not widths or abs(sum(widths) - 100) < 0.1


def test_nothing_of_the_log_becomes_markup() -> None:
    event = failure("allocation-shortage")
    assert event.ledger
    one = event.ledger.zones[0]
    hostile = replace(one, zone=replace(one.zone, name="<script>&\x1b[31m"))
    page = account_element(replace(event, ledger=replace(event.ledger, zones=(hostile,))))
    assert "<script>" not in page
    assert "&lt;script&gt;" in page
    assert "\x1b" not in page


def test_no_account_is_shown_where_no_zone_was_printed() -> None:
    assert list(account_parts(failure("allocation-harmless-cut"))) == []


def test_the_page_has_the_account() -> None:
    report = explain(read_case(CASES / "rules/allocation-shortage.case").log, cache=False)
    assert "What each zone had for this request" in render_html(report)


def test_who_asked_is_told_from_whom_was_interrupted() -> None:
    said = dict(memory_facts(failure("allocation-shortage")))
    assert said["asked by"] == "page_to_skb [virtio_net], in an interrupt; swapper was only interrupted"
    assert dict(memory_facts(failure("allocation-policy-gives-up")))["asked by"] == "frob_fill_ring [frob]"


def test_what_was_asked_for_is_said_in_words() -> None:
    said = dict(memory_facts(failure("allocation-fragmentation")))
    assert said["asked for"].startswith("16 pages in one piece (64 kB), 0x40a20 GFP_ATOMIC|__GFP_COMP: ")
    assert dict(memory_facts(failure("allocation-shortage")))["asked for"].startswith("1 page (4 kB), ")
    assert dict(memory_facts(failure("allocation-repeats")))["not printed"].startswith("30 more failures ")


def test_a_size_for_vmalloc_is_not_called_one_page() -> None:
    said = dict(memory_facts(failure("allocation-size-absurd")))
    assert said["asked for"].startswith("17179869184 bytes, 0xcc2 ")


def test_the_oom_killer_is_not_said_to_work_for_a_block_that_it_does_not_kill_for() -> None:
    # __alloc_pages_may_oom(): not above PAGE_ALLOC_COSTLY_ORDER, which is 3.
    assert "nothing is killed for it" in dict(memory_facts(failure("allocation-zone-full")))["asked for"]
    assert "at last the OOM killer" in dict(memory_facts(failure("allocation-movable-allowed")))["asked for"]


def could_use(log: str) -> str:
    (event,) = [one for one in events_of(log) if isinstance(one, AllocFailure)]
    return dict(memory_facts(event))["could use"]


def test_what_is_free_beyond_the_zones_printed_is_said() -> None:
    # 45263 pages are free in all, 1 of them in the zone printed: 45262 * 4 / 1024 = 176.8 MB.
    log = read_case(CASES / "rules/allocation-dma-elsewhere.case").log
    beyond = "177 MB more are free in zones or on nodes that the report does not print, out of its reach"
    assert could_use(log).endswith(f"4 kB are below the watermark. {beyond}")
    empty = log.replace("DMA free:4kB", "DMA free:0kB").replace("DMA: 1*4kB (U)", "DMA: 0*4kB")
    empty = empty.replace("= 4kB", "= 0kB").replace("free:45263 ", "free:45262 ")
    assert could_use(empty) == f"nothing that is printed. {beyond}"


def test_a_lag_of_the_counters_is_no_memory_elsewhere() -> None:
    # One zone may lag by twice 125 pages, and the total by a twentieth: 1 + 250 + 13 = 264.
    log = read_case(CASES / "rules/allocation-dma-elsewhere.case").log
    assert "more are free" not in could_use(log.replace("free:45263 ", "free:264 "))
    assert "more are free" in could_use(log.replace("free:45263 ", "free:265 "))


def test_lost_lines_are_not_called_out_of_reach() -> None:
    # The zone's list of blocks and all that follows is cut off: the zones above may have been printed.
    log = read_case(CASES / "rules/allocation-dma-elsewhere.case").log
    said = could_use(log[: log.index(" lowmem_reserve[]")])
    assert "more are free in zones or on nodes that the report does not print" in said
    assert "out of its reach" not in said
