# SPDX-License-Identifier: GPL-2.0-or-later
"""What every report prints in the same way."""

from __future__ import annotations

from tests.golden import events_of


def test_the_last_line_of_an_old_oops_is_no_caller() -> None:
    (event,) = events_of(
        "general protection fault: 0000 [#1] SMP\n"
        "CPU: 1 PID: 101 Comm: widgetd Not tainted 3.10.0-widget #1\n"
        "RIP: 0010:[<ffffffffa0001012>]  [<ffffffffa0001012>] poke_widget+0x12/0x40 [widget]\n"
        "Call Trace:\n"
        " [<ffffffffa0001112>] widget_ioctl+0x12/0x40 [widget]\n"
        "Code: 48 8b 08\n"
        "RIP  [<ffffffffa0001012>] poke_widget+0x12/0x40 [widget]\n"
        " RSP <ffff88003c5c7d38>\n"
        "---[ end trace 78180528c62bb300 ]---\n"
    )

    assert [frame.function for frame in event.stacks[0].frames] == ["widget_ioctl"]
    assert event.ip is not None
    assert event.ip.function == "poke_widget"


def test_an_oops_of_which_only_its_last_line_is_left_names_it() -> None:
    (event,) = events_of(
        "general protection fault: 0000 [#1] SMP\n"
        "Call Trace:\n"
        " [<c0201112>] widget_ioctl+0x12/0x40 [widget]\n"
        "EIP: [<c0201012>] poke_widget+0x12/0x40 [widget] SS:ESP 0068:ccf5c7d3\n"
    )

    assert event.title == "general protection fault in poke_widget"


def test_the_frame_beside_the_end_of_an_nmi_is_read() -> None:
    (event,) = events_of(
        "Call Trace:\n"
        " <NMI>  [<ffffffff816a3e51>] dump_stack+0x19/0x1b\n"
        " <<EOE>>  [<ffffffff8112f9c8>] spinning_here+0x90/0xa0\n"
    )

    assert [(f.function, f.role) for stack in event.stacks for f in stack.frames] == [
        ("dump_stack", "return"),
        ("spinning_here", "ip"),
    ]


def test_the_last_line_of_an_oops_of_4_12_is_no_caller() -> None:
    (event,) = events_of(
        "general protection fault: 0000 [#1] SMP\n"
        "RIP: 0010:poke_widget+0x12/0x40 [widget]\n"
        "Call Trace:\n"
        " widget_ioctl+0x12/0x40 [widget]\n"
        "Code: 48 8b 08\n"
        "RIP: poke_widget+0x12/0x40 [widget] RSP: ffff88003c5c7d38\n"
    )

    assert [frame.function for frame in event.stacks[0].frames] == ["widget_ioctl"]
