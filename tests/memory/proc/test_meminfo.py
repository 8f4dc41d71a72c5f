# SPDX-License-Identifier: GPL-2.0-or-later
"""/proc/meminfo and the nodes' meminfo."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from keepsane.memory.proc.meminfo import parse_meminfo

# As fs/proc/meminfo.c and drivers/base/node.c print them.
MACHINE = """\
MemTotal:       24684092 kB
MemFree:        20964512 kB
Active(file):     828472 kB
VmallocTotal:   34359738367 kB
HugePages_Total:       4
Hugepagesize:       2048 kB
"""
NODE = """\
Node 0 MemTotal:        9398484 kB
Node 0 Active(anon):       1612 kB
Node 0 HugePages_Free:      2
"""


def test_kibibytes_and_counts_are_kept_apart() -> None:
    meminfo = parse_meminfo(MACHINE)

    assert meminfo.kibibytes.get("Active(file)") == 828472
    assert meminfo.counts.get("HugePages_Total") == 4
    assert meminfo.kibibytes.get("HugePages_Total") is None


def test_what_an_old_kernel_does_not_print_is_none() -> None:
    assert parse_meminfo(MACHINE).kibibytes.get("MemAvailable") is None


def test_a_node_has_the_same_names() -> None:
    node = parse_meminfo(NODE)

    assert node.kibibytes.get("MemTotal") == 9398484
    assert node.kibibytes.get("Active(anon)") == 1612
    assert node.counts.get("HugePages_Free") == 2


@pytest.mark.skipif(not Path("/proc/meminfo").exists(), reason="this machine has no /proc/meminfo")
def test_every_line_of_this_machine_is_read() -> None:
    text = Path("/proc/meminfo").read_text()
    meminfo = parse_meminfo(text)

    assert len(meminfo.kibibytes) + len(meminfo.counts) == len(text.splitlines())


@given(st.text() | st.from_regex(r"(Node [0-9]+ )?\w+: +[0-9]+( kB)?\n", fullmatch=True))
def test_any_text_is_read(text: str) -> None:
    parse_meminfo(text)
