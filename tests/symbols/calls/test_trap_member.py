# SPDX-License-Identifier: GPL-2.0-or-later
"""The member that an instruction wanted, against structures whose offsets are counted by hand."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from keepsane.api import explain
from keepsane.kernel.log.code import parse_code
from keepsane.model import Member
from keepsane.report import Report

pytest.importorskip("capstone")
pytest.importorskip("drgn")

# On x86-64 a long and a pointer have 8 bytes, an int 4.
SOURCE = """\
struct list { struct list *next, *prev; };
struct gadget { long pad[3]; int level; };			/* level at 24 */
struct widget {
	long id;						/* 0 */
	struct list link;					/* 8, prev at 16 */
	int value;						/* 24 */
	union { struct gadget *owner; long cookie; };		/* 32 */
	short row[4];						/* 40 */
};
struct gadget *some_gadget(void);
long volatile sink;

__attribute__((noinline)) int in_register(struct widget *w) { return w->value; }
__attribute__((noinline)) void written(struct widget *w, long to) { w->link.prev = (void *)to; }
__attribute__((noinline)) int in_array(struct widget *w) { return w->row[2]; }
__attribute__((noinline)) long in_union(struct widget *w) { return w->cookie; }
__attribute__((noinline)) int through_member(struct widget *w) { return w->owner->level; }
__attribute__((noinline)) int no_type(char *bytes) { return *(int *)(bytes + 24); }
__attribute__((noinline)) int indexed(int *from, long at) { return from[at]; }
__attribute__((noinline)) int behind(int *from) { return *from; }
"""


@pytest.fixture(scope="module")
def module(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A module with debug information, built for x86-64 by this machine's own compiler."""
    if shutil.which("gcc") is None or shutil.which("objdump") is None:
        pytest.skip("gcc and objdump are not installed, and the module is built here")
    top = tmp_path_factory.mktemp("members")
    (top / "widget.c").write_text(SOURCE)
    built = subprocess.run(["gcc", "-dumpmachine"], capture_output=True, text=True, check=True).stdout
    if not built.startswith("x86_64"):
        pytest.skip("this machine's compiler is not one for x86-64")
    flags = ["-O2", "-g", "-c", "-fcf-protection=none", "-mcmodel=kernel", "-fno-pic"]
    subprocess.run(["gcc", *flags, "widget.c", "-o", "widget.ko"], cwd=top, check=True)
    return top


def loads(module: Path, function: str) -> list[tuple[int, str, str]]:
    """Give the instructions of a function as objdump says them: offset, bytes, text."""
    text = subprocess.run(
        ["objdump", "-d", "--disassemble=" + function, module / "widget.ko"],
        capture_output=True, text=True, check=True,
    ).stdout  # fmt: skip
    rows = [line.split("\t") for line in text.splitlines() if line.count("\t") == 2]
    first = int(rows[0][0].strip(" :"), 16)
    return [(int(row[0].strip(" :"), 16) - first, row[1].strip(), row[2]) for row in rows]


def size_of(module: Path, function: str) -> int:
    """Give a function's size as kallsyms has it: up to the next one."""
    listed = subprocess.run(
        ["nm", "-n", "--defined-only", module / "widget.ko"], capture_output=True, text=True, check=True
    ).stdout
    rows = [line.split() for line in listed.splitlines() if line.split()[1] == "T"]
    starts = {name: int(address, 16) for address, _, name in rows}
    behind = [start for start in starts.values() if start > starts[function]]
    return min(behind) - starts[function]


def report_of(
    module: Path, function: str, access: str, offset_bytes: int, *, code: bool = True, last: bool = False
) -> Report:
    """Explain a crash of the instruction of a function that has `access` in objdump's text, its base NULL."""
    found = [row for row in loads(module, function) if access in row[2]]
    at, raw, _ = found[-1 if last else 0]
    first, *rest = raw.split()
    said = f"<{first}> {' '.join(rest)}" if code else "Unable to access opcode bytes at 0xffffffffc0428ffc."
    zeros = " ".join(f"{name}: {0:016x}" for name in ("RAX", "RBX", "RCX", "RDX", "RSI", "RDI"))
    log = (
        f"BUG: kernel NULL pointer dereference, address: {offset_bytes:016x}\n"
        "#PF: supervisor read access in kernel mode\nOops: 0000 [#1] SMP NOPTI\n"
        "CPU: 3 PID: 777 Comm: worker Not tainted 5.17.5 #2\n"
        f"RIP: 0010:{function}+{at:#x}/{size_of(module, function):#x} [widget]\nCode: {said}\n{zeros}\n"
        "Call Trace:\n widget_close+0x10/0x40\n---[ end trace 0000000000000000 ]---\n"
    )
    return explain(log, modules=[module], cache=False)


def members(report: Report) -> tuple[Member, ...]:
    code = report.events[0].code
    assert code is not None and code.trap is not None
    return code.members


@pytest.mark.parametrize(
    ("function", "access", "member"),
    [
        ("in_register", "0x18(%rdi)", Member("struct widget", "value", 24, "w", True)),
        ("written", "0x10(%rdi)", Member("struct widget", "link.prev", 16, "w", True)),
        ("in_array", "0x2c(%rdi)", Member("struct widget", "row[2]", 44, "w", True)),
    ],
)
def test_a_variable_in_the_register_proves_its_member(
    module: Path, function: str, access: str, member: Member
) -> None:
    report = report_of(module, function, access, member.offset_bytes)
    assert members(report) == (member,)
    finding = next(one for one in report.findings if one.rule == "null-member-access")
    assert f"{member.structure}.{member.path}, offset {member.offset_bytes:#x}" in finding.title
    assert finding.confidence == "high" and "the pointer is w" in finding.explanation


def test_of_a_union_every_member_is_named_and_none_is_proven(module: Path) -> None:
    found = members(report_of(module, "in_union", "0x20(%rdi)", 32))
    assert {one.path for one in found} == {"owner", "cookie"}
    assert not any(one.proven for one in found)


def test_a_pointer_that_was_loaded_from_a_member_is_a_candidate(module: Path) -> None:
    report = report_of(module, "through_member", "0x18(%r", 24, last=True)
    assert members(report) == (Member("struct gadget", "level", 24, "w->owner", False),)
    finding = next(one for one in report.findings if one.rule == "null-member-access")
    assert "a member at offset 0x18 of a NULL structure" in finding.title
    assert "may be struct gadget.level, offset 0x18, through w->owner" in finding.explanation


@pytest.mark.parametrize(("function", "access"), [("no_type", "0x18(%rdi)"), ("indexed", "(%rdi,%rsi,4)")])
def test_what_is_no_structure_has_no_member(module: Path, function: str, access: str) -> None:
    assert members(report_of(module, function, access, 24 if function == "no_type" else 0)) == ()


def test_the_instruction_is_read_from_the_module_where_the_log_has_none(module: Path) -> None:
    report = report_of(module, "in_register", "0x18(%rdi)", 24, code=False)
    (code,) = (event.code for event in report.events)
    assert code is not None and code.file == "widget.ko"
    known = parse_code("Code: <8b> 47 18", 1)
    assert known is not None and code.data == known.data  # mov 0x18(%rdi), %eax: 8b /r, ModRM 01 000 111
    assert members(report) == (Member("struct widget", "value", 24, "w", True),)
    finding = next(one for one in report.findings if one.rule == "null-member-access")
    assert finding.confidence == "high"


def test_the_same_report_again_has_the_same_member(module: Path) -> None:
    report = report_of(module, "in_register", "0x18(%rdi)", 24, code=False)
    text = "\n".join(record.text for record in report.events[0].records)
    twice = explain(f"{text}\n{text.replace('777', '778')}\n", modules=[module], cache=False)
    assert {members(one) for one in (report, twice)} == {members(report)}
    assert all(event.code is not None and event.code.members for event in twice.events)
