# SPDX-License-Identifier: GPL-2.0-or-later
"""CPUs that are stuck."""

from __future__ import annotations

import pytest

from keepsane.api import explain
from keepsane.kernel.events.watchdog.lockup import Lockup
from keepsane.model import Task
from keepsane.report import Report
from tests.golden import first_of


def test_how_long_and_who() -> None:
    event = first_of("soft-lockup/lab-6.1")

    assert isinstance(event, Lockup)
    assert event.stuck_seconds == 11
    assert event.task == Task(comm="init", pid=1, cpu=1)
    assert event.ip is not None
    assert (event.ip.function, event.ip.role) == ("do_softlockup", "ip")


def test_the_other_cpus_stack_joins_from_its_own_context() -> None:
    event = first_of("soft-lockup/other-cpu-between-callers")

    assert [(stack.name, [frame.function for frame in stack.frames]) for stack in event.stacks] == [
        ("Call Trace", ["crash_write", "vfs_write", "ksys_write", "do_syscall_64"]),
        ("NMI backtrace for cpu 0", ["poll_widget", "kthread"]),
    ]
    assert event.stacks[1].frames[0].role == "ip"


def test_a_hard_lockup_does_not_say_how_long() -> None:
    event = first_of("hard-lockup/6.1")

    assert isinstance(event, Lockup)
    assert event.stuck_seconds is None
    assert event.task == Task(comm="insmod", pid=101, cpu=1)


def busy(ip: str, *functions: str) -> Report:
    """Explain a soft lockup in these functions, innermost first."""
    frames = "".join(f"[   41.000900]  {one}+0x44/0xa0\n" for one in functions)
    return explain(
        f"""\
[   41.000000] watchdog: BUG: soft lockup - CPU#1 stuck for 22s! [swapper/1:0]
[   41.000262] CPU: 1 PID: 0 Comm: swapper/1 Not tainted 6.12.9-widget #1
[   41.000393] RIP: 0010:{ip}+0xe5/0x2e0
[   41.000655] Call Trace:
{frames}[   41.001441]  common_startup_64+0x13e/0x141
""",
        cache=False,
    )


IDLE = ("intel_idle", "cpuidle_enter_state", "do_idle", "cpu_startup_entry", "start_secondary")
IN_INTERRUPT = ("irq_exit_rcu", "common_interrupt", "asm_common_interrupt", "mwait_idle_with_hints", *IDLE)


@pytest.mark.parametrize(
    ("functions", "title"),
    [
        (("handle_softirqs", *IN_INTERRUPT), "soft lockup in handle_softirqs"),
        (("__do_softirq", *IN_INTERRUPT), "soft lockup in __do_softirq"),
        (("tasklet_action_common", "handle_softirqs", *IN_INTERRUPT), "soft lockup in tasklet_action_common"),
        (
            ("_raw_spin_unlock_irqrestore", "widget_rearm", "tasklet_action_common", *IN_INTERRUPT),
            "soft lockup in widget_rearm",
        ),
    ],
)
def test_what_an_interrupt_interrupted_is_not_what_the_cpu_does(
    functions: tuple[str, ...], title: str
) -> None:
    said = busy(*functions)
    assert said.events[0].title == title
    assert not any("idle" in found.title for found in said.findings)


def test_an_idle_cpu_is_called_one() -> None:
    said = busy("mwait_idle_with_hints", *IDLE)
    assert any("it was idle" in found.title for found in said.findings)


@pytest.mark.parametrize(
    ("functions", "shown"),
    [
        (("widget_shrinker_scan", "do_shrink_slab", "shrink_slab", "shrink_node"), "it is in a shrinker"),
        (("shrink_lruvec", "shrink_node", "balance_pgdat"), "it looks for free memory"),
        (("multi_cpu_stop", "cpu_stopper_thread", "smpboot_thread_fn"), "its stopper thread"),
        (("smp_call_function_many_cond", "on_each_cpu_cond_mask"), "it waits for another CPU"),
    ],
)
def test_a_busy_cpu_is_said_to_do_what_its_functions_are_for(functions: tuple[str, ...], shown: str) -> None:
    assert any(found.title.startswith(shown) for found in busy(*functions).findings)


def test_the_way_out_of_an_interrupt_tells_one_of_a_machine_whose_entries_are_not_known() -> None:
    said = busy(
        "__do_softirq", "irq_exit", "widget_dispatch_irq", "widget_common_virt", "arch_cpu_idle", *IDLE
    )
    assert said.events[0].title == "soft lockup in __do_softirq"
    assert not any("idle" in found.title for found in said.findings)
