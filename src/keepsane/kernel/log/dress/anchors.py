# SPDX-License-Identifier: GPL-2.0-or-later
"""
Words that only a kernel says, and only at the beginning of a line: what stands before them is dress.

"BUG: soft lockup" is none, since "watchdog: " stands before it; nor is "general protection fault" alone,
which the kernel says of programs too, behind their names.
"""

from __future__ import annotations

import re

MAX_GLUED_CHARACTERS = 1_000
"""So far into a line the kernel's words are looked for behind a program's."""

ANCHOR = re.compile(
    r"(?<!\w)(?:-{8,16}\[ cut here \]|---\[ end |Call [Tt]race:|Backtrace:"
    r"|BUG: (?:K[A-Z]{3,5}: |kernel NULL|[Uu]nable to handle|sleeping function|scheduling while"
    r"|Bad |spinlock|TASK stack|stack guard|Dentry|memory leak|workqueue|using )"
    r"|kernel BUG at |WARNING: (?:CPU: \d|possible |suspicious |[a-z./_-]{3,48}:\d)"
    r"|Oops: [0-9a-f]{4,16} |Internal error: |Unable to handle |Kernel panic - not syncing"
    r"|general protection fault.{0,40}: 0{4} \[#|(?:invalid opcode|divide error|stack segment): 0{4} \[#"
    r"|CPU: \d{1,5} (?:UID: \d{1,7} )?PID: \d{1,7} Comm: |Hardware name: "
    r"|RIP: [0-9a-f]{4}:|RSP: [0-9a-f]{4}:|R[ABD]X: [0-9a-f]{16}|EIP: |E[AS]X: [0-9a-f]{8}"
    r"|CR2: [0-9a-f]{16} CR3: |DR[03]: [0-9a-f]{16} DR[16]: "
    r"|EIP is at |[Pp][Cc] is at |LR is at |pc : |lr : |Code: [0-9a-f(<]|Modules linked in:"
    r"|list_(?:add|del) corruption|Mem-Info:|Mem abort info:|INFO: task "
    r"|Memory cgroup (?:stats for /|out of memory: Kill))"
)

_NAME = r"[A-Za-z_][\w.]{0,63}+"
_MODULE = r"(?: \[\w{1,56}\])?"
_FRAME = re.compile(
    r"(?<![\w.$/])(?:(?:<[A-Z]{3,4}> {1,2})?(?:\[<[0-9a-f]{1,16}>\] {0,4})?(?:\? )?"
    rf"{_NAME}\+0x[0-9a-f]{{1,6}}/0x[0-9a-f]{{1,6}}{_MODULE}"
    rf"|\[<[0-9a-f]{{8,16}}>\]|#\d{{1,2}} \[[0-9a-f]{{8,16}}\] {_NAME} at [0-9a-f]{{8,16}}{_MODULE})\Z"
)
"""A line that is a frame to its end; elsewhere a sentence may name the place."""
_MAX_FRAME_CHARACTERS = 600


def frame_in(line: str) -> re.Match[str] | None:
    """
    Find the frame that a line ends with, whatever stands before it.

    Accepted format:
        10.1.1.2: kern: warning: [2021-01-28T16:39:42.656944804Z]:  widget_poll+0x1/0x2
    """
    if len(line) > _MAX_FRAME_CHARACTERS or not ("+0x" in line or "[<" in line or "[ffff" in line):
        return None
    return _FRAME.search(line.rstrip())


_GLUED = re.compile(
    r"(?<=[a-z0-9.!])(?:(?:NMI )?watchdog: BUG: soft lockup - CPU#\d|BUG: (?:soft lockup - CPU#\d"
    r"|KASAN: |KFENCE: |unable to handle |kernel NULL pointer |scheduling while atomic: )"
    r"|Kernel panic - not syncing|INFO: (?:task \S{1,40}:\d|rcu_)|WARNING: CPU: \d)"
)


def unglued(text: str) -> str:
    """
    Take off what a program wrote right before the kernel's words, without a line end or a space.

    Accepted format:
        ok 12 some testNMI watchdog: BUG: soft lockup - CPU#0 stuck for 22s! [widgetd:1]
    """
    found = _GLUED.search(text, 0, MAX_GLUED_CHARACTERS)
    return text[found.start() :] if found else text
