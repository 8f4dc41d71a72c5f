# SPDX-License-Identifier: GPL-2.0-or-later
"""Does anybody suffer now? A hoard or a setting that harms nobody at the moment is worth a remark only."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from keepsane.kernel.log.quote import quote_head
from keepsane.kernel.pages.failed_request import FailedRequest
from keepsane.memory.kernel_log import seconds_of
from keepsane.memory.rules.amount import available_percent
from keepsane.memory.state import MemoryState
from keepsane.report import Evidence, Severity
from keepsane.words import counted, rate_words, share_words

STALLS_PER_SECOND = 1.0
STALLED_PERCENT = 5.0
AVAILABLE_PERCENT = 5.0
RECENT_SECONDS = 600.0
"""A failed allocation that the log has from up to so long before the first sample is of now."""


def harms(state: MemoryState) -> tuple[str, ...]:
    """Say how tasks suffer from want of memory while samples are taken; nothing where none is seen to."""
    return tuple(_harms(state))


def _harms(state: MemoryState) -> Iterator[str]:
    stalls, killed = state.rate("allocstall"), state.delta("oom_kill")
    stalled, available = state.stalled_percent("memory", "some"), available_percent(state)
    if stalls is not None and stalls >= STALLS_PER_SECOND:
        yield f"tasks had to reclaim memory themselves {rate_words(stalls)} times a second"
    if stalled is not None and stalled >= STALLED_PERCENT:
        yield f"tasks waited for memory {share_words(stalled)} of the time"
    if killed:
        yield f"{counted(killed, 'process was', 'processes were')} killed for want of memory"
    if available is not None and available < AVAILABLE_PERCENT:
        yield f"only {share_words(available)} of memory is available"


def severity_of(found: tuple[object, ...]) -> Severity:
    """Warn where somebody suffers, else only inform."""
    return "warning" if found else "info"


def harmed_words(found: tuple[str, ...]) -> str:
    """Say who suffers, or that nobody is seen to."""
    return f"At the same time {', and '.join(found)}." if found else "Nothing is seen to suffer from it now."


def failures(state: MemoryState) -> tuple[FailedRequest, ...] | None:
    """The failed allocations that the kernel log still has; None where it was not read."""
    return None if state.log is None else state.log.of("alloc-failure")


def recent_failures(state: MemoryState) -> tuple[FailedRequest, ...]:
    """Those that are of now."""
    return recent(state, failures(state) or ())


def recent(state: MemoryState, found: Iterable[FailedRequest]) -> tuple[FailedRequest, ...]:
    """What of these requests is of now; one without a time is not."""
    began = state.first.uptime_seconds
    if began is None:
        return ()
    times = ((request, seconds_of(request)) for request in found)
    return tuple(
        request for request, seconds in times if seconds is not None and seconds > began - RECENT_SECONDS
    )


def recent_reports(state: MemoryState) -> tuple[FailedRequest, ...]:
    """The last failure and the last kill of the kernel log, where they are of now and nothing is missing."""
    whole = () if state.log is None else state.log.whole
    return tuple(request for request in recent(state, whole) if not request.damage)


def quote_failures(state: MemoryState, failed: Iterable[FailedRequest]) -> Iterator[Evidence]:
    """Quote their headlines in the kernel log."""
    for request in failed if state.log else ():
        seconds = seconds_of(request)
        note = "" if seconds is None else f"{seconds:.0f} s after boot"
        yield quote_head(request, note)._replace(file=state.log.file if state.log else "")
