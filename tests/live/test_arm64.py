# SPDX-License-Identifier: GPL-2.0-or-later
"""Debian's arm64 kernel in QEMU: traces of another architecture decode as well."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.live.guests import Guest, Json, boot_arm64, frames
from tests.live.test_addr2line import addr2line, address_of, places, unique_symbols

pytestmark = pytest.mark.live
Explain = Callable[[Path, Path, Path], Json]
SCENARIOS = {"sysrqc": "panic", "sysrqt": "task-dump"}


@pytest.fixture(scope="session")
def arm64() -> Guest:
    return boot_arm64()


def report(explained: Explain, guest: Guest, scenario: str) -> Json:
    return explained(guest.log(scenario), guest.vmlinux, guest.modules)


@pytest.mark.parametrize("scenario", SCENARIOS)
def test_report_is_what_was_provoked_and_the_files_fit(
    scenario: str, arm64: Guest, explained: Explain
) -> None:
    said = report(explained, arm64, scenario)
    assert said["kernel"]["arch"] == "arm64"
    assert said["kernel"]["release"] == arm64.release
    assert said["events"][0]["kind"] == SCENARIOS[scenario]
    assert {check["outcome"] for check in said["checks"]} == {"match", "not possible"}


@pytest.mark.parametrize("scenario", SCENARIOS)
def test_every_frame_has_function_file_and_line(scenario: str, arm64: Guest, explained: Explain) -> None:
    found = [frame for event in report(explained, arm64, scenario)["events"] for frame in frames(event)]
    assert len(found) > 15
    whole = [
        frame
        for frame in found
        if frame["locations"] and all(place["file"] and place["line"] for place in frame["locations"])
    ]
    assert [frame["function"] for frame in found if frame not in whole] == []


def test_path_of_a_sysrq_is_named_down_to_its_file(arm64: Guest, explained: Explain) -> None:
    (stack,) = report(explained, arm64, "sysrqc")["events"][0]["stacks"]
    found = {place["function"]: place["file"] for frame in stack["frames"] for place in frame["locations"]}
    assert found["sysrq_handle_crash"] == "drivers/tty/sysrq.c"
    assert found["vfs_write"] == "fs/read_write.c"
    assert found["el0t_64_sync"] == "arch/arm64/kernel/entry.S"


@pytest.mark.parametrize("scenario", SCENARIOS)
def test_decoded_frames_are_what_addr2line_says(scenario: str, arm64: Guest, explained: Explain) -> None:
    symbols = unique_symbols(arm64.vmlinux)
    found = [frame for event in report(explained, arm64, scenario)["events"] for frame in frames(event)]
    wanted = {
        address: places(frame)
        for frame in found
        if frame["locations"] and (address := address_of(frame, symbols)) is not None
    }
    assert len(wanted) > 10
    second = addr2line(arm64.vmlinux, wanted)
    assert {a: chain for a, chain in wanted.items() if chain != second[a]} == {}
