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

from bench.addresses import draw
from bench.measure import cold_seconds, seconds, warm_pages, with_cache
from bench.peers import guest, llvm_symbolizer

ASK = """
import sys
from pathlib import Path
from keepsane.symbols.cache import open_cache
from keepsane.symbols.image import open_image
asked = [int(line, 16) for line in Path(sys.argv[2]).read_text().split()]
found = open_image(Path(sys.argv[1]), open_cache()).locate(asked)
assert sum(1 for chain in found.values() if chain) > 0.9 * len(asked)
"""
TIMES = 3


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
        one = min(seconds(llvm_symbolizer(vmlinux), stdin=asked) for _ in range(TIMES))
        split = min(split_seconds(vmlinux, parts) for _ in range(TIMES))
        first = cold_seconds(ask_command(vmlinux, asked), times=TIMES)
        with tempfile.TemporaryDirectory() as kept:
            seconds(ask_command(vmlinux, asked), environment=with_cache(kept))
            again = min(
                seconds(ask_command(vmlinux, asked), environment=with_cache(kept)) for _ in range(TIMES)
            )
    peer = min(one, split)
    print(
        f"llvm-symbolizer, {len(addresses)} sorted addresses: {one:.2f} s; over {cores} cores {split:.2f} s"
    )
    print(f"first time: {first / peer:.2f} times its time ({first:.2f} s)")
    print(f"from the cache: {first / again:.1f} times faster than the first time ({again:.2f} s)")
    print(f"from the cache: {peer / again:.1f} times faster than llvm-symbolizer")


if __name__ == "__main__":
    main()
