# SPDX-License-Identifier: GPL-2.0-or-later
"""
Which event kind a syzkaller report title means.

Written from what the titles say, before any parser was tuned on the corpus. The first pattern that
matches the beginning of a title decides. A second kind stands only where both say the same thing.
"""

from __future__ import annotations

import re

from keepsane.model import Kind

# Programs of the fuzzer and another operating system's log: neither is a report of the Linux kernel.
LEFT_OUT = re.compile(r"SYZFAIL|SYZFATAL|trusty|$")

TITLE_KINDS: tuple[tuple[str, tuple[Kind, ...]], ...] = (
    (r"KASAN: ", ("kasan",)),
    (r"KMSAN: ", ("kmsan",)),
    (r"KCSAN: ", ("kcsan",)),
    (r"KFENCE: ", ("kfence",)),
    (r"UBSAN: ", ("ubsan",)),
    (r"memory leak", ("kmemleak",)),
    # Memory accesses that the machine refused.
    (r"BUG: unable to handle kernel NULL pointer dereference", ("null-deref",)),
    (r"BUG: unable to handle kernel paging request", ("page-fault",)),
    (r"general protection fault", ("general-protection",)),
    # arm and arm64 aborts: the domain, the alignment or the bus refused the address. Without the line of
    # die() it was a program's.
    (r"Unhandled fault|Alignment trap", ("page-fault", "user-fault")),
    (r"Internal error", ("page-fault",)),
    # Other processor exceptions.
    (r"divide error", ("divide-error",)),
    (r"BUG: stack guard page was hit", ("stack-overflow",)),
    (r"PANIC: double fault", ("double-fault",)),
    # Panics without an exception. STACK_END_MAGIC is only ever overwritten by a stack that grew too far.
    (r"kernel panic: corrupted stack end", ("panic", "stack-overflow")),
    (r"kernel panic: ", ("panic",)),
    (r"attempt to \w+ with overflow", ("rust-panic",)),
    # Hangs.
    (r"BUG: soft lockup", ("soft-lockup",)),
    (r"BUG: workqueue lockup", ("workqueue-lockup",)),
    (r"INFO: rcu detected stall", ("rcu-stall",)),
    (r"INFO: task (hung|can't die)", ("hung-task",)),
    # Sleeping or scheduling where it is forbidden.
    (r"BUG: (sleeping function called from invalid context|scheduling while atomic)", ("atomic-sleep",)),
    # process_one_work() checks the preempt count and the held locks in one condition.
    (r"BUG: workqueue leaked lock or atomic", ("atomic-sleep", "lockdep")),
    # Lock debugging.
    (r"possible deadlock|inconsistent lock state", ("lockdep",)),
    (r"(INFO|WARNING): suspicious RCU usage", ("lockdep",)),
    (r"INFO: trying to register non-static key", ("lockdep",)),
    (r"WARNING: possible circular locking dependency detected", ("lockdep",)),
    (r"(BUG|WARNING): (bad unlock balance|held lock freed|still has locks held)", ("lockdep",)),
    (r"BUG: (lock held when returning to user space|MAX_STACK_TRACE_ENTRIES too low!)", ("lockdep",)),
    (r"BUG: spinlock (lockup suspected|recursion|bad magic)", ("lockdep",)),
    # Either `[ BUG: Invalid wait context ]` or a WARN_ON() inside kernel/locking/lockdep.c.
    (r"WARNING: locking bug", ("lockdep", "warning")),
    # Data structures found damaged.
    (r"WARNING: refcount bug", ("refcount",)),
    (r"BUG: corrupted list", ("list-corruption",)),
    (r"BUG: Object already free|INFO: (Allocated|Freed) in", ("slab-corruption",)),
    # Heads that begin with BUG and have no kind of their own.
    (r"kernel BUG|BUG: bad usercopy|BUG: Bad page state|BUG: Dentry still in use", ("bug",)),
    (r"BUG: using (smp_processor_id|__this_cpu_read)\(\) in preemptible code", ("bug",)),
    (r"VFS: Busy inodes after unmount", ("bug",)),
    (r"WARNING", ("warning",)),
)


def kinds_of(title: str) -> tuple[Kind, ...]:
    """
    The event kinds that a title allows, empty where the table does not know it.

    Accepted format:
        KASAN: use-after-free Read in consume_skb
    """
    return next((kinds for pattern, kinds in TITLE_KINDS if re.match(pattern, title)), ())
