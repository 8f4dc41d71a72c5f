# SPDX-License-Identifier: GPL-2.0-or-later
"""
Stacks that belong to no report: somebody called dump_stack(), or asked for every CPU's.

    sysrq: Show backtrace of all active CPUs
    NMI backtrace for cpu 1
    CPU: 1 PID: 28 Comm: khungtaskd Not tainted 6.1.0-56-cloud-amd64 #1
    NMI backtrace for cpu 0 skipped: idling at native_safe_halt+0xb/0x10
    Call Trace:
     dump_stack_lvl+0x44/0x5c

The rest of a report whose first lines are lost, a stack of /proc/PID/stack or of crash(8), and
single frames are read, too; the title says what the stack was printed for where a function of it tells:

    RIP: 0010:widget_remove+0x1e6/0x200
    [<0>] vfs_write+0xf8/0x450
     #3 [ffffc90000000e50] ksys_write at ffffffff8144aa0f

Inside a stall, a lockup or a hung task's report the NMI backtraces are its further stacks.
Source: lib/nmi_backtrace.c, nmi_cpu_backtrace(); lib/dump_stack.c; drivers/tty/sysrq.c;
fs/proc/base.c, proc_pid_stack().
"""

from __future__ import annotations

import re
from dataclasses import replace

from keepsane.kernel.events.kasan.middle import parse_middle
from keepsane.kernel.events.oops import parse_jump
from keepsane.kernel.log.block import END_TRACE, Block, Opening, build, damage_of, titled
from keepsane.kernel.log.culprit import culprit
from keepsane.kernel.log.printed_for import printed_for, reported
from keepsane.kernel.log.task import CRASH_TASK
from keepsane.kernel.log.trace import ADDRESS_ONLY, ARM, CRASH, FRAME, PLACED, SCRIPT
from keepsane.model import Event

MIXED = "two tasks printed at once: whose registers and stack these are cannot be told"
SYSRQ = re.compile(
    r"(?:sysrq: )?(?:SysRq : )?(?:Show (?:[Bb]acktrace of all active CPUs|State|Blocked State|Memory"
    r"|Regs)\b|Triggering )"
)
NMI = re.compile(r"(?P<stack>NMI backtrace for cpu \d{1,5})\b")
_SAMPLED_BY = frozenset(
    {
        "soft-lockup",
        "hard-lockup",
        "rcu-stall",
        "hung-task",
        "workqueue-lockup",
        "lockdep",
        "sysrq",
        "nmi-backtrace",
    }
)
_OF_CPUS = frozenset({"sysrq", "nmi-backtrace"})
_OWN = re.compile(r"Sending NMI from CPU|INFO: NMI handler|rcu: |CPU\d{1,20}:")


def parse_backtrace(block: Block) -> Event | None:
    """
    Read a call trace that no report claims, or the rest of a report without its head; None without a frame.

    Accepted format:
        Call Trace:
         [<ffffffff81542e45>] schedule+0x45/0x60

        CPU: 0 PID: 327 Comm: widgetd Not tainted 5.15.167 #1
        RIP: 0010:widget_remove+0x1e6/0x200
    """
    stacks = block.body.stacks
    if not stacks:
        return _headless(block)
    middle = parse_middle(block)
    if middle is not None:
        return middle
    if len(stacks) > 1:
        of_cpus = not _OF_CPUS.isdisjoint(block.openings)
        several = "backtraces of several CPUs" if of_cpus else "several backtraces"
        return build(Event, block, "backtrace", several)
    if jump := _jump(block):
        return jump
    what = printed_for(stacks[0])
    title = f"of {reported(block.body, stacks[0], what)}" if what else None
    in_ = titled("backtrace", culprit(block.body, stacks=stacks))
    return build(Event, block, "backtrace", f"backtrace {title}" if title else in_, damage=_lacks(block))


def _jump(block: Block) -> Event | None:
    """
    Read a jump to NULL whose headline is lost: in the kernel nothing else executes the first page.

    Accepted format:
        RIP: 0010:0x0
        Call Trace:
         widget_work+0x6e/0xc0

        RIP  [<          (null)>]           (null)                              behind the trace, up to 4.9

    Behind the end trace it may be an earlier crash that is told once more.
    """
    end = next((record.line for record in block.records if END_TRACE.match(record.text.lstrip())), None)
    ip = block.body.ip
    if ip is None or (end is not None and ip.line > end):
        return None
    # The groups of a frame are none of an oops: its `address` is where the code lies, not what faulted.
    said_nothing = replace(block, head=next(re.finditer("", block.head_record.text)))
    jump = parse_jump(said_nothing)
    if jump is None:
        return None
    lacks = "; ".join(filter(None, ["the lines that say what happened are missing", damage_of(block)]))
    in_trace = block.opening.name == "frame"  # the log begins inside the trace: who called is perhaps lost
    return replace(jump, damage=lacks, title="NULL pointer dereference" if in_trace else jump.title)


def _lacks(block: Block) -> str:
    ip, frames = block.body.ip, block.body.stacks[0].frames
    if ip is None or ip.line <= frames[-1].line:
        return damage_of(block)
    return (
        "the lines that say what happened are missing; where it was is only said behind its end, where the"
        " kernel repeats its first crash since boot"
    )


def _headless(block: Block) -> Event | None:
    """Read registers that no headline claims: what the kernel objected to stood above and is lost."""
    ip = block.body.ip
    if block.mixed:
        return build(Event, block, "backtrace", "lines of two tasks, mixed", damage=MIXED)
    name = block.opening.name
    if name in _LEFT and (name != "code" or block.body.code is not None):
        return build(Event, block, "backtrace", "a report without its first lines", damage=_LEFT[name])
    ends = block.find(END_TRACE) is not None  # only an oops and a warning have an end
    if ip is None or not (ip.function or ends) or block.opening.name not in ("backtrace", "registers"):
        return None
    if not ends and _is_quoted(block):
        return None
    title = titled("a report without its first lines", culprit(block.body))
    lacks = "; ".join(["the lines that say what happened are missing", damage_of(block)])
    return build(Event, block, "backtrace", title, damage=lacks)


def _is_quoted(block: Block) -> bool:
    """Tell whether a text only mentions a place of code: nothing else of a report, and other words behind."""
    body = block.body
    said = body.registers or body.code or body.link or body.task or body.release
    return not said and not block.cut


_LEFT = {"code": "only its code bytes are left", "end": "only its end is left"}


def parse_injected(block: Block) -> Event | None:
    """Leave out the stack of a failure that the fault injector made on request: nothing went wrong."""
    return None


def parse_cut_here(block: Block) -> Event | None:
    """Keep a report that was cut off right after its first line."""
    if len(block.openings) > 1 or not block.cut:
        return None
    return build(Event, block, "other", "a report that was cut off", damage="only its first line is left")


_CUT_HERE = re.compile(r"-+\[ cut here \]-+")
_INJECTED = re.compile(r"FAULT_INJECTION: forcing")
_TASK = re.compile(r"CPU: \d{1,5} .{0,20}PID: \d{1,10} Comm: ")
_TRACE = re.compile(r"Pid: \d{1,10}, comm: |\s*Call [Tt]race:|Backtrace:")
_CODE = re.compile(r"Code: (?:[0-9a-f]{2,8} ){2}")
_REGISTERS = re.compile(
    r"(?:RIP: 0010:|EIP: (?:00[0-9a-f]{2}:)?|EIP is at |PC is at |pc ?: |epc {0,3}: |NIP |era ?: )"
    r"(?:\[<?[0-9a-f]{8,16}>?\] {0,8}+){0,2}(?:[0-9a-f]{8,16} )?(?:" + PLACED + r"|" + SCRIPT + r")"
)
_NOWHERE = re.compile(
    r"RIP: 0010:(?:\[< {0,16}\(null\)>\] {0,8}|\[<0{8,16}>\] {0,8}){0,2} {0,8}(?:0x[0-9a-f]{1,3}\b|\(null\))"
    r"|(?:EIP is at |PC is at |pc : )0x[0-9a-f]{1,3}\b"
)
_ROW = r"[0-9a-f]{16}\b"
_END = re.compile(
    r"---\[ end trace [0-9a-f]{1,16} \]---|RSP <[0-9a-f]{16}>"
    rf"|CS: {{1,2}}[0-9a-f]{{4}} DS: [0-9a-f]{{4}} ES: [0-9a-f]{{4}} CR0: {_ROW}"
    rf"|CR2: {_ROW}(?: CR3: {_ROW}|\s*+$)|DR[03]: {_ROW} DR[16]: {_ROW}"
)

OPENINGS = (
    Opening("cut-here", _CUT_HERE, parse_cut_here, rank=9),
    Opening("injected", _INJECTED, parse_injected, rank=0, own=re.compile(r"name \S+, interval")),
    Opening("sysrq", SYSRQ, parse_backtrace, rank=0, own=_OWN),
    Opening("nmi-backtrace", NMI, parse_backtrace, own=_OWN, joins=_SAMPLED_BY),
    Opening("backtrace", _TASK, parse_backtrace, alone=True, renews=True),
    Opening("backtrace", CRASH_TASK, parse_backtrace, alone=True, renews=True),
    Opening("backtrace", _TRACE, parse_backtrace, alone=True),
    Opening("registers", _REGISTERS, parse_backtrace, alone=True),
    Opening("nowhere", _NOWHERE, parse_backtrace, alone=True),
    Opening("code", _CODE, parse_backtrace, alone=True, first=True),
    Opening("end", _END, parse_backtrace, rank=0, alone=True, first=True),
    *(Opening("frame", form, parse_backtrace, alone=True) for form in (FRAME, ARM, CRASH, ADDRESS_ONLY)),
)
