# SPDX-License-Identifier: GPL-2.0-or-later
"""
What crashme.c promises: which line each scenario must decode to, what kind of report, whose task.

A chain is read from the innermost place of crashme.c outwards: first the inlined functions of one frame, then
the next frame. `gpf` faults in an inline function that `null` marks, so its chain begins there.
"""

from __future__ import annotations

import re
from pathlib import Path

from keepsane.model import Kind

SOURCE = Path(__file__).with_name("crashme.c")
SERIES = ("6.1", "6.12")

KINDS: dict[str, Kind] = {
    "null": "null-deref",
    "gpf": "general-protection",
    "bug": "bug",
    "warn": "warning",
    "divide": "divide-error",
    "jump": "null-deref",
    "overflow": "stack-overflow",
    "list": "list-corruption",
    "refcount": "refcount",
    "atomicsleep": "atomic-sleep",
    "softlockup": "soft-lockup",
    "rcustall": "rcu-stall",
    "hung": "hung-task",
    "atomic0": "alloc-failure",
    "atomic4": "alloc-failure",
    "order9": "alloc-failure",
    "dma": "alloc-failure",
    "thisnode": "alloc-failure",
    "oom": "oom-kill",
    "sysrqc": "panic",
    "sysrqt": "task-dump",
}

CHAINS: dict[str, tuple[str, ...]] = {
    "null": ("FAULT:null", "CALL:null.1", "CALL:null.2", "CALL:null.3"),
    "gpf": ("FAULT:null", "FAULT:gpf"),
    "bug": ("FAULT:bug",),
    "warn": ("FAULT:warn",),
    "divide": ("FAULT:divide",),
    "jump": ("CALL:jump",),
    "overflow": ("FAULT:overflow", "FAULT:overflow"),
    "list": ("FAULT:list",),
    "refcount": ("FAULT:refcount",),
    "atomicsleep": ("FAULT:atomicsleep",),
    "softlockup": ("FAULT:softlockup",),
    "rcustall": ("FAULT:rcustall",),
    "hung": ("SEEN:hung",),
    "atomic0": ("SEEN:alloc",),
    "atomic4": ("SEEN:alloc",),
    "order9": ("SEEN:alloc",),
    "dma": ("SEEN:alloc",),
    "thisnode": ("SEEN:alloc",),
}

# Who was running. The shell that writes to /proc/crashme is init itself, but for `hung`, which is its child.
TASKS: dict[str, frozenset[str]] = {
    **dict.fromkeys(KINDS, frozenset({"init"})),
    "oom": frozenset({"dd", "tail"}),  # whichever of the two eaters met the wall
    "sysrqt": frozenset({"init"}),
}


def marks() -> dict[str, int]:
    """Every mark of crashme.c and its line."""
    lines = enumerate(SOURCE.read_text().splitlines(), 1)
    return {
        mark: number
        for number, line in lines
        for mark in re.findall(r"\b(?:FAULT|CALL|SEEN|LOST):[a-z0-9]+(?:\.\d)?", line)
    }
