# SPDX-License-Identifier: GPL-2.0-or-later
"""
The kinds of reports in the order in which their openings are tried: the particular first.

A kind's module is imported when a line holds one of its literals: most logs need four of the thirty.
"""

from __future__ import annotations

import re
from functools import cache
from importlib import import_module
from itertools import chain

from keepsane.kernel.banner import LITERALS
from keepsane.kernel.block import Opening
from keepsane.kernel.gate import Gate

KINDS = {
    "cut": ("[ cut here ]",),
    "kasan": ("BUG: KAS",),
    "kmsan": ("BUG: KMSAN",),
    "kcsan": ("BUG: KCSAN",),
    "kfence": ("BUG: KFENCE",),
    "ubsan": ("UBSAN: ",),
    "slub": ("(Not tainted", "(Tainted", "lab corruption", "lab error in", " age="),
    "kmemleak": ("BUG: memory leak", "unreferenced object", "new suspected memory leaks"),
    "refcount": ("refcount_t", "refcount.", "kref.h:"),
    "list_debug": ("list_add ", "list_del ", "list_debug.c:"),
    "debugobjects": ("ODEBUG: ", "debugobjects.c:"),
    "rust": ("rust_kernel: panicked",),
    "alloc_failure": (
        "page allocation failure",
        "order allocation failed",
        "vmalloc",
        "vmap allocation",
        "Unable to allocate memory on",
        "alloc failed, req-size",
        "swiotlb buffer is full",
        "SW-IOMMU space for",
        "DMA: failed to allocate",
        "warn_alloc: ",
        "warn_alloc_failed: ",
    ),
    "oom": ("oom-killer: gfp_mask=", ": Kill", "VM: killing process"),
    "mem_report": ("Show Memory", "Mem-Info:", "Mem-info:", "kB min:"),
    "mce": ("ardware Error]: ", "HARDWARE ERROR"),
    "aer": (" received", "PCIe Bus Error: "),
    "other": (
        "BUG: Bad ",
        "BUG: non-zero pgtables",
        "ernel memory ",
        "BUG: Dentry ",
        "VFS: Busy inodes",
        "in preemptible",
        "unregister_netdevice: ",
    ),
    "netdev_watchdog": ("NETDEV WATCHDOG: ",),
    "watchdog": ("BUG: soft lockup", "LOCKUP"),
    "hung_task": ("INFO: task ",),
    "rcu": ("INFO: rcu", "INFO: srcu"),
    "workqueue": ("BUG: workqueue lockup", "BUG: workqueue leaked"),
    "atomic_sleep": ("BUG: scheduling while", "BUG: sleeping function"),
    "oops": (
        "nable to handle",
        "BUG: kernel NULL pointer",
        "stack guard page was hit",
        "kernel stack overflow",
        "Insufficient stack space",
        "double fault",
        "Unhandled fault: ",
        "Alignment trap: ",
        "eneral protection fault",
        "divide",
        "invalid opcode:",
        "Internal error: ",
        "Oops",
    ),
    "warning": ("WARNING: ",),
    # After those two: no line is theirs and lockdep's, and most logs need not load it.
    "lockdep": ("INFO: ", "WARNING: ", "BUG: "),
    "bug": ("ernel BUG at ", "BUG: "),
    "panic": ("Kernel panic - not",),
    "task_dump": ("ppid:", " 0x0000", " 0x8000"),
    "backtrace": (
        "FAULT_INJECTION: ",
        "Show ",
        "NMI backtrace for cpu",
        "Comm: ",
        "Pid: ",
        "Call Trace:",
        "Call trace:",
    ),
}
"""A module of this room, and the literals of its openings."""

_RANK = {kind: rank for rank, kind in enumerate(KINDS)}
_WHERE = {
    literal: tuple(kind for kind, literals in KINDS.items() if literal in literals)
    for literal in (*LITERALS, *chain.from_iterable(KINDS.values()))
}

GATE = Gate(_WHERE)
"""A line it does not find anything in says nothing to the scanner."""


@cache
def openings_of(kind: str) -> tuple[Opening, ...]:
    """Import the module of a kind and give its openings."""
    openings: tuple[Opening, ...] = import_module(f"keepsane.kernel.{kind}").OPENINGS
    return openings


def find_opening(text: str) -> tuple[Opening, re.Match[str]] | None:
    """Give the opening that a line is, with its match; None where the line begins no report."""
    held = GATE.held(text)
    for kind in sorted({kind for literal in held for kind in _WHERE[literal]}, key=_RANK.__getitem__):
        for opening in openings_of(kind):
            if opening.literal in held and (found := opening.pattern.match(text)):
                return opening, found
    return None
