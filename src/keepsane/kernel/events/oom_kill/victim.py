# SPDX-License-Identifier: GPL-2.0-or-later
"""
The line that says what was killed.

    Out of memory: Killed process 93 (busybox) total-vm:4508kB, anon-rss:1084kB, file-rss:840kB,
      shmem-rss:0kB, UID:0 pgtables:48kB oom_score_adj:0                               one line, since 5.3
    Killed process 6576 (mysqld) total-vm:33914892kB, anon-rss:20629004kB, file-rss:0kB        since 2.6.36
    Killed process 8432, UID 48, (httpd) total-vm:342412kB, anon-rss:72632kB, file-rss:1024kB    RHEL 6
    Killed process 4711 (gcc) vsz:120340kB, anon-rss:98116kB, file-rss:488kB                      2.6.33
    Out of Memory: Killed process 30787 (thunderbird-bin).                                       2.6.11
    Out of memory: Kill process 93 (busybox) score 900 or sacrifice child                    before 5.3

`Kill process` names the task that was chosen: before 5.3 one of its children could be killed instead.
Source: mm/oom_kill.c, __oom_kill_process() and oom_kill_process().
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

from keepsane.kernel.events.show_mem.lines import QUOTED, MemoryLine, plain_line
from keepsane.kernel.log.groups import read
from keepsane.model import LogRecord

KILLED = re.compile(
    QUOTED
    + r"(?:(?:Out of [Mm]emory(?: \([^)]{1,60}\))?|Memory cgroup out of memory|oom-kill): ?)?"
    + r"(?P<verb>[Kk]ill(?:ed)?) process (?P<pid>\d{1,10})(?:, UID (?P<uid>\d{1,10}),)? "
    + r"\((?P<comm>.{1,32}?)\)(?!\))"  # the name may end in one itself: ((sd-pam))
    + r"(?:,? score (?P<score>\d{1,10})|(?P<sizes> (?:total-vm|vsz):.{0,300}))?"
)
_MORE = re.compile(r"(?:anon-rss|file-rss|shmem-rss|UID|pgtables|oom_score_adj):-?\d")
_SIZES = tuple(
    map(
        re.compile,
        (
            r"(?:total-vm|vsz):(?P<total_vm_kibibytes>\d{1,15})kB",
            r"anon-rss:(?P<anon_rss_kibibytes>\d{1,15})kB",
            r"file-rss:(?P<file_rss_kibibytes>\d{1,15})kB",
            r"shmem-rss:(?P<shmem_rss_kibibytes>\d{1,15})kB",
            r"UID:(?P<uid>\d{1,10})\b",
            r"pgtables:(?P<pgtables_kibibytes>\d{1,15})kB",
            r"oom_score_adj:(?P<oom_score_adj>-?\d{1,5})\b",
        ),
    )
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Victim:
    """
    What was killed and what it held; sizes are None where this kernel does not print them.

    `line` is where the log says so. `certain` is False where only the choice is printed: a child may have
    been killed in its place. `score` is the kernel's badness, printed with the choice.
    """

    line: int
    pid: int
    comm: str
    certain: bool
    score: int | None = None
    total_vm_kibibytes: int | None = None
    anon_rss_kibibytes: int | None = None
    file_rss_kibibytes: int | None = None
    shmem_rss_kibibytes: int | None = None
    uid: int | None = None
    pgtables_kibibytes: int | None = None
    oom_score_adj: int | None = None


def parse_victims(records: Iterable[LogRecord]) -> tuple[Victim, ...]:
    """
    Read every line that says what was killed; where there is none, those that say what was chosen.

    Accepted format:
        Out of memory: Killed process 93 (busybox) total-vm:4508kB, anon-rss:1084kB, file-rss:840kB
    """
    found: list[MemoryLine] = []
    for record in records:
        if found and _MORE.match(text := plain_line(record.text)):
            found[-1] = found[-1]._replace(text=f"{found[-1].text} {text}")
        elif "rocess " in record.text and KILLED.match(text := plain_line(record.text)):
            found.append(MemoryLine(record.line, text))
    victims = [_victim(line, match) for line, text in found if (match := KILLED.match(text))]
    return tuple(victim for victim in victims if victim.certain) or tuple(victims)


def _victim(line: int, found: re.Match[str]) -> Victim:
    sizes = (pattern.search(found["sizes"] or "") for pattern in _SIZES)
    return read(Victim, found, *sizes, line=line, certain=found["verb"].lower() == "killed")
