# SPDX-License-Identifier: GPL-2.0-or-later
"""
Taint letters in words.

    CPU: 0 PID: 1 Comm: init Tainted: G        W  OE      6.1.0-56-cloud-amd64 #1
    Tainted: [W]=WARN, [O]=OOT_MODULE                     (6.12 and later add the names)

Source: kernel/panic.c, taint_flags[], and Documentation/admin-guide/tainted-kernels.rst.
"""

from __future__ import annotations

from keepsane.model import TaintFlag

MEANINGS = {
    "P": "a proprietary module was loaded",
    "F": "a module was force loaded",
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


def taint_flags(letters: str) -> tuple[TaintFlag, ...]:
    """Turn the text after `Tainted:` ("G        W  OE") into flags; letters nobody knows say so."""
    return tuple(
        TaintFlag(letter, MEANINGS.get(letter, "a flag this keepsane does not know"))
        for letter in letters
        if letter.isalpha() and letter != "G"
    )
