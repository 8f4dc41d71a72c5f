# SPDX-License-Identifier: GPL-2.0-or-later
"""
What the kernel log of a machine reports of memory: requests that failed, and kills, read as any log is read.

    <4>[  812.000123] ksoftirqd/0: page allocation failure: order:0, mode:0x820(GFP_ATOMIC), nodemask=(null)

The kernel prints at most a few each minute, so what is found is the least that happened. A last line without
its end is not read: its mode may have been cut.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass

from keepsane.kernel.log.quote import quote_head
from keepsane.kernel.log.scan import Scanner
from keepsane.kernel.pages.failed_request import FailedRequest
from keepsane.kernel.pages.gfp import decode
from keepsane.memory.proc.counters import whole_lines
from keepsane.memory.proc.klog import DMESGS
from keepsane.memory.snapshot import Snapshot
from keepsane.model import Kind

MAX_REQUESTS = 1000
"""The newest reports that are kept, each by its headline alone."""


@dataclass(frozen=True, slots=True, kw_only=True)
class KernelLog:
    """
    The failed requests and the OOM kills of a log, in its order; `file` is where it stands ("t1/dmesg").

    Each of `requests` is a headline; `whole` has the last report of either kind as it was printed.
    """

    file: str
    requests: tuple[FailedRequest, ...]
    whole: tuple[FailedRequest, ...]

    def of(self, kind: Kind) -> tuple[FailedRequest, ...]:
        """The requests of one kind: "alloc-failure" or "oom-kill"."""
        return tuple(request for request in self.requests if request.kind == kind)


def seconds_of(request: FailedRequest) -> float | None:
    """When it was printed, in seconds since boot; None where the log has no times."""
    return request.records[0].seconds


def kernel_log_of(snapshots: Sequence[Snapshot], release: str | None = None) -> KernelLog | None:
    """Read the newest log that the samples have; `release` says what masks mean where the log does not."""
    for number, snapshot in reversed(list(enumerate(snapshots))):
        for path in DMESGS:
            if (text := snapshot.text(path)) is not None:
                return _read(f"t{number}/{path}", text, release)
    return None


def _read(file: str, text: str, release: str | None) -> KernelLog:
    requests: deque[FailedRequest] = deque(maxlen=MAX_REQUESTS)
    whole: dict[Kind, FailedRequest] = {}
    for event in Scanner().events(whole_lines(text)):
        if isinstance(event, FailedRequest):
            requests.append(_headline(event, release))
            whole[event.kind] = event
    in_order = sorted(requests, key=lambda request: request.line)
    return KernelLog(file=file, requests=tuple(in_order), whole=tuple(whole.values()))


def _headline(event: FailedRequest, release: str | None) -> FailedRequest:
    """Keep what was asked for and the line that says so: a report has thousands of numbers."""
    head = quote_head(event).line
    gfp = event.gfp
    if event.mode is not None and event.release is None:
        gfp = decode(event.mode, names=event.mode_text, release=release)
    return FailedRequest(
        kind=event.kind,
        title=event.title,
        line=head,
        last_line=event.last_line,
        records=tuple(record for record in event.records if record.line == head),
        order=event.order,
        gfp=gfp,
    )
