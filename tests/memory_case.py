# SPDX-License-Identifier: GPL-2.0-or-later
"""
Reading cases for rules about memory: what some files of /proc and /sys said, and which rules must fire.

    RULES: zone-reclaim-biting
    NEAR: zone-reclaim-armed
    SOURCE: written by hand: 96000 pages in 12 s are 8000 per second

    ==> t0/proc/uptime <==
    100.00 150.00
    ==> t1/proc/uptime <==
    112.00 170.00

`RULES:` are those that fire (`-` for none), `NEAR:` those that look closely and do not.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import NamedTuple

from keepsane.memory.snapshot import Snapshot
from keepsane.memory.state import MemoryState, state_of

CASES = Path(__file__).parent / "cases" / "memory-rules"
_SECTION = re.compile(r"^==> t(\d+)/(\S+) <==\n", re.MULTILINE)


class MemoryCase(NamedTuple):
    """A case: its name, the rules that fire, those that nearly do, and the files of each sample."""

    slug: str
    fires: frozenset[str]
    near: frozenset[str]
    samples: tuple[dict[str, str], ...]

    def state(self, *, without: str | None = None) -> MemoryState | None:
        """Give the state that the files make, without one of them where that is asked for."""
        kept = ({path: text for path, text in files.items() if path != without} for files in self.samples)
        return state_of(tuple(Snapshot(files=files) for files in kept))

    def paths(self) -> list[str]:
        """List every file that some sample has."""
        return sorted({path for files in self.samples for path in files})


def read_memory_case(path: Path) -> MemoryCase:
    """Read one case."""
    head, _, rest = path.read_text(encoding="utf-8").partition("\n\n")
    said = dict(line.partition(": ")[::2] for line in head.splitlines())
    assert "SOURCE" in said, "a case says where its numbers are from"
    parts = _SECTION.split(rest)[1:]
    samples: dict[int, dict[str, str]] = {}
    for number, name, text in zip(parts[::3], parts[1::3], parts[2::3], strict=True):
        samples.setdefault(int(number), {})[name] = text
    return MemoryCase(
        path.stem,
        _names(said.get("RULES", "-")),
        _names(said.get("NEAR", "-")),
        tuple(samples[number] for number in sorted(samples)),
    )


def memory_cases() -> list[MemoryCase]:
    """Read every case."""
    return [read_memory_case(path) for path in sorted(CASES.glob("*.capture"))]


def _names(said: str) -> frozenset[str]:
    return frozenset(name for name in said.split(", ") if name not in ("-", ""))
