# SPDX-License-Identifier: GPL-2.0-or-later
"""
What every kind of report prints in the same way: who ran, where, with which registers, and the stacks.

    CPU: 0 PID: 1 Comm: init Tainted: G           OE      6.1.0-56-cloud-amd64 #1  Debian 6.1.192-2
    RIP: 0010:poke_null+0x12/0x40 [crashme]
    Code: 40 00 48 c7 <48> 3d 00 f0
    RAX: 0000000000000000 RBX: 0000000000000005 RCX: 0000000000000000
    Call Trace:
     do_null.constprop.0+0x5f/0x90 [crashme]
    ---[ end trace 0000000000000000 ]---

Source: lib/dump_stack.c, dump_stack_print_info(); arch/x86/kernel/process_64.c, __show_regs();
arch/arm64/kernel/process.c, __show_regs().
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field, replace

from keepsane.kernel.log.code import CodeReader
from keepsane.kernel.log.fault_registers import is_psw_behind, parse_fault_registers
from keepsane.kernel.log.module_list import LISTED, continues_list, listed_modules
from keepsane.kernel.log.objects import MAX_OBJECTS, SlabObject, parse_object, with_objects
from keepsane.kernel.log.registers import (
    is_register_line,
    named_before,
    parse_next_row,
    parse_registers,
    with_object,
)
from keepsane.kernel.log.stacks import MAX_FRAMES, StackReader
from keepsane.kernel.log.task import Release, is_comm_open, parse_release, parse_task, with_rest_of_comm
from keepsane.kernel.log.trace import (
    DECODED_NOTE,
    MODULE,
    PLACED,
    SCRIPT,
    SYMBOL,
    parse_inlined,
    symbol_frame,
    without_discriminators,
)
from keepsane.model import Code, Frame, LogRecord, Register, SourceLine, Stack, TaintFlag, Task

_BARE_CPU = re.compile(r"CPU:?\s{1,8}+(?P<cpu>\d{1,5})(?:\s*+$|\s{1,8}+(?:Not tainted|Tainted: ))")
_IP = re.compile(
    r"\s*(?:[RE]?IP: |RIP\s{1,16}+|PC is at |pc ?: ?|EIP is at |epc ?: |NIP |era ?: "
    r"|(?:epc {3}|ERA): (?P<raw>[0-9a-f]{8,16}) |Krnl PSW : [0-9a-f]{1,16} (?P<raw_>[0-9a-f]{1,16}) \()"
    r"(?:(?P<segment>[0-9a-f]{4}):)?"
    r"(?: ?\[<(?:(?P<address>[0-9a-fA-F]{8,16})| {0,16}\(null\))>\] {0,8}+){0,4}"
    r"(?:\[(?P<nip>[0-9a-f]{8,16})\] )?"
    r"(?:" + PLACED + r"|" + SCRIPT + r"|(?P<bare>0x[0-9a-f]{1,16})|\s{0,8}(?P<null>\(null\)))?"
)
_LINK = re.compile(
    r"\s{0,8}(?:lr ?: |LR is at |LR \[[0-9a-f]{8,16}\] |ra {0,4}: {1,2}(?:[0-9a-f]{8,16} )?)"
    + SYMBOL
    + MODULE
)
_TRAILER = re.compile(r"\s*+(?:RIP {1,4}\[<|EIP: .{0,200} SS:ESP |RIP: .{0,200} RSP: [0-9a-f]{8,16}\s*+$)")
"""
The instruction pointer once more behind the code, as `RIP: widget_poke+0x16/0x40 RSP: ffff880036e53d30` from
4.10 to 4.15: arch/x86/kernel/dumpstack.c, __die().
"""
_STACK_WORDS = re.compile(r"\s*+(?:[0-9a-f]{4}: ?)?(?:\s?[0-9a-f]{8}){2,16}\s*+$")
_KNOWN = re.compile(
    r"\s*(?:Hardware name:|Workqueue:|Stopper:|task: \S+ ti?|task\.stack|Stack:|Dumping ftrace buffer"
    r"|\(ftrace buffer empty\)"
    r"|Mem abort info|Data abort info|ESR = |EC = |SET = |FSC = |EA = |ISV = |CM = |Exception class ="
    r"|GCS = |user pgtable|Faulting instruction address: |Fault in \w+ space mode|Unable to handle kernel "
    r"|(?:BE|LE) PAGE_SIZE=|\$24 {3}: |R:\d T:\d IO:\d "
    r"|[0-9a-f]{4}: {2,80}[0-9a-f]"
    r"|swapper pgtable|\[[0-9a-f]{4,16}\] \*?pgd=|\*?p(?:[gum]d|de) ?=|PGD |#PF:|pstate|LR is at|note: "
    r"|Process .{1,40} \(pid: "
    r"|CPU: \d{1,20}|Pid: |Tainted: \[|Tainted: |Not tainted|Exception stack|thread_info"
    r"|Last (?:level|Breaking)"
    r"|\[last unloaded:|\[inline\]"
    r"|Call Trace|Call trace|SMP |Trace:|RSP|invalid opcode|Fixing recursive|Bytes b4|KASAN: |kasan: "
    r"|CR2:|PKRU:"
    r"|={5,}|-{5,}|\.{3}$|x\d{1,20} ?:|R[A-DS1-9][XPI0-9] |\(XEN\)|\(NULL\)|INFO: lockdep is turned off"
    r"|end of"
    r"|Sending NMI"
    r"|Showing all locks|\d{1,20} locks? held by|no locks held by|#\d{1,20}: |locks held by"
    r"|irq event stamp|(?:hard"
    r"|soft)irqs last)"
)
_END_TRACE = re.compile(r"\s*---\[ end trace ")
_END = re.compile(r"\s*---\[ end (?:trace|Kernel panic)|={50,}\s*+$|-{8,}\[ cut here|\s*\} hitcount: ")


@dataclass(frozen=True, slots=True, kw_only=True)
class Body:
    """
    The common parts of one report; every part is None or empty where the report lacks it.

    `frames_left_out` counts the frames beyond MAX_FRAMES, which `stacks` lacks. `comm_cut` is True where the
    line of the task ends inside its name and the next line does not go on with it.
    """

    task: Task | None
    release: str | None
    version: str | None
    build_id: str | None
    taint: tuple[TaintFlag, ...]
    ip: Frame | None
    link: Frame | None
    registers: tuple[Register, ...]
    code: Code | None
    stacks: tuple[Stack, ...]
    modules: tuple[str, ...]
    ended: bool
    frames_left_out: int = 0
    comm_cut: bool = False


@dataclass(slots=True)
class BodyReader:
    """
    Collects a body line by line; `take` says whether a line was understood.

    Mutable on purpose: a log is read once, as a stream, and the reader is given away by `finish`.
    """

    task: Task | None = None
    release: Release | None = None
    ip: Frame | None = None
    link: Frame | None = None
    registers: list[Register] = field(default_factory=list)
    code: CodeReader = field(default_factory=CodeReader)
    modules: list[str] = field(default_factory=list)
    ended: bool = False
    closed: bool = False
    stacks: StackReader = field(default_factory=StackReader)
    _inlined: list[SourceLine] = field(default_factory=list)
    _objects: list[SlabObject] = field(default_factory=list)
    _user_mode: bool = False
    _about: str | None = None
    _in_modules: bool = False
    _in_comm: bool = False
    _comm_cut: bool = False
    _in_summary: bool = False

    @property
    def begun(self) -> bool:
        """True once the first stack has been met."""
        return self.stacks.begun

    def take(self, record: LogRecord) -> bool:
        """Read one line; False where it is none that every report may hold."""
        in_modules, self._in_modules = self._in_modules, False
        read, text = self.stacks.take(record.text, record.line)
        if read or self._context(text, record.line):
            return True
        if in_modules and continues_list(text):
            return self._module_names(text)
        return self._known(text)

    def section(self, name: str) -> None:
        """Begin a stack of another CPU or task inside the same report."""
        self.stacks.section(name)

    def finish(self) -> Body:
        """Give what was read."""
        release = self.release
        return Body(
            task=self.task,
            release=release.release if release else None,
            version=release.version if release else None,
            build_id=release.build_id if release else None,
            taint=release.taint if release else (),
            ip=self.ip,
            link=self.link,
            registers=with_objects(self.registers, self._objects),
            code=self.code.finish(psw_is_behind=is_psw_behind(self.registers)),
            stacks=self.stacks.finish(self.ip),
            modules=tuple(self.modules),
            ended=self.ended,
            frames_left_out=self.stacks.left_out,
            comm_cut=self._comm_cut or self._in_comm,
        )

    def _context(self, text: str, line: int) -> bool:
        """Lines that carry a fact of their own."""
        names_task = self._task_line(text)  # beside registers, too: `EFLAGS: 00210286   (2.6.9-11.EL)`
        return (
            self._ip_line(text, line)
            or self._link_line(text, line)
            or self._code_line(text, line)
            or self._modules_line(text)
            or self._register_line(text)
            or self._object_line(text)
            or names_task
        )

    def _task_line(self, text: str) -> bool:
        task, release = parse_task(text), parse_release(text)
        self._rest_of_comm(text)
        if task is not None and (self.task is None or self.task.pid is None):
            known_cpu = self.task.cpu if self.task else None
            self.task = task if task.cpu is not None else replace(task, cpu=known_cpu)
            self._in_comm = is_comm_open(text)
        if task is not None and not self.stacks.in_section:
            self.stacks.end()  # a report of a task begins: what stands above it was another's stack
        self.release = self.release or release
        bare = _BARE_CPU.match(text) if self.task is None else None
        if bare is not None:
            self.task = Task(cpu=int(bare["cpu"]))
        return task is not None or release is not None or bare is not None

    def _rest_of_comm(self, text: str) -> None:
        """Read the rest of a task's name that has a line break in it."""
        if self._in_comm and self.task is not None:
            whole = with_rest_of_comm(self.task, text)
            self._comm_cut = whole is self.task
            self.task = whole
        self._in_comm = False

    def _object_line(self, text: str) -> bool:
        found = parse_object(text)
        if found is not None and len(self._objects) < MAX_OBJECTS:
            self._objects.append(found)
        return found is not None

    def _ip_line(self, text: str, line: int) -> bool:
        found = _IP.match(without_discriminators(text))
        if found is None:
            return False
        if found["segment"]:
            self._user_mode = int(found["segment"], 16) & 3 == 3
        self._in_summary = self._in_summary or (self.ended and self.ip is None)
        if not self._user_mode and (not self.ended or self.ip is None):
            self._ip_frame(found, line)
        self._add(parse_registers(text))
        return True

    def _ip_frame(self, found: re.Match[str], line: int) -> None:
        if found["function"] or found["scripted"]:
            frame = self._with_inlined(symbol_frame(found, line, "ip"))
            raw = found["raw"] or found["raw_"] or found["nip"]
            frame = replace(frame, address=int(raw, 16)) if raw else frame
        elif found["bare"] or found["null"] or found["address"]:
            address = int(found["bare"] or found["address"] or "0", 16)
            frame = Frame(
                line=line, function=None, offset_bytes=None, size_bytes=None, address=address, role="ip"
            )
        else:
            inlined = parse_inlined(found.string[found.end() :])
            self._inlined += [inlined] if inlined else []
            return
        if _TRAILER.match(found.string) or self.ended:
            self.ip = self.ip or frame
        elif self.stacks.any():
            self.stacks.add(frame)
        elif self.ip is None or self.ip.function is None:
            self.ip = frame

    def _with_inlined(self, frame: Frame) -> Frame:
        """Give the frame with the lines for inlined functions that stood above it."""
        inlined, self._inlined = tuple(self._inlined[:MAX_FRAMES]), []
        return replace(frame, locations=(*inlined, *frame.locations), note=DECODED_NOTE) if inlined else frame

    def _link_line(self, text: str, line: int) -> bool:
        found = _LINK.match(text)
        if found is None:
            return False
        if self._before_the_stacks() and self.link is None:
            self.link = symbol_frame(found, line, "return")
        return True

    def _before_the_stacks(self) -> bool:
        """
        Tell whether registers are still the trap's, not user space's or another report's.

        Behind its end an oops says its registers once more, which counts where the first time is lost:
        arch/x86/kernel/dumpstack.c, oops_end().
        """
        if self._in_summary:
            return not self._user_mode
        return not self._user_mode and not self.ended and not self.stacks.any()

    def _code_line(self, text: str, line: int) -> bool:
        return self.code.take(text, line, wanted=not self._user_mode and not self.stacks.in_section)

    def _modules_line(self, text: str) -> bool:
        return text.startswith(LISTED) and self._module_names(text)

    def _module_names(self, text: str) -> bool:
        self._in_modules = True
        if len(self.modules) < MAX_FRAMES:
            self.modules += [module.name for module in listed_modules(text)]
        return True

    def _register_line(self, text: str) -> bool:
        told = with_object(self.registers, text, self._about)
        self._about = named_before(text)
        if told is not None:
            self.registers = told
            return True
        read = parse_fault_registers(text) or parse_next_row(text, self.registers)
        if not read and not is_register_line(text):
            return False
        self._add(read or parse_registers(text))
        return True

    def _add(self, registers: Iterable[Register]) -> None:
        if self._before_the_stacks():
            have = {register.name for register in self.registers}
            self.registers += [register for register in registers if register.name not in have]

    def _known(self, text: str) -> bool:
        if self.begun and _END.match(text):
            self.ended = True
            return True
        if _END_TRACE.match(text):
            self.closed = True  # the end of an oops without a call trace; a trace that still comes is read
            return True
        if self.stacks.header(text):
            return True
        return not text.strip() or _KNOWN.match(text) is not None or _STACK_WORDS.match(text) is not None
