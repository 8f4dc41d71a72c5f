# SPDX-License-Identifier: GPL-2.0-or-later
"""Who a finding names: the caller of a NULL pointer, the user of a deleted list entry."""

from __future__ import annotations

import pytest

from keepsane.api import explain

FAULT = "Unable to handle kernel NULL pointer dereference at virtual address 00000000\n"
OOPS = (
    FAULT
    + "Internal error: Oops: 80000005 [#1] PREEMPT SMP ARM\nCPU: 0 PID: 9 Comm: a Not tainted 6.1.0 #1\n"
)
TRACE = "Backtrace:\n outer_widget from ioctl_widget+0x10/0x20\n ioctl_widget from sys_ioctl+0x10/0x20\n"


@pytest.mark.parametrize(
    ("link", "by"), [("LR is at call_widget+0x18/0x40\n", "by call_widget"), ("", "not show")]
)
def test_on_arm_the_caller_is_in_lr_and_not_in_the_trace(link: str, by: str) -> None:
    report = explain(OOPS + "PC is at 0x0\n" + link + TRACE, cache=False)
    (title,) = (finding.title for finding in report.findings if finding.rule == "call-through-null-pointer")
    assert by in title
    assert report.events[0].title.endswith(" in call_widget" if link else " in ioctl_widget")


def test_a_deleted_list_entry_is_not_said_to_be_used_in_the_check() -> None:
    log = (
        "list_del corruption, ffff888104c1a800->next is LIST_POISON1 (dead000000000100)\n"
        "kernel BUG at lib/list_debug.c:56!\ninvalid opcode: 0000 [#1] SMP\n"
        "RIP: 0010:__list_del_entry_valid_or_report+0x31/0x58\nCall Trace:\n frob_release+0x41/0x90\n"
    )
    titles = [finding.title for finding in explain(log, cache=False).findings]
    assert "a list entry was used after its deletion in frob_release" in titles


@pytest.mark.parametrize("fault", ["0000000000000020", "fffffffffffffff4", "6b6b6b6b6b6b6b8b"])
def test_a_finding_names_the_function_of_its_title_and_not_the_lock_it_called(fault: str) -> None:
    what = (
        "kernel NULL pointer dereference, address"
        if fault[:2] == "00"
        else "unable to handle page fault for address"
    )
    log = (
        f"BUG: {what}: {fault}\n#PF: supervisor read access in kernel mode\nOops: 0000 [#1] SMP\n"
        "CPU: 0 PID: 9 Comm: a Not tainted 6.1.0 #1\nRIP: 0010:mutex_lock+0x1a/0x30\n"
        "Call Trace:\n <TASK>\n widget_close+0x2b/0x40\n vfs_ioctl+0x9/0x10\n </TASK>\n"
        "---[ end trace 0000000000000000 ]---\n"
    )
    report = explain(log, cache=False)
    assert report.events[0].title.endswith(" in widget_close")
    named = [
        finding.title for finding in report.findings if finding.rule != "first-frame-of-out-of-tree-module"
    ]
    assert named
    assert all("in widget_close" in title for title in named)


@pytest.mark.parametrize(("head", "by"), [("Call Trace:\n", "by widget_kick"), ("", "not show by whom")])
def test_who_jumped_to_null_is_only_known_where_the_trace_is_there_from_its_beginning(
    head: str, by: str
) -> None:
    trace = " [<ffffffffa01d40e2>] widget_kick+0x52/0xb0 [widget]\n [<ffffffff8109b2c1>] kthread+0xd8/0xf0\n"
    report = explain(head + trace + "RIP  [<          (null)>]           (null)\n", cache=False)

    (title,) = (finding.title for finding in report.findings if finding.rule == "call-through-null-pointer")
    assert by in title
    assert report.events[0].title.endswith("in widget_kick") == bool(head)


def test_registers_told_behind_the_end_are_perhaps_those_of_an_earlier_crash() -> None:
    log = "Call Trace:\n widget_kick+0x52/0xb0\n kthread+0xd8/0xf0\n---[ end trace 0 ]---\nRIP: 0010:0x0\n"

    assert [event.kind for event in explain(log, cache=False).events] == ["backtrace"]
