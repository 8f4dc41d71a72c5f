# SPDX-License-Identifier: GPL-2.0-or-later
"""
Count the labelled reports that get a conclusion beyond a restatement.

Usage: python -m bench.conclusions [--tune] [--misses] [--draw SEED] [FOLDER]

A conclusion is a finding of any rule whose text holds a fact that the title of its report does not: a cause,
an owner, an object, a chain of locks, a value decoded, or a next step that this report alone asks for. What
says it about the report's place in the log is none (_ABOUT_THE_LOG): that it is not the first one, or that
the machine stopped behind it.
Asked are the logs that have a title. A log counts where the report that its title is about, the first one,
has such a finding. `--misses` lists those that have none, the most frequent kind first. `--draw SEED` prints
60 findings to be held against their logs by hand. Rules are tuned on the numbers divisible by 4 (`--tune`);
the figures quoted are those of the rest. It also prints how many rules there are beside memory's.
"""

from __future__ import annotations

import argparse
import random
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from bench.corpus_score import KINDS_OF_TITLES, Case, corpora_folder, read_cases
from keepsane.api import explain
from keepsane.judge import load, run
from keepsane.memory.state import MemoryState
from keepsane.model import Event
from keepsane.report import Finding

DRAWN = 60
_ABOUT_THE_LOG = frozenset({"consequence-of-earlier-report", "panic-behind-report"})
_OF_MEMORY = (
    "keepsane.memory.",
    *(f"keepsane.kernel.events.{room}" for room in ("alloc_failure", "oom_kill")),
)


@dataclass(frozen=True, slots=True)
class Answer:
    """What was concluded about the report that the title of one log is about."""

    case: Case
    event: Event | None
    findings: tuple[Finding, ...]

    @property
    def kind(self) -> str:
        """The kind of the report, as keepsane names it."""
        return self.event.kind if self.event else "nothing"


def answered(folder: Path, *, tune: bool) -> Iterator[Answer]:
    """Explain each log that has a title and judge its first report."""
    for case in read_cases(folder, tune=tune):
        if case.title is None:
            continue
        events = explain(case.log).events
        reported = [event for event in events if event.kind in KINDS_OF_TITLES] or list(events)
        first = reported[0] if reported else None
        judged = run([first]) if first is not None else ()
        said = (found for found in judged if isinstance(found, Finding))
        yield Answer(case, first, tuple(found for found in said if found.rule not in _ABOUT_THE_LOG))


def table(answers: list[Answer]) -> Iterator[str]:
    """Write a row per kind: with a conclusion, of how many; what lacks most first."""
    kinds = {answer.kind: [one for one in answers if one.kind == answer.kind] for answer in answers}
    for kind, of in sorted(
        kinds.items(), key=lambda row: sum(not one.findings for one in row[1]), reverse=True
    ):
        yield _row(kind, of)
    yield _row("all", answers)


def _row(kind: str, of: list[Answer]) -> str:
    right = sum(bool(one.findings) for one in of)
    return f"{kind:18} {right:4} of {len(of):4}  {100 * right / max(1, len(of)):6.1f} %"


def other_rules() -> int:
    """Count the rules that are neither about memory nor about an allocation."""
    return sum(
        known.on is not MemoryState and not known.judge.__module__.startswith(_OF_MEMORY)
        for known in load().values()
    )


def drawn(answers: list[Answer], seed: int) -> Iterator[str]:
    """Print findings drawn by a seed, each with its evidence."""
    every = [(one, found) for one in answers for found in one.findings]
    for one, found in random.Random(seed).sample(every, min(DRAWN, len(every))):
        yield f"{one.case.number}: {one.case.title}\n  [{found.confidence}] {found.rule}: {found.title}"
        yield f"  {found.explanation}"
        yield from (f"  {line.line}| {line.quote}  ({line.note})" for line in found.evidence)
        yield from (f"  -> {step.text}" for step in found.advice)


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[1])
    parser.add_argument("folder", type=Path, nargs="?")
    parser.add_argument("--tune", action="store_true", help="the half that rules are tuned on")
    parser.add_argument("--misses", action="store_true", help="list every report without a conclusion")
    parser.add_argument("--draw", type=int, metavar="SEED", help="print 60 findings to be checked by hand")
    options = parser.parse_args()
    folder = options.folder or corpora_folder()
    if folder is None:
        print("skipped: no corpora folder")
        return
    answers = list(answered(folder, tune=options.tune))
    missed = [one for one in answers if not one.findings] if options.misses else []
    for one in sorted(missed, key=lambda one: (one.kind, one.case.number)):
        print(f"{one.kind} {one.case.number}: {one.case.title}")
    print(*(drawn(answers, options.draw) if options.draw is not None else table(answers)), sep="\n")
    print(f"rules beside memory and allocation: {other_rules()}")


if __name__ == "__main__":
    main()
