# SPDX-License-Identifier: GPL-2.0-or-later
"""Settings that a user supposes, written as sysctl writes them."""

from __future__ import annotations

import contextlib
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from keepsane.kernel.events.alloc_failure.what_if_asked import Settings, parse_settings, suppose
from tests.golden import events_of


def test_settings_are_read_with_and_without_their_directory() -> None:
    words = ["vm.min_free_kbytes=8192", "watermark_scale_factor=100"]
    assert parse_settings(words) == Settings(min_free_kibibytes=8192, watermark_scale_factor=100)
    assert str(parse_settings(words)) == "vm.min_free_kbytes=8192 and vm.watermark_scale_factor=100"


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["swappiness=10"], "neither"),
        (["min_free_kbytes"], "neither"),
        (["min_free_kbytes=-1"], "neither"),
        (["min_free_kbytes=8M"], "neither"),
        (["min_free_kbytes=2147483648"], "from 0 to 2147483647"),
        (["watermark_scale_factor=0"], "from 1 to 3000"),
        (["watermark_scale_factor=3001"], "from 1 to 3000"),  # kernel/sysctl.c, extra2
        (["min_free_kbytes=1", "vm.min_free_kbytes=2"], "twice"),
    ],
)
def test_a_setting_that_the_kernel_would_not_take_is_refused(words: list[str], said: str) -> None:
    with pytest.raises(ValueError, match=re.escape(said)):
        parse_settings(words)


def test_the_question_is_put_to_failed_requests_only() -> None:
    log = "BUG: kernel NULL pointer dereference, address: 0000000000000080\n"
    asked = "tar: page allocation failure: order:0, mode:0x20\n"
    assert suppose(events_of(log), Settings(min_free_kibibytes=1)) == ()
    assert len(suppose(events_of(asked), Settings(min_free_kibibytes=1))) == 1


@given(st.lists(st.text(max_size=40), max_size=3))
def test_no_words_do_more_than_be_refused(words: list[str]) -> None:
    with contextlib.suppress(ValueError):
        assert isinstance(parse_settings(words), Settings)
