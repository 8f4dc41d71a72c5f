# SPDX-License-Identifier: GPL-2.0-or-later
"""The sorts of waits of a blocked task, by the functions it sleeps in."""

from __future__ import annotations

from typing import NamedTuple

from keepsane.kernel.log.function_names import Names


class Wait(NamedTuple):
    """
    A sort of wait: its functions, what is waited for, why that may last, where to look.

    A `lock` is held by somebody, whoever it is that wants it. With `of` it is this sort only where one of
    these functions stands near, further out. A `general` one gives way to any other near it. A `direct` one
    goes to sleep itself: what it calls may sleep for other reasons.
    """

    functions: Names
    what: str
    why: str
    step: str
    lock: bool = False
    of: Names | None = None
    general: bool = False
    direct: bool = False


_PAGE = "folio_wait_bit* wait_on_page_bit* lock_page* folio_lock*"
_BIT = "wait_on_bit* out_of_line_wait_on_bit* inode_wait* wait_on_inode*"
_COMPLETION = "wait_for_common* wait_for_completion* kthread_stop"
_PERCPU_RWSEM = Names("percpu_(rwsem_wait|down_read|down_write)*")
_NFS = Wait(
    Names("""
        (nfs|nfs3|nfs4)_wait_* rpc_wait_* rpc_(execute|wait_for_completion_task|call_sync)
    """),
    "an answer of an NFS server",
    "An NFS mount waits for its server as long as it takes, unless it is mounted soft.",
    "see whether the server answers: mount shows its name, rpcinfo -t NAME nfs asks it",
)
_FUSE = Wait(
    Names("request_wait_answer fuse_(request_send|simple_request) fuse_wait_dax_*"),
    "an answer of a FUSE daemon",
    "A FUSE file system is a program: while it does not answer, everybody who uses it waits.",
    "find the daemon and see what it does; writing to /sys/fs/fuse/connections/N/abort ends the wait",
)
_CORE = Wait(
    Names("coredump_wait coredump_task_exit"),
    "a core dump of its process",
    "While the core is written all threads of the process wait.",
    "see who writes the core: /proc/sys/kernel/core_pattern, and whether its disk is full",
)

_FROZEN = (
    "a file system that is frozen or is being frozen",
    "While a file system is frozen nobody may write to it; who froze it has to thaw it.",
    "see who froze it (a snapshot, fsfreeze, suspend); fsfreeze -u MOUNTPOINT thaws it",
)

WAITS = (
    _NFS,
    _NFS._replace(functions=Names(_PAGE, _BIT, _COMPLETION), of=Names("nfs_* nfs3_* nfs4_*")),
    _FUSE._replace(functions=Names(_PAGE, _BIT, _COMPLETION), of=Names("fuse_*")),
    Wait(
        Names("p9_client_rpc p9_virtio_request"),
        "an answer of a 9p server",
        "A 9p file system waits for its server, and even a fatal signal waits for the answer to a flush.",
        "see whether the server of the mount (in a virtual machine: the host) still answers",
    ),
    Wait(
        Names("compound_send_recv cifs_send_recv wait_for_free_credits SendReceive*"),
        "an answer of an SMB server",
        "The request was sent and nothing came back.",
        "see whether the server answers, and what cifs said before",
    ),
    Wait(
        Names("wait_for_response"),
        "an answer of an SMB server",
        "The request was sent and nothing came back.",
        "see whether the server answers, and what cifs said before",
        of=Names("compound_send_recv cifs_* CIFS* smb_* smb2_* SMB2_* SMB_* SendReceive*"),
    ),
    _FUSE,
    Wait(
        Names("sb_start_write* sb_wait_write freeze_super mnt_want_write*"),
        *_FROZEN,
    ),
    Wait(
        _PERCPU_RWSEM,
        *_FROZEN,
        of=Names("""
            vfs_(write|writev|iter_write|fallocate|copy_file_range|clone_file_range) do_iter_write aio_write
            io_write iter_file_splice_write *_page_mkwrite do_page_mkwrite
        """),
    ),
    Wait(
        Names("cpus_(read|write)_lock get_online_cpus cpu_hotplug_begin"),
        "the lock of CPU hotplug (cpu_hotplug_lock)",
        "A CPU is being taken off or put on, or somebody who keeps the CPUs as they are does not let go.",
        "ask for all blocked tasks and look for the one that waits for something else",
        lock=True,
    ),
    Wait(
        _PERCPU_RWSEM,
        "the lock of control groups on forks, execs and exits (cgroup_threadgroup_rwsem)",
        "A task is being moved between control groups, or a fork, an exec or an exit does not end.",
        "look among all blocked tasks for one that writes to cgroup.procs, forks or ends",
        lock=True,
        of=Names("""
            cgroup_(can_fork|attach_lock|procs_write|update_dfl_csses|apply_control|attach_task|kn_lock)*
            cgroup_(transfer_tasks|css_set_fork|threadgroup_change_begin) copy_process exit_signals
        """),
    ),
    Wait(
        _PERCPU_RWSEM,
        "a per-CPU rwsem",
        "The functions do not tell which one: somebody holds it, or waits to have it alone and goes first.",
        "ask for all blocked tasks and look for the one that waits for something else",
        lock=True,
        general=True,
    ),
    Wait(
        Names("mempool_alloc* reclaim_throttle throttle_direct_reclaim congestion_wait* wait_iff_congested"),
        "memory",
        "A pool that is kept for such requests is empty, or reclaim waits until pages were written.",
        "see what the log says about memory before, and which disk the pages that leave memory go to",
    ),
    Wait(
        Names("""
            iomap_dio_* blkdev_direct_IO* do_blockdev_direct_IO dio_await_* blockdev_direct_IO*
        """),
        "direct I/O to end",
        "Its requests are with the disk, its driver or what lies between, and not with the page cache.",
        "look at the errors and timeouts of the disk below around that time",
    ),
    Wait(
        Names("dm_wait_for_(completion|bios_completion) dm_suspend"),
        "the requests of a device-mapper device to end",
        "Who suspends such a device waits until everything that was begun on it has ended.",
        "dmsetup table and dmsetup status show what lies below it; look at the errors of those disks",
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
        Names(_PAGE),
        "a page: to be read or written, or to be unlocked",
        "The page is with the disk, or another task has it locked and waits itself.",
        "look at the disk's own errors, and for another task that hangs in the same file",
        general=True,
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
    _CORE,
    # Up to 5.15 the threads slept here.
    _CORE._replace(functions=Names("exit_mm"), direct=True),
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
        "Another task, or this one further out, uses the same socket, and waits itself.",
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
        Names(_BIT),
        "a mark that another task has to take away (of an inode, a buffer, a key)",
        "Who set it works on the same thing, and waits itself.",
        "look for another task that hangs in the same file system",
        general=True,
    ),
    Wait(
        Names("msleep* schedule_timeout_uninterruptible"),
        "its own timer, again and again",
        "It looks now and then whether a condition has come true, and that does not come.",
        "see in the function of the title which condition it looks at",
        general=True,
    ),
    Wait(
        Names("rwsem_down_(read|write)* down_(read|write)* call_rwsem_down_*"),
        "a read-write semaphore",
        "Another task, or this one further out, holds it, or another waits for it and goes first.",
        "ask for all blocked tasks and look for the one that waits for something else",
        lock=True,
    ),
    Wait(
        Names("mutex_lock* ww_mutex_lock* rt_mutex_*"),
        "a mutex",
        "Another task, or this one further out, holds it and does not let go.",
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
        Names(_COMPLETION),
        "another part of the kernel to say that it is done (a completion)",
        "Whoever should say so hangs itself or was never started, or hardware did not answer.",
        "see in the function of the title who completes it, and what that one does",
        general=True,
    ),
)
"""The first that fits is it."""
