# SPDX-License-Identifier: GPL-2.0-or-later
"""What a change did: each earlier finding judged again, and the counters that it rested on."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from keepsane.memory.state import MemoryState
from keepsane.model import Failure, Finding
from keepsane.model_memory import CounterChange, RuledOut, Verified
from keepsane.rules import run

_VMSTAT = "/proc/vmstat"


def verified(before: MemoryState, after: MemoryState) -> tuple[Verified, ...]:
    """
    Say of every finding above info that `before` gave whether `after` still gives it.

    A rule that cannot tell now is not called gone: a sample too few, or a file that is missing.
    """
    answers = tuple(run((after,)))
    earlier = (one for one in run((before,)) if isinstance(one, Finding) and one.severity != "info")
    return tuple(_verified(finding, answers, before, after) for finding in earlier)


def _verified(
    finding: Finding,
    answers: Iterable[Finding | Failure | RuledOut],
    before: MemoryState,
    after: MemoryState,
) -> Verified:
    counters = tuple(_changes(finding, before, after))
    for answer in answers:
        if isinstance(answer, Finding) and answer.rule == finding.rule and answer.severity != "info":
            return Verified(finding.rule, "still there", answer.explanation, counters)
        if isinstance(answer, RuledOut) and answer.rule == finding.rule:
            return Verified(finding.rule, "gone", answer.why, counters)
        if isinstance(answer, Failure) and answer.what == f"rule {finding.rule}":
            return Verified(finding.rule, "cannot tell", answer.why, counters)
    return Verified(finding.rule, "gone", "the rule finds nothing any more", counters)


def _changes(finding: Finding, before: MemoryState, after: MemoryState) -> Iterator[CounterChange]:
    """Compare the counters that the finding quotes and that rose."""
    names = [one.quote.split()[0] for one in finding.evidence if one.file.endswith(_VMSTAT) and one.quote]
    for name in dict.fromkeys(names):
        earlier = before.rate(name)
        if earlier:
            yield CounterChange(name, earlier, after.rate(name))
