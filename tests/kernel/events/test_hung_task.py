# SPDX-License-Identifier: GPL-2.0-or-later
"""Tasks that wait for ever."""

from __future__ import annotations

import pytest

from keepsane.api import explain
from keepsane.kernel.events.hung_task.report import HungTask
from keepsane.model import Task
from keepsane.report import Finding
from tests.golden import first_of


def test_the_task_is_the_one_that_hangs() -> None:
    event = first_of("hung-task/lab-6.12-with-nmi")

    assert isinstance(event, HungTask)
    assert event.task == Task(comm="init", pid=150, cpu=None)
    assert event.seconds == 5
    assert [stack.name for stack in event.stacks] == [
        "task:init",
        "NMI backtrace for cpu 0",
        "NMI backtrace for cpu 1",
    ]


def test_who_holds_the_lock() -> None:
    event = first_of("hung-task/owner-6.16")

    assert isinstance(event, HungTask)
    assert (event.lock, event.owner) == ("mutex", Task(comm="insmod", pid=101, cpu=None))


def test_no_owner_is_said_to_be_none() -> None:
    event = first_of("hung-task/io-wait-6.18")

    assert isinstance(event, HungTask)
    assert (event.seconds, event.lock, event.owner) == (241, None, None)


def waits(*functions: str) -> Finding | None:
    """Explain a hung task that sleeps in these functions, innermost first."""
    frames = "".join(f"[   41.001000]  {one}+0x44/0xa0\n" for one in ("__schedule", "schedule", *functions))
    log = f"""\
[   41.000000] INFO: task widgetd:244 blocked for more than 120 seconds.
[   41.000131]       Not tainted 6.12.9-widget #1
[   41.000262] "echo 0 > /proc/sys/kernel/hung_task_timeout_secs" disables this message.
[   41.000393] task:widgetd         state:D stack:    0 pid:  244 ppid:     1 flags:0x00004000
[   41.000524] Call Trace:
[   41.000655]  <TASK>
{frames}[   41.002096]  </TASK>
"""
    findings = explain(log, cache=False).findings
    return next((found for found in findings if found.rule == "hung-task-waits-for"), None)


@pytest.mark.parametrize(
    ("functions", "what"),
    [
        ("percpu_rwsem_wait __percpu_down_read mnt_want_write do_open", "frozen"),
        ("percpu_rwsem_wait __percpu_down_read vfs_write ksys_write", "frozen"),
        ("percpu_rwsem_wait __percpu_down_read cgroup_can_fork copy_process", "cgroup_threadgroup_rwsem"),
        ("percpu_down_write cgroup_attach_lock cgroup_procs_write_start", "cgroup_threadgroup_rwsem"),
        ("percpu_rwsem_wait __percpu_down_read cpus_read_lock kmem_cache_create", "CPU hotplug"),
        ("percpu_rwsem_wait __percpu_down_read widget_enter", "a per-CPU rwsem"),
        ("exit_mm do_exit do_group_exit", "core dump"),
        ("coredump_task_exit do_exit do_group_exit", "core dump"),
        ("io_schedule folio_wait_bit_common truncate_inode_pages exit_mmap mmput exit_mm", "a page"),
        ("schedule_timeout io_schedule_timeout mempool_alloc bio_alloc_bioset", "memory"),
        ("schedule_timeout io_schedule_timeout reclaim_throttle shrink_lruvec", "memory"),
        ("io_schedule blkdev_direct_IO blkdev_read_iter", "direct I/O"),
        ("io_schedule __iomap_dio_rw iomap_dio_rw", "direct I/O"),
        ("io_schedule dm_wait_for_completion __dm_suspend", "device-mapper"),
        ("io_schedule folio_wait_bit_common folio_wait_writeback nfs_wb_folio", "NFS"),
        ("io_schedule folio_wait_bit_common filemap_read fuse_file_read_iter", "FUSE"),
        ("io_schedule folio_wait_bit_common filemap_read widget_file_read_iter", "a page"),
        ("wait_for_response compound_send_recv cifs_send_recv SMB2_open", "SMB"),
        ("io_schedule blk_mq_get_tag submit_bio balance_dirty_pages", "a block device"),
        ("schedule_preempt_disabled __mutex_lock rtnl_lock rtnetlink_rcv_msg", "a mutex"),
    ],
)
def test_what_a_task_waits_for_is_told_by_its_innermost_wait_and_its_caller(
    functions: str, what: str
) -> None:
    found = waits(*functions.split())
    assert found is not None
    assert what in found.title
    others = {"frozen", "core dump", "SMB", "NFS", "FUSE", "a page", "a block device"} - {what}
    assert not any(other in found.title for other in others)


def test_an_answer_is_one_of_smb_only_where_smb_asked() -> None:
    found = waits("schedule_timeout", "wait_for_response", "widget_ipmi_send", "widget_read")
    assert found is None or "SMB" not in found.title


def test_a_lock_may_be_held_by_the_task_that_waits_for_it() -> None:
    found = waits(
        "schedule_preempt_disabled", "__mutex_lock", "rtnl_lock", "widget_doit", "rtnetlink_rcv_msg"
    )
    assert found is not None
    assert "this one further out" in found.explanation
