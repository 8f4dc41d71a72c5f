# SPDX-License-Identifier: GPL-2.0-or-later
"""Who asked for memory, and whether the task named beside it was only interrupted."""

from __future__ import annotations

import pytest

from keepsane.kernel.events.alloc_failure.failure import AllocFailure
from keepsane.kernel.events.show_mem.requester import frames_of_request
from tests.golden import events_of

HEAD = "cat: page allocation failure: order:0, mode:0x20\n"
ALLOCATOR = (
    " [<ffffffff810a2411>] warn_alloc_failed+0xe1/0x130\n"
    " [<ffffffff810a5779>] __alloc_pages_nodemask+0x5e9/0x840\n"
    " [<ffffffff8130d9d2>] __netdev_alloc_skb+0x82/0xe0\n"
)
DRIVER = " [<ffffffffa00225b7>] example_poll+0x1d7/0x610 [example]\n"
SYSCALL = " [<ffffffff813b06e9>] system_call_fastpath+0x16/0x1b\n"
SOFTIRQ = " [<ffffffff8104284a>] __do_softirq+0xba/0x170\n"


def failure(text: str) -> AllocFailure:
    event = events_of(text)[0]
    assert isinstance(event, AllocFailure)
    return event


def asked(text: str) -> tuple[str | None, bool | None]:
    event = failure(text)
    return event.requester.function if event.requester else None, event.in_interrupt


@pytest.mark.parametrize(
    ("stack", "interrupted"),
    [
        (f"Call Trace:\n{ALLOCATOR}{DRIVER}{SYSCALL}", False),
        (f"Call Trace:\n <IRQ> \n{ALLOCATOR}{DRIVER}{SOFTIRQ} <EOI> \n{SYSCALL}", True),
        (
            f"Call Trace:\n <IRQ> {ALLOCATOR}{DRIVER} <EOI>  [<ffffffff813aeeb5>] ? io_schedule+0xa5/0xd0\n",
            True,
        ),
        (f"Call Trace:\n{ALLOCATOR}{DRIVER}{SOFTIRQ} [<ffffffff8104284b>] run_ksoftirqd+0x1/0x2\n", False),
        (f"Call Trace:\n{ALLOCATOR}{DRIVER}{SOFTIRQ}", True),
        (f"Call Trace:\n{ALLOCATOR}{DRIVER}", None),
    ],
)
def test_the_driver_asked(stack: str, interrupted: bool | None) -> None:
    assert asked(HEAD + stack) == ("example_poll", interrupted)


def test_the_interrupt_was_over_before_the_allocation() -> None:
    """What stands above the allocator is left over from it: the task itself asked."""
    over = " <IRQ>\n [<ffffffff81000001>] do_irq_work+0x1/0x2\n </IRQ>\n"

    assert asked(f"{HEAD}Call Trace:\n{over}{ALLOCATOR}{DRIVER}{SYSCALL}") == ("example_poll", False)


def test_the_comm_is_kept_beside_it() -> None:
    event = failure(
        f"{HEAD}Pid: 24171, comm: cat Not tainted 3.8.0\nCall Trace:\n <IRQ> {ALLOCATOR}{DRIVER}{SOFTIRQ}"
    )

    assert event.task is not None
    assert (event.task.comm, event.in_interrupt) == ("cat", True)


def test_helpers_that_make_packet_buffers_ask_for_somebody_else() -> None:
    helper = " [<ffffffff815750b5>] skb_copy+0x45/0xb0\n"

    assert asked(f"{HEAD}Call Trace:\n{ALLOCATOR}{helper}{DRIVER}")[0] == "example_poll"
    assert asked(f"{HEAD}Call Trace:\n{ALLOCATOR}{helper}")[0] == "skb_copy"


def test_a_stack_that_ends_inside_the_allocator_names_nobody() -> None:
    assert asked(f"{HEAD}Call Trace:\n{ALLOCATOR}")[0] is None


def test_where_no_frame_is_certain_the_others_count_but_name_no_event() -> None:
    """An x86 kernel without frame pointers marks every frame."""
    stack = (ALLOCATOR + DRIVER).replace("] ", "] ? ")
    event = failure(f"{HEAD}Call Trace:\n{stack}")

    assert event.requester is not None
    assert event.requester.function == "example_poll"
    assert event.title == "page allocation failure of order 0"


def test_frames_of_another_cpu_name_nobody() -> None:
    """They stand before the trace's own first line."""
    event = failure(f"{HEAD} schedule+0x92/0x1c0\n kthread+0x354/0x420\nCall Trace:\n dump_stack+0x1/0x2\n")

    assert event.requester is None
    assert "another CPU" in event.damage
    assert event.title == "page allocation failure of order 0"


def test_32_bit_arm_prints_no_call_trace_line() -> None:
    stack = (
        " warn_alloc from __alloc_pages+0xef8/0x1044\n"
        " __alloc_pages from new_slab+0x384/0x43c\n"
        " new_slab from example_rx_refill+0x38/0x1ec\n"
    )

    assert asked(HEAD + stack)[0] == "example_rx_refill"


def test_what_an_interrupt_interrupted_has_no_part_in_the_request() -> None:
    entered = " [<ffffffff813b06ea>] common_interrupt+0x13/0x13\n"
    other = " [<ffffffff813b06eb>] btrfs_search_slot+0x13/0x113 [btrfs]\n"

    event = failure(f"{HEAD}Call Trace:\n <IRQ> \n{ALLOCATOR}{DRIVER}{entered} <EOI> \n{other}{SYSCALL}")

    assert frames_of_request(event.stacks)[-1].function == "example_poll"


@pytest.mark.parametrize("above", [SYSCALL, " [<ffffffff810001e2>] do_one_initcall+0x41/0x1f0\n"])
def test_a_driver_whose_function_is_named_like_an_allocator_asked(above: str) -> None:
    driver = " [<ffffffffa00225b7>] example_alloc_ring+0x1d7/0x610 [example]\n"

    assert asked(f"{HEAD}Call Trace:\n{ALLOCATOR}{driver}{above}")[0] == "example_alloc_ring"


def test_an_allocator_in_a_module_asks_for_another_module() -> None:
    pool = " [<ffffffffa0012345>] ttm_pool_alloc+0x1d7/0x610 [ttm]\n"

    assert asked(f"{HEAD}Call Trace:\n{ALLOCATOR}{pool}{DRIVER}{SYSCALL}")[0] == "example_poll"


def test_an_allocator_of_the_module_that_calls_it_asked() -> None:
    ring = " [<ffffffffa00225b7>] example_alloc_ring+0x1d7/0x610 [example]\n"
    opened = " [<ffffffffa00225c7>] example_open+0x1d7/0x610 [example]\n"

    assert asked(f"{HEAD}Call Trace:\n{ALLOCATOR}{ring}{opened}{SYSCALL}")[0] == "example_alloc_ring"
