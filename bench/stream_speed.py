# SPDX-License-Identifier: GPL-2.0-or-later
"""
A large log as JSON lines, against the same as text: the first gives every report, the second equal ones once.

Usage: python -m bench.stream_speed [MEGABYTES [VARIANTS [PAIRS]]]

The log is the second half of the committed example, over and over, its process numbers and registers changed,
90 MB of it in 40 variants by default. Whole processes are timed in turn, in five pairs, with the
module at hand and a cache of their own: one pair alone gave anything from 1.4 to 2.4.
"""

from __future__ import annotations

import gzip
import os
import re
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from statistics import median
from typing import NamedTuple

from bench.measure import FOUND_OR_NOT, KEEPSANE, with_cache

EXAMPLE = Path(__file__).resolve().parents[1] / "examples" / "null-deref"
BEGIN = "BUG: kernel NULL pointer dereference"


class Took(NamedTuple):
    """Seconds of a process on the clock and on the processor, and its most memory in MiB."""

    clock: float
    processor: float
    memory_mib: float


def write_log(path: Path, megabytes: int, variants: int) -> int:
    """Write the log; give how many reports it has."""
    lines = gzip.decompress((EXAMPLE / "console.log.gz").read_bytes()).decode().splitlines(keepends=True)
    first = next(number for number, line in enumerate(lines) if BEGIN in line)
    with path.open("w", encoding="utf-8") as out:
        out.writelines(lines[:first])
        count = 0
        while out.tell() < megabytes * 1_000_000:
            out.write(_variant("".join(lines[first:]), count, variants))
            count += 1
    return count


def _variant(block: str, number: int, variants: int) -> str:
    pid = 100 + number % variants
    block = re.sub(r"^\[ *\d+\.\d+\]", f"[{number + 100:5d}.000000]", block, flags=re.MULTILINE)
    block = block.replace("PID: 1 ", f"PID: {pid} ")
    return re.sub(r"(R(?:AX|BX|CX): )[0-9a-f]{16}", rf"\g<1>{number:016x}", block)


def measure(log: Path, form: str, folder: str) -> Took:
    """Explain the log in one form, as a process of its own."""
    command: list[str | Path] = [
        *KEEPSANE,
        "explain",
        log,
        "--modules",
        EXAMPLE,
        "--source",
        EXAMPLE,
        "--format",
        form,
    ]
    with tempfile.TemporaryFile() as said:
        begun = time.perf_counter()
        started = subprocess.Popen(
            command, stdout=said, stderr=subprocess.DEVNULL, env=with_cache(f"{folder}/{form}")
        )
        _, status, used = os.wait4(started.pid, 0)
        took = time.perf_counter() - begun
    if os.waitstatus_to_exitcode(status) not in FOUND_OR_NOT:
        raise SystemExit(f"exit code {os.waitstatus_to_exitcode(status)}")
    return Took(took, used.ru_utime + used.ru_stime, used.ru_maxrss / 1024)


def main() -> None:
    """Print the ratios: of each pair of runs, and their median."""
    megabytes, variants, pairs = (*map(int, sys.argv[1:4]), *(90, 40, 5)[len(sys.argv[1:4]) :])
    with tempfile.TemporaryDirectory() as folder:
        log = Path(folder, "console.log")
        count = write_log(log, megabytes, variants)
        # In turn: a machine that others share is not equally fast from one minute to the next.
        taken = [(measure(log, "text", folder), measure(log, "jsonl", folder)) for _ in range(pairs)]
    ratios = sorted(lines.processor / text.processor for text, lines in taken)
    print(
        f"{megabytes} MB, {count} times two reports: jsonl takes {median(ratios):.2f} times the processor "
        f"time of text, median of {pairs} pairs ({ratios[0]:.2f} to {ratios[-1]:.2f})"
    )
    for name, runs in zip(("text", "jsonl"), zip(*taken, strict=True), strict=True):
        clock, processor = median(run.clock for run in runs), median(run.processor for run in runs)
        most_mib = max(run.memory_mib for run in runs)
        print(f"  {name}: {clock:.1f} s, {processor:.1f} s of processor, {most_mib:.0f} MiB")


if __name__ == "__main__":
    main()
