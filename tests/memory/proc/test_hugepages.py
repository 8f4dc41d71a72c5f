# SPDX-License-Identifier: GPL-2.0-or-later
"""Persistent hugepages by size, as mm/hugetlb.c has them in sysfs."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from keepsane.memory.proc.hugepages import FOLDER, Hugepages, hugepages_of
from keepsane.memory.snapshot import Snapshot


def test_each_size_has_its_own_numbers() -> None:
    files = {
        f"{FOLDER}/hugepages-1048576kB/nr_hugepages": "16\n",
        f"{FOLDER}/hugepages-1048576kB/free_hugepages": "12\n",
        f"{FOLDER}/hugepages-2048kB/nr_hugepages": "0\n",
    }

    assert hugepages_of(Snapshot(files=files)) == (
        Hugepages(size_kibibytes=2048, total=0, free=None, reserved=None, surplus=None),
        Hugepages(size_kibibytes=1048576, total=16, free=12, reserved=None, surplus=None),
    )


@given(st.text())
def test_any_text_is_read(text: str) -> None:
    hugepages_of(Snapshot(files={f"{FOLDER}/hugepages-2048kB/nr_hugepages": text}))
