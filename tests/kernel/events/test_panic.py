# SPDX-License-Identifier: GPL-2.0-or-later
"""The kernel gave up."""

from __future__ import annotations

import pytest

from keepsane.api import explain
from keepsane.kernel.events.panic.panic import Panic
from tests.golden import first_of


@pytest.mark.parametrize(
    ("slug", "reason"),
    [
        ("lab-6.12-sysrq", "sysrq triggered crash"),
        ("no-killable-processes", "Out of memory and no killable processes..."),
        ("corrupted-stack-end-arm64", "corrupted stack end detected inside scheduler"),
    ],
)
def test_the_kernels_own_sentence(slug: str, reason: str) -> None:
    event = first_of(f"panic/{slug}")

    assert isinstance(event, Panic)
    assert event.reason == reason


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("UUID=0b6c2a51-3c41-4c8e-9f6e-7d0a5b1c2d3e", "finds no UUID=: it knows PARTUUID="),
        ("LABEL=pot", "finds no LABEL=: it knows PARTUUID="),
        ("(null)", "had no root="),
        ("", "had no root="),
    ],
)
def test_what_the_kernel_cannot_find_alone(name: str, said: str) -> None:
    log = (
        f'[    0.9] VFS: Cannot open root device "{name}" or unknown-block(0,0): error -6\n'
        "[    1.0] Kernel panic - not syncing: VFS: Unable to mount root fs on unknown-block(0,0)\n"
    )
    (finding,) = explain(log, cache=False).findings
    assert finding.rule == "root-not-mounted"
    assert said in finding.explanation


@pytest.mark.parametrize(
    ("reason", "configured"),
    [
        ("panic_on_warn set ...", True),
        ("kernel: panic_on_warn set ...", True),
        ("KASAN: panic_on_warn set ...", True),
        ("scheduling while atomic: panic_on_warn set ...", True),
        ("widget: stopped", False),
    ],
)
def test_a_panic_at_a_warning_was_configured(reason: str, configured: bool) -> None:
    report = explain(f"[   41.204500] Kernel panic - not syncing: {reason}\n", cache=False)
    assert any(found.rule == "panic-was-configured" for found in report.findings) is configured
