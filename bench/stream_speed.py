# SPDX-License-Identifier: GPL-2.0-or-later
"""
A large log as JSON lines, against the same as text: the first gives every report, the second equal ones once.

Usage: python -m bench.stream_speed [MEGABYTES [VARIANTS]]

The log is the second half of the committed example, over and over, its process numbers and registers changed,
90 MB of it in 40 variants by default. Whole processes are timed, with the module at hand and a cache of their
own; processor time is printed too: it depends less on what else the machine does.
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
    """Print the ratios."""
    megabytes, variants = (*map(int, sys.argv[1:3]), *(90, 40)[len(sys.argv[1:3]) :])
    with tempfile.TemporaryDirectory() as folder:
        log = Path(folder, "console.log")
        count = write_log(log, megabytes, variants)
        text, lines = measure(log, "text", folder), measure(log, "jsonl", folder)
    print(
        f"{megabytes} MB, {count} times two reports: jsonl takes {lines.clock / text.clock:.2f} times "
        f"as long as text, {lines.processor / text.processor:.2f} times its processor time"
    )
    for name, took in (("text", text), ("jsonl", lines)):
        print(f"  {name}: {took.clock:.1f} s, {took.processor:.1f} s of processor, {took.memory_mib:.0f} MiB")


if __name__ == "__main__":
    main()
