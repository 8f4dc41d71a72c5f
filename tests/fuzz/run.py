# SPDX-License-Identifier: GPL-2.0-or-later
"""
Feed files to a target without atheris: `python -m tests.fuzz.run NAME FILE...`

What is wrong with a file is a traceback. The process may use 500 MB, and as much processor time as is only
used by what hangs: the kernel ends it.
"""

from __future__ import annotations

import resource
import sys
import tempfile
from pathlib import Path

from tests.fuzz.targets.names import TARGETS

MEMORY_BYTES = 500 << 20
HANG_SECONDS = 60


def main() -> None:
    """Feed each file; the first that fails ends it. The peak of memory is said on the last line."""
    name, *paths = sys.argv[1:]
    for path in paths:
        limit_processor_time()
        with tempfile.TemporaryDirectory() as folder:
            TARGETS[name].feed(Path(path).read_bytes(), Path(folder))
        if peak_bytes() > MEMORY_BYTES:
            sys.exit(f"{path}: {peak_bytes() >> 20} MB")


def limit_processor_time() -> None:
    """Give the process HANG_SECONDS more. A plain account may not raise a hard limit: it stays as it was."""
    used = int(sum(resource.getrusage(resource.RUSAGE_SELF)[:2]))
    _, hard = resource.getrlimit(resource.RLIMIT_CPU)
    resource.setrlimit(resource.RLIMIT_CPU, (used + HANG_SECONDS, hard))


def peak_bytes() -> int:
    """Give the most memory that this process had at once; getrusage() begins with its parent's."""
    status = Path("/proc/self/status").read_text(encoding="ascii")
    return int(status.partition("VmHWM:")[2].split()[0]) << 10


if __name__ == "__main__":
    main()
