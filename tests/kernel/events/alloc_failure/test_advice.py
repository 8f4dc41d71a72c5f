# SPDX-License-Identifier: GPL-2.0-or-later
"""
Advice is sized from the numbers of the report, and is not given where it cannot help.

The case allocation-shortage: 5.10, DMA (15908 kB managed, min 60 kB) and DMA32 (2000000 kB managed, min
2816 kB, 400 kB free), an atomic page. Its logs are varied below.
"""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from keepsane.report import Advice
from tests.golden import CASES, read_case
from tests.test_judge import findings

MANAGED_KIBIBYTES = 15908 + 2000000
CHANGE = re.compile(r"vm\.min_free_kbytes from about (\d+) to (\d+)")


def log_of(case: str) -> str:
    return read_case(CASES / f"rules/{case}.case").log


def advice_of(log: str) -> list[Advice]:
    return [advice for finding in findings(log) for advice in finding.advice]


def commands(log: str) -> list[str]:
    return [advice.command for advice in advice_of(log) if advice.command]


def with_page_cache(log: str) -> str:
    """Make a tenth of the memory page cache: 50000 of 504000 pages."""
    return log.replace(" active_file:2500 inactive_file:2500", " active_file:25000 inactive_file:25000")


def min_free(log: str) -> tuple[int, int] | None:
    for advice in advice_of(log):
        if found := CHANGE.search(advice.text):
            return int(found[1]), int(found[2])
    return None


def test_twice_the_minimum_is_advised_where_that_would_have_served() -> None:
    # Now 15 + 704 pages = 2876 kB. 5752 kB are 1438 pages, of which DMA32 has 1438 * 500000 // 503977 = 1426;
    # 1426 - 713 - 178 = 535 must remain. 100 + 1426 - 704 = 822 would, 287 more, and a CPU holds back 125.
    assert 1438 * 500000 // 503977 == 1426
    (advice,) = [one for one in advice_of(log_of("allocation-shortage")) if CHANGE.search(one.text)]
    assert min_free(log_of("allocation-shortage")) == (2876, 5752)
    assert "the request would have been served: an estimate" in advice.text
    assert advice.command == "sysctl -w vm.min_free_kbytes=5752"
    assert "vm.min_free_kbytes = 5752" in advice.text


def test_where_no_allowed_value_would_have_served_it_is_said() -> None:
    # 64 MB, min 1000 kB: a fiftieth is 1280 kB = 320 pages, so no doubling is allowed. With 1280 kB as much
    # as 70 pages more are free: 70 <= 320 - 160 - 40 = 120.
    log = log_of("allocation-repeats").replace("managed:2000000kB", "managed:64000kB")
    log = log.replace(
        "free:400kB min:2816kB low:3520kB high:4224kB", "free:0kB min:1000kB low:1250kB high:1500kB"
    )
    log = log.replace("1*16kB (UME)", "0*16kB").replace("1*128kB (UME)", "0*128kB")
    log = log.replace("1*256kB (UME)", "0*256kB").replace("= 400kB", "= 0kB").replace("free:100 ", "free:0 ")
    assert min_free(log) == (1000, 1280)
    assert any("it would still not have been enough: an estimate" in one.text for one in advice_of(log))


def test_what_is_not_enough_and_hardly_more_is_not_advised() -> None:
    # A fiftieth of 2015908 kB is 40318 kB; 60 + 40000 kB are kept free already.
    log = log_of("allocation-shortage")
    large = re.sub(r"min:2816kB low:\d+kB high:\d+kB", "min:40000kB low:50000kB high:60000kB", log)
    assert min_free(log) is not None and min_free(large) is None


def test_a_margin_that_a_cpu_may_hold_back_is_called_barely() -> None:
    # DMA 3840 and DMA32 50430 pages, minima 33 and 422: 1820 kB. 3640 kB are 910 pages, of which DMA32 has
    # 910 * 50430 // 54270 = 845, and 845 - 422 - 105 = 318 must remain. Of 26 free pages 26 + 845 - 422 - 318
    # = 131 would have been over, of 20 only 125, which is as much as a CPU may hold back.
    log = read_case(CASES / "alloc-failure/lab-atomic0-6.12.case").log
    assert min_free(log) == (1820, 3640)
    assert any("the request would have been served: an estimate" in one.text for one in advice_of(log))
    close = advice_of(log.replace("DMA32 free:104kB", "DMA32 free:80kB"))
    assert any("the request would barely have been served: an estimate" in one.text for one in close)


@given(st.integers(1, 3_000_000))
def test_no_value_is_below_the_one_that_is_set_or_above_a_fiftieth_of_memory(least_kibibytes: int) -> None:
    marks = f"min:{least_kibibytes}kB low:{least_kibibytes * 5 // 4}kB high:{least_kibibytes * 3 // 2}kB"
    log = log_of("allocation-shortage").replace("min:2816kB low:3520kB high:4224kB", marks)
    advised = min_free(log)
    if advised is not None:
        now, then = advised
        assert now < then <= MANAGED_KIBIBYTES // 50
    elif 4 * least_kibibytes < MANAGED_KIBIBYTES // 50 and least_kibibytes > 2000:
        raise AssertionError("a small minimum is never advised to grow")


@pytest.mark.parametrize(
    "case", ["allocation-policy-gives-up", "allocation-highatomic-held", "allocation-size-large"]
)
def test_a_request_that_may_sleep_gains_nothing_by_a_larger_minimum(case: str) -> None:
    assert not [one for one in commands(with_page_cache(log_of(case))) if "min_free" in one or "scale" in one]


def test_kswapd_is_woken_earlier_only_where_there_is_page_cache() -> None:
    # min 704, low 880 pages: the gap of 176 is a quarter of min, so the factor is not known and 10 is taken.
    # A hundredth of the zone, 20000 kB, does not hold a burst: 65536 of 2015908 kB are 326 ten-thousandths.
    log = log_of("allocation-shortage")
    assert "sysctl -w vm.watermark_scale_factor=326" in commands(with_page_cache(log))
    assert not [one for one in commands(log) if "scale_factor" in one]


def test_a_scale_factor_that_is_set_is_never_lowered() -> None:
    # 500000 pages, low 704 + 30000: a gap of 600 ten-thousandths, and 500 are the most that is advised.
    log = log_of("allocation-shortage").replace("low:3520kB high:4224kB", "low:122816kB high:242816kB")
    assert not [one for one in commands(with_page_cache(log)) if "scale_factor" in one]


def test_a_scale_factor_that_would_move_no_mark_is_not_advised() -> None:
    # A quarter of min alone sets low 75000 kB above it; 326 ten-thousandths of 2000000 kB are 65200 kB.
    log = with_page_cache(log_of("allocation-shortage"))
    large = re.sub(r"min:2816kB low:\d+kB high:\d+kB", "min:300000kB low:375000kB high:450000kB", log)
    assert large != log
    assert not [one for one in commands(large) if "scale_factor" in one]


def test_what_undoes_the_change_can_be_run_as_it_stands() -> None:
    (advice,) = [one for one in advice_of(log_of("allocation-shortage")) if "min_free" in (one.command or "")]
    assert advice.undo == "sysctl -w vm.min_free_kbytes=2876"


def test_kernels_before_4_6_have_no_scale_factor() -> None:
    log = with_page_cache(log_of("allocation-shortage"))
    assert [one for one in commands(log.replace("5.10.60", "4.6.0")) if "scale_factor" in one]
    assert not [one for one in commands(log.replace("5.10.60", "4.5.7")) if "scale_factor" in one]


def test_what_is_harmless_or_passed_by_itself_is_not_made_urgent() -> None:
    assert advice_of(log_of("allocation-harmless")) == []
    (advice,) = advice_of(log_of("allocation-race"))
    assert advice.text.startswith("if it comes again, ")
    assert "would have" not in advice.text


@pytest.mark.parametrize("case", sorted(path.stem for path in CASES.glob("rules/allocation-*.case")))
def test_commands_hold_nothing_that_the_log_says(case: str) -> None:
    log = log_of(case).replace("cpuset=/,", "cpuset=$(touch,").replace(" init:", " $(touch:")
    log = re.sub(r"\] \w+(?:/\w+)?: page alloc", "] $(touch x): page alloc", log).replace("frob", "touch")
    for advice in advice_of(log):
        for words in (advice.command, advice.undo, advice.verify):
            assert "touch" not in (words or "")


def test_where_only_low_memory_is_short_the_advice_is_to_need_less_of_it() -> None:
    # 45262 pages, 176.8 MB, are free above DMA.
    log = log_of("allocation-dma-elsewhere")
    first = advice_of(log)[0]
    assert first.text.startswith(
        "one kind of memory is short, DMA, to which GFP_DMA holds the request; 177 MB"
    )
    assert "IOMMU" in first.text
    nearly_none = log.replace("free:45263 ", "free:200 ")
    assert not any("one kind of memory" in one.text for one in advice_of(nearly_none))


def test_an_older_kernel_prints_the_zones_above_which_count_the_same() -> None:
    # 100000 kB free in DMA32, which GFP_DMA does not reach: 97.7 MB.
    log = log_of("allocation-dma-elsewhere").replace("free:45263 ", "free:25001 ")
    above = "[    5.562100] Node 0 DMA32 free:100000kB boost:0kB min:1688kB low:2108kB high:2528kB "
    above += "present:245632kB managed:201720kB free_cma:0kB\n[    5.562110] lowmem_reserve[]: 0 0 0 0 0\n"
    log = log.replace("[    5.562273]", above + "[    5.562273]")
    blocks = "[    5.562300] Node 0 DMA32: 0*4kB 12500*8kB (U) 0*16kB = 100000kB\n"
    log = log.replace("[    5.563190]", blocks + "[    5.563190]")
    assert any("98 MB are free elsewhere" in one.text for one in advice_of(log))
