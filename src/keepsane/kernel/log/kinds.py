# SPDX-License-Identifier: GPL-2.0-or-later
"""
The kinds of reports in the order in which their openings are tried: the particular first.

A kind's module is imported when a line holds one of its literals: most logs need four of the thirty.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from functools import cache
from importlib import import_module
from itertools import chain
from typing import NamedTuple

from keepsane.kernel.log.banner import LITERALS
from keepsane.kernel.log.block import Opening
from keepsane.model import Kind

_FIRST = "WKFBM_kvPxp[ao"
"""
Letters from rare to common in logs, of which nearly each literal has one: it is looked for from there on.
No set that does so is rarer in the logs of daemons and of kernels taken together.
"""
_LEAST_KEPT = 3


class Gate:
    """A set of literals; `search` finds the end of one, `held` says which do stand in a text."""

    def __init__(self, literals: Iterable[str]) -> None:
        """Take the literals; none may be empty."""
        self._literals = tuple(literals)
        by_end: dict[str, list[str]] = {}
        for literal in self._literals:
            by_end.setdefault(_telling(literal), []).append(literal)
        self._pattern = _branches({end: _proof(end, ending) for end, ending in by_end.items()})
        self.search = re.compile(self._pattern).search

    def held(self, text: str) -> frozenset[str]:
        """Give the literals that stand in a text."""
        return frozenset(literal for literal in self._literals if literal in text)

    def for_bytes(self) -> re.Pattern[bytes]:
        """Give what finds the literals in bytes; each of their letters is one."""
        return re.compile(self._pattern.encode("latin-1"))


def _proof(end: str, literals: Iterable[str]) -> str:
    """Write what must stand before the place where an end was found."""
    return "" if end in literals else f"(?:{'|'.join(f'(?<={re.escape(literal)})' for literal in literals)})"


def _branches(ends: Mapping[str, str]) -> str:
    """Write ends, each with its proof, as one pattern; those that begin alike together: faster than apart."""
    if ends.get("") == "":
        return ""
    by_letter: dict[str, dict[str, str]] = {}
    for end, proof in ends.items():
        by_letter.setdefault(end[:1], {})[end[1:]] = proof
    here = [proofs[""] for proofs in (by_letter.pop("", None),) if proofs]
    branches = here + [re.escape(letter) + _branches(rest) for letter, rest in sorted(by_letter.items())]
    return branches[0] if len(branches) == 1 else f"(?:{'|'.join(branches)})"


def _telling(literal: str) -> str:
    """Cut a literal's front off up to its rarest letter."""
    kept = literal[: max(1, len(literal) - _LEAST_KEPT + 1)]
    return literal[max(0, next((kept.find(letter) for letter in _FIRST if letter in kept), 0)) :]


class Row(NamedTuple):
    """The kinds of event that a module gives and no other row has, and texts that its openings hold."""

    kinds: tuple[Kind, ...]
    literals: tuple[str, ...]


_WEAK = (
    "[ end trace ",
    "RSP <",
    "CR0: ",
    "CR2: ",
    "DR0: ",
    "DR3: ",
    "RIP: 0010:",
    "IP is at 0x",
    "PC is at 0x",
    "pc : 0x",
    "Code: ",
    "COMMAND: ",
    "+0x",
    "[<",
    "[ffff",
)
"""What programs write, too: registers, places and code of their own crashes."""

KINDS = {
    "kasan.report": Row(("kasan",), ("BUG: KAS",)),
    "kasan.middle": Row((), ("Freed by task ", "Allocated by task ")),
    "kmsan": Row(("kmsan",), ("BUG: KMSAN",)),
    "kcsan": Row(("kcsan",), ("BUG: KCSAN",)),
    "kfence": Row(("kfence",), ("BUG: KFENCE",)),
    "ubsan.report": Row(("ubsan",), ("UBSAN: ",)),
    "slub": Row(
        ("slab-corruption",),
        (
            "(Not tainted",
            "(Tainted",
            "lab corruption",
            "lab error in",
            " age=",
            " overwritten",
            "already free",
        ),
    ),
    "kmemleak": Row(
        ("kmemleak",),
        ("BUG: memory leak", "unreferenced object", "new suspected memory leaks", "kmemleak: Cannot insert"),
    ),
    "refcount": Row(("refcount",), ("refcount_t", "refcount.", "kref.h:")),
    "list_debug": Row(("list-corruption",), ("list_add ", "list_del ", "list_debug.c:")),
    "warning.debugobjects": Row((), ("ODEBUG: ", "debugobjects.c:")),
    "cfi": Row(("cfi",), ("CFI failure",)),
    "irq": Row(("irq-nobody-cared",), (": nobody cared", "Flags mismatch irq ")),
    "rust": Row(("rust-panic",), ("rust_kernel: panicked",)),
    "alloc_failure.failure": Row(
        ("alloc-failure",),
        (
            "page allocation failure",
            "order allocation failed",
            "vmalloc",
            "vmap allocation",
            "Unable to allocate memory on",
            "cma_alloc",
            "swiotlb buffer is full",
            "SW-IOMMU space for",
            "DMA: failed to allocate",
            "warn_alloc: ",
            "warn_alloc_failed: ",
        ),
    ),
    "oom_kill.kill": Row(
        ("oom-kill",),
        (
            "oom-killer: gfp_mask=",
            ": Kill",
            "VM: killing process",
            "emory cgroup stats for",
            "a result of limit of",
            "B, failcnt ",
        ),
    ),
    "show_mem.alone": Row((), ("Show Memory", "Mem-Info:", "Mem-info:", "kB min:")),
    "mce": Row(
        ("mce",), ("ardware Error]: ", "HARDWARE ERROR", "Machine Check E", "EDAC MC", "MCE: The hardware ")
    ),
    "aer": Row(("pcie-aer",), (" received", "PCIe Bus Error: ")),
    "other": Row(
        ("other",),
        (
            "BUG: Bad ",
            "BUG: non-zero pgtables",
            "ernel memory ",
            "mm/usercopy.c:",
            "BUG: Dentry ",
            "VFS: Busy inodes",
            "VFS: Close: ",
            "in preemptible",
            "unregister_netdevice: ",
        ),
    ),
    "netdev_watchdog": Row(("netdev-watchdog",), ("NETDEV WATCHDOG: ", "net/sched/sch_generic.c:")),
    "watchdog.lockup": Row(("soft-lockup", "hard-lockup"), ("BUG: soft lockup", "LOCKUP", "kernel/watchdog")),
    "hung_task.report": Row(("hung-task",), ("INFO: task ", "hung_task_timeout_secs")),
    "rcu": Row(("rcu-stall",), ("INFO: rcu", "INFO: srcu", "RCU detected CPU ")),
    "workqueue": Row(("workqueue-lockup",), ("BUG: workqueue lockup", "BUG: workqueue leaked")),
    "atomic_sleep": Row(
        ("atomic-sleep",), ("BUG: scheduling while", "BUG: sleeping function", "bad: scheduling from")
    ),
    "oops": Row(
        (
            "null-deref",
            "page-fault",
            "general-protection",
            "divide-error",
            "invalid-opcode",
            "stack-overflow",
            "double-fault",
            "user-fault",
        ),
        (
            "nable to handle",
            "ernel NULL pointer",
            "stack guard page was hit",
            "kernel stack overflow",
            "Kernel stack overflow",
            "Insufficient stack space",
            "Thread overran stack",
            "double fault",
            "eneral protection fault",
            "divide",
            "invalid opcode:",
            "stack guard page:",
        ),
    ),
    "trap": Row(
        ("x86-trap", "machine-check", "bus-error", "bad-mode", "alignment"),
        (
            "Internal error: ",
            "Oops",
            "[#",
            "plit lock detected",
            "#VC exception",
            "Missing ENDBR",
            "unchecked MSR access",
            "SError Interrupt",
            "Bad mode in ",
            " bus error, epc",
            "Unhandled fault: ",
            "Unhandled prefetch abort: ",
            "Alignment trap: ",
            "PANIC: early exception",
        ),
    ),
    "warning.warning": Row(("warning",), ("WARNING: ", "detected field-spanning")),
    # After those two: no line is theirs and lockdep's, and most logs need not load it.
    "lockdep.report": Row(("lockdep",), ("INFO: ", "WARNING: ", "BUG: ")),
    "bug": Row(
        ("bug",),
        ("ernel BUG at ", "BUG: ", ") failed", "PANIC at ", "SPLError: ", "PANIC: zfs", "because: VM_"),
    ),
    "panic.panic": Row(
        ("panic",),
        (
            "Kernel panic",
            "VFS: Cannot open root",
            "List of all partitions",
            "No filesystem could mount",
            "Trigger a crash",
        ),
    ),
    "counted_stacks": Row((), ("stacktrace:", " age=")),
    "task_dump": Row(("task-dump",), ("ppid:", " 0x00", " 0x80")),
    "fault_without_head": Row((), ("badaddr: ", "Cause : ", "BadVA : ")),
    "backtrace": Row(
        ("backtrace",),
        (
            "[ cut here ]",
            "FAULT_INJECTION: ",
            "Show ",
            "NMI backtrace for cpu",
            "Comm: ",
            "Pid: ",
            "Call Trace:",
            "Call trace:",
            "Backtrace:",
            *_WEAK,
        ),
    ),
}
"""
A module of kernel/events with its row. A line is shown to a module only where it holds one of its literals:
each pattern of its openings must be unable to match a line that holds none.
"""

_RANK = {module: rank for rank, module in enumerate(KINDS)}
_WHERE = {
    literal: tuple(module for module, row in KINDS.items() if literal in row.literals)
    for literal in (*LITERALS, *chain.from_iterable(row.literals for row in KINDS.values()))
}

SEARCHED = tuple(_WHERE)
"""A line that has none of these begins no report and says nothing of a kernel."""

GATE = Gate(SEARCHED)
"""A line it does not find anything in says nothing to the scanner."""

WORDS = Gate(_WHERE.keys() - set(_WEAK))
"""The same without what programs write, too: its words teach how the kernel's lines are dressed."""


@cache
def openings_of(module: str) -> tuple[Opening, ...]:
    """Import a module of kernel/events and give its openings."""
    openings: tuple[Opening, ...] = import_module(f"keepsane.kernel.events.{module}").OPENINGS
    return openings


def find_opening(text: str, gate: Gate = GATE) -> tuple[Opening, re.Match[str]] | None:
    """Give the opening that a line is, with its match; None where none has a word that `gate` knows."""
    modules = {module for literal in gate.held(text) for module in _WHERE[literal]}
    for module in sorted(modules, key=_RANK.__getitem__):
        for opening in openings_of(module):
            if found := opening.pattern.match(text):
                return opening, found
    return None
