# SPDX-License-Identifier: GPL-2.0-or-later
"""The bounce buffer is full."""

from __future__ import annotations

import pytest

from keepsane.kernel.events.alloc_failure.failure import AllocFailure
from tests.golden import events_of

NEW = "nvme 0000:01:00.0: swiotlb buffer is full (sz: 4096 bytes), total 32768 (slots), used 7 (slots)"


@pytest.mark.parametrize(
    ("line", "device", "size", "slots"),
    [
        (NEW, "nvme 0000:01:00.0", 4096, (32768, 7)),
        (
            "[   12.345678] e1000e 0000:00:19.0: swiotlb buffer is full (sz: 8388608 bytes)",
            "e1000e 0000:00:19.0",
            8388608,
            (None, None),
        ),
        ("nvme: swiotlb buffer is full", "nvme", None, (None, None)),
        (
            "DMA: Out of SW-IOMMU space for 65536 bytes at device 0000:03:00.0",
            "0000:03:00.0",
            65536,
            (None, None),
        ),
    ],
)
def test_the_line_of_every_era(
    line: str, device: str, size: int | None, slots: tuple[int | None, int | None]
) -> None:
    (event,) = events_of(line)

    assert isinstance(event, AllocFailure)
    assert event.kind == "alloc-failure"
    assert event.size_bytes == size
    assert event.bounce_buffer is not None
    assert (event.bounce_buffer.total_slots, event.bounce_buffer.used_slots) == slots
    assert event.bounce_buffer.device == device


def test_each_line_is_a_failure() -> None:
    assert len(events_of(f"{NEW}\n{NEW}\n{NEW}")) == 3
