# SPDX-License-Identifier: GPL-2.0-or-later
"""
What sampling a machine once a second costs it, as a share of one CPU, and what the shell script costs.

Usage: python -m bench.memory_sampling [SECONDS]

Counted is the user and system time of the processes, without the start of Python: what a sampler takes that
runs for days. The script starts a process for each file it copies.
"""

from __future__ import annotations

import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from keepsane.memory.capture.capture import read_capture_script
from keepsane.memory.capture.sample import read_samples


def main() -> None:
    """Print the two shares and their ratio."""
    seconds = int(sys.argv[1]) if len(sys.argv) > 1 else 300
    own, script = sampler_percent(seconds), script_percent(min(seconds, 60))
    print(f"the sampler takes {own:.3f} % of one CPU over {seconds} s")
    print(f"capture.sh takes {script:.3f} %, {script / own:.0f} times as much")


def sampler_percent(seconds: int) -> float:
    """The share of a CPU that read_samples() takes."""
    before, began = _cpu_seconds(resource.RUSAGE_SELF), time.monotonic()
    for _ in read_samples(seconds=seconds):
        pass
    return _percent(resource.RUSAGE_SELF, before, began)


def script_percent(seconds: int) -> float:
    """The share of a CPU that capture.sh takes, all its children included."""
    with tempfile.TemporaryDirectory() as folder:
        script = Path(folder) / "capture.sh"
        script.write_text(read_capture_script())
        before, began = _cpu_seconds(resource.RUSAGE_CHILDREN), time.monotonic()
        command = ["sh", str(script), f"{folder}/out.tar.gz", str(seconds)]
        subprocess.run(command, check=True, stderr=subprocess.DEVNULL)
        return _percent(resource.RUSAGE_CHILDREN, before, began)


def _cpu_seconds(who: int) -> float:
    used = resource.getrusage(who)
    return used.ru_utime + used.ru_stime


def _percent(who: int, before: float, began: float) -> float:
    return (_cpu_seconds(who) - before) / (time.monotonic() - began) * 100


if __name__ == "__main__":
    main()
