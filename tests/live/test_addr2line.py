# SPDX-License-Identifier: GPL-2.0-or-later
"""Decoded frames of real logs against GNU addr2line, which knows nothing of keepsane."""

from __future__ import annotations

import subprocess
from collections import Counter
from collections.abc import Callable, Iterable
from pathlib import Path, PurePosixPath

import pytest

from tests.live.crashme import KINDS
from tests.live.guests import Guest, Json, frames, plain_name

pytestmark = pytest.mark.live
Place = tuple[str, str, int]  # function, base name of the file, line


def unique_symbols(binary: Path) -> dict[str, int]:
    """Text symbols by name, where the name occurs once."""
    listed = subprocess.run(["nm", binary], check=True, capture_output=True, text=True).stdout
    found = [line.split() for line in listed.splitlines()]
    symbols = [(fields[2], int(fields[0], 16)) for fields in found if len(fields) == 3 and fields[1] in "tT"]
    times = Counter(name for name, _ in symbols)
    return {name: address for name, address in symbols if times[name] == 1}


def addr2line(binary: Path, addresses: Iterable[int], *section: str) -> dict[int, list[Place]]:
    """The inline chains of addresses, innermost first."""
    asked = "\n".join(f"{address:#x}" for address in addresses)
    command: list[str | Path] = ["addr2line", "--addresses", "--functions", "--inlines", "--exe", binary]
    said = subprocess.run(
        [*command, *section], check=True, input=asked, capture_output=True, text=True
    ).stdout
    chains: dict[int, list[Place]] = {}
    function = ""
    for line in said.splitlines():
        if line.startswith("0x"):
            chain = chains.setdefault(int(line, 16), [])
        elif not function:
            function = line
        else:
            file, _, number = line.partition(" (")[0].rpartition(":")
            chain.append(
                (plain_name(function), PurePosixPath(file).name, int(number) if number.isdigit() else 0)
            )
            function = ""
    return chains


def decoded_frames(guest: Guest, explained: Callable[[Path, Path, Path], Json]) -> list[Json]:
    """All frames of all logs that were decoded."""
    reports = [explained(guest.log(scenario), guest.vmlinux, guest.modules) for scenario in KINDS]
    found = [frame for report in reports for event in report["events"] for frame in frames(event)]
    return [frame for frame in found if frame["locations"]]


def address_of(frame: Json, symbols: dict[str, int]) -> int | None:
    """
    Where a frame's line is looked up: what was executing exactly, a return address one byte before.

    An offset equal to the size belongs to the function that the log names, so it too is looked up before. The
    end of `__pfx_f`, the padding before f, is where f begins.
    """
    start, offset = symbols.get(frame["function"]), frame["offset_bytes"]
    if start is None or offset is None:
        return None
    at_end = offset == frame["size_bytes"] and not frame["function"].startswith("__pfx_")
    before = offset > 0 and (frame["role"] == "return" or at_end)
    return start + int(offset) - int(before)


def places(frame: Json) -> list[Place]:
    return [
        (plain_name(place["function"]), PurePosixPath(place["file"] or "").name, place["line"] or 0)
        for place in frame["locations"]
    ]


@pytest.mark.parametrize("module", [None, "crashme"])
def test_decoded_frames_are_what_addr2line_says(
    module: str | None, guest: Guest, explained: Callable[[Path, Path, Path], Json]
) -> None:
    binary = guest.modules / f"{module}.ko" if module else guest.vmlinux
    section = ("--section=.text",) if module else ()
    symbols = unique_symbols(binary)
    wanted = {
        address: places(frame)
        for frame in decoded_frames(guest, explained)
        if frame["module"] == module and (address := address_of(frame, symbols)) is not None
    }
    assert len(wanted) > (5 if module else 100)
    second = addr2line(binary, wanted, *section)
    assert {a: chain for a, chain in wanted.items() if chain != second[a]} == {}
