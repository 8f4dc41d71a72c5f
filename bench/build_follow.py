# SPDX-License-Identifier: GPL-2.0-or-later
"""
Make's own time under `keepsane netboot build`, against make alone: what following it costs.

Usage: python -m bench.build_follow [PAIRS]

Three stand for make, each timed by itself, in turn, alone into `cat > FILE`: the kernel of the examples built
with two jobs; 100 MB of lines as fast as they are taken; 10 MB a second for 3 seconds, the history locked.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from pathlib import Path
from statistics import median

from bench.measure import KEEPSANE
from keepsane.commands.netboot.tiny_kernel import copy_kernel

TIMED = """
import sys, time, subprocess, pathlib
begun = time.perf_counter()
code = subprocess.call(sys.argv[2:])
pathlib.Path(sys.argv[1]).write_text(str(time.perf_counter() - begun))
sys.exit(code)
"""
FAST = """
import sys
piece = b"".join(b"  CC      drivers/some/folder/file_of_a_name_%d.o\\n" % number for number in range(2000))
for _ in range(100_000_000 // len(piece)):
    sys.stdout.buffer.write(piece)
"""
LOCKED = """
import os, sqlite3, sys, time
file = sqlite3.connect(sys.argv[1], isolation_level=None)
file.execute("BEGIN EXCLUSIVE")
line = b"  CC      drivers/some/folder/file_of_a_name.o\\n" * 2000
begun = time.perf_counter()
sent = 0
while sent < 30_000_000:
    sent += sys.stdout.buffer.write(line)
    time.sleep(max(0.0, begun + sent / 10_000_000 - time.perf_counter()))
file.execute("COMMIT")
"""


def main() -> None:
    """Print the ratios."""
    pairs = int(sys.argv[1]) if sys.argv[1:] else 5
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        copy_kernel(folder / "tree")
        (folder / "home" / "machines").mkdir(parents=True)
        (folder / "home" / "machines" / "box.toml").write_text("")
        history = folder / "home" / "netboot" / "netboot.sqlite"
        timed(folder, ["make", "-j2"], followed=True)  # the history and the first objects are there then
        build = ["sh", "-c", "make -s clean; make -j2"]
        for what, command in {
            "the kernel of the examples": build,
            "100 MB of lines": [sys.executable, "-c", FAST],
            "10 MB a second, the history locked": [sys.executable, "-c", LOCKED, str(history)],
        }.items():
            times = [
                [timed(folder, command, followed=followed) for followed in (False, True)]
                for _ in range(pairs)
            ]
            ratios = sorted(with_it / alone for alone, with_it in times)
            print(
                f"{what}: {median(ratios):.2f} times its time alone ({ratios[0]:.2f} to {ratios[-1]:.2f}), "
                f"{median(alone for alone, _ in times):.2f} s alone"
            )


def timed(folder: Path, command: list[str], *, followed: bool) -> float:
    """Give the seconds that what stands for make took by its own clock."""
    took = folder / "took"
    alone = [sys.executable, "-c", TIMED, str(took), *command]
    command = [*KEEPSANE, "netboot", "build", "--", *alone]
    if not followed:
        command = ["sh", "-c", '"$@" | cat', "sh", *alone]
    environment = {**os.environ, "KEEPSANE_HOME": str(folder / "home")}
    with (folder / "out").open("wb") as out:
        subprocess.run(command, cwd=folder / "tree", env=environment, stdout=out, check=True)
    return float(took.read_text())


if __name__ == "__main__":
    main()
