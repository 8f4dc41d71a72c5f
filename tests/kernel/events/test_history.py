# SPDX-License-Identifier: GPL-2.0-or-later
"""Which report came first."""

from __future__ import annotations

from keepsane.api import explain
from tests.golden import CASES, read_case


def test_a_fault_of_a_program_is_not_the_first_crash() -> None:
    log = read_case(CASES / "rules/user-alignment-fault-is-no-crash.case").log

    (finding,) = [
        finding for finding in explain(log, cache=False).findings if finding.rule.startswith("consequence")
    ]

    assert finding.title == "not the first crash: line 3, bad page access"


def test_damaged_memory_is_no_warning() -> None:
    log = (
        "general protection fault: 0000 [#1] SMP\n"
        "CPU: 0 PID: 101 Comm: widgetd Tainted: G    B             6.1.0-widget #1\n"
        "RIP: 0010:use_widget+0x17/0x67\n"
    )

    (finding,) = explain(log, cache=False).findings

    assert finding.title == "may follow from memory found damaged earlier, whose report is not in this log"
