# SPDX-License-Identifier: GPL-2.0-or-later
"""
Are edges right where objdump knows the answer?

    python bench/edge_truth.py vmlinux --release 6.12.117+deb12-cloud-amd64

Draws direct calls from the disassembly of one part of the text and writes stacks in which each callee
stands above its caller. Between these pairs the stack makes no sense: the next callee stands above a caller
that never called it. Prints how many true calls were confirmed (100 %) and how many senseless ones were (0).
"""

from __future__ import annotations

import argparse
import itertools
import random
import re
import subprocess
from bisect import bisect_right
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from keepsane.api import explain
from keepsane.model import Edge

PAIRS, A_STACK = 600, 15
_CALL = re.compile(r"([0-9a-f]{16}):\s+call\s+[0-9a-f]{16} <([^>+]+)>$")
_CONFIRMED = ("direct", "inlined")


class Function(NamedTuple):
    """A function as kallsyms counts it: up to the next symbol."""

    start: int
    size: int
    name: str


class Pair(NamedTuple):
    """A call that stands in the file: what is called, and the return address inside the caller."""

    callee: Function
    caller: Function
    offset: int


def main() -> None:
    """Print the figures."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[1])
    parser.add_argument("vmlinux", type=Path)
    parser.add_argument("--release", required=True)
    parser.add_argument("--seed", type=int, default=1)
    asked = parser.parse_args()
    functions = _functions(asked.vmlinux)
    rng = random.Random(asked.seed)
    begin = rng.choice(functions).start
    pairs = [*_pairs(asked.vmlinux, functions, begin, begin + 0x80000)]
    drawn = rng.sample(pairs, min(PAIRS, len(pairs)))
    counts = _judge(drawn, asked.vmlinux, asked.release)
    true, senseless = _confirmed(counts, called=True), _confirmed(counts, called=False)
    print(f"{len(drawn)} calls from {begin:#x} on: {true} confirmed, {senseless} senseless ones confirmed")
    print(
        ", ".join(f"{'call' if called else 'no call'} {v}: {n}" for (called, v), n in sorted(counts.items()))
    )


def _functions(vmlinux: Path) -> list[Function]:
    said = subprocess.run(["nm", "-n", vmlinux], capture_output=True, text=True, check=True).stdout
    rows = [row.split() for row in said.splitlines()]
    code = [(int(row[0], 16), row[2]) for row in rows if len(row) == 3 and row[1] in "tTwW"]
    seen = Counter(name for _, name in code)
    starts = sorted({start for start, _ in code})
    following = dict(itertools.pairwise(starts))
    return [
        Function(start, following[start] - start, name)
        for start, name in code
        if start in following and seen[name] == 1
    ]


def _pairs(vmlinux: Path, functions: Sequence[Function], begin: int, end: int) -> Iterator[Pair]:
    by_name = {function.name: function for function in functions}
    starts = [function.start for function in functions]
    command = ["objdump", "-d", "--no-show-raw-insn", f"--start-address={begin}", f"--stop-address={end}"]
    lines = subprocess.run(
        [*command, vmlinux], capture_output=True, text=True, check=True
    ).stdout.splitlines()
    for line, following in itertools.pairwise(lines):
        call, after = _CALL.match(line), re.match(r"[0-9a-f]{16}(?=:)", following)
        callee = by_name.get(call[2]) if call else None
        if call is None or after is None or callee is None or callee.name.startswith(("__pfx", "__fentry")):
            continue
        caller = functions[bisect_right(starts, int(call[1], 16)) - 1]
        if caller.start < int(after[0], 16) < caller.start + caller.size:
            yield Pair(callee, caller, int(after[0], 16) - caller.start)


def _log(pairs: Sequence[Pair], release: str) -> list[str]:
    lines = []
    for number in range(0, len(pairs), A_STACK):
        lines += [
            f"BUG: sleeping function called from invalid context at mm/drawn.c:{number + 1}",
            f"in_atomic(): 1, irqs_disabled(): 0, non_block: 0, pid: {number}, name: drawn",
            f"CPU: 0 PID: {number} Comm: drawn Not tainted {release} #1",
            "Call Trace:",
            " <TASK>",
        ]
        for callee, caller, offset in pairs[number : number + A_STACK]:
            lines.append(f" {callee.name}+{min(8, callee.size - 1):#x}/{callee.size:#x}")
            lines.append(f" {caller.name}+{offset:#x}/{caller.size:#x}")
        lines.append(" </TASK>")
    return lines


def _judge(pairs: Sequence[Pair], vmlinux: Path, release: str) -> Counter[tuple[bool, str]]:
    report = explain(_log(pairs, release), vmlinux=vmlinux, edges=True, cache=False)
    for failure in report.failures:
        print(f"{failure.what}: {failure.why}")
    counts: Counter[tuple[bool, str]] = Counter()
    for event in report.events:
        frames = event.stacks[0].frames
        # The first callee has nobody above it.
        counts.update((bool(index % 2), _verdict(frame.edge)) for index, frame in enumerate(frames) if index)
    return counts


def _verdict(edge: Edge | None) -> str:
    return edge.verdict if edge else "none"


def _confirmed(counts: Counter[tuple[bool, str]], *, called: bool) -> int:
    return sum(count for (was, verdict), count in counts.items() if was == called and verdict in _CONFIRMED)


if __name__ == "__main__":
    main()
