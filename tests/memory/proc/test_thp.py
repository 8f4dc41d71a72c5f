# SPDX-License-Identifier: GPL-2.0-or-later
"""Settings of transparent hugepages and of the multi-generational LRU."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from keepsane.memory.proc.thp import lru_gen_of, parse_choice, parse_lru_gen, thp_of
from keepsane.memory.snapshot import Snapshot


def test_the_chosen_word_stands_in_brackets() -> None:
    assert parse_choice("always defer [defer+madvise] madvise never\n") == "defer+madvise"
    assert parse_choice("always madvise never\n") is None


def test_the_folder_of_rhel_6_is_found() -> None:
    folder = "sys/kernel/mm/redhat_transparent_hugepage"
    thp = thp_of(
        Snapshot(files={f"{folder}/enabled": "[always] never\n", f"{folder}/khugepaged/defrag": "[yes] no\n"})
    )

    assert thp is not None
    assert (thp.enabled, thp.defrag, thp.khugepaged_defrag) == ("always", None, "yes")


def test_mainlines_khugepaged_says_one_for_yes() -> None:
    folder = "sys/kernel/mm/transparent_hugepage"
    thp = thp_of(Snapshot(files={f"{folder}/enabled": "[never]\n", f"{folder}/khugepaged/defrag": "1\n"}))

    assert thp is not None and thp.khugepaged_defrag == "yes"


def test_a_kernel_without_either_has_none() -> None:
    assert thp_of(Snapshot(files={})) is None
    assert lru_gen_of(Snapshot(files={})) is None


@pytest.mark.parametrize(("text", "bits"), [("0x0007\n", 7), ("0x0000\n", 0), ("y\n", None)])
def test_lru_gen_is_bits(text: str, bits: int | None) -> None:
    assert parse_lru_gen(text) == bits


@given(st.text())
def test_any_text_is_read(text: str) -> None:
    parse_choice(text)
    parse_lru_gen(text)
