# SPDX-License-Identifier: GPL-2.0-or-later
"""A guest of two nodes, nothing in it but BusyBox, is sampled by capture.sh while zone reclaim bites."""

from __future__ import annotations

import base64
import re
import subprocess
from pathlib import Path

import pytest

from keepsane.memory.capture.capture import read_capture
from keepsane.memory.state import MemoryState, state_of
from tests.live.guests import LAB_COMMAND

pytestmark = pytest.mark.live


@pytest.fixture(scope="module")
def console(tmp_path_factory: pytest.TempPathFactory) -> str:
    out = tmp_path_factory.mktemp("numa") / "console.log"
    command: list[str | Path] = [LAB_COMMAND, "numa", "1", "0", str(out)]  # zone reclaim on, the classic LRU
    subprocess.run(command, check=True, stdin=subprocess.DEVNULL)
    return out.read_text(errors="replace").replace("\r", "")


@pytest.fixture(scope="module")
def state(console: str, tmp_path_factory: pytest.TempPathFactory) -> MemoryState:
    packed = re.search(r"^SNAPBEGIN\n(.+?)^SNAPEND$", console, re.MULTILINE | re.DOTALL)
    assert packed is not None
    out: Path = tmp_path_factory.mktemp("capture") / "out.tar.gz"
    out.write_bytes(base64.b64decode(packed[1]))
    found = state_of(read_capture(out))
    assert found is not None
    return found


def test_the_guest_itself_says_the_same_of_its_counters(console: str, state: MemoryState) -> None:
    # The disk is only read between the first sample and the last, so the console's numbers since boot are
    # what rose between them.
    after = dict(re.findall(r"^(pgscan_direct|zone_reclaim_\w+) (\d+)$", console, re.MULTILINE))

    assert state.delta("pgscan_direct") == int(after["pgscan_direct"])
    assert state.delta("zone_reclaim_success") == int(after["zone_reclaim_success"])


def test_zone_reclaim_shows_as_direct_scans_without_allocation_stalls(state: MemoryState) -> None:
    assert (state.rate("pgscan_direct") or 0) > 100
    assert state.delta("allocstall") == 0
    assert state.sysctl_number("vm.zone_reclaim_mode") == 1


def test_the_guests_two_nodes(state: MemoryState) -> None:
    assert [node.node for node in state.last.nodes] == [0, 1]
    meminfo, zoneinfo = state.last.meminfo, state.last.zoneinfo
    assert meminfo is not None and zoneinfo is not None
    total = meminfo.kibibytes.get("MemTotal")
    assert sum(zone.managed_pages or 0 for zone in zoneinfo) * 4 == total
    assert (
        sum(node.meminfo.kibibytes.get("MemTotal") or 0 for node in state.last.nodes if node.meminfo) == total
    )
