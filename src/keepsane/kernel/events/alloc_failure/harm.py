# SPDX-License-Identifier: GPL-2.0-or-later
"""Harmless, or must something be done? The caller of a failed allocation decides, and how often it comes."""

from __future__ import annotations

import re
from collections.abc import Iterator

from keepsane.judge import CannotTell, rule
from keepsane.kernel.events.alloc_failure.failure import AllocFailure
from keepsane.kernel.events.alloc_failure.purpose import Harm, harm_not_known, is_harmless, purpose
from keepsane.kernel.log.quote import quote, quote_frame, quote_head
from keepsane.report import Evidence, Finding, Severity

_SUPPRESSED = re.compile(r"callbacks suppressed")
_SEVERITY: dict[Harm, Severity] = {
    "none": "note",
    "retried": "note",
    "operation": "warning",
    "data": "error",
}
_OFTEN = 10


@rule("allocation-harmless", on=AllocFailure)
def allocation_harmless(event: AllocFailure) -> Iterator[Finding]:
    """
    The caller has another way: this failure costs nothing but the line in the log.

    What it means: the request was a first try. Its caller falls back to something else at once, a smaller
    block or a reserve of its own.

    How we know: the caller is one whose source does so, or the mask asks for one try, no reserves and no
    report, which only such callers combine.

    What to do: nothing. A report that comes many times a second is still a sign that memory is short.

    When it is wrong: the caller is known by its function's name. A driver that copies the name of a helper
    and not its fallback would be taken for it.
    """
    if not is_harmless(event):
        return
    wanted = purpose(event)
    what = (
        f"it was {wanted.what}: {wanted.without}" if wanted else "its mask asks for one try without reserves"
    )
    yield Finding(
        severity="info",
        confidence="high" if wanted else "medium",
        title="harmless: the caller has something else to do",
        evidence=_caller(event),
        explanation=f"{what[:1].upper()}{what[1:]}.",
    )


@rule("allocation-cost", on=AllocFailure)
def allocation_cost(event: AllocFailure) -> Iterator[Finding]:
    """
    What the caller loses by this failure.

    What it means: the memory was wanted for something that now does not happen: a packet is lost, a device
    is not set up, I/O may fail.

    How we know: the frame nearest to the allocator that is known by its name says what was being done.

    What to do: a lost packet now and then is what networks are made for; look at the counters of the
    interface before anything is changed. An operation that failed can be done again when memory is free. On
    the path of storage, act on the cause above.

    When it is wrong: a driver may have a fallback of its own that its function's name does not tell.
    """
    wanted = purpose(event)
    if is_harmless(event):
        return
    if wanted is None:
        if event.gfp is not None:
            raise CannotTell(f"whether it is harmless: {harm_not_known(event)}")
        return
    yield Finding(
        severity=_SEVERITY[wanted.harm],
        confidence="medium",
        title=f"it was for {wanted.what}",
        evidence=_caller(event),
        explanation=f"Without the memory {wanted.without}." + _not_the_task(event),
    )


@rule("allocation-repeats", on=AllocFailure)
def allocation_repeats(event: AllocFailure) -> Iterator[Finding]:
    """
    It failed many times: this is no single mishap.

    What it means: the same request fails again and again. What would be noise once is a lack of memory then.

    How we know: equal reports in the log are counted. The kernel prints at most ten in five seconds (since
    5.4 one in ten seconds) and says how many it left out, so the count is a lower bound.

    What to do: act on the cause, harmless or not.

    When it is wrong: a log of many days makes ten failures look like many. See their times.
    """
    count = 1 + len(event.again) + (event.suppressed or 0)
    if count < _OFTEN:
        return
    left_out = quote(event, _SUPPRESSED, "the kernel left these out") if event.suppressed else None
    yield Finding(
        severity="note",
        confidence="high",
        title=f"it failed at least {count} times",
        evidence=(quote_head(event, "the first of them"), *((left_out,) if left_out else ())),
        explanation="The kernel limits how often it prints this report: there may have been more.",
    )


def _caller(event: AllocFailure) -> tuple[Evidence, ...]:
    wanted = purpose(event)
    shown = quote_frame(event, wanted.frame, "what was being done") if wanted else None
    return (shown or quote_head(event, "the mask"),)


def _not_the_task(event: AllocFailure) -> str:
    comm = event.task.comm if event.task else None
    if not event.in_interrupt or not comm:
        return ""
    return f" The task {comm} did not ask for it: it was interrupted."
