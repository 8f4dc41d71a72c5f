# SPDX-License-Identifier: GPL-2.0-or-later
"""
The same log in many dresses: is it the same report?

Usage: python -m bench.dresses [SEEDS]

`../shared/field/dress.py` writes a crash as tools, loggers, consoles and pages do. Its own crash and three
committed cases (arm64, KASAN, OOM) in every dress it knows, then in SEEDS random ones (1000); every committed
case in each dress and in five random ones. What counts as the same: kinds, titles, every function, every
finding. Without that file one line says so and the exit code is 0.
"""

from __future__ import annotations

import random
import sys
from collections.abc import Iterable, Iterator
from contextlib import redirect_stderr
from importlib.util import module_from_spec, spec_from_file_location
from io import StringIO
from pathlib import Path
from types import ModuleType

from keepsane.api import explain
from tests.dressing import bare, told
from tests.golden import CASES, read_case

DRESSER = Path(__file__).resolve().parents[2] / "shared" / "field" / "dress.py"
CRASHES = ("null-deref/arm64-6.1", "kasan/slab-use-after-free", "oom-kill/lab-oom-6.1")
_FEW_SEEDS = 5

Dressed = tuple[str, str]
"""The name of a dress, and the log in it."""


def main(arguments: list[str]) -> None:
    """Print how many of the dressed logs say what the bare one says."""
    if not DRESSER.exists():
        print(f"no {DRESSER.name} beside the checkout: nothing measured")
        return
    seeds = range(1, int(arguments[0]) + 1 if arguments else 1001)
    dresser = load(DRESSER)
    crashes = {"its own": list(dresser.CRASH)}
    crashes |= {name: bare(read_case(CASES / f"{name}.case").log) for name in CRASHES}
    for name, lines in crashes.items():
        print(f"{name}: every dress {score(lines, known(dresser, lines))}")
        print(f"{name}: random {score(lines, drawn(dresser, lines, seeds))}")
    every, few = [], []
    for path in sorted(CASES.rglob("*.case")):
        lines = bare(read_case(path).log)
        every.append(score(lines, known(dresser, lines)))
        few.append(score(lines, drawn(dresser, lines, range(1, _FEW_SEEDS + 1))))
    print(f"every case: every dress {total(every)}, random {total(few)}")


class Score:
    """How many of the dressed logs say the same, and which do not."""

    def __init__(self, same: int, of: int) -> None:
        """Take both numbers."""
        self.same, self.of = same, of

    def __str__(self) -> str:
        return f"{self.same} of {self.of} ({100 * self.same / self.of:.1f} %)"


def load(path: Path) -> ModuleType:
    """Import a script that is in no package."""
    spec = spec_from_file_location(path.stem, path)
    assert spec is not None and spec.loader is not None
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def known(dresser: ModuleType, lines: list[str]) -> Iterator[Dressed]:
    """Give the log in each dress that has a name."""
    for name in dresser.DRESSES:
        yield name, "\n".join(dresser.dressed(name, lines, random.Random(0)))


def drawn(dresser: ModuleType, lines: list[str], seeds: Iterable[int]) -> Iterator[Dressed]:
    """Give the log in two dresses over each other, drawn by each seed."""
    for seed in seeds:
        with redirect_stderr(StringIO()):
            yield f"random {seed}", "\n".join(dresser.dressed("random", lines, random.Random(seed)))


def score(lines: list[str], logs: Iterable[Dressed]) -> Score:
    """Compare each dressed log with the bare one."""
    right = told(explain("\n".join(lines), cache=False))
    same = [told(explain(log, cache=False)) == right for _, log in logs]
    return Score(sum(same), len(same))


def total(scores: list[Score]) -> Score:
    """Add scores up."""
    return Score(sum(score.same for score in scores), sum(score.of for score in scores))


if __name__ == "__main__":
    main(sys.argv[1:])
