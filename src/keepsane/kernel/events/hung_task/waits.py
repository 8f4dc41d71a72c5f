# SPDX-License-Identifier: GPL-2.0-or-later
"""What a hung task waits for, by the functions it sleeps in, and who has the lock that it waits for."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import NamedTuple

from keepsane.judge import CannotTell, rule
from keepsane.kernel.events.hung_task.report import HungTask
from keepsane.kernel.events.lockdep.locks import Lock, lock_of
from keepsane.kernel.log.culprit import plain_name, waits_in
from keepsane.kernel.log.function_names import Names
from keepsane.kernel.log.machinery import ENTRIES, SYSTEM_CALLS
from keepsane.kernel.log.quote import quote_frame, quote_head, quote_line, some
from keepsane.model import Frame, LogRecord, Stack
from keepsane.report import Advice, Finding


class Wait(NamedTuple):
    """
    A sort of wait: its functions, what is waited for, why that may last, where to look.

    A `lock` is held by another task, whoever it is that wants it.
    """

    functions: Names
    what: str
    why: str
    step: str
    lock: bool = False


_WAITS = (
    Wait(
        Names("""
            (nfs|nfs3|nfs4)_wait_* rpc_wait_* rpc_(execute|wait_for_completion_task|call_sync)
        """),
        "an answer of an NFS server",
        "An NFS mount waits for its server as long as it takes, unless it is mounted soft.",
        "see whether the server answers: mount shows its name, rpcinfo -t NAME nfs asks it",
    ),
    Wait(
        Names("p9_client_rpc p9_virtio_request"),
        "an answer of a 9p server",
        "A 9p file system waits for its server, and even a fatal signal waits for the answer to a flush.",
        "see whether the server of the mount (in a virtual machine: the host) still answers",
    ),
    Wait(
        Names("compound_send_recv cifs_send_recv wait_for_(response|free_credits) SendReceive*"),
        "an answer of an SMB server",
        "The request was sent and nothing came back.",
        "see whether the server answers, and what cifs said before",
    ),
    Wait(
        Names("request_wait_answer fuse_(request_send|simple_request) fuse_wait_dax_*"),
        "an answer of a FUSE daemon",
        "A FUSE file system is a program: while it does not answer, everybody who uses it waits.",
        "find the daemon and see what it does; writing to /sys/fs/fuse/connections/N/abort ends the wait",
    ),
    Wait(
        Names("sb_start_write* sb_wait_write freeze_super percpu_rwsem_wait"),
        "a file system that is frozen or is being frozen",
        "While a file system is frozen nobody may write to it; who froze it has to thaw it.",
        "see who froze it (a snapshot, fsfreeze, suspend); fsfreeze -u MOUNTPOINT thaws it",
    ),
    Wait(
        Names("""
            jbd2_(log_wait_commit|journal_commit_transaction)
            wait_transaction_* add_transaction_credits start_this_handle do_get_write_access
        """),
        "the journal (jbd2)",
        "A transaction cannot be committed: the disk is slow or gone, or a task holds the transaction open.",
        "look at the disk's own errors, and at what jbd2's thread waits for",
    ),
    Wait(
        Names("""
            xlog_grant_head_* xlog_wait* xlog_cil_force_seq xfs_log_force* xfs_buf_(iowait|lock)
        """),
        "the log or a buffer of XFS",
        "The log has no room until something was written to disk, or the disk does not answer.",
        "look at the disk's own errors, and at what xfsaild and the log's workers wait for",
    ),
    Wait(
        Names("balance_dirty_pages* wb_wait_for_completion sync_inodes_sb writeback_inodes_sb*"),
        "dirty pages to be written",
        "More was written than the disk takes, or the disk does not answer.",
        "see how much waits: grep -E 'Dirty|Writeback' /proc/meminfo, and which disk is busy",
    ),
    Wait(
        Names("""
            blk_mq_get_tag rq_qos_wait wbt_wait submit_bio_wait blk_execute_rq
            scsi_execute* nvme_submit_* wait_on_buffer bread_gfp
        """),
        "a block device",
        "The request is with the disk, its driver or the queue in front of it.",
        "look at the disk's own errors and timeouts around that time",
    ),
    Wait(
        Names("blk_mq_freeze_queue_wait blk_queue_enter blk_freeze_queue*"),
        "a block device's queue that is frozen",
        "A queue is frozen while its settings change or it is removed; an endless request keeps it so.",
        "look for the task that freezes the queue, and for a request of that disk that did not end",
    ),
    Wait(
        Names("folio_wait_bit* wait_on_page_bit* lock_page* folio_lock*"),
        "a page: to be read or written, or to be unlocked",
        "The page is with the disk, or another task has it locked and waits itself.",
        "look at the disk's own errors, and for another task that hangs in the same file",
    ),
    Wait(
        Names("netdev_run_todo netdev_wait_allrefs*"),
        "the last reference to a network device",
        "Somebody took a reference to the device and does not give it back.",
        "look for 'unregister_netdevice: waiting for NAME to become free': it names the device",
    ),
    Wait(
        Names("synchronize_(rcu|srcu|net|sched)* rcu_barrier* exp_funnel_lock*"),
        "RCU's readers",
        "A grace period ends only when each CPU has passed a quiet state; one that does not holds up all.",
        "look for an RCU stall or a lockup in the log: it names the CPU",
    ),
    Wait(
        Names("usb_(start_wait_urb|control_msg|bulk_msg|interrupt_msg|kill_urb)*"),
        "an answer of a USB device",
        "The transfer was handed to the host controller and was not finished.",
        "look at what usb and xhci said around that time",
    ),
    Wait(
        Names("request_firmware* call_usermodehelper_exec request_module"),
        "a program that the kernel started",
        "The kernel called a helper in user space (modprobe, udev) and waits for it to end.",
        "see whether modprobe or udev hang themselves",
    ),
    Wait(
        Names("coredump_wait exit_mm* do_coredump"),
        "a core dump of its process",
        "While the core is written all threads of the process wait.",
        "see who writes the core: /proc/sys/kernel/core_pattern, and whether its disk is full",
    ),
    Wait(
        Names("""
            flush_work* cancel_work_timer cancel_work_sync cancel_delayed_work_sync drain_workqueue
        """),
        "a work item to end",
        "The work runs and does not end, or no worker comes to it.",
        "look for the kworker that runs it in the list of blocked tasks",
    ),
    Wait(
        Names("lock_sock*"),
        "a socket's lock",
        "Another task uses the same socket, and waits itself.",
        "look for another task of the same program that hangs in the network's code",
        lock=True,
    ),
    Wait(
        Names("ldsem_down_* tty_ldisc_lock*"),
        "a terminal's line discipline",
        "Another task reads from or writes to the same terminal and does not let go.",
        "see which task has the terminal open, and what it does with it",
        lock=True,
    ),
    Wait(
        Names("io_ring_exit_work io_uring_cancel_generic io_wq_exit* io_wq_put_and_exit"),
        "the requests of an io_uring to end",
        "A request was handed to a worker or a device, and neither ends nor can be cancelled.",
        "look for a worker (iou-wrk) of the same program that hangs, and in what",
    ),
    Wait(
        Names("wait_on_bit* out_of_line_wait_on_bit* inode_wait* wait_on_inode*"),
        "a mark that another task has to take away (of an inode, a buffer, a key)",
        "Who set it works on the same thing, and waits itself.",
        "look for another task that hangs in the same file system",
    ),
    Wait(
        Names("msleep* schedule_timeout_uninterruptible"),
        "its own timer, again and again",
        "It looks now and then whether a condition has come true, and that does not come.",
        "see in the function of the title which condition it looks at",
    ),
    Wait(
        Names("rwsem_down_(read|write)* down_(read|write)* call_rwsem_down_*"),
        "a read-write semaphore",
        "Another task holds it, or waits for it and goes first.",
        "ask for all blocked tasks and look for the one that waits for something else",
        lock=True,
    ),
    Wait(
        Names("mutex_lock* ww_mutex_lock* rt_mutex_*"),
        "a mutex",
        "Another task holds it and does not let go: that task is the one to look at.",
        "ask for all blocked tasks and look for the one that waits for something else",
        lock=True,
    ),
    Wait(
        Names("down down_(interruptible|killable|timeout|common) console_lock"),
        "a semaphore",
        "Somebody took it and did not give it back yet.",
        "ask for all blocked tasks and look for the one that waits for something else",
        lock=True,
    ),
    Wait(
        Names("wait_for_common* wait_for_completion* kthread_stop"),
        "another part of the kernel to say that it is done (a completion)",
        "Whoever should say so hangs itself or was never started, or hardware did not answer.",
        "see in the function of the title who completes it, and what that one does",
    ),
)
_DEEPEST = 14
"""Among so many innermost frames stands what is waited for."""
_REACH = 4
"""How far outside of a general wait (a page, a completion) the function stands that says whose it is."""


def wait_of(event: HungTask) -> tuple[Wait, Frame] | None:
    """Say what a hung task waits for, with the frame that shows it; None where no function tells."""
    stack = event.stacks[0] if event.stacks else None
    frames = _frames(stack)[:_DEEPEST] if stack else []
    names = [plain_name(frame.function or "") for frame in frames]
    end = next((at for at, name in enumerate(names) if name in SYSTEM_CALLS or name in ENTRIES), len(names))
    first = next((at for at in range(end) if _sort(names[at]) is not None), None)
    if first is None:
        return None
    found = _sort(names[first])
    reach = 1 if found is not None and found.lock else _REACH
    near = range(first, min(first + reach, end))
    return next((wait, frames[at]) for wait in _WAITS for at in near if names[at] in wait.functions)


def _frames(stack: Stack) -> list[Frame]:
    """Give the certain frames; where every one is in doubt, all of them."""
    named = [one for one in stack.frames if one.function]
    return [one for one in named if one.reliable] or named


def _sort(name: str) -> Wait | None:
    return next((wait for wait in _WAITS if name in wait.functions), None)


@rule("hung-task-waits-for", on=HungTask)
def hung_task_waits_for(event: HungTask) -> Iterator[Finding]:
    """
    The hung task waits for a thing that its functions name: a server, a disk, a journal, a lock, RCU.

    What it means: the task cannot go on before that has happened, and cannot be killed meanwhile. Many tasks
    that hang at the same time often wait for one that waits for something else: only that one matters.

    How we know: the innermost frames of its stack are the ways to wait, and each of them belongs to one sort
    of thing. A general wait (for a page, for a completion) is named by the function around it.

    What to do: look at the thing. For a lock, look for its holder.

    When it is wrong: a task that waits for a lock inside of a file system's code waits for the lock's holder,
    which may wait for something else again. Where every frame has a question mark the confidence is low: an
    earlier wait leaves the same on the stack. 120 seconds of a slow disk are no fault of the kernel.
    """
    if not event.stacks:
        raise CannotTell("the report does not show where the task waits")
    found = wait_of(event)
    if found is None:
        return
    wait, frame = found
    wanted = waits_in(event.stacks[0].frames)
    yield Finding(
        severity="warning",
        confidence="medium" if frame.reliable else "low",
        title=f"it waits for {wait.what}" + (f", wanted in {wanted}" if wait.lock and wanted else ""),
        evidence=some(quote_frame(event, frame, "where it waits") or quote_head(event)),
        explanation=wait.why,
        advice=(Advice(text=wait.step),),
        references=("kernel/hung_task.c",),
    )


_HELD_BY = re.compile(r"\s*\d{1,3} locks? held by (?P<comm>.{1,40})/(?P<pid>\d{1,10})")


class Holder(NamedTuple):
    """A task and the locks that lockdep lists for it, the one it took or wants last at the end."""

    comm: str
    pid: int
    locks: tuple[Lock, ...]


def _holders(records: tuple[LogRecord, ...]) -> tuple[Holder, ...]:
    """Read `Showing all locks held in the system:`, which khungtaskd prints behind the last hung task."""
    found: list[Holder] = []
    for record in records:
        task, lock = _HELD_BY.match(record.text), lock_of(record.line, record.text)
        if task is not None:
            found.append(Holder(task["comm"], int(task["pid"]), ()))
        elif lock is not None and found:
            found[-1] = found[-1]._replace(locks=(*found[-1].locks, lock))
    return tuple(found)


@rule("hung-on-lock-held-by", on=HungTask)
def hung_on_lock_held_by(event: HungTask) -> Iterator[Finding]:
    """
    The list of all locks shows another task that has the lock the hung one waits for.

    What it means: the other task took it and went on to something else; what it does now decides when the
    hung one goes on.

    How we know: in `Showing all locks held in the system` the last lock of a task may be one that it only
    waits for, all before it are its own. The hung task's last lock is listed for another task, with the same
    address, before that task's last: so that one has it.

    What to do: look at what the other task waits for; it may be in the log as hung itself.

    When it is wrong: several may hold a semaphore for reading. The list is made without stopping the tasks,
    and a task that runs on may have released it meanwhile.
    """
    holders = _holders(event.records)
    me = event.task.pid if event.task else None
    mine = next((one for one in holders if one.pid == me and one.locks), None)
    if mine is None or mine.locks[-1].address is None:
        return
    wanted = mine.locks[-1]
    other = next(
        ((one, lock) for one in holders if one.pid != me for lock in one.locks[:-1] if _same(lock, wanted)),
        None,
    )
    if other is None:
        return
    holder, lock = other
    last = holder.locks[-1]
    yield Finding(
        severity="warning",
        confidence="medium",
        title=f"{wanted.name} is held by {holder.comm}:{holder.pid}",
        evidence=some(
            quote_line(event, wanted.line, "what the hung task waits for"),
            quote_line(event, lock.line, f"held by {holder.comm}:{holder.pid}"),
            quote_line(event, last.line, "what that one took or wants last"),
        ),
        explanation=f"{holder.comm}:{holder.pid} took it and went on to {last.name}.",
        advice=(Advice(text=f"look at what {holder.comm}:{holder.pid} does"),),
        references=("kernel/locking/lockdep.c, debug_show_all_locks()",),
    )


def _same(lock: Lock, wanted: Lock) -> bool:
    return lock.address == wanted.address and lock.name == wanted.name
