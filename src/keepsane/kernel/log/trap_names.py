# SPDX-License-Identifier: GPL-2.0-or-later
"""
The names that die() is given, and which kind of trap each is.

    Internal error: Oops - bad mode: 0 [#1] SMP ARM        "bad mode"
    Oops: Machine check, sig: 7 [#1]                       "Machine check"
    Oops: 0002 [#1] SMP                                    none: a fault on an address

Source: see kernel/events/trap.py.
"""

from __future__ import annotations

import re

from keepsane.model import Kind

_TAIL = re.compile(r"(?:, sig: \d{1,3}|(?:^|: ?)[0-9a-f]{1,16}(?: ilc:\d)?)[ :]{0,4}$")

_WHOLE: dict[str, Kind] = {
    "kernel bug detected": "bug",
    "kernel bug": "bug",
    "bug": "bug",
    "fixpoint divide exception": "divide-error",
} | dict.fromkeys(
    (
        "overflow",
        "bounds",
        "int3",
        "debug",
        "coprocessor segment overrun",
        "invalid tss",
        "segment not present",
        "stack segment",
        "alignment check",
        "simd exception",
        "fpu exception",
        "iret exception",
        "control protection fault",
        "ve fault",
        "unexpected #nm exception",
    ),
    "x86-trap",
)
"""What die() is given, in small letters, and the kind it is."""

_HELD: tuple[tuple[str, Kind], ...] = (
    ("machine check", "machine-check"),
    ("stack overflow", "stack-overflow"),
    ("ve fault", "x86-trap"),
    ("addressing exception", "bus-error"),
    (" access fault", "bus-error"),
    ("external abort", "bus-error"),
    ("bus error", "bus-error"),
    ("synchronous parity", "bus-error"),
    ("synchronous ecc", "bus-error"),
    ("bad mode", "bad-mode"),
    ("address misaligned", "alignment"),
    ("alignment exception", "alignment"),
    ("alignment fault", "alignment"),
    ("unaligned access", "alignment"),
    (" ale access", "alignment"),
    ("alignment trap", "alignment"),
    ("alignment exception", "alignment"),
    (" ade access", "page-fault"),
    ("protection exception", "page-fault"),
    ("address protection", "page-fault"),
    ("undefined instruction", "invalid-opcode"),
    ("illegal instruction", "invalid-opcode"),
    ("illegal operation", "invalid-opcode"),
    ("reserved instruction", "invalid-opcode"),
    ("bad area", "page-fault"),
    ("bad pagetable", "page-fault"),
    ("page fault", "page-fault"),
    ("translation fault", "page-fault"),
    ("permission fault", "page-fault"),
    ("domain fault", "page-fault"),
    ("access flag fault", "page-fault"),
    ("userspace memory", "page-fault"),
    ("user space memory", "page-fault"),
)
"""Words inside what it is given that say the kind; the first that is there counts."""


def named_kind(name: str) -> Kind:
    """
    Say which kind a name of die() is: `bad mode`; a fault on an address often has none.

    The kind is "other" for a name that nobody listed: what it is not is not known either.
    """
    small = name.lower()
    if not small:
        return "page-fault"
    return _WHOLE.get(small) or next((kind for words, kind in _HELD if words in small), "other")


def name_of(text: str) -> str:
    """
    Cut the name out of the first line of die(), "" where it only has an error code.

    Accepted format:
        Internal error: Oops - bad mode: 0 [#1] SMP ARM
        Oops: Machine check, sig: 7 [#1]
        Oops: 0002 [#1] SMP
    """
    name = text.partition("[#")[0].strip().removeprefix("Internal error:").strip()
    for prefix in ("Oops:", "Oops:", "Oops -", "Oops"):
        name = name.removeprefix(prefix).strip()
    return _TAIL.sub("", name).strip(" :!")
