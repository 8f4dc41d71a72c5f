# SPDX-License-Identifier: GPL-2.0-or-later
"""
What other settings would have meant, recomputed by hand.

The case is 5.10 with DMA (3977 pages managed, min 15) and DMA32 (500000 pages, min 704, 100 free); an atomic
page must leave 3/8 of min.
"""

from __future__ import annotations

from keepsane.api import explain
from keepsane.report import Finding
from tests.golden import CASES, read_case
from tests.test_judge import judge


def supposed(*words: str, case: str = "what-if") -> Finding:
    log = read_case(CASES / f"rules/{case}.case").log
    return next(one for one in judge(log, words) if isinstance(one, Finding) and one.rule == "what-if")


def test_a_larger_minimum_is_said_to_help_by_an_estimate_only() -> None:
    # 2048 pages shared out: 2048 * 500000 // 503977 = 2031; 2031 - 1015 - 254 = 762, so 763 must remain.
    # As logged 100; others would have left 2031 - 704 = 1327 more: 1427.
    found = supposed("min_free_kbytes=8192")
    assert "100 pages free, 763 needed" in found.explanation
    assert "1427 pages left for it, 763 needed" in found.explanation
    assert "an estimate" in found.title
    assert "an estimate" in found.explanation
    assert found.severity == "info"


def test_each_zone_has_its_old_and_its_new_watermarks() -> None:
    # DMA: 2048 * 3977 // 503977 = 16 pages = 64 kB, a quarter more is 20 pages, half more 24. DMA32: 2031
    # pages = 8124 kB, 2031 + 507 = 2538 pages, 2031 + 1014 = 3045 pages.
    _, dma, dma32 = supposed("min_free_kbytes=8192").evidence
    assert "min:60kB low:75kB high:90kB" in dma.quote
    assert "min:64kB low:80kB high:96kB" in dma.note
    assert "min:2816kB low:3520kB high:4224kB" in dma32.quote
    assert "min:8124kB low:10152kB high:12180kB" in dma32.note


def test_the_scale_factor_moves_low_and_high_and_does_not_serve_the_request() -> None:
    # 300 ten-thousandths of 500000 pages are 15000: low 15704 pages, high 30704.
    found = supposed("watermark_scale_factor=300")
    assert "would have failed all the same" in found.title
    assert "min:2816kB low:62816kB high:122816kB" in found.evidence[2].note
    assert "100 pages free, 265 needed" in found.explanation


def test_a_smaller_minimum_may_serve_the_request_from_what_was_free() -> None:
    # 256 kB are 64 pages: 64 * 500000 // 503977 = 63; 63 - 31 - 8 = 24 < 100. The margin is less than what a
    # CPU may hold back.
    found = supposed("min_free_kbytes=256")
    assert found.title.endswith("the request would have been served, barely")


def test_what_cannot_be_computed_is_said_with_the_reason() -> None:
    case = read_case(CASES / "rules/what-if-cut.case")
    report = explain(case.log, cache=False, what_if=case.what_if)
    assert any("what-if" in one.what and "not all are printed" in one.why for one in report.failures)


def test_an_old_kernel_has_no_scale_factor() -> None:
    assert "came with 4.6" in supposed("watermark_scale_factor=300", case="allocation-harmless").explanation
