# SPDX-License-Identifier: GPL-2.0-or-later
"""The shell script that samples a machine where nothing can be installed."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from keepsane.memory.capture import read_capture, read_capture_script
from keepsane.memory.sample import read_sample
from keepsane.memory.snapshot import Snapshot
from keepsane.memory.state import state_of

SHELLS = (("busybox", "sh"), ("dash",), ("bash", "--posix"))

pytestmark = pytest.mark.skipif(not Path("/proc/vmstat").exists(), reason="this machine has no /proc/vmstat")


def capture(tmp_path: Path, shell: tuple[str, ...], *arguments: str) -> subprocess.CompletedProcess[str]:
    script = tmp_path / "capture.sh"
    script.write_text(read_capture_script())
    return subprocess.run(
        [*shell, str(script), *arguments],
        capture_output=True,
        text=True,
        check=False,
        env={"PATH": os.environ["PATH"], "TMPDIR": str(tmp_path)},
    )


@pytest.mark.parametrize("shell", SHELLS, ids=" ".join)
def test_every_shell_writes_the_same_format(tmp_path: Path, shell: tuple[str, ...]) -> None:
    if shutil.which(shell[0]) is None:
        pytest.skip(f"{shell[0]} is not installed")
    out = tmp_path / "out.tar.gz"

    run = capture(tmp_path, shell, str(out), "1")

    assert (run.returncode, run.stdout, run.stderr) == (0, "", f"{out}: 2 samples\n")
    snapshots = read_capture(out)
    state = state_of(snapshots)
    assert state is not None and state.interval_seconds is not None
    assert state.interval_seconds >= 1.0
    assert state.rate("pgfault")
    assert out.stat().st_mode & 0o777 == 0o600
    assert sorted(path.name for path in tmp_path.iterdir()) == ["capture.sh", "out.tar.gz"]


def test_it_reads_the_files_that_the_sampler_reads(tmp_path: Path) -> None:
    capture(tmp_path, ("sh",), str(tmp_path / "out.tar.gz"), "1")
    script, sampler = read_capture(tmp_path / "out.tar.gz")[0], read_sample()

    def lasting(snapshot: Snapshot) -> set[str]:
        # A control group may come or go between the two.
        return {path for path in snapshot.files if not path.startswith("sys/fs/cgroup/")}

    assert lasting(script) == lasting(sampler)
    assert {missing.path for missing in script.missing} == {
        missing.path for missing in sampler.missing if missing.reason != "too slow"
    }


def test_an_existing_file_is_kept(tmp_path: Path) -> None:
    (tmp_path / "out.tar.gz").write_text("mine")

    run = capture(tmp_path, ("sh",), str(tmp_path / "out.tar.gz"), "1")

    assert run.returncode == 2
    assert (tmp_path / "out.tar.gz").read_text() == "mine"


@pytest.mark.parametrize("arguments", [(), ("-h",), ("out", "ten"), ("out", "1", "2")])
def test_wrong_arguments_are_answered_with_the_usage(tmp_path: Path, arguments: tuple[str, ...]) -> None:
    run = capture(tmp_path, ("sh",), *arguments)

    assert run.returncode == 2
    assert run.stderr.startswith("sh capture.sh OUT.tar.gz [SECONDS]")


def test_shellcheck_finds_nothing(tmp_path: Path) -> None:
    if shutil.which("shellcheck") is None:
        pytest.skip("shellcheck is not installed")
    script = tmp_path / "capture.sh"
    script.write_text(read_capture_script())
    run = subprocess.run(["shellcheck", str(script)], capture_output=True, text=True, check=False)

    assert run.stdout == ""
