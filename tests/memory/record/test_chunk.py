# SPDX-License-Identifier: GPL-2.0-or-later
from __future__ import annotations

import pytest
import zstandard
from hypothesis import given
from hypothesis import strategies as st

from keepsane.memory.record.chunk import pack_chunk, unpack_chunk
from keepsane.memory.snapshot import Missing, Snapshot

NAME = st.from_regex(r"[a-z_]{1,12}", fullmatch=True)
VMSTAT = st.dictionaries(NAME, st.integers(0, 2**64 - 1), max_size=6).map(
    lambda numbers: "".join(f"{name} {number}\n" for name, number in numbers.items())
)
MISSING = st.builds(
    Missing,
    path=st.text(max_size=9),
    reason=st.sampled_from(("absent", "too slow")),
    milliseconds=st.none() | st.floats(0, 1e6),
)
SNAPSHOT = st.builds(
    Snapshot,
    files=st.dictionaries(st.sampled_from(("proc/vmstat", "proc/meminfo", "x")), VMSTAT | st.text()),
    missing=st.lists(MISSING, max_size=2).map(tuple),
    damage=st.text(max_size=5),
)


@given(st.lists(SNAPSHOT, max_size=8))
def test_any_samples_come_back_as_they_were(snapshots: list[Snapshot]) -> None:
    chunk = unpack_chunk(pack_chunk(snapshots))
    assert chunk.snapshots(range(len(chunk))) == tuple(snapshots)


def test_some_of_the_samples_are_those_and_no_others() -> None:
    snapshots = [Snapshot(files={"proc/vmstat": f"pswpin {number}\n"}) for number in (5, 9, 9, 1000)]
    assert unpack_chunk(pack_chunk(snapshots)).snapshots((1, 3)) == (snapshots[1], snapshots[3])


def test_a_file_that_appears_later_is_absent_before() -> None:
    chunk = unpack_chunk(
        pack_chunk([Snapshot(files={}), Snapshot(files={"proc/meminfo": "MemFree: 1 kB\n"})])
    )
    assert chunk.texts("proc/meminfo") == [None, "MemFree: 1 kB\n"]


@given(st.binary())
def test_any_bytes_are_refused_or_read(body: bytes) -> None:
    for packed in (body, zstandard.compress(body)):
        with pytest.raises(ValueError, match=r"."):
            unpack_chunk(packed)


@given(st.data())
def test_a_body_with_other_bytes_inside_is_refused_or_read(data: st.DataObject) -> None:
    snapshots = [Snapshot(files={"proc/vmstat": f"a {number}\nb 0{number}\n"}) for number in range(5)]
    inside = bytearray(zstandard.decompress(pack_chunk(snapshots)))
    at = data.draw(st.integers(0, len(inside) - 1))
    inside[at : at + data.draw(st.integers(0, 3))] = data.draw(st.binary(max_size=3))
    try:
        chunk = unpack_chunk(zstandard.compress(bytes(inside)))
        chunk.snapshots(range(len(chunk)))
    except ValueError:
        pass


def test_a_small_body_that_becomes_huge_is_refused() -> None:
    # 600 times 1 MB are more than the 192 MB that texts may have together; the body keeps the text once.
    text = "\0" + "A" * (1 << 20)
    body = pack_chunk([Snapshot(files={"proc/meminfo": text})] * 600)
    assert len(body) < 1000
    with pytest.raises(ValueError, match="too large"):
        unpack_chunk(body)
