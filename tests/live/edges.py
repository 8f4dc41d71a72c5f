# SPDX-License-Identifier: GPL-2.0-or-later
"""What edges.c promises: how each function of a trace got to the next, by the marks in its source."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

SOURCE = Path(__file__).with_name("edges.c")
MODULE = "edges"
VARIANTS = ("thunk", "off", "lfence")  # `lab` has the command line of each
# What an arm64 kernel's trace of a sysrq-c shows, by its source.
ARM64_SYSRQC = {
    ("el0t_64_sync", "el0t_64_sync_handler"): "direct",
    ("el0_svc", "do_el0_svc"): "direct",
    ("invoke_syscall", "__arm64_sys_write"): "indirect",
    ("vfs_write", "proc_reg_write"): "indirect",
    ("proc_reg_write", "write_sysrq_trigger"): "indirect",
    ("write_sysrq_trigger", "__handle_sysrq"): "direct",
    ("__handle_sysrq", "sysrq_handle_crash"): "indirect",
    ("sysrq_handle_crash", "panic"): "direct",
    ("dump_stack", "dump_stack_lvl"): "direct",
}
# And how fs/read_write.c, fs/proc/inode.c and drivers/tty/sysrq.c write its calls through pointers.
ARM64_POINTERS = {
    ("vfs_write", "proc_reg_write"): ("file->f_op->write", "proc_reg_file_ops.write"),
    ("proc_reg_write", "write_sysrq_trigger"): (
        "pde->proc_ops->proc_write",
        "sysrq_trigger_proc_ops.proc_write",
    ),
    ("__handle_sysrq", "sysrq_handle_crash"): ("op_p->handler", "sysrq_crash_op.handler"),
}
CRASHES = ("null", "warn")  # scenarios of crashme that run with every variant too

_MARK = re.compile(
    r"EDGE(?:@(?P<series>[\d.]+))?:(?P<scenario>\w+) (?P<caller>\S+) (?P<callee>\S+) (?P<verdicts>[a-z|-]+)"
    r"(?: (?P<how>via|maybe) (?P<hops>\S+))?"
)


@dataclass(frozen=True, slots=True)
class Mark:
    """One mark; `callee` None where the frame of `caller` alone is meant, `line` None outside the module."""

    series: str | None
    scenario: str
    caller: str
    callee: str | None
    verdicts: frozenset[str]
    missing: tuple[str, ...] = ()  # functions that the trace lacks, outermost first
    used: str | None = None  # the table and member that led to the callee
    possible: frozenset[str] = frozenset()  # those that could have
    line: int | None = None


def marks(series: str | None = None) -> list[Mark]:
    """Every mark that holds for a series of kernels, for `None` every mark."""
    lines = enumerate(SOURCE.read_text().splitlines(), 1)
    found = [_mark(match, number, line) for number, line in lines for match in [_MARK.search(line)] if match]
    return [mark for mark in found if None in (series, mark.series) or mark.series == series]


def scenarios() -> list[str]:
    """The names of the scenarios that have marks, in the order of the source."""
    return list(dict.fromkeys(mark.scenario for mark in marks()))


def _mark(match: re.Match[str], number: int, line: str) -> Mark:
    verdicts = frozenset(match["verdicts"].split("|"))
    hops = tuple(match["hops"].split(",")) if match["hops"] else ()
    is_table = verdicts == {"indirect"}
    is_code = not line.lstrip().startswith(("*", "/*"))
    return Mark(
        series=match["series"],
        scenario=match["scenario"],
        caller=match["caller"],
        callee=None if match["callee"] == "-" else match["callee"],
        verdicts=verdicts,
        missing=() if is_table else hops,
        used=hops[0] if is_table and match["how"] == "via" else None,
        possible=frozenset(hops) if match["how"] == "maybe" else frozenset(),
        line=number if is_code else None,
    )
