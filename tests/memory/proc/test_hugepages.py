# SPDX-License-Identifier: GPL-2.0-or-later
"""Persistent hugepages by size, as mm/hugetlb.c has them in sysfs, and the settings of transparent ones."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from keepsane.memory.proc.hugepages import FOLDER, Hugepages, hugepages_of, parse_choice, thp_of
from keepsane.memory.snapshot import Snapshot


def test_each_size_has_its_own_numbers() -> None:
    files = {
        f"{FOLDER}/hugepages-1048576kB/nr_hugepages": "16\n",
        f"{FOLDER}/hugepages-1048576kB/free_hugepages": "12\n",
        f"{FOLDER}/hugepages-2048kB/nr_hugepages": "0\n",
    }

    assert hugepages_of(Snapshot(files=files)) == (
        Hugepages(size_kibibytes=2048, total=0, free=None, reserved=None),
        Hugepages(size_kibibytes=1048576, total=16, free=12, reserved=None),
    )


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


def test_a_kernel_without_transparent_hugepages_has_none() -> None:
    assert thp_of(Snapshot(files={})) is None


@given(st.text())
def test_any_text_is_read(text: str) -> None:
    hugepages_of(Snapshot(files={f"{FOLDER}/hugepages-2048kB/nr_hugepages": text}))
    parse_choice(text)
