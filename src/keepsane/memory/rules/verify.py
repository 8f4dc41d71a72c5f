# SPDX-License-Identifier: GPL-2.0-or-later
"""What a change did: each earlier finding judged again, and the counters that it rested on."""

from __future__ import annotations

from collections.abc import Iterator

from keepsane.judge import ask, run
from keepsane.memory.proc.cgroup import CGROUP_ROOTS
from keepsane.memory.rules.amount import kibibytes
from keepsane.memory.rules.quote import VMSTAT
from keepsane.memory.state import MemoryState
from keepsane.report import CounterChange, Failure, Finding, RuledOut, Verified

_EVENTS = "/memory.events"


def verified(before: MemoryState, after: MemoryState) -> tuple[Verified, ...]:
    """
    Say of every finding above info that `before` gave whether `after` still gives it.

    A rule that cannot tell now is not called gone: a sample too few, or a file that is missing.
    """
    earlier = (
        answer for answer in run((before,)) if isinstance(answer, Finding) and answer.severity != "info"
    )
    return tuple(_verified(finding, before, after) for finding in earlier)


def doubts(before: MemoryState, after: MemoryState, *, less_work: float = 0.2) -> tuple[str, ...]:
    """Say what makes the two hard to compare: another machine or kernel, or a load that went away."""
    found = []
    sizes = [kibibytes(state, "MemTotal") for state in (before, after)]
    if None not in sizes and sizes[0] != sizes[1]:
        found.append(
            f"the capture from before is of a machine with {sizes[0]} kB of memory, this has {sizes[1]} kB"
        )
    if before.machine.release != after.machine.release:
        found.append(f"the kernel was {before.machine.release} and is {after.machine.release}")
    earlier, now = before.rate("pgalloc"), after.rate("pgalloc")
    if earlier and now is not None and now < less_work * earlier:
        found.append(
            f"{earlier:.0f} pages were allocated per second before and {now:.0f} now: "
            "what is gone may be gone with the load"
        )
    return tuple(found)


def _verified(finding: Finding, before: MemoryState, after: MemoryState) -> Verified:
    counters = tuple(_changes(finding, before, after))
    for answer in ask(finding.rule, after):
        if isinstance(answer, Failure):
            return Verified(finding.rule, "cannot tell", answer.why, counters)
        if isinstance(answer, RuledOut):
            return Verified(finding.rule, "gone", answer.why, counters)
        if answer.severity != "info":
            return Verified(finding.rule, "still there", answer.explanation, counters)
    return Verified(finding.rule, "gone", "the rule finds nothing any more", counters)


def _changes(finding: Finding, before: MemoryState, after: MemoryState) -> Iterator[CounterChange]:
    """Compare the counters that the finding quotes and that rose."""
    for file, name in dict.fromkeys(_quoted(finding)):
        path = _group(file)
        if path is not None:
            earlier, now = (state.cgroup_rate(path, name) for state in (before, after))
            said = f"{name} of {path}"
        else:
            earlier, now = (state.rate(name) for state in (before, after))
            said = name
        if earlier:
            yield CounterChange(said, earlier, now)


def _quoted(finding: Finding) -> Iterator[tuple[str, str]]:
    """Give file and name of each counter among the evidence; a file without the number of its sample."""
    for quote in finding.evidence:
        file = quote.file.partition("/")[2]
        if quote.quote and (file == VMSTAT or _group(file) is not None):
            yield file, quote.quote.split()[0]


def _group(file: str) -> str | None:
    """Give the control group whose events are counted in a file."""
    for root in CGROUP_ROOTS:
        if file.startswith(f"{root}/") and file.endswith(_EVENTS):
            return file.removeprefix(root).removesuffix(_EVENTS) or "/"
    return None
