# SPDX-License-Identifier: GPL-2.0-or-later
"""
What it costs to say why every frame is there: `explain` against `explain --no-edges` of the same log.

Usage: python -m bench.edge_time

For a crash and a dump of all tasks of both kernels of the lab: from a filled cache, and without one. Whole
processes, the two by turns; the ratio is that of their medians.
"""

from __future__ import annotations

import tempfile
from pathlib import Path
from statistics import median

from bench.measure import Command, explain_command, seconds, warm_pages, with_cache
from bench.peers import guest, lab_log

SERIES = ("6.1", "6.12")
SCENARIOS = ("null", "sysrqt")
TIMES = 9


def main() -> None:
    """Print the ratios."""
    for series in SERIES:
        kernel = guest(series)
        warm_pages(kernel.vmlinux)
        for scenario in SCENARIOS:
            log = lab_log(kernel, scenario)
            plain = explain_command(log, kernel.vmlinux, kernel.modules, "--no-edges")
            edges = explain_command(log, kernel.vmlinux, kernel.modules)
            print(compared(f"{series} {scenario}, warm", plain, edges))
            print(compared(f"{series} {scenario}, cold", [*plain, "--no-cache"], [*edges, "--no-cache"]))


def compared(name: str, plain: Command, edges: Command) -> str:
    """Both times of one log, as a line; the first run of each fills a cache that no other program has."""
    with tempfile.TemporaryDirectory() as folder:
        cache = with_cache(Path(folder))
        for command in (plain, edges):
            seconds(command, environment=cache)
        pairs = [(seconds(plain, environment=cache), seconds(edges, environment=cache)) for _ in range(TIMES)]
    without, judged = median(one for one, _ in pairs), median(other for _, other in pairs)
    return f"{name}: {judged / without:.2f} times the time ({judged:.3f} s; without edges {without:.3f} s)"


if __name__ == "__main__":
    main()
