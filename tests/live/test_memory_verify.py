# SPDX-License-Identifier: GPL-2.0-or-later
"""
The first advice of the first finding, run in the guest as it is printed, mends what was found.

The guest is sampled under the same load before the command and behind it. `keepsane memory AFTER --verify
BEFORE` must say that the finding is gone, and the kernel's own counter must have fallen to less than a half.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.live.captures import Capture, boot_conditions, boot_mended
from tests.live.conditions import CONDITIONS, mended, read_files, verdicts
from tests.live.crashme import SERIES
from tests.live.guests import Json

pytestmark = pytest.mark.live


def memory(*arguments: str | Path) -> Json:
    """What `keepsane memory` says as JSON."""
    command: list[str | Path] = [sys.executable, "-m", "keepsane.cli", "memory", *arguments]
    said = subprocess.run([*command, "--format", "json"], capture_output=True, text=True, check=False)
    assert said.returncode in (0, 1), said.stderr
    report: Json = json.loads(said.stdout)
    return report


def captured(condition: str, series: str) -> Capture:
    found = (one for one in boot_conditions() if (one.condition, one.series) == (condition, series))
    return next(one for one in found if not one.fixed)


@pytest.mark.parametrize("series", SERIES)
@pytest.mark.parametrize("condition", [name for name, one in CONDITIONS.items() if one.promised])
def test_what_is_advised_mends_the_condition(condition: str, series: str) -> None:
    before = captured(condition, series)
    after = boot_mended(before, memory(before.path)["findings"][0]["advice"][0]["command"])

    outcomes = {one["rule"]: one["outcome"] for one in memory(after, "--verify", before.path)["verified"]}
    of_cause = {rule: outcomes[rule] for rule in verdicts(condition, series) if rule in outcomes}
    assert of_cause
    assert set(of_cause.values()) == {"gone"}, of_cause
    assert mended(condition, series, read_files(before.path), read_files(after))
