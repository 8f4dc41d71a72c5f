# SPDX-License-Identifier: GPL-2.0-or-later
"""What a panic's own words say: that the machine stopped, how process 1 ended, who asked, which root."""

from __future__ import annotations

import re
from collections.abc import Iterator

from keepsane.judge import CannotTell, rule
from keepsane.kernel.events.history import ends_of_nothing
from keepsane.kernel.events.panic.panic import ASKED, CANNOT_OPEN, HEAD, Panic
from keepsane.kernel.events.pointers.error_pointer import ERRNO_NAMES
from keepsane.kernel.log.culprit import plain_name
from keepsane.kernel.log.quote import first_stack, quote, quote_frame, quote_head, quote_match, some
from keepsane.model import Event, Frame, LogSummary
from keepsane.report import Advice, Evidence, Finding

_PANIC_LINE = re.compile(r"^\s*(?:---\[ end )?" + HEAD.pattern)


@rule("panic-behind-report", on=Event)
def panic_behind_report(event: Event) -> Iterator[Finding]:
    """
    The machine stopped: the kernel panicked while it was still printing this report.

    What it means: this was not one more line in the log but the last thing the machine did. A warning stops
    a machine only where it was set up so (`panic_on_warn`); an oops does where `panic_on_oops` is set, in an
    interrupt and in process 1.

    How we know: the line `Kernel panic - not syncing` stands inside the report. A panic that follows a whole
    report is a report of its own, which says what it ends.

    What to do: mend what the report says. Where the machine should live on after such a report, look at
    `kernel.panic_on_warn` and `kernel.panic_on_oops`; `kernel.panic` is the time after which it restarts.

    When it is wrong: two processors that print at the same time may mix a report and the panic of another.
    """
    found = quote(event, _PANIC_LINE, "the kernel gives up")
    reason = _PANIC_LINE.match(found.quote) if found is not None else None
    if found is None or reason is None or event.kind == "panic":
        return
    said = reason["reason"].removesuffix("]---").strip()
    yield Finding(
        severity="note",
        confidence="high",
        title=f"the machine stopped: {said}" if said else "the machine stopped",
        evidence=(found, quote_head(event, "the report before it")),
        explanation="The kernel panicked behind this report: it did not go on.",
    )


_EXIT_CODE = re.compile(r"Attempted to kill init!(?: exitcode=0x(?P<code>[0-9a-f]{8}))?")
_SIGNALS = {
    1: "SIGHUP",
    2: "SIGINT",
    3: "SIGQUIT",
    4: "SIGILL",
    5: "SIGTRAP",
    6: "SIGABRT",
    8: "SIGFPE",
    9: "SIGKILL",
    11: "SIGSEGV",
    13: "SIGPIPE",
    14: "SIGALRM",
    15: "SIGTERM",
}
"""Signals that have this number on every architecture."""
_SIGNAL = 0x7F
"""The bits of an exit code that hold the signal."""
_BY_HAND = Advice(
    text="start once with init=/bin/sh on the kernel's command line, and run init by hand there"
)
_SHELL_STATUS = {
    126: "A shell says 126 where a command cannot be executed. ",
    127: "A shell and the dynamic loader say 127 where a command or a library is missing. ",
}


@rule("init-ended", on=LogSummary)
def init_ended(log: LogSummary) -> Iterator[Finding]:
    """
    Process 1 ended, and the kernel cannot live without it.

    What it means: the first process of user space exited or was killed by a signal. The kernel itself is not
    at fault, unless it killed the process because of an oops. Where that oops is in the log, the panic is
    said to be its end, and nothing of init.

    How we know: the panic prints the exit code as wait() gives it: the signal in the low seven bits, the
    status that init passed to exit() in the second byte.

    What to do: read the lines that user space wrote before the panic. Start once with `init=/bin/sh` on the
    kernel's command line and run the real init by hand to see its message.

    When it is wrong: in a container's or virtual machine's log, process 1 may be something else than the
    init of a distribution: a test program that ends when it is done stops the machine in the same way.
    """
    for event in ends_of_nothing(log):
        found = _EXIT_CODE.match(event.reason) if isinstance(event, Panic) else None
        if found is not None:
            yield _init_ended(event, found)


def _init_ended(event: Event, found: re.Match[str]) -> Finding:
    if found["code"] is None:
        raise CannotTell("the panic does not print the exit code of process 1")
    code = int(found["code"], 16)
    title, why = _ending(code)
    return Finding(
        severity="note" if code & _SIGNAL else "error",
        confidence="high",
        title=title,
        evidence=some(quote(event, _EXIT_CODE, "how process 1 ended")),
        explanation=f"{why} Process 1 must never end.",
        advice=() if code & _SIGNAL else (_BY_HAND,),
        references=("kernel/exit.c, do_exit()",),
    )


def _ending(code: int) -> tuple[str, str]:
    signal, status = code & _SIGNAL, code >> 8 & 0xFF
    if signal == 0:
        hint = _SHELL_STATUS.get(status, "")
        why = f"{code:#x} is the status {status} and no signal: what ran as init gave up. {hint}"
        return f"process 1 exited by itself with status {status}", f"{why}What it wrote before says why."
    name = _SIGNALS.get(signal)
    words = f"signal {signal} ({name})" if name else f"signal {signal}"
    why = (
        f"The low seven bits of {code:#x} are {words}: a crash of init in user space, or the kernel's answer"
    )
    return f"process 1 was ended by {words}", f"{why} to an oops while init ran, which is not in this log."


_ASKED = "sysrq triggered crash"
_ASKED_FRAMES = 8
"""Where sysrq_handle_crash() is what crashed, it is among the innermost frames: this number of them."""


@rule("crash-asked-for", on=Event)
def crash_asked_for(event: Event) -> Iterator[Finding]:
    """
    Somebody asked the kernel to crash: SysRq c.

    What it means: nothing is broken. A crash was ordered, mostly to see whether a crash dump is written, or
    by a watchdog of a cluster that wanted this machine dead.

    How we know: the panic says `sysrq triggered crash`, or the function that crashed is
    sysrq_handle_crash(), which up to 5.x writes to NULL on purpose, or the line of the order stands above an
    access to address 0 of which nothing says where it was.

    What to do: find who asked. Where a task wrote to /proc/sysrq-trigger it is the one named.

    When it is wrong: a serial line with noise on it can send a break and a `c` that nobody typed.
    """
    frame = _crash_handler(event)
    said = isinstance(event, Panic) and event.reason.startswith(_ASKED)
    order = None if frame or said else _order(event)
    if frame is None and not said and order is None:
        return
    yield Finding(
        severity="info",
        confidence="high",
        title="this crash was asked for, with SysRq c",
        evidence=some(
            order,
            quote_head(event),
            quote_frame(event, frame, "the function whose task it is") if frame else None,
        ),
        explanation=_who_asked(event),
        references=("Documentation/admin-guide/sysrq.rst",),
    )


def _crash_handler(event: Event) -> Frame | None:
    if event.kind not in ("panic", "null-deref", "page-fault"):
        return None
    stack = first_stack(event)
    frames = [event.ip] if event.ip is not None else []
    frames += [frame for frame in stack.frames if frame.reliable][:_ASKED_FRAMES] if stack else []
    return next((frame for frame in frames if plain_name(frame.function or "") == "sysrq_handle_crash"), None)


def _order(event: Event) -> Evidence | None:
    """Quote the order above an access to NULL whose place the log has lost."""
    lost = event.kind == "null-deref" and event.ip is None and not event.stacks
    return quote_match(event, ASKED, "the order") if lost else None


def _who_asked(event: Event) -> str:
    functions = {plain_name(frame.function or "") for stack in event.stacks for frame in stack.frames}
    if "write_sysrq_trigger" not in functions:
        return "No write to /proc/sysrq-trigger is in the trace: a keyboard, a serial line, or not shown."
    task = event.task
    who = f"{task.comm} (pid {task.pid})" if task and task.comm and task.pid is not None else "A task"
    return f"{who} wrote to /proc/sysrq-trigger."


_ROOT = re.compile(
    r"VFS: Unable to mount root fs on (?:\"(?P<name>[^\"]{1,200})\" or )?"
    r"unknown-block\((?P<major>\d{1,5}),(?P<minor>\d{1,8})\)"
)


@rule("root-not-mounted", on=Panic)
def root_not_mounted(event: Panic) -> Iterator[Finding]:
    """
    The kernel found no root file system: no such device, or none that it can read.

    What it means: the kernel came up and had to mount the root file system by itself, without an initramfs
    that does it. `unknown-block(0,0)` says that the name in `root=` matched no device; other numbers are
    those of a device that it knows by number, from which nothing could be mounted.

    How we know: the panic's own line has the numbers; `Cannot open root device` before it has the name that
    was looked for and the error.

    What to do: for (0,0) see whether the boot loader still loads an initramfs for this kernel, and whether
    it was built at all (a full /boot after an update); then whether `root=` is right and the driver of the
    disk is in the kernel. The kernel alone knows PARTUUID= and device names, but no UUID= or LABEL=. For
    other numbers check the file system's driver, `rootfstype=`, and the file system itself.

    When it is wrong: a disk that answers late is missing at this moment only; `rootwait` then helps.
    """
    found = _ROOT.match(event.reason)
    if found is None:
        return
    opened = next((match for r in event.records if (match := CANNOT_OPEN.match(r.text))), None)
    name = found["name"] or (opened["name"] if opened else None)
    unknown = (int(found["major"]), int(found["minor"])) == (0, 0)
    called = f'"{name}"' if name and name != _NONE else None
    lacked = _by_name(name) if name is not None else ""
    numbers = f"({found['major']},{found['minor']})"
    yield Finding(
        severity="error",
        confidence="high",
        title=_root_title(unknown, called, numbers),
        evidence=some(
            quote(event, re.compile(r"VFS: Unable to mount root fs"), "what could not be mounted"),
            quote(event, CANNOT_OPEN, "the name that was looked for, and the error"),
        ),
        explanation=_root_why(unknown, numbers, int(opened["error"]) if opened else None) + lacked,
        references=("init/do_mounts.c, mount_root_generic()",),
    )


def _by_name(name: str) -> str:
    """Say of some names what the kernel can do with them alone: init/do_mounts.c, name_to_dev_t()."""
    if name.startswith(("UUID=", "LABEL=")):
        key = name.partition("=")[0]
        return f" Without an initramfs the kernel finds no {key}=: it knows PARTUUID= and names of devices."
    return " Its command line had no root=." if name in ("", _NONE) else ""


_NONE = "(null)"


def _root_title(unknown: bool, called: str | None, numbers: str) -> str:
    if unknown:
        return (
            f"the kernel knows no device {called} to take as root" if called else "no root device was found"
        )
    return f"nothing could be mounted from the root device {called or numbers}"


def _root_why(unknown: bool, numbers: str, error: int | None) -> str:
    name = ERRNO_NAMES.get(error) if error is not None else None
    said = f" The error was {name}." if name else ""
    if unknown:
        return (
            "(0,0) is no device: the name in root= is wrong or missing, the driver of the disk is not in the"
            f" kernel, or the initramfs that would have loaded it is not there.{said}"
        )
    return (
        f"The device number {numbers} is known, but it could not be opened, or no file system driver in this"
        f" kernel took what is on it.{said}"
    )
