# SPDX-License-Identifier: GPL-2.0-or-later
"""The shell script that samples a machine where nothing can be installed."""

from __future__ import annotations

import os
import shlex
import shutil
import signal
import subprocess
import time
from pathlib import Path

import pytest

from keepsane.memory.capture.capture import read_capture, read_capture_script
from keepsane.memory.capture.sample import read_sample
from keepsane.memory.snapshot import Snapshot
from keepsane.memory.state import state_of

SHELLS = (("busybox", "sh"), ("dash",), ("bash", "--posix"))

pytestmark = pytest.mark.skipif(not Path("/proc/vmstat").exists(), reason="this machine has no /proc/vmstat")


def command(tmp_path: Path, shell: tuple[str, ...], *arguments: str) -> list[str]:
    script = tmp_path / "capture.sh"
    script.write_text(read_capture_script())
    return [*shell, str(script), *arguments]


def environment(tmp_path: Path) -> dict[str, str]:
    return {"PATH": os.environ["PATH"], "TMPDIR": str(tmp_path)}


def capture(tmp_path: Path, shell: tuple[str, ...], *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command(tmp_path, shell, *arguments),
        capture_output=True,
        text=True,
        check=False,
        env=environment(tmp_path),
    )


@pytest.fixture(params=SHELLS, ids=" ".join)
def shell(request: pytest.FixtureRequest) -> tuple[str, ...]:
    found: tuple[str, ...] = request.param
    if shutil.which(found[0]) is None:
        pytest.skip(f"{found[0]} is not installed")
    return found


def sampling(tmp_path: Path, shell: tuple[str, ...]) -> subprocess.Popen[str]:
    """Begin a long capture, and come back when it takes its first sample."""
    run = subprocess.Popen(
        command(tmp_path, shell, str(tmp_path / "out.tar.gz"), "600"),
        stderr=subprocess.PIPE,
        text=True,
        env=environment(tmp_path),
        start_new_session=True,
    )
    while not list(tmp_path.glob("keepsane-memory.*/t0")):
        assert run.poll() is None
        time.sleep(0.05)
    return run


def left(tmp_path: Path) -> list[str]:
    return sorted(path.name for path in tmp_path.iterdir() if path.name != "capture.sh")


def test_every_shell_writes_the_same_format(tmp_path: Path, shell: tuple[str, ...]) -> None:
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


def test_a_link_is_not_followed(tmp_path: Path, shell: tuple[str, ...]) -> None:
    (tmp_path / "out.tar.gz").symlink_to(tmp_path / "victim")

    run = capture(tmp_path, shell, str(tmp_path / "out.tar.gz"), "1")

    assert run.returncode == 2
    assert left(tmp_path) == ["out.tar.gz"]


def test_a_file_that_is_replaced_while_sampling_is_not_written(
    tmp_path: Path, shell: tuple[str, ...]
) -> None:
    (tmp_path / "victim").write_text("mine")
    with sampling(tmp_path, shell) as run:
        (tmp_path / "out.tar.gz").unlink()
        (tmp_path / "out.tar.gz").symlink_to(tmp_path / "victim")
        run.terminate()
        _, said = run.communicate()

    assert (run.returncode, "was replaced" in said) == (2, True)
    assert (tmp_path / "victim").read_text() == "mine"
    assert left(tmp_path) == ["out.tar.gz", "victim"]


@pytest.mark.parametrize("number", [signal.SIGHUP, signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_it_with_what_it_has_and_leaves_nothing_else(
    tmp_path: Path, shell: tuple[str, ...], number: signal.Signals
) -> None:
    with sampling(tmp_path, shell) as run:
        os.killpg(run.pid, number)  # as a terminal does it, the commands that it runs get it too
        _, said = run.communicate()

    assert run.returncode == 0, said
    assert left(tmp_path) == ["out.tar.gz"]
    assert len(read_capture(tmp_path / "out.tar.gz")) >= 2


def test_a_full_disk_is_a_failure_and_no_capture(tmp_path: Path, shell: tuple[str, ...]) -> None:
    limited = " ".join(map(shlex.quote, command(tmp_path, shell, str(tmp_path / "out.tar.gz"), "1")))
    run = subprocess.run(
        ["sh", "-c", f"ulimit -f 4; exec {limited}"],
        capture_output=True,
        text=True,
        check=False,
        env=environment(tmp_path),
    )

    assert run.returncode == 2
    assert "cannot write into" in run.stderr
    assert run.stderr.rstrip().endswith("nothing was captured")
    assert left(tmp_path) == []


@pytest.mark.parametrize("shell", SHELLS[1:], ids=" ".join, indirect=True)  # busybox has a tar of its own
@pytest.mark.parametrize("name", ["tar", "gzip"])
def test_what_cannot_be_packed_is_a_failure_and_no_capture(
    tmp_path: Path, shell: tuple[str, ...], name: str
) -> None:
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / name).write_text("#!/bin/sh\ncat > /dev/null\nexit 1\n")
    (tmp_path / "bin" / name).chmod(0o755)
    run = subprocess.run(
        command(tmp_path, shell, str(tmp_path / "out.tar.gz"), "1"),
        capture_output=True,
        text=True,
        check=False,
        stdin=subprocess.DEVNULL,
        env={**environment(tmp_path), "PATH": f"{tmp_path / 'bin'}:{os.environ['PATH']}"},
    )

    assert (run.returncode, "is the disk full" in run.stderr) == (2, True)
    assert left(tmp_path) == ["bin"]


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
