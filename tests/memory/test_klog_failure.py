# SPDX-License-Identifier: GPL-2.0-or-later
"""Headers of failed allocations, as the kernel source prints them."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from keepsane.memory.klog_failure import failed_allocations

NEW = (
    "<4>[  812.000123] ksoftirqd/0: page allocation failure: order:0, mode:0x820(GFP_ATOMIC), nodemask=(null)"
)
OLD = "modprobe: page allocation failure. order:4, mode:0xd0"


def test_the_header_says_when_how_large_and_whether_it_could_wait() -> None:
    (found,) = failed_allocations(f"<6>[    1.000000] booting\n{NEW}\n", "6.12.9")
    assert (found.line, found.seconds, found.order, found.gfp.may_sleep) == (2, 812.000123, 0, False)
    assert found.text == NEW


def test_before_4_7_no_names_are_printed() -> None:
    # 0xd0 is __GFP_WAIT | __GFP_IO | __GFP_FS: GFP_KERNEL of 2.6.32.
    (found,) = failed_allocations(OLD + "\n", "2.6.32-5-amd64")
    assert (found.seconds, found.order, found.gfp.may_sleep) == (None, 4, True)


def test_a_line_that_is_cut_off_is_not_read() -> None:
    assert failed_allocations(NEW[:-40]) == ()


def test_other_lines_are_none() -> None:
    assert (
        failed_allocations("page allocation failures are bad\nvmalloc: allocation failure: 4096 bytes\n")
        == ()
    )


@given(st.text())
def test_any_text_is_read(text: str) -> None:
    failed_allocations(text + "\n" + NEW + text)
