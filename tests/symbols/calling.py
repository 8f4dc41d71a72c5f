# SPDX-License-Identifier: GPL-2.0-or-later
"""Builds a vmlinux and a module in which we know who calls whom, and says where each call returns to."""

from __future__ import annotations

import re
import shutil
import subprocess
from functools import cache
from pathlib import Path

import pytest

from keepsane.model import Event, Frame, Kernel, Stack
from keepsane.symbols.binary.image import Image, open_image

KERNEL = """\
#define plain __attribute__((noipa))
struct ops { int (*prepare)(int); int (*run)(int); int (*finish)(int); };
int volatile sink;

plain int end(int n) { return sink + n; }
plain int direct(int n) { return end(n) + 1; }
plain int one(int n) { return end(n + 1); }
plain int two(int n) { return one(n + 2); }
plain int tail_one(int n) { return one(n) + 1; }
plain int tail_two(int n) { return two(n) + 1; }
plain int other(int n) { return end(n + 3); }
plain int either(int n) { return n > 3 ? one(n) : other(n); }
plain int forked(int n) { return either(n) + 1; }

static inline __attribute__((always_inline)) int part(int n) { return end(n * 3) + 5; }
plain int holder(int n) { return part(n) * 2; }

plain int run(int n) { return sink - n; }
plain int prepare(int n) { return sink * n; }
plain int shared(int n) { return sink / n; }
const struct ops single_ops = { .prepare = prepare, .run = run };
const struct ops first_ops = { .finish = shared };
const struct ops second_ops = { .finish = shared };
int (*const steps[])(int) = { prepare, run };

plain int member(const struct ops *ops, int n) { return ops->run(n) + 1; }
plain int member_of_two(const struct ops *ops, int n) { return ops->finish(n) + 1; }
plain int indexed(int n) { return steps[n & 1](n) + 1; }
plain int jumps_on(const struct ops *ops, int n) { return ops->run(n); }
plain int through_jump(int n) { return jumps_on(&single_ops, n) + 1; }
plain int parameter(int (*fn)(int), int n) { return fn(n) + 1; }
plain int gives(int n) { return parameter(direct, n) + 1; }

plain int asked(int number, int n) { return sink == number + n; }
plain int odd(int n) { return sink + 7; }
plain int even(int n) { return sink + 8; }
plain int both(int n) { return sink + 9; }
static const struct entry { long number; int (*run)(int); } entries[] = {
	{ 1, odd }, { 2, even }, { 3, both }, { 4, both },
};
plain int walks(int n)
{
	int said = 0;

	for (int i = 0; i < 4; i++)
		if (asked(entries[i].number, n)) {
			said = asked(n, said);
			said = entries[i].run(said);
		}
	return said;
}

plain int closed(int n) { return sink | n; }
plain int freed(int n) { return sink ^ n; }
plain int drops(int n) { return freed(n + 7); }
plain int hands(int n) { return parameter(freed, n) + parameter(drops, n); }

plain int __SCT__hook(int n) { return end(n + 8); }
plain int set_at_run_time(int n) { return __SCT__hook(n) + 1; }
plain void __fentry__(void) { sink = 0; }
plain int traced(int n) { __fentry__(); return sink - n; }
plain int ftrace_hook(int n) { return sink + n + 2; }

plain int again(int n) { return n ? again(n - 1) / 3 : sink; }

plain int common_interrupt(int n) { return sink + 9 * n; }
plain int asm_common_interrupt(int n) { return common_interrupt(n) + 1; }

plain int far_four(int n) { return closed(n + 4); }
plain int far_three(int n) { return far_four(n + 3); }
plain int far_two(int n) { return far_three(n + 2); }
plain int near_or_far(int n) { return n > 5 ? closed(n) : far_two(n + 1); }
plain int calls_near_or_far(int n) { return near_or_far(n) + 1; }

plain int masks(int n) { return sink ^ (n + 9); }
struct ops written_ops, masked_ops = { .run = masks };
plain int fills_in(int n) { written_ops.run = masks; return n; }

plain int picks(const struct ops *ops, int n) { return n ? ops->run(n) : ops->finish(n + 1); }
plain int through_picks(int n) { return picks(&single_ops, n) + 1; }

const struct { int id; union { int (*open)(long); int (*close)(int); } hook; } hooks[] = {
	{ .hook.close = closed }
};

struct head { struct head *next; int (*func)(struct head *); };
struct task { int (*run_first)(int); int (*start)(int); };
plain int started(int n) { return sink & n; }
struct task only_task = { .start = started };
plain int by_offset(void *at, struct head *head, int n)
{
	return (*(int (**)(int))(at + 8))(n) + (sink ? head->next != 0 : 0);
}

int start(int n)
{
	struct head head = { 0 };
	sink += hands(n) + set_at_run_time(n) + traced(n) + ftrace_hook(n) + through_picks(n) + hooks[0].id
		+ again(n) + fills_in(n) + masked_ops.run(n)
		+ calls_near_or_far(n) + asm_common_interrupt(n) + by_offset(&only_task, &head, n);
	return tail_one(n) + tail_two(n) + forked(n) + holder(n) + member(&single_ops, n) + direct(n)
		+ member_of_two(n ? &first_ops : &second_ops, n) + indexed(n) + through_jump(n) + gives(n) + walks(n);
}
"""
# Two static functions of one name, in two tables: which of them ran, no log says.
TWIN = """\
struct ops { int (*prepare)(int); int (*run)(int); int (*finish)(int); };
extern int volatile sink;
static __attribute__((noipa)) int twin(int n) { return sink + NUMBER * n; }
const struct ops NAME = { .run = twin };
"""
MODULE = """\
#define plain __attribute__((noipa))
struct ops { int (*prepare)(int); int (*run)(int); int (*finish)(int); };
int end(int n);
int one(int n);
static plain int inside(int n) { return n + 4; }
static const struct ops module_ops = { .run = inside };
plain int to_kernel(int n) { return one(n) + 1; }
plain int own_table(const struct ops *ops, int n) { return ops->run(n) + 1; }
int init(int n) { return own_table(&module_ops, n) + to_kernel(n); }
"""
_REGISTERS = ("rax", "rbx", "rcx", "rdx", "rsi", "rdi", "rbp", *(f"r{number}" for number in range(8, 16)))
THUNKS = "".join(
    f".globl __x86_indirect_thunk_{name}\n.balign 32\n__x86_indirect_thunk_{name}: jmp *%{name}\n"
    for name in _REGISTERS
)
FLAGS = ("-g", "-O2", "-fno-pic", "-fcf-protection=none", "-mcmodel=kernel", "-ffreestanding")
_RETPOLINE = ("-mindirect-branch=thunk-extern", "-mindirect-branch-register")
_CALL = re.compile(r"^\s*(?P<address>[0-9a-f]+):\s+(?:cs )?call")
_LABEL = re.compile(r"^(?P<address>[0-9a-f]+) <(?P<name>[\w.]+)>:")


@cache
def build(top: Path) -> dict[str | None, Image]:
    """Compile and link both; skips the test where there is no compiler."""
    if shutil.which("gcc") is None or shutil.which("objdump") is None:
        pytest.skip("gcc and objdump are not installed, and the code to judge is built here")
    (top / "kernel.c").write_text(KERNEL)
    (top / "module.c").write_text(MODULE)
    (top / "thunks.s").write_text(THUNKS)
    for name in ("kernel", "module"):
        _run(top, "gcc", *FLAGS, *_RETPOLINE, "-c", f"{name}.c", "-o", f"{name}.o")
    (top / "twin.c").write_text(TWIN)
    for name, number in (("twin_ops", "3"), ("other_twin_ops", "5")):
        defined = (f"-DNAME={name}", f"-DNUMBER={number}")
        _run(top, "gcc", *FLAGS, *_RETPOLINE, *defined, "-c", "twin.c", "-o", f"{name}.o")
    _run(top, "gcc", "-c", "thunks.s", "-o", "thunks.o")
    _run(
        top,
        "ld",
        "-Ttext=0xffffffff81000000",
        "--build-id",
        "-e",
        "start",
        "-o",
        "vmlinux",
        "kernel.o",
        "twin_ops.o",
        "other_twin_ops.o",
        "thunks.o",
    )
    _run(top, "ld", "-r", "--build-id", "-o", "mod.ko", "module.o")
    return {None: open_image(top / "vmlinux"), "mod": open_image(top / "mod.ko")}


def _run(top: Path, *command: str) -> None:
    subprocess.run(command, cwd=top, check=True, capture_output=True)


def returns(images: dict[str | None, Image], function: str, module: str | None = None) -> list[int]:
    """Where the calls of a function return to, as offsets from its start, by objdump."""
    listing = subprocess.run(
        ["objdump", "-d", "--no-show-raw-insn", images[module].path],
        check=True,
        capture_output=True,
        text=True,
    ).stdout
    found, start, is_behind = [], None, False
    for line in listing.splitlines():
        label = _LABEL.match(line)
        if label:
            start = int(label["address"], 16) if label["name"] == function else None
            is_behind = False
        elif start is not None and ":" in line:
            if is_behind:
                found.append(int(line.partition(":")[0], 16) - start)
            is_behind = _CALL.match(line) is not None
    return found


def call_by_objdump(
    images: dict[str | None, Image], function: str, module: str | None = None
) -> tuple[int, str]:
    """The first call of a function: its offset, and the call with the name of what it leads to."""
    listing = subprocess.run(
        ["objdump", "-dr", "--no-show-raw-insn", f"--disassemble={function}", images[module].path],
        check=True,
        capture_output=True,
        text=True,
    ).stdout
    (start,) = re.findall(r"(?m)^([0-9a-f]+) <[\w.]+>:", listing)
    # In a .ko the name stands in the relocation behind the call: R_X86_64_PLT32 one-0x4.
    found = re.search(
        r"([0-9a-f]+):\s+(?:cs )?call .*?(?:<([\w.]+)(?:\+.*)?>)?(?:\n.*\s([\w.]+)-0x4)?\n", listing
    )
    assert found is not None
    return int(found[1], 16) - int(start, 16), f"call {found[3] or found[2]}"


def frame(
    images: dict[str | None, Image],
    function: str,
    offset_bytes: int,
    module: str | None = None,
    *,
    reliable: bool = True,
) -> Frame:
    """A frame as a log prints it."""
    (symbol,) = images[module].symbols([function])[function]
    size_bytes = symbol.size_bytes if symbol.exact else None
    return Frame(
        line=1,
        function=function,
        offset_bytes=offset_bytes,
        size_bytes=size_bytes,
        module=module,
        reliable=reliable,
    )


def event(*frames: Frame) -> Event:
    """An event with one stack."""
    return Event(
        kind="other", title="", line=1, last_line=9, stacks=(Stack(name="Call Trace", frames=frames),)
    )


KERNEL_OF_LOG = Kernel(release="6.12", arch="x86_64")
