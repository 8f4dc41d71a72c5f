# SPDX-License-Identifier: GPL-2.0-or-later
"""Of reports that are alike but for their CPU, the one shown names the CPUs of all."""

from __future__ import annotations

from keepsane.api import explain
from keepsane.render.text.report import render_text

LOG = """\
[  103.000000] NMI watchdog: Watchdog detected hard LOCKUP on cpu 3
[  104.000000] NMI watchdog: Watchdog detected hard LOCKUP on cpu 0
[  107.000000] NMI watchdog: Watchdog detected hard LOCKUP on cpu 7
[  200.000000] potd: the pot is full
"""


def test_the_cpus_of_folded_reports_are_named() -> None:
    text = render_text(explain(LOG, cache=False), brief=True)
    assert text.count("hard lockup  ") == 1
    assert "on CPUs 0, 3, 7" in text
