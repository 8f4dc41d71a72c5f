# SPDX-License-Identifier: GPL-2.0-or-later
"""A log of several boots: each has its own kernel, its own offset and its own history."""

from __future__ import annotations

from keepsane.api import explain
from keepsane.render.text.report import render_text


def boot(number: int, *, seconds: float = 2.0, release: str = "6.1.0-made-up", offset: str = "") -> str:
    """One boot: a banner, a crash, and where it says so what KASLR added."""
    lines = [
        f"[    0.000000] Linux version {release} (me@here) (gcc 12) #{number} SMP Debian 6.1.{number}",
        f"[    {seconds:.6f}] BUG: kernel NULL pointer dereference, address: 0000000000000080",
        f"[    {seconds:.6f}] CPU: 0 PID: 7 Comm: made-up Not tainted {release} #{number}",
        f"[    {seconds:.6f}] RIP: 0010:poke+0x12/0x40",
        f"[    {seconds:.6f}] Call Trace:",
        f"[    {seconds:.6f}]  [<ffffffff81542e45>] outer+0x45/0x60",
        f"[    {seconds:.6f}] ---[ end trace 0000000000000000 ]---",
    ]
    if offset:
        lines.append(f"[    {seconds + 1:.6f}] Kernel Offset: {offset} from 0xffffffff81000000")
    return "\n".join(lines) + "\n"


def test_each_boot_has_its_kernel() -> None:
    report = explain(boot(1) + boot(7, seconds=3.0))

    assert [event.boot for event in report.events] == [1, 2]
    assert [(kernel.version or "").split()[0] for kernel in report.boots] == ["#1", "#7"]
    assert report.kernel == report.boots[1]


def test_an_offset_belongs_to_its_boot_alone() -> None:
    """What KASLR added in the second boot says nothing of addresses in the first."""
    report = explain(boot(1) + boot(1, seconds=3.0, offset="0x13200000"))

    assert [kernel.offset_bytes for kernel in report.boots] == [None, 0x13200000]


def test_the_same_crash_in_two_boots_is_two_reports() -> None:
    report = explain(boot(1) + boot(1))

    assert [event.again for event in report.events] == [(), ()]
    assert "boot 2" in render_text(report)


def test_a_clock_that_runs_back_is_another_boot() -> None:
    """Without a banner, as in what pstore keeps."""
    late, early = boot(1, seconds=900.0), boot(1, seconds=2.0)
    without_banner = early.partition("\n")[2]

    assert [event.boot for event in explain(late + without_banner).events] == [1, 2]


def test_a_version_shown_on_the_console_is_no_boot() -> None:
    shown = "Linux version 6.6.6 (me@here) (gcc 12) #6 SMP\n"

    assert len(explain(boot(1) + shown + "[   90.000000] all is well\n").boots) == 1


def test_an_address_tells_two_reports_apart() -> None:
    """Equal frames, another address: the second may be the one that explains both."""
    freed = boot(1).replace("0000000000000080", "6b6b6b6b6b6b6be3").partition("\n")[2]

    addresses = [getattr(event, "address", None) for event in explain(boot(1) + freed).events]
    assert addresses == [0x80, 0x6B6B6B6B6B6B6BE3]
