# SPDX-License-Identifier: GPL-2.0-or-later
"""Addresses to ask about: drawn evenly over the functions of vmlinux that have line information."""

from __future__ import annotations

import random
from pathlib import Path

from bench.peers import functions, symbolize

HOW_MANY = 5000


def draw(vmlinux: Path, *, seed: int = 1, how_many: int = HOW_MANY) -> list[int]:
    """
    Distinct addresses in order, each in a function whose first address has a line for llvm-symbolizer.

    A function is drawn first, then an address in it: small functions count as much as large ones.
    """
    rng = random.Random(seed)
    candidates = rng.sample(functions(vmlinux), how_many * 2)
    starts = sorted(candidates)
    known = symbolize(vmlinux, [function.start for function in starts])
    with_lines = [function for function, chain in zip(starts, known, strict=True) if chain]
    drawn: set[int] = set()
    while len(drawn) < how_many:
        function = rng.choice(with_lines)
        drawn.add(function.start + rng.randrange(function.size))
    return sorted(drawn)
