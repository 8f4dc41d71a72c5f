# SPDX-License-Identifier: GPL-2.0-or-later
"""Refused requests for contiguous memory."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from keepsane.kernel.events.alloc_failure.cma import CMA, CmaRequest, parse_cma_request
from tests.lines import records

HEAD = "cma: cma_alloc: linux,cma: alloc failed, req-size: 148 pages, ret: -16"


def read(*lines: str) -> CmaRequest:
    head = CMA.match(lines[0])
    assert head is not None
    return parse_cma_request(head, tuple(records(lines)))


def test_the_area_and_its_free_runs() -> None:
    """3 + 20 + 12 pages are free, the longest run has 20."""
    assert read(
        HEAD, "cma: number of available pages: 3@125+20@172+12@236=> 35 free of 81920 total pages"
    ) == (
        CmaRequest(
            area="linux,cma",
            requested_pages=148,
            error=-16,
            free_pages=35,
            total_pages=81920,
            longest_run_pages=20,
        )
    )


def test_a_list_folded_by_mail() -> None:
    folded = read(
        HEAD, "cma: number of available pages:", "3@125+20@172+", "120@236=> 143 free of 500 total pages"
    )

    assert (folded.free_pages, folded.longest_run_pages) == (143, 120)


def test_a_list_that_is_cut_tells_no_longest_run() -> None:
    assert read(HEAD, "cma: number of available pages: 3@125+20@172+").longest_run_pages is None


def test_before_5_11_without_the_area() -> None:
    old = read("cma: cma_alloc: alloc failed, req-size: 256 pages, ret: -12")

    assert (old.area, old.requested_pages, old.error) == (None, 256, -12)


@settings(deadline=None)
@given(st.lists(st.text("0123456789@+=> freoftalpgscm:number of available pages", max_size=80), max_size=10))
def test_any_lines(lines: list[str]) -> None:
    read(HEAD, *lines)
