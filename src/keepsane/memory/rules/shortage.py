# SPDX-License-Identifier: GPL-2.0-or-later
"""A shortage of memory that is real: there is too little of it for what runs."""

from __future__ import annotations

from collections.abc import Iterator

from keepsane.judge import CannotTell, Clear, rule
from keepsane.kernel.pages.failed_request import FailedRequest
from keepsane.memory.kernel_log import seconds_of
from keepsane.memory.rules.amount import kibibytes, percent_of_memory
from keepsane.memory.rules.harm import quote_failures
from keepsane.memory.rules.needs import need_available, need_rise
from keepsane.memory.rules.quote import cgroup_file, quote_change, quote_meminfo, quote_pressure, quote_risen
from keepsane.memory.rules.zones import scanned_rate
from keepsane.memory.state import MemoryState
from keepsane.report import Advice, Evidence, Finding
from keepsane.words import counted, share_words, size_words

_HOLDERS = (
    ("AnonPages", "the memory of processes"),
    ("Shmem", "shared memory and tmpfs"),
    ("SUnreclaim", "the kernel's own objects (slabs)"),
    ("PageTables", "page tables"),
    ("Hugetlb", "hugepages, used or not"),
    ("Mlocked", "memory that is locked"),
)


@rule("real-shortage", on=MemoryState)
def real_shortage(
    state: MemoryState,
    *,
    available_percent_below: float = 5.0,
    stalled_percent_from: float = 5.0,
    refaults_per_second: float = 1000.0,
) -> Finding | Clear:
    """
    There is less memory than what runs needs, and tasks wait for it.

    What it means: hardly anything is left that could be dropped, so the kernel throws out pages that are
    needed again at once. Everything is slow; no setting of the kernel makes memory.

    How we know: MemAvailable fell below 5 % of MemTotal, and there is harm: tasks stood still for memory
    during 5 % of the time or more (PSI), pages were read back by the thousand, or most of the scanning was in
    vain (less than 30 % of 1,000 pages a second and more were freed).

    What to do: find what holds the memory, give it less or the machine more.

    When it is wrong: MemAvailable does not know that tmpfs pages can be swapped; with swap on fast storage a
    machine may live with it.
    """
    available = need_available(state)
    said = f"{share_words(available)} of memory was available at the least"
    if available >= available_percent_below:
        return Clear(f"{said}: memory is not short as a whole")
    stalled, refaults = state.stalled_percent("memory", "some"), _refaults(state)
    freed, scanned = _freed_percent(state), scanned_rate(state)
    if stalled is None and refaults is None and scanned is None:
        raise CannotTell(f"{said}; two samples of /proc/vmstat or PSI say whether anything suffers")
    harm = list(
        _harm(
            stalled if stalled is not None and stalled >= stalled_percent_from else None,
            refaults if refaults is not None and refaults >= refaults_per_second else None,
            freed if freed is not None and freed < 30 and scanned is not None and scanned >= 1000 else None,
        )
    )
    if not harm:
        return Clear(f"{said}, and nothing waits for it")
    return _is_short(state, f"{said}; {', '.join(harm)}. {_holder(state)}")


def _is_short(state: MemoryState, explanation: str) -> Finding:
    full, stalled = state.stalled_percent("memory", "full"), state.stalled_percent("memory", "some")
    return Finding(
        severity="error" if full is not None and full >= 20 else "warning",
        confidence="high" if stalled is not None else "medium",
        title="memory is short: there is too little for what runs",
        evidence=_evidence(state),
        explanation=explanation,
        advice=(
            Advice(
                text="find the processes that hold it (ps -eo rss,pid,comm --sort=-rss), give them less, or "
                "the machine more memory; a limit for their control group keeps the others alive",
                verify="MemAvailable in /proc/meminfo stays above 5 % of MemTotal",
            ),
        ),
        references=("Documentation/filesystems/proc.rst, meminfo", "Documentation/accounting/psi.rst"),
    )


@rule("oom-kill-now", on=MemoryState)
def oom_kill_now(state: MemoryState) -> Finding | Clear:
    """
    The kernel killed a process for want of memory while the samples were taken.

    What it means: an allocation could not be served by any means that was left. Which memory was short, and
    for whom, is in the kernel log.

    How we know: oom_kill in /proc/vmstat rose (since 4.13). It counts kills at the limit of a control group
    too; oom and oom_kill in memory.events of the group then rise with it.

    What to do: read the report in the kernel log, which says which zone, node or control group had no memory,
    and who held it. Where the log was read and has all of it, it is judged too: its findings stand beside
    this one. Otherwise run keepsane explain on the log.

    When it is wrong: it is not; but a user-space killer (systemd-oomd, earlyoom) is not counted here.
    """
    killed = need_rise(state, "oom_kill")
    if not killed:
        return Clear("the kernel killed no process for want of memory while the samples were taken")
    group = _group_that_killed(state, killed)
    where = f"at the limit of the control group {group}" if group else "for want of memory"
    at_limit = _killed_at_a_limit(state, killed) if group is None else ""
    logged = _logged(state)[-1:]
    return Finding(
        severity="error",
        confidence="high",
        title=f"the kernel killed {counted(killed, 'process', 'processes')} {where}{at_limit}",
        evidence=(*quote_risen(state, "oom_kill"), *_of_group(state, group), *quote_failures(state, logged)),
        explanation="The kernel log has a report for each: who asked, what was short, who was killed.",
        advice=(
            Advice(
                text=_where_to_read(state, logged),
                verify="oom_kill in /proc/vmstat stands still",
            ),
        ),
        references=("mm/oom_kill.c, oom_kill_process()",),
    )


def _refaults(state: MemoryState) -> float | None:
    names = ("workingset_refault_file", "workingset_refault_anon")
    rates = [rate for name in names if (rate := state.rate(name)) is not None]
    return sum(rates) if rates else None


def _freed_percent(state: MemoryState) -> float | None:
    """What sar calls vmeff: pages freed of those scanned."""
    scanned = scanned_rate(state)
    direct, kswapd = state.rate("pgsteal_direct"), state.rate("pgsteal_kswapd")
    return None if not scanned or direct is None or kswapd is None else 100 * (direct + kswapd) / scanned


def _harm(stalled: float | None, refaults: float | None, freed: float | None) -> Iterator[str]:
    if stalled is not None:
        yield f"tasks stood still for memory {share_words(stalled)} of the time"
    if refaults is not None:
        yield f"{refaults:.0f} pages per second were needed again after they had been dropped"
    if freed is not None:
        yield f"only {share_words(freed)} of the pages scanned could be freed"


def _holder(state: MemoryState) -> str:
    sizes = [(kibibytes(state, name) or 0, what) for name, what in _HOLDERS]
    size, what = max(sizes)
    share = percent_of_memory(state, size)
    return (
        f"The largest part is {what}: {size_words(size)}, {share_words(share)} of memory."
        if size and share
        else ""
    )


def _evidence(state: MemoryState) -> tuple[Evidence, ...]:
    return (
        *quote_meminfo(state, "MemTotal", "MemFree", "MemAvailable", "AnonPages"),
        *quote_pressure(state),
        *quote_risen(state, "workingset_refault_file", "workingset_refault_anon"),
    )


def _group_that_killed(state: MemoryState, killed: int) -> str | None:
    # oom_kill counts kills for want of the machine's memory too, oom the group's own limit alone.
    # Events of a group count in those above it as well: the deepest one is meant.
    paths = [
        group.path
        for group in state.last.cgroups
        if state.cgroup_delta(group.path, "oom") and state.cgroup_delta(group.path, "oom_kill") == killed
    ]
    return max(paths, key=lambda path: path.count("/"), default=None)


def _killed_at_a_limit(state: MemoryState, killed: int) -> str:
    """Say how many were killed in a group that ran into its limit, where that is not all of them."""
    groups = [group.path for group in state.last.cgroups if state.cgroup_delta(group.path, "oom")]
    inside = {path: state.cgroup_delta(path, "oom_kill") or 0 for path in groups}
    path = max(groups, key=lambda path: (inside[path], path.count("/")), default=None)
    if path is None or not 0 < inside[path] < killed:
        return ""
    return f", {inside[path]} of them in the control group {path}, which ran into its limit"


def _of_group(state: MemoryState, path: str | None) -> Iterator[Evidence]:
    if path is not None:
        yield from quote_change(state, cgroup_file(state, path, "memory.events"), r"^oom_kill ")


def _logged(state: MemoryState) -> list[FailedRequest]:
    """Give the kills of the kernel log that lie between the samples."""
    begin, end = state.first.uptime_seconds, state.last.uptime_seconds
    if state.log is None or begin is None or end is None:
        return []
    times = [(kill, seconds_of(kill)) for kill in state.log.of("oom-kill")]
    return [kill for kill, seconds in times if seconds is not None and begin <= seconds <= end]


def _where_to_read(state: MemoryState, logged: list[FailedRequest]) -> str:
    if state.log is None or not logged:
        return "read the report: `dmesg | keepsane explain -`"
    where = f"{state.log.file} from line {logged[-1].line} on"
    return f"read the report in {where}; where nothing of it is missing, it is judged here too"
