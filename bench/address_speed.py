# SPDX-License-Identifier: GPL-2.0-or-later
"""
5,000 distinct addresses from the start of the process on: the first time, and again from the cache.

Usage: python -m bench.address_speed

llvm-symbolizer gets the same addresses, sorted: in one process, and split over one process per core. The
faster of the two is the peer. The first time keepsane's cache is empty; all pages of vmlinux are in memory.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from statistics import median

from bench.addresses import draw
from bench.measure import seconds, warm_pages, with_cache
from bench.peers import guest, llvm_symbolizer

ASK = """
import sys
from pathlib import Path
from keepsane.symbols.binary.cache import open_cache
from keepsane.symbols.binary.image import open_image
asked = [int(line, 16) for line in Path(sys.argv[2]).read_text().split()]
found = open_image(Path(sys.argv[1]), open_cache()).locate(asked)
assert sum(1 for chain in found.values() if chain) > 0.9 * len(asked)
"""
ONE, SPLIT = "llvm-symbolizer", "llvm-symbolizer on every core"
FIRST, AGAIN = "keepsane, the first time", "keepsane, from the cache"
TIMES, AGAIN_TIMES = 5, 3


def ask_command(vmlinux: Path, addresses: Path) -> list[str | Path]:
    """A fresh Python that asks keepsane for every address of a file."""
    return [sys.executable, "-c", ASK, vmlinux, addresses]


def split_seconds(vmlinux: Path, parts: list[Path]) -> float:
    """Seconds until one llvm-symbolizer for each part has answered all."""
    begun = time.perf_counter()
    running = [
        subprocess.Popen(llvm_symbolizer(vmlinux), stdin=part.open("rb"), stdout=subprocess.DEVNULL)
        for part in parts
    ]
    for process in running:
        process.wait()
    return time.perf_counter() - begun


def write_addresses(path: Path, addresses: list[int]) -> Path:
    """A file with one address a line, as llvm-symbolizer reads it."""
    path.write_text("".join(f"{address:#x}\n" for address in addresses))
    return path


def rounds(vmlinux: Path, asked: Path, parts: list[Path]) -> dict[str, list[float]]:
    """Seconds of each way in each round; they take turns, so that a busy moment does not hit one alone."""
    took: dict[str, list[float]] = {name: [] for name in (ONE, SPLIT, FIRST, AGAIN)}
    ask = ask_command(vmlinux, asked)
    for _ in range(TIMES):
        took[ONE].append(seconds(llvm_symbolizer(vmlinux), stdin=asked))
        took[SPLIT].append(split_seconds(vmlinux, parts))
        with tempfile.TemporaryDirectory() as kept:
            took[FIRST].append(seconds(ask, environment=with_cache(kept)))
            took[AGAIN] += [seconds(ask, environment=with_cache(kept)) for _ in range(AGAIN_TIMES)]
    return took


def main() -> None:
    """Print both ratios."""
    vmlinux = guest().vmlinux
    addresses = draw(vmlinux)
    cores = os.cpu_count() or 1
    share = -(-len(addresses) // cores)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        asked = write_addresses(folder / "all", addresses)
        parts = [
            write_addresses(folder / str(core), addresses[core * share : (core + 1) * share])
            for core in range(cores)
        ]
        warm_pages(vmlinux)
        seconds(ask_command(vmlinux, parts[0]), environment=with_cache(folder))  # compiles what it imports
        took = rounds(vmlinux, asked, parts)
    best = {name: min(times) for name, times in took.items()}
    peer = min(best[ONE], best[SPLIT])
    print(f"{len(addresses)} addresses, {cores} cores, load average {os.getloadavg()[0]:.1f}")
    for name, times in took.items():
        print(f"  {name}: best {best[name]:.3f} s, median {median(times):.3f} s of {len(times)}")
    print(f"first time: {best[FIRST] / peer:.2f} times llvm-symbolizer's time")
    print(f"from the cache: {best[FIRST] / best[AGAIN]:.1f} times faster than the first time")
    print(f"from the cache: {peer / best[AGAIN]:.1f} times faster than llvm-symbolizer")


if __name__ == "__main__":
    main()
