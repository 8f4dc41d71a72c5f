# SPDX-License-Identifier: GPL-2.0-or-later
"""
The line that says who ran, on which CPU and under which kernel.

    CPU: 0 PID: 1 Comm: init Tainted: G           OE      6.1.0-56-cloud-amd64 #1  Debian 6.1.192-2
    CPU: 6 UID: 1000 PID: 1996 Comm: stress-ng-chatt Not tainted 7.0.0-14-generic #14-Ubuntu PREEMPT(lazy)
    Pid: 491, comm: scsi_eh_0 Tainted: G        W  ---- 2.6.32-220.13.1.el6.x86_64 #1
    4.15.0+ #221 Not tainted                                                        lockdep
    CPU: 0    Tainted: G        W    (3.0.15 #1)                                    arm up to 3.8
    Pid: 1586, comm: insmod Not tainted (2.6.32-21-generic #32-Ubuntu) VMware       i386 up to 3.8
    EFLAGS: 00210286   (2.6.9-11.EL)                                                i386 up to 2.6.24
    REGS: c0c01e28 TRAP: 0300   Not tainted  (5.10.82)                              powerpc
    Process swapper/0 (pid: 1, stack limit = 0xffff80001000)                        arm64 up to 5.x
    PID: 77       TASK: ffff888104173200  CPU: 3    COMMAND: "widgetd"              crash(8)

Source: lib/dump_stack.c, dump_stack_print_info(); kernel/locking/lockdep.c, print_kernel_ident().
"""

from __future__ import annotations

import re
from dataclasses import replace
from typing import NamedTuple

from keepsane.kernel.log.groups import read, task_of
from keepsane.model import TaintFlag, Task

_TASK = re.compile(
    r"(?:CPU: (?P<cpu>\d{1,5}) )?(?:UID: \d{1,20} )?"
    r"(?:PID: (?:(?P<pid>\d{1,10})|-\d{1,10}) |Pid: (?P<pid_>\d{1,10}), )"
    r"[cC]omm: "
)
_COMM = re.compile(r"(?P<comm>.{0,64}?)(?: (?=Tainted:|Not tainted|Kdump:)|$)")
_PROCESS = re.compile(r"Process (?P<comm>.{1,32}?) \(pid: (?P<pid>\d{1,10})")
CRASH_TASK = re.compile(
    r"PID: (?P<pid>\d{1,10})\s{1,20}+TASK: [0-9a-f]{8,16}\s{1,20}+CPU: (?P<cpu>\d{1,5})\s{1,20}+"
    r'COMMAND: "(?P<comm>[^"]{0,64})"'
)
_RELEASE = re.compile(
    r"(?:Not tainted {1,40}+|Tainted: (?P<taint>[A-Z\s-]{1,100}+)(?<= ))"
    r"(?P<release>[0-9a-z][\w.+~-]{1,80}+)(?P<rest>\s.*|$)"
)
_BRACKETED = re.compile(
    r"(?:.{0,200}?(?:Not tainted|Tainted: (?P<taint>[A-Z\s-]{1,60}+))|E?FLAGS: [0-9a-f]{8}) {0,40}+"
    r"\((?P<release>\d[\w.+~-]{1,80}+)(?: (?P<version>#[^()]{1,80}))?\)"
)
_VERSION = re.compile(r"\s*+(?P<version>#\S.*)?")
_BUILD_ID = re.compile(r"[0-9a-f]{40}")
_IDENT = re.compile(
    r"(?P<release>\d[\w.+~-]{1,80}) (?P<version>#\S.{0,40}?) (?:Not tainted"
    r"|Tainted: (?P<taint>[A-Z\s-]{1,60}+))\s*+$"
)


_OPEN_COMM = re.compile(r".{0,80}PID: \d{1,10} Comm: [^ ]{0,14}\s*+$")
_REST_OF_COMM = re.compile(r"(?P<rest>\S.{0,12}?) (?=Tainted: |Not tainted )")
_MAX_COMM_CHARACTERS = 15
"""TASK_COMM_LEN without the zero at its end."""


class Release(NamedTuple):
    """Which kernel a report says it is from, and what had tainted it."""

    release: str
    version: str | None
    build_id: str | None
    taint: tuple[TaintFlag, ...]


def parse_task(text: str) -> Task | None:
    """
    Read the task of a report; None where the line names none.

    Accepted format:
        CPU: 0 PID: 1 Comm: init Tainted: G           OE      6.1.0-56-cloud-amd64 #1  Debian 6.1.192-2
    """
    if "omm: " in text:
        found = _TASK.search(text)
        named = _COMM.match(text, found.end()) if found else None
        if found is None or named is None:
            return None
        return read(Task, found, named)
    if text.startswith("Process "):
        return task_of(_PROCESS.match(text))
    return task_of(CRASH_TASK.match(text)) if text.startswith("PID: ") else None


def is_comm_open(text: str) -> bool:
    """Tell whether a line ends inside the task's name: what taints the kernel always stands behind it."""
    return _OPEN_COMM.match(text) is not None


def with_rest_of_comm(task: Task, text: str) -> Task:
    r"""
    Give a task whose name goes on in the next line; it is left as it is where that line has no rest of it.

    Accepted format:
        CPU: 0 PID: 12 Comm: wid
        get Not tainted 5.4.0 #1                                    prctl(PR_SET_NAME, "wid\nget")
    """
    found = _REST_OF_COMM.match(text)
    comm = f"{task.comm or ''}\n{found['rest']}" if found else ""
    return replace(task, comm=comm) if found and len(comm) <= _MAX_COMM_CHARACTERS else task


def parse_release(text: str) -> Release | None:
    """
    Read the kernel release, its version, its build id and the taint; None where the line names none.

    Accepted format:
        Tainted: G           OE      6.1.0-56-cloud-amd64 #1 Debian 6.1.192-2
    """
    if "ainted" not in text and "FLAGS: " not in text:
        return None
    found = _RELEASE.search(text)
    if found is None:
        return _ident(text)
    behind = found["rest"].partition(" Hardware name: ")[0]  # the next line, glued to this one
    rest, _, last = behind.rpartition(" ")
    build_id = last if _BUILD_ID.fullmatch(last) else None
    said = _VERSION.fullmatch(rest if build_id else behind)
    if said is None:
        return None
    version = (said["version"] or "").strip() or None
    return Release(found["release"], version, build_id, taint_flags(found["taint"] or "", found["release"]))


def _ident(text: str) -> Release | None:
    """Read the kernel as lockdep names it, before the taint, or in brackets."""
    found = _IDENT.match(text) or _BRACKETED.match(text)
    if found is None:
        return None
    return Release(
        found["release"], found["version"], None, taint_flags(found["taint"] or "", found["release"])
    )


FORCED = "a module was force loaded"
MEANINGS = {
    "P": "a proprietary module was loaded",
    "F": FORCED,
    "S": "the processor or system is out of specification",
    "R": "a module was force unloaded",
    "M": "a machine check exception happened",
    "B": "a page was released badly (bad page state)",
    "U": "user space asked for the taint",
    "D": "the kernel died before (an oops or BUG)",
    "A": "an ACPI table was overridden by the user",
    "W": "the kernel warned before",
    "C": "a staging driver was loaded",
    "I": "a workaround for a firmware bug is in use",
    "O": "an out-of-tree module was loaded",
    "E": "an unsigned module was loaded",
    "L": "a soft lockup happened before",
    "K": "the kernel was live patched",
    "X": "the distribution's own taint",
    "T": "built with the struct randomisation plugin",
    "N": "an in-kernel test was run",
    "J": "a mutating fwctl operation was used",
}
"""Letter to meaning; `G` (no proprietary module) is the absence of `P` and no taint."""


OF_RED_HAT = {
    "H": "the distribution does not support this hardware",
    "T": "a technology preview of the distribution is in use",
}
"""Letters of Red Hat's own, behind the dashes that its kernels print for flags kept free."""


FORCED_OR_UNSIGNED = "a module was force loaded, or is only unsigned (from 3.7 to 3.14 both are F)"
_SAID_UNSIGNED = re.compile(r"3\.(?:[7-9]|1[0-4])\b")


def taint_flags(letters: str, release: str = "") -> tuple[TaintFlag, ...]:
    """
    Turn the text after `Tainted:` ("G        W  OE") into flags; letters nobody knows say so.

    `E` exists since Linux kernel commit 66cc69e34e86 ("Fix: module signature vs tracepoints: add new
    TAINT_UNSIGNED_MODULE") (in v3.15); before it an unsigned module was `F`. "G    B   ------------ T" is
    Red Hat's.
    """
    known = MEANINGS | ({"F": FORCED_OR_UNSIGNED} if _SAID_UNSIGNED.match(release) else {})
    upstream, dash, own = letters.rpartition("-")
    return (*_flags(upstream, known), *_flags(own, known | OF_RED_HAT if dash else known))


def _flags(letters: str, known: dict[str, str]) -> tuple[TaintFlag, ...]:
    return tuple(
        TaintFlag(letter, known.get(letter, "a flag this keepsane does not know"))
        for letter in letters
        if letter.isalpha() and letter != "G"
    )
