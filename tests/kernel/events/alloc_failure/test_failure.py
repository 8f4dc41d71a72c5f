# SPDX-License-Identifier: GPL-2.0-or-later
"""Failed allocations, read as fields."""

from __future__ import annotations

import pytest

from keepsane.kernel.events.alloc_failure.failure import AllocFailure
from keepsane.kernel.log.scan import Scanner
from tests.golden import CASES, events_of, first_of, read_case
from tests.kernel.memory_reports import ARM, NEW, cuts

TRACE = (
    "Call Trace:\n dump_stack+0x1/0x2\n warn_alloc+0x1/0x2\n __alloc_pages+0x1/0x2\n"
    " fill_ring+0x1/0x2 [nic]\n"
)


def failures(text: str) -> list[AllocFailure]:
    return [event for event in events_of(text) if isinstance(event, AllocFailure)]


@pytest.mark.parametrize(
    ("line", "order", "mode", "names"),
    [
        (
            "a: page allocation failure: order:9, mode:0xdc0(GFP_KERNEL|__GFP_ZERO)",
            9,
            0xDC0,
            "GFP_KERNEL|__GFP_ZERO",
        ),
        ("a: page allocation failure: order:0, mode:0x20", 0, 0x20, None),
        ("a: page allocation failure. order:1, mode:0x4020", 1, 0x4020, None),
        ("__alloc_pages: 3-order allocation failed (gfp=0x1d2/0)", 3, 0x1D2, None),
        ("[Playing (x)][00:02/00:04]swapper/0: page allocation failure: order:0, mode:0x20", 0, 0x20, None),
        ("> a: page allocation failure: order:0, mode:0x20", 0, 0x20, None),
        ("a: page allocation failure: order:3,\n    mode:0x60820(GFP_ATOMIC)", 3, 0x60820, "GFP_ATOMIC"),
    ],
)
def test_the_head_of_every_era(line: str, order: int, mode: int | None, names: str | None) -> None:
    (event,) = failures(line)

    assert (event.order, event.mode, event.mode_text) == (order, mode, names)


def test_order_and_mode() -> None:
    event = first_of("alloc-failure/lab-order9-6.12")

    assert isinstance(event, AllocFailure)
    assert event.order == 9
    assert event.mode is not None
    assert "GFP_KERNEL" in (event.mode_text or "")


def test_who_asked_in_the_lab() -> None:
    """The module crashme of tests/live asks in its function exhaust(), from an ioctl or at load time."""
    for name in ("lab-order9-6.1", "lab-order9-6.12", "lab-atomic0-6.1", "lab-atomic0-6.12"):
        event = first_of(f"alloc-failure/{name}")
        assert isinstance(event, AllocFailure)
        assert event.requester is not None
        assert (event.requester.function, event.requester.module) == ("exhaust", "crashme")
        assert event.in_interrupt is False
        assert (event.nodemask, event.cpuset, event.mems_allowed) == (None, "/", (0,))


def test_the_memory_report_belongs_to_the_failure() -> None:
    event = first_of("alloc-failure/lab-order9-6.12")

    assert isinstance(event, AllocFailure)
    assert event.memory is not None
    assert event.memory.lacks == ""
    assert [zone.name for zone in event.memory.zones] == ["DMA", "DMA32"]


def test_the_size_of_a_vmalloc() -> None:
    event = first_of("alloc-failure/vmalloc")

    assert isinstance(event, AllocFailure)
    assert event.size_bytes == 16 << 30
    assert event.mode == 0xCC2


def test_a_vmalloc_before_4_11_has_its_size_and_its_mask_in_two_lines() -> None:
    head = "vmalloc: allocation failure: 17178820608 bytes\n"
    (event,) = failures(f"{head}x: page allocation failure: order:0, mode:0x24000c2\n{TRACE}")

    assert (event.size_bytes, event.mode, event.order) == (17178820608, 0x24000C2, 0)


def test_failures_that_were_not_printed_count_for_the_next_one() -> None:
    head = "x: page allocation failure: order:0, mode:0x20\n"
    first, second = failures(f"{head}{TRACE}warn_alloc: 5676 callbacks suppressed\n{head}{TRACE}")

    assert (first.suppressed, second.suppressed) == (None, 5676)
    assert failures("warn_alloc: 3 callbacks suppressed\n") == []


def test_the_cache_that_slub_names() -> None:
    event = first_of("alloc-failure/slab-cache")

    assert isinstance(event, AllocFailure)
    assert event.slab is not None
    assert (event.slab.name, event.mode) == ("kmalloc-512", 0xA20)


@pytest.mark.parametrize(
    "line",
    [
        "SLUB: Unable to allocate memory on node -1 (gfp=0x20)",
        "SLUB: Unable to allocate memory on CPU 3 (of node 1) on node -1, gfp=0x20(__GFP_HIGH)",
    ],
)
def test_the_head_of_slub(line: str) -> None:
    (event,) = failures(line)

    assert (event.mode, event.title) == (0x20, "slab allocation failure")


def test_an_area_with_the_zone_under_it() -> None:
    head = "cma: cma_alloc: reserved: alloc failed, req-size: 148 pages, ret: -16\n"
    (event,) = failures(
        head + "cma: number of available pages: 3@125+20@172=> 23 free of 400 total pages\n" + ARM
    )

    assert event.cma is not None
    assert (event.cma.requested_pages, event.cma.error, event.cma.free_pages) == (148, -16, 23)
    assert event.memory is not None
    assert event.memory.zones[0].free_cma_pages == 250


def test_vmap() -> None:
    (event,) = failures("vmap allocation for size 4198400 failed: use vmalloc=<size> to increase size.")

    assert event.size_bytes == 4198400


def test_a_pool_for_atomic_dma() -> None:
    """It stands alone where the allocation itself was told to be silent."""
    (event,) = failures("DMA: failed to allocate 128 KiB GFP_KERNEL|GFP_DMA pool for atomic allocation")

    assert (event.size_bytes, event.mode_text) == (128 << 10, "GFP_KERNEL|GFP_DMA")


def test_no_line_of_a_real_report_is_unread() -> None:
    """The memory report belongs to the failure, down to its last line."""
    for name in ("lab-order9-6.1", "lab-atomic0-6.12"):
        log = read_case(CASES / "alloc-failure" / f"{name}.case").log
        scanner = Scanner()
        assert list(scanner.events(log.splitlines()))
        assert scanner.summary(()).unread_lines == 0


@pytest.mark.parametrize("name", ["lab-order9-6.1", "lab-atomic0-6.12", "no-order-in-2.6"])
def test_a_log_cut_at_any_line_claims_nothing_of_what_is_missing(name: str) -> None:
    whole = first_of(f"alloc-failure/{name}")
    assert isinstance(whole, AllocFailure)
    for _, text in cuts(read_case(CASES / "alloc-failure" / f"{name}.case").log):
        for event in failures(text):
            assert event.requester in (None, whole.requester)
            assert event.memory is None or event.memory.lacks or "pages reserved" in text


def test_two_cpus_that_print_at_once_where_the_log_names_them() -> None:
    text = f"x: page allocation failure: order:0, mode:0x20\n{TRACE}{NEW}"
    other = text.replace("order:0", "order:2").replace("free:6144kB", "free:6080kB")
    pairs = zip(text.splitlines(), other.splitlines(), strict=True)
    first, second = failures("\n".join(f"[ 1.000001][   C0] {a}\n[ 1.000001][   C1] {b}" for a, b in pairs))

    assert (first.order, second.order) == (0, 2)
    # 6144 / 64 and 6080 / 64 pages
    assert [one.memory.zones[0].free_pages for one in (first, second) if one.memory] == [96, 95]
    assert [one.memory.lacks for one in (first, second) if one.memory] == ["", ""]


def test_a_report_that_the_journal_indented() -> None:
    text = NEW.replace("\n", "\n" + " " * 26)
    (event,) = failures(
        f"Jun 09 11:11:21 host kernel: x: page allocation failure: order:0, mode:0x20\n{text}"
    )

    assert event.memory is not None
    assert event.memory.lacks == ""


def test_a_report_quoted_in_a_mail() -> None:
    text = f"x: page allocation failure: order:0, mode:0x20\n{TRACE}{NEW}"
    (event,) = failures("\n".join(f">> {line}" for line in text.splitlines()))

    assert event.requester is not None
    assert event.requester.function == "fill_ring"
    assert event.memory is not None
    assert event.memory.lacks == ""
