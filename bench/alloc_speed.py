# SPDX-License-Identifier: GPL-2.0-or-later
"""
How fast a log with thousands of failed allocations is explained, and in how much memory.

Usage: python -m bench.alloc_speed [--blocks N] [--formats jsonl,json,text]

Two logs are made of one report of the lab's 6.12 kernel: all of them distinct (pid, times, free pages), and
all of them the same. Printed per log and format: megabytes a second by the clock and by the processor's time
of the process and its workers, and the largest resident set of any of these.
"""

from __future__ import annotations

import argparse
import os
import re
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from bench.measure import KEEPSANE, with_cache
from bench.peers import guest, lab_log

BLOCKS = 10_000
_FIRST = "page allocation failure"
_LAST = "crashme: "
_TIME = re.compile(r"^\[ *\d+\.\d+\]")
_FREE = re.compile(r"(?<= free:)\d+(?=kB)")


class Took(NamedTuple):
    """What a run took."""

    seconds: float
    processor_seconds: float
    peak_mebibytes: float


def read_block(log: Path) -> list[str]:
    """Read the first report of a failed allocation out of a lab's log."""
    lines = log.read_text(errors="replace").splitlines()
    begin = next(at for at, line in enumerate(lines) if _FIRST in line)
    end = next(at for at, line in enumerate(lines) if at > begin and _LAST in line and "blocks" in line)
    return [line for line in lines[begin:end] if _TIME.match(line)]


def repeated(block: list[str], count: int, *, distinct: bool) -> Iterator[str]:
    """Give the report so many times: as it is, or with another task, time and amounts each time."""
    for number in range(count):
        text = "\n".join(block) + "\n"
        if distinct:
            text = text.replace("PID: 1 ", f"PID: {number + 100} ")
            text = re.sub(r"(?m)^\[ *\d+\.(\d+)\]", rf"[{number + 10:5}.\1]", text)
            text = _FREE.sub(str(number % 150 * 4), text)
        yield text


def run(log: Path, form: str) -> Took:
    """Explain a log; its output goes to a file."""
    with tempfile.TemporaryDirectory() as empty, tempfile.TemporaryFile() as said:
        begun = time.perf_counter()
        child = subprocess.Popen(
            [*KEEPSANE, "explain", log, "--format", form], stdout=said, stderr=said, env=with_cache(empty)
        )
        _, status, usage = os.wait4(child.pid, 0)
        took = time.perf_counter() - begun
        child.returncode = os.waitstatus_to_exitcode(status)
    if child.returncode != 1:
        raise SystemExit(f"exit code {child.returncode}")
    return Took(took, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024)


def main(argv: list[str] | None = None) -> None:
    """Print a line per log and format."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--blocks", type=int, default=BLOCKS)
    parser.add_argument("--formats", default="jsonl,json,text")
    options = parser.parse_args(argv)
    block = read_block(lab_log(guest(), "atomic0"))
    for name, distinct in (("distinct", True), ("equal", False)):
        with tempfile.NamedTemporaryFile("w", suffix=".log") as log:
            log.writelines(repeated(block, options.blocks, distinct=distinct))
            log.flush()
            megabytes = Path(log.name).stat().st_size / 1e6
            for form in options.formats.split(","):
                took = run(Path(log.name), form)
                print(
                    f"{name:8} {form:5} {megabytes:.0f} MB: {megabytes / took.seconds:.1f} MB/s, "
                    f"{megabytes / took.processor_seconds:.1f} MB per processor second, "
                    f"{took.peak_mebibytes:.0f} MiB resident"
                )


if __name__ == "__main__":
    main()
