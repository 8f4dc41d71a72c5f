# SPDX-License-Identifier: GPL-2.0-or-later
"""Loops over a table, written instruction by instruction: which of them surely read an entry of it."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from keepsane.symbols.binary.image import open_image
from keepsane.symbols.calls.pointer import Pointer
from keepsane.symbols.calls.pointer_origin import pointer_of
from keepsane.symbols.calls.tables import Site, Tables, open_tables, tables_read
from keepsane.symbols.code.text import Function, Text, functions_named, instructions

pytest.importorskip("capstone")

# Each loop calls through %rax; `step` of them stands in front of the load, as gcc 12 places it.
_LOOPS = {
    "forward": ("mov $table, %rbx", "add $16, %rbx", "mov -8(%rbx), %rax"),
    "by_lea": ("mov $table, %rbx", "lea 16(%rbx), %rbx", "mov -8(%rbx), %rax"),
    "backward": ("mov $table_end, %rbx", "sub $16, %rbx", "mov 8(%rbx), %rax"),
    "early": ("mov $table - 16, %rbx", "add $16, %rbx", "mov 8(%rbx), %rax"),
    "other_member": ("mov $table, %rbx", "add $16, %rbx", "mov (%rbx), %rax"),
    "two_tables": (
        "mov $table, %rbx; test %edi, %edi; je 2f; mov $twins, %rbx; 2:",
        "add $16, %rbx",
        "mov -8(%rbx), %rax",
    ),
    "two_steps": ("mov $table, %rbx", "add $16, %rbx; add $8, %rbx", "mov -8(%rbx), %rax"),
    "clobbered": ("mov $table, %rcx", "call first; add $16, %rcx", "mov -8(%rcx), %rax"),
    "argument": ("nop", "add $16, %rdi", "mov -8(%rdi), %rax"),
    "by_a_register": ("mov $table, %rbx", "add %rdx, %rbx", "mov -8(%rbx), %rax"),
    "side_by_side": ("mov $alone, %rbx", "add $16, %rbx", "mov -8(%rbx), %rax"),
}
_CODE = "\n".join(
    f".globl {name}\n.type {name}, @function\n{name}:\n{start}\n1:\n{step}\n{load}\n"
    f"call *%rax\ncmp $1, %eax\njne 1b\nret\n.size {name}, . - {name}"
    for name, (start, step, load) in _LOOPS.items()
)
_FUNCTIONS = "\n".join(
    f".globl {name}\n.type {name}, @function\n{name}: mov ${number}, %eax\nret\n.size {name}, . - {name}"
    for number, name in enumerate(("first", "second", "twice", "lonely"))
)
_TABLES = {
    "before": ("0", "first", "0", "0"),
    "table": ("0", "first", "0", "second", "0", "twice", "0", "twice"),
    "behind": ("0", "lonely", "0", "0"),
    "alone": ("0", "lonely"),
    "alone_too": ("0", "first"),
    "twins": ("0", "second", "0", "twice"),
}
_DATA = "\n".join(
    f".globl {name}\n.type {name}, @object\n{name}: .quad {', '.join(held)}\n.size {name}, . - {name}"
    + ("\ntable_end:" if name == "table" else "")
    for name, held in _TABLES.items()
)
_PROVEN = ("forward", "by_lea", "backward", "early")


@pytest.fixture(scope="module")
def tables(tmp_path_factory: pytest.TempPathFactory) -> Tables:
    if shutil.which("gcc") is None:
        pytest.skip("gcc is not installed, and the code to read is assembled here")
    top = tmp_path_factory.mktemp("loops")
    (top / "loops.s").write_text(f".text\n{_FUNCTIONS}\n{_CODE}\n.section .rodata\n.balign 16\n{_DATA}\n")
    for command in (
        ("gcc", "-c", "loops.s", "-o", "loops.o"),
        ("ld", "-Ttext=0xffffffff81000000", "-e", "first", "-o", "vmlinux", "loops.o"),
        ("ld", "-r", "-o", "loops.ko", "loops.o"),
    ):
        subprocess.run(command, cwd=top, check=True, capture_output=True)
    return _opened(top)


def _opened(top: Path) -> Tables:
    return open_tables(Text({None: open_image(top / "vmlinux"), "loops": open_image(top / "loops.ko")}))


def _function(tables: Tables, name: str, module: str | None = None) -> Function:
    return next(one for one in _both(tables, name) if one.module == module)


def _both(tables: Tables, name: str) -> list[Function]:
    (kernel,) = functions_named(Text({None: tables.text.images[None]}), name)
    (module,) = functions_named(Text({"loops": tables.text.images["loops"]}), name)
    return [kernel, module]


def _pointer(tables: Tables, name: str, module: str | None = None) -> Pointer:
    return _site(tables, name, module).pointer


def _site(tables: Tables, name: str, module: str | None = None) -> Site:
    loop = _function(tables, name, module)
    (call,) = [one for one in instructions(tables.text, loop) if one.flow == "indirect call"]
    return Site(loop, call.address, pointer_of(tables.text, loop, call, "rax"))


def _used(tables: Tables, loop: str, callee: str, module: str | None = None) -> str | None:
    found = tables_read(tables, _function(tables, callee, module), _site(tables, loop, module))
    return found.used.name if found.used else None


@pytest.mark.parametrize("module", [None, "loops"])
@pytest.mark.parametrize("loop", _PROVEN)
def test_a_loop_over_one_table_reads_its_entry(tables: Tables, loop: str, module: str | None) -> None:
    # The second entry begins at 16, and its function stands at 8 of it.
    assert _used(tables, loop, "second", module) == "table+0x18"


@pytest.mark.parametrize("loop", _PROVEN)
def test_a_function_that_two_entries_hold_is_of_neither(tables: Tables, loop: str) -> None:
    assert _used(tables, loop, "twice") is None
    found = tables_read(tables, _function(tables, "twice"), _site(tables, loop))
    assert {one.name for one in found.possible} == {"table+0x28", "table+0x38"}


@pytest.mark.parametrize("module", [None, "loops"])
@pytest.mark.parametrize("loop", sorted(_LOOPS.keys() - set(_PROVEN)))
def test_other_loops_prove_nothing(tables: Tables, loop: str, module: str | None) -> None:
    assert [_used(tables, loop, callee, module) for callee in ("first", "second", "lonely")] == [None] * 3


@pytest.mark.parametrize("loop", ["two_tables", "two_steps", "clobbered", "argument", "by_a_register"])
def test_of_what_is_no_loop_over_one_table_only_the_offset_is_known(tables: Tables, loop: str) -> None:
    assert _pointer(tables, loop) == Pointer(displacement=-8)


def test_a_table_before_the_one_that_is_walked_is_looked_at_too(tables: Tables) -> None:
    # `before` has `first` at 8, which is two steps before what `early` reads first.
    found = tables_read(tables, _function(tables, "first"), _site(tables, "early"))
    assert found.used is None and {one.name for one in found.possible} == {"before+0x8", "table+0x8"}
