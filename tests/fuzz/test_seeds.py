# SPDX-License-Identifier: GPL-2.0-or-later
"""
What fuzzing found once: no input of tests/fuzz/NAME raises, hangs, or takes 500 MB.

Each name has a process of its own: what crashes in native code must not end the tests.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.fuzz.targets.names import TARGETS

FOLDER = Path(__file__).parent
TOP = FOLDER.parents[1]


def run(name: str, paths: list[Path]) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-X", "faulthandler", "-m", "tests.fuzz.run", name, *map(str, paths)]
    return subprocess.run(command, cwd=TOP, env=os.environ, capture_output=True, text=True)


def skip_without_drgn(name: str) -> None:
    if name in ("cache", "ko"):
        pytest.importorskip("drgn", reason="drgn has wheels for x86-64 only")


@pytest.mark.parametrize("name", TARGETS)
def test_no_committed_input_fails(name: str) -> None:
    skip_without_drgn(name)
    ran = run(name, sorted((FOLDER / name).glob("*")))
    assert ran.returncode == 0, ran.stderr


@pytest.mark.parametrize("name", TARGETS)
def test_what_fuzzing_begins_with_is_sound(name: str, tmp_path: Path) -> None:
    """The first and the last of the seeds: the others are cases, and tested as such."""
    skip_without_drgn(name)
    seeds = list(TARGETS[name].seeds())
    paths = [tmp_path / "first", tmp_path / "last"]
    for path, seed in zip(paths, (seeds[0], seeds[-1]), strict=True):
        path.write_bytes(seed)
    ran = run(name, paths)
    assert ran.returncode == 0, ran.stderr


def test_a_fault_is_seen(tmp_path: Path) -> None:
    """A name that is none stands for any exception."""
    assert "KeyError" in run("no such target", [tmp_path / "none"]).stderr
