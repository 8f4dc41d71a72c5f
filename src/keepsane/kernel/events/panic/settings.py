# SPDX-License-Identifier: GPL-2.0-or-later
"""Panics that a setting asked for, that the stack's guard found, or that have no init to start."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import NamedTuple

from keepsane.judge import CannotTell, rule
from keepsane.kernel.events.panic.panic import Panic
from keepsane.kernel.events.pointers.error_pointer import ERRNO_NAMES
from keepsane.kernel.log.culprit import plain_name, runs_in, traces
from keepsane.kernel.log.quote import quote, quote_head, some
from keepsane.kernel.pages.advice import set_now
from keepsane.report import Advice, Finding


class Setting(NamedTuple):
    """A panic that is only there because of a setting: its words, the setting, what it panics at."""

    reason: re.Pattern[str]
    name: str
    at: str


_SETTINGS = (
    Setting(
        re.compile(r"(?:[\w -]{1,40}: )?panic_on_warn set"),  # kernel/panic.c, check_panic_on_warn()
        "kernel.panic_on_warn",
        "any warning",
    ),
    Setting(re.compile(r"hung_task: blocked tasks"), "kernel.hung_task_panic", "a task that hangs"),
    Setting(re.compile(r"softlockup: hung tasks"), "kernel.softlockup_panic", "a CPU that does not schedule"),
    Setting(
        re.compile(r"(?:Watchdog detected )?[Hh]ard LOCKUP"),
        "kernel.hardlockup_panic",
        "a CPU that takes no interrupts",
    ),
    Setting(re.compile(r"RCU Stall"), "kernel.panic_on_rcu_stall", "a stall of RCU"),
    Setting(
        re.compile(r"[Oo]ut of memory[.:] (?:compulsory |system-wide )?panic_on_oom"),
        "vm.panic_on_oom",
        "memory that ran out",
    ),
    Setting(re.compile(r"NMI IOCK error: Not continuing"), "kernel.panic_on_io_nmi", "an NMI of a bus error"),
    Setting(
        re.compile(r"NMI: Not continuing"),
        "kernel.panic_on_unrecovered_nmi or kernel.unknown_nmi_panic",
        "an NMI that nobody expects",
    ),
    Setting(
        re.compile(r"(?:Oops: )?Fatal exception(?:: panic.{0,40})?$"), "kernel.panic_on_oops", "any oops"
    ),
)
"""kernel/panic.c, kernel/hung_task.c, kernel/watchdog.c, kernel/rcu/tree_stall.h, mm/oom_kill.c, die()."""


_PANIC = re.compile(r"Kernel panic")


@rule("panic-was-configured", on=Panic)
def panic_was_configured(event: Panic) -> Iterator[Finding]:
    """
    The machine stopped only because a setting says so: the report before the panic is what happened.

    What it means: the kernel could have gone on after what it met, and was told not to. The panic itself says
    nothing; look at the report that stands before it.

    How we know: each such panic has words of its own: `panic_on_warn set`, `hung_task: blocked tasks`,
    `softlockup: hung tasks`, `Fatal exception`.

    What to do: read the report before. To keep a machine running through such events set the option to 0
    (`sysctl`, or the kernel's command line); for a machine that should rather restart keep it, with
    `kernel.panic` as the number of seconds after which it does.

    When it is wrong: some machines are built with the option on (CONFIG_PANIC_ON_OOPS), so nobody set it.
    """
    setting = next((one for one in _SETTINGS if one.reason.match(event.reason)), None)
    if setting is None:
        return
    first = setting.name.partition(" ")[0]
    yield Finding(
        severity="note",
        confidence="high",
        title=f"it stopped because {setting.name} is set, which panics at {setting.at}",
        evidence=some(quote(event, _PANIC, "the words of that setting") or quote_head(event)),
        explanation="The report before the panic says what happened; without the setting the kernel goes on.",
        advice=(
            Advice(
                text="let the kernel go on next time, if that is wanted",
                command=set_now((first, 0)),
                undo=set_now((first, 1)),
                verify=f"sysctl {first} says 0",
                risk="a kernel that goes on after an oops may lose data",
            ),
        ),
        references=("Documentation/admin-guide/sysctl/kernel.rst",),
    )


_GUARD = re.compile(r"(?:stack-protector: )?Kernel stack is corrupted in: ?(?P<function>\S{1,255})?")


@rule("stack-guard-overwritten", on=Panic)
def stack_guard_overwritten(event: Panic) -> Iterator[Finding]:
    """
    A function found the guard value of its own stack frame changed when it was about to return.

    What it means: something wrote past the end of a local array of this function, or a function that it
    called wrote into its frame through a pointer. The return address behind the guard may be overwritten too,
    so the kernel stops.

    How we know: the compiler puts a secret value between the local arrays and the return address, and checks
    it before the function returns.

    What to do: look at each local array of the function named, and at who gets a pointer to one: copies of a
    length that comes from outside, structures that grew in one module and not in another.

    When it is wrong: a broken unwinder, a wrong register restored by assembly, or a stack that was used up
    may change the guard as well.
    """
    found = _GUARD.match(event.reason)
    if found is None:
        return
    if found["function"] is None:
        raise CannotTell("the panic is cut before it names the function")
    name = plain_name(found["function"].partition("+")[0])
    where = f"of {name}" if not re.fullmatch(r"[0-9a-f]{8,16}", name) else f"of the function at {name}"
    yield Finding(
        severity="error",
        confidence="medium",
        title=f"something wrote past a local array {where}, or into its frame",
        evidence=some(quote(event, _GUARD_LINE, "whose frame it is") or quote_head(event)),
        explanation="The guard between its local variables and its return address was changed.",
        advice=(Advice(text=f"check the length of each copy into a local array {where}"),),
        references=("kernel/panic.c, __stack_chk_fail()",),
    )


_GUARD_LINE = re.compile(r"Kernel stack is corrupted in")
_END = re.compile(r"corrupted stack end detected")


@rule("stack-end-found-overwritten", on=Panic)
def stack_end_found_overwritten(event: Panic) -> Iterator[Finding]:
    """
    When the CPU left the task for another, the last word of its stack was found overwritten.

    What it means: the task used more stack than it has, at some time before, or something wrote into the end
    of its stack. What it did at this moment need not be the one that used so much.

    How we know: at the end of each stack stands a magic number, and the scheduler checks it with
    CONFIG_SCHED_STACK_END_CHECK.

    What to do: look at the call chain: deep ones go through several file systems, network devices or drivers.
    CONFIG_VMAP_STACK stops at the access itself, and the stack tracer finds the deepest one.

    When it is wrong: a stray write into the stack looks the same.
    """
    if not _END.match(event.reason):
        return
    stacks = traces(event.stacks)
    frames = stacks[0].frames if stacks else ()
    running = runs_in(frames)
    yield Finding(
        severity="error",
        confidence="medium",
        title="a task's stack was used up, or its end was overwritten"
        + (f", found in {running}" if running else ""),
        evidence=some(quote(event, _END, "what the scheduler found") or quote_head(event)),
        explanation="It was found when the CPU turned to another task: the overflow itself was before.",
        advice=(Advice(text="a kernel with CONFIG_VMAP_STACK stops at the overflow itself"),),
        references=("kernel/sched/core.c, schedule_debug()",),
    )


_NO_INIT = re.compile(
    r"No (?:working )?init found|Requested init (?P<path>\S{1,200}) failed \(error -(?P<error>\d{1,4})\)"
)


@rule("no-init-to-start", on=Panic)
def no_init_to_start(event: Panic) -> Iterator[Finding]:
    """
    The root file system was mounted, and no program on it could be started as init.

    What it means: `/sbin/init` and the other places where the kernel looks are missing, cannot be executed,
    or need an interpreter or a library that is not there (ENOENT is said for those as well). Often the wrong
    partition is mounted as root, or user space is of another architecture (ENOEXEC).

    How we know: the panic says so; where `init=` was given, it has the path and the error.

    What to do: see what is mounted as root (`root=`), then whether init and its dynamic loader are there and
    of this architecture. `init=/bin/sh` shows it from inside.

    When it is wrong: it is not: the kernel tried each of them.
    """
    found = _NO_INIT.match(event.reason)
    if found is None:
        return
    error = ERRNO_NAMES.get(int(found["error"])) if found["error"] else None
    asked = (
        f"{found['path']} could not be started" if found["path"] else "there is no init that could be started"
    )
    yield Finding(
        severity="error",
        confidence="high",
        title=asked + (f": {error}" if error else ""),
        evidence=some(quote(event, _NO_INIT, "what was tried") or quote_head(event)),
        explanation="Root is mounted; the program or its loader is missing, or of another machine.",
        advice=(Advice(text="start once with init=/bin/sh, and look at what is mounted as root"),),
        references=("init/main.c, kernel_init()",),
    )


_NO_TASK = re.compile(
    r"(?P<interrupt>(?:Oops: )?Fatal exception in interrupt|Aiee, killing interrupt handler)"
    r"|(?P<idle>Attempted to kill the idle task)"
)


@rule("oops-where-no-task-can-end", on=Panic)
def oops_where_no_task_can_end(event: Panic) -> Iterator[Finding]:
    """
    The kernel crashed where there is no task that could be ended instead, so the machine had to stop.

    What it means: after a crash the kernel ends the task that ran, and goes on. Inside of an interrupt there
    is none, a task that has bottom halves off counts as one, and the idle task must not end: then it stops,
    whatever the settings are.

    How we know: the panic says `in interrupt`, `killing interrupt handler` or `the idle task`.

    What to do: the crash stands before the panic: read that. Setting kernel.panic_on_oops to 0 does not help.

    When it is wrong: a preemption count that an earlier fault left raised looks like an interrupt.
    """
    found = _NO_TASK.match(event.reason)
    if found is None:
        return
    where = "in an interrupt, or with bottom halves off" if found["interrupt"] else "in the idle task"
    yield Finding(
        severity="note",
        confidence="high",
        title=f"the crash before this was {where}: no task could be ended instead",
        evidence=some(quote(event, _PANIC, "why it stops") or quote_head(event)),
        explanation="What happened is in the report before; the kernel could not go on after it.",
        references=("arch/x86/kernel/dumpstack.c, oops_end(); kernel/exit.c, make_task_dead()",),
    )


_FORCED = re.compile(
    r"(?P<fs>[A-Za-z0-9]{2,12})-fs \(device (?P<device>\S{1,40})\): panic forced after error"
)
_NOBODY = re.compile(r"(?:Out of memory and no killable processes|System is deadlocked on memory)")


@rule("file-system-set-to-panic", on=Panic)
def file_system_set_to_panic(event: Panic) -> Iterator[Finding]:
    """
    A file system met an error on its disk, and is set to stop the machine then.

    What it means: what is on the disk is damaged, or could not be read or written. The kernel is well; it
    stops because the file system was mounted so, or its superblock says so.

    How we know: the panic names the file system and the device, and `panic forced after error`.

    What to do: the error itself stands before the panic. Check the file system (`fsck`) and the disk. With
    `errors=remount-ro` (mount, or `tune2fs -e`) the machine goes on without writing there.

    When it is wrong: an image that was made to be wrong (a test) needs no check.
    """
    found = _FORCED.match(event.reason)
    if found is None:
        return
    yield Finding(
        severity="error",
        confidence="high",
        title=f"the {found['fs']} file system on {found['device']} is set to panic at an error, and met one",
        evidence=some(quote(event, _PANIC, "who asked for it") or quote_head(event)),
        explanation="The error stands before the panic: data on the disk is damaged, or the disk failed.",
        advice=(Advice(text="check the file system with fsck; errors=remount-ro lets the machine go on"),),
        references=("fs/ext4/super.c, ext4_handle_error()",),
    )


@rule("nobody-left-to-kill", on=Panic)
def nobody_left_to_kill(event: Panic) -> Iterator[Finding]:
    """
    Memory ran out, and no task was left that the kernel may kill.

    What it means: what fills the memory belongs to no process, or only to those that may not be killed
    (init, kernel threads, tasks with oom_score_adj -1000). Often it is the kernel itself: a leak in slabs, a
    RAM disk or tmpfs that is too large, or a machine with too little memory for its kernel.

    How we know: the panic says that there are no killable processes.

    What to do: read the state of memory that was printed before: unreclaimable slab, shmem, and what is not
    accounted for at all.

    When it is wrong: during the start of a machine an initramfs that is too large does the same.
    """
    if not _NOBODY.match(event.reason):
        return
    yield Finding(
        severity="error",
        confidence="high",
        title="memory ran out and no task may be killed for it: what fills it is no ordinary process",
        evidence=some(quote(event, _PANIC, "the kernel gives up") or quote_head(event)),
        explanation="The state of memory stands before: look at slab_unreclaimable and shmem.",
        advice=(Advice(text="see in the memory report before it what is large and belongs to no task"),),
        references=("mm/oom_kill.c, out_of_memory()",),
    )
