# SPDX-License-Identifier: GPL-2.0-or-later
"""A headline that is all of its report leaves the next report alone."""

from __future__ import annotations

import pytest

from keepsane.api import explain

FAULT = """\
[20061.220001] Oops: general protection fault, probably for non-canonical address 0x6b6b6b6b6b6b83: 0000 [#1]
[20061.220010] CPU: 1 UID: 0 PID: 311 Comm: worker Not tainted 6.12.5 #3
[20061.220020] RIP: 0010:widget_flush+0x31/0x70 [widget]
[20061.220032] Call Trace:
[20061.220035]  process_one_work+0x1c2/0x3f0
[20061.220054] ---[ end trace 0000000000000000 ]---
"""
HUNG = """\
[20061.220001] INFO: task worker:311 blocked for more than 120 seconds.
[20061.220032] Call Trace:
[20061.220035]  schedule+0x1c2/0x3f0
[20061.220036]  widget_wait+0x12/0x30 [widget]
"""
ALONE = {
    "netdev-watchdog": "card 0000:22:01.0 eth1: NETDEV WATCHDOG: CPU: 0: transmit queue 0 timed out 5290 ms",
    "bug": "VFS: Busy inodes after unmount of sda1. Self-destruct in 5 seconds.  Have a nice day...",
    "refcount": "refcount_t: underflow; use-after-free.",
    "list-corruption": "list_del corruption. next->prev should be ffff888012345678, but was ffff888012345600",
    "irq-nobody-cared": 'irq 16: nobody cared (try booting with the "irqpoll" option)',
    "workqueue-lockup": "BUG: workqueue lockup - pool cpus=0 node=0 flags=0x0 nice=0 stuck for 36s!",
    "null-deref": "Unable to handle kernel NULL pointer dereference at virtual address 00000008",
}


@pytest.mark.parametrize("kind", ALONE)
@pytest.mark.parametrize(("behind", "expected"), [(FAULT, "general-protection"), (HUNG, "hung-task")])
@pytest.mark.parametrize("between", [0, 3, 20])
def test_the_next_report_keeps_its_own(kind: str, behind: str, expected: str, between: int) -> None:
    others = "".join(f"[16990.{number:06}] usb 1-1: new device {number}\n" for number in range(between))
    log = f"[16986.118987] {ALONE[kind]}\n{others}{behind}"
    events = explain(log, cache=False).events
    assert [event.kind for event in events] == [kind, expected]
    assert events[0].line == 1 and events[1].line == between + 2
    assert events[1].task is not None and events[1].task.pid == 311
    assert events[0].task is None or events[0].task.pid != 311


def test_a_report_that_is_cut_takes_no_later_stack() -> None:
    log = (
        "[  100.000010] WARNING: CPU: 1 PID: 77 at drivers/net/widget.c:10 widget_tx+0x10/0x20\n"
        "[ 5000.000010] CPU: 0 PID: 900 Comm: bash Not tainted 6.1.0 #1\n"
        "[ 5000.000020] Call Trace:\n"
        "[ 5000.000030]  dump_stack+0x10/0x20\n"
        "[ 5000.000040]  gadget_ioctl+0x10/0x20 [gadget]\n"
    )
    warning, other = explain(log, cache=False).events
    assert (warning.kind, warning.stacks) == ("warning", ())
    assert other.line == 2 and other.task is not None and other.task.comm == "bash"


def test_a_slow_console_is_no_pause() -> None:
    """Ten seconds for an NMI that nobody answers are of the same report."""
    log = (
        "[  100.000010] rcu: INFO: rcu_preempt detected stalls on CPUs/tasks:\n"
        "[  100.000020] rcu: \t1-...0: (0 ticks this GP) idle=1c14/1/0x4000 softirq=230/230 fqs=17\n"
        "[  110.000010] NMI backtrace for cpu 1\n"
        "[  110.000020] CPU: 1 PID: 77 Comm: widgetd Not tainted 6.1.0 #1\n"
        "[  110.000030] RIP: 0010:widget_spin+0x6/0x10\n"
    )
    (stall,) = explain(log, cache=False).events
    assert stall.ip is not None and stall.ip.function == "widget_spin"


def oops_of(host: str, release: str, function: str) -> list[str]:
    return [
        f"Dec  1 10:00:00 {host} kernel: [    1.750357] BUG: kernel NULL pointer dereference, address: 80",
        f"Dec  1 10:00:00 {host} kernel: [    1.751174] Oops: 0000 [#1] PREEMPT SMP NOPTI",
        f"Dec  1 10:00:00 {host} kernel: [    1.751478] CPU: 1 PID: 1 Comm: init Not tainted {release} #1",
        f"Dec  1 10:00:00 {host} kernel: [    1.752058] RIP: 0010:{function}+0x12/0x40 [widget]",
        f"Dec  1 10:00:00 {host} kernel: [    1.752535] Call Trace:",
        f"Dec  1 10:00:00 {host} kernel: [    1.752600]  {function}_caller+0x12/0x40 [widget]",
        f"Dec  1 10:00:00 {host} kernel: [    1.752700] ---[ end trace 0000000000000000 ]---",
    ]


def test_two_hosts_in_one_syslog_are_not_mixed() -> None:
    alpha, beta = oops_of("alpha", "6.1.0", "widget_get"), oops_of("beta", "6.12.0", "gadget_put")
    log = "\n".join(line for pair in zip(alpha, beta, strict=True) for line in pair)
    events = explain(log, cache=False).events
    assert [(event.release, event.ip.function if event.ip else None) for event in events] == [
        ("6.1.0", "widget_get"),
        ("6.12.0", "gadget_put"),
    ]
    assert [len(event.stacks) for event in events] == [1, 1]


def test_a_banner_behind_a_report_is_another_boot() -> None:
    """The log begins in the middle of a boot: what it is called comes with the second one."""
    lines = [line.partition("kernel: ")[2] for line in oops_of("alpha", "6.1.0", "widget_get")]
    log = "\n".join([*lines, "[    0.000000] Linux version 6.1.0 (a@b) (gcc) #1 SMP", *lines])
    report = explain(log, cache=False)
    assert [event.boot for event in report.events] == [1, 2]


def test_what_a_program_quotes_beside_the_kernels_own_lines_is_no_report() -> None:
    log = (
        "Dec  1 10:00:01 host kernel: [  100.000001] usb 1-1: new high-speed USB device\n"
        "Dec  1 10:00:02 host myapp[99]: WARNING: CPU: 0 PID: 1 at kernel/widget.c:10 widget+0x1/0x2\n"
        "Dec  1 10:00:03 host myapp[99]: Kernel panic - not syncing: Fatal exception\n"
        "Dec  1 10:00:04 host myapp[99]: Out of memory: Killed process 123 (widget) total-vm:1kB\n"
    )
    assert explain(log, cache=False).events == ()


def test_a_programs_entry_of_a_journal_is_no_report() -> None:
    entry = '{"_TRANSPORT": "%s", "SYSLOG_IDENTIFIER": "%s", "MESSAGE": "Kernel panic - not syncing: Fatal"}'
    assert explain(entry % ("stdout", "myapp"), cache=False).events == ()
    assert len(explain(entry % ("kernel", "kernel"), cache=False).events) == 1
