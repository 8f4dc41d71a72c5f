# SPDX-License-Identifier: GPL-2.0-or-later
"""Failed allocations, read as fields."""

from __future__ import annotations

from keepsane.kernel.alloc_failure import AllocFailure
from keepsane.kernel.records import records
from keepsane.kernel.scan import scan
from keepsane.model import LogSummary
from tests.golden import CASES, first_of, read_case


def test_order_and_mode() -> None:
    event = first_of("alloc-failure/lab-order9-6.12")

    assert isinstance(event, AllocFailure)
    assert event.order == 9
    assert event.mode is not None
    assert "GFP_KERNEL" in (event.mode_text or "")


def test_the_size_of_a_vmalloc() -> None:
    event = first_of("alloc-failure/vmalloc")

    assert isinstance(event, AllocFailure)
    assert event.size_bytes == 16 << 30
    assert event.mode == 0xCC2


def test_no_line_of_a_real_report_is_unread() -> None:
    """The memory report belongs to the failure, down to its last line."""
    for name in ("lab-order9-6.1", "lab-atomic0-6.12"):
        log = read_case(CASES / "alloc-failure" / f"{name}.case").log
        *_, summary = scan(records(log.splitlines()))

        assert isinstance(summary, LogSummary)
        assert summary.unread_lines == 0
