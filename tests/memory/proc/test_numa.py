# SPDX-License-Identifier: GPL-2.0-or-later
"""The nodes, as drivers/base/node.c prints them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from keepsane.memory.proc.numa import MAX_NUMBERS, nodes_of, parse_list
from keepsane.memory.snapshot import Snapshot

NODES = "sys/devices/system/node"


@pytest.mark.parametrize(
    ("text", "numbers"),
    [
        ("0-3,8,10-11\n", (0, 1, 2, 3, 8, 10, 11)),
        ("0\n", (0,)),
        ("\n", ()),
        ("3-1\n", ()),
        ("x,2\n", (2,)),
    ],
)
def test_a_list_of_cpus(text: str, numbers: tuple[int, ...]) -> None:
    assert parse_list(text) == numbers


def test_a_list_has_a_limit() -> None:
    assert len(parse_list("0-99999," * 1000)) == MAX_NUMBERS


def test_a_node_without_pages_has_no_memory_and_a_file_that_was_not_read_is_not_known() -> None:
    nodes = nodes_of(
        Snapshot(
            files={
                f"{NODES}/has_memory": "0-1\n",
                f"{NODES}/node0/cpulist": "0-7\n",
                f"{NODES}/node1/numastat": "numa_hit 5\nnuma_foreign 6\n",
                f"{NODES}/node2/meminfo": "Node 2 MemTotal:       0 kB\n",
            }
        )
    )

    assert [node.node for node in nodes] == [0, 1, 2]
    assert nodes[0].numastat is None
    assert nodes[1].numastat is not None and nodes[1].numastat.get("numa_foreign") == 6
    assert [node.has_memory for node in nodes] == [True, True, False]


def test_without_the_list_a_nodes_own_size_says_whether_it_has_memory() -> None:
    files = {
        f"{NODES}/node0/meminfo": "Node 0 MemTotal:       100 kB\n",
        f"{NODES}/node1/meminfo": "Node 1 MemTotal:       0 kB\n",
        f"{NODES}/node2/cpulist": "1\n",
    }

    assert [node.has_memory for node in nodes_of(Snapshot(files=files))] == [True, False, None]


@given(st.text())
def test_any_text_is_a_list(text: str) -> None:
    parse_list(text)


@given(st.dictionaries(st.sampled_from(["meminfo", "vmstat", "numastat"]), st.text()))
def test_any_files_are_a_node(files: dict[str, str]) -> None:
    nodes_of(Snapshot(files={f"{NODES}/node0/{name}": text for name, text in files.items()}))
