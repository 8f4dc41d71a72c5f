# SPDX-License-Identifier: GPL-2.0-or-later
"""What `keepsane netboot build` does with make: what it passes on, notes, and ends."""

import os
import signal
import sqlite3
import subprocess
import sys
import time
from contextlib import closing, suppress
from pathlib import Path

import pytest

from keepsane.netboot.folder import netboot_folder
from keepsane.netboot.history import FILE, History
from tests.commands.test_netboot import last_making, said, tree

__all__ = ["tree"]  # the fixture
BUILD = [sys.executable, "-m", "keepsane.cli", "netboot", "build", "--"]


def test_all_that_make_writes_comes_out(tree: Path, tmp_path: Path) -> None:
    written = b"\x1b[31mred\x1b[m \xff\0\r50 %\r" + b"x" * 300_000
    (tmp_path / "written").write_bytes(written)
    ran = subprocess.run([*BUILD, "cat", tmp_path / "written"], capture_output=True)
    assert ran.stdout.startswith(written) and b"box gets " in ran.stdout[len(written) :]


def test_a_locked_history_slows_no_make(tree: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """What stands for make holds the lock until all it writes was taken: 2 MB, more than a pipe holds."""
    History(netboot_folder()).close()
    script = (
        "import sqlite3, sys\n"
        f"file = sqlite3.connect({str(netboot_folder() / FILE)!r}, isolation_level=None)\n"
        "file.execute('BEGIN EXCLUSIVE')\n"
        "for number in range(50_000):\n    print(f'  CC      fs/file_of_some_name_{number}.o')\n"
        "sys.stdout.flush()\n"
        "file.execute('COMMIT')\n"
    )
    assert "box gets" in said(capfd, "build", "--", sys.executable, "-c", script)


@pytest.mark.parametrize("runs_on", ["sleep 600", "yes", "sh -c 'while echo tick; do sleep 0.05; done'"])
def test_what_runs_on_in_the_background_holds_no_build(tree: Path, runs_on: str) -> None:
    with subprocess.Popen(
        [*BUILD, "sh", "-c", f"{{ sleep 0.2; exec {runs_on}; }} & echo $!; sleep 0.4"],
        stdout=subprocess.PIPE,
        text=True,
    ) as ran:
        assert ran.stdout is not None
        pid = int(ran.stdout.readline())
        try:
            assert any("box gets" in line for line in ran.stdout)
        finally:
            with suppress(ProcessLookupError):  # it wrote to a pipe that nobody reads any more
                os.kill(pid, signal.SIGKILL)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_compilers_die_with_the_build(tree: Path, number: signal.Signals) -> None:
    command = ["env", "--default-signal", *BUILD, "sh", "-c", "sh -c 'sleep 600 & echo $!; wait'; true"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as ran:
        assert ran.stdout is not None
        pid = int(ran.stdout.readline())
        ran.send_signal(number)
        ran.wait()
    while is_running(pid):
        time.sleep(0.01)
    assert last_making().errors == "it was interrupted"


def test_the_screen_gets_the_compilers_words(tree: Path, capfd: pytest.CaptureFixture[str]) -> None:
    (tree / "w.c").write_text("int f(void) { return absent; }\n")
    (tree / "Makefile").write_text("w.o: w.c\n\tgcc -c -o w.o w.c\n")
    said(capfd, "build", "--", "make", code=2)
    first, source, *_ = [line for line in last_making().errors.splitlines() if "In function" not in line]
    assert first.startswith("w.c:1:22: error: ") and source.endswith("return absent; }")


def is_running(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def test_the_file_that_is_compiled_is_noted(tree: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """What stands for make waits until it can read its own note."""
    History(netboot_folder()).close()
    script = (
        "import sqlite3, time\n"
        "print('  CC      fs/inode.o\\nmake[1]: Leaving directory /src', flush=True)\n"
        f"file = sqlite3.connect({str(netboot_folder() / FILE)!r}, isolation_level=None)\n"
        "while file.execute('SELECT max(line) FROM making').fetchone() != ('CC      fs/inode.o',):\n"
        "    time.sleep(0.01)\n"
    )
    assert "box gets" in said(capfd, "build", "--", sys.executable, "-c", script)
    with closing(sqlite3.connect(netboot_folder() / FILE)) as file:
        assert file.execute("SELECT line FROM making").fetchall() == [("CC      fs/inode.o",)]
