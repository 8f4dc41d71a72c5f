# SPDX-License-Identifier: GPL-2.0-or-later
from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from keepsane.symbols.binary.elf import read_elf
from keepsane.symbols.binary.symtab import read_symbols
from keepsane.symbols.code.patch_tables import PatchSite, bytes_at, patch_sites, read_patch_tables
from keepsane.symbols.code.patched import Patched
from keepsane.symbols.identity.kaslr import CONTEXT_BYTES, Window, memory_of
from keepsane.symbols.identity.nops import is_nop_run, nop_runs
from keepsane.symbols.identity.run_time_bytes import site_contents, unpredicted

pytestmark = pytest.mark.skipif(
    shutil.which("as") is None or shutil.which("ld") is None,
    reason="binutils, which make the files, are missing",
)
SOURCE = """
        .text
        .globl first, thunks, __x86_indirect_thunk_r11
        .type first, @function
        .type __x86_indirect_thunk_r11, @function
first:  .fill 64, 1, 0x55
point:  .byte 0xe8
        .long __x86_indirect_thunk_r11 - . - 4
prefix: .byte 0x2e, 0xe8
        .long __x86_indirect_thunk_r11 - . - 4
around: .byte 0x0f, 0x84
        .long __x86_indirect_thunk_r11 - . - 4
tail:   .byte 0xe9
        .long __x86_indirect_thunk_r11 - . - 4
leave:  .byte 0xe9
        .long __x86_indirect_thunk_r11 - . - 4
locked: lock incl (%rdi)
traced: .byte 0xe8
        .long first - . - 4
short:  .byte 0x66, 0x90
long:   .byte 0x0f, 0x1f, 0x44, 0x00, 0x00
target: endbr64
virt:   call *pointer(%rip)
        .byte 0x90
static: .byte 0xe8
        .long first - . - 4
finish: .byte 0xe9
        .long first - . - 4
counted: .byte 0xe8
        .long first - . - 4
alt:    .byte 0x90, 0x90, 0x90, 0x90, 0x90, 0x90, 0x90
        .fill 16, 1, 0x56
near:   nop
        .fill 64, 1, 0x57
__x86_indirect_thunk_r11: int3
        .section .altinstr_replacement, "ax"
other:  .byte 0xe8
        .long first - . - 4
jump:   .byte 0xe9
        .long near - . - 4
inner:  .byte 0xe8
        .long __x86_indirect_thunk_r11 - . - 4
        .data
pointer: .quad 0
        .section .smp_locks, "a"
        .long locked - .
        .section .retpoline_sites, "a"
        .long point - ., prefix - ., around - ., tail - ., inner - .
        .section .return_sites, "a"
        .long leave - .
        .section .ibt_endbr_seal, "a"
        .long target - .
        .section .call_sites, "a"
        .long counted - .
        .section .parainstructions, "a"
        .quad virt
        .byte 0, 7
        .fill 6, 1, 0
        .section __mcount_loc, "a"
        .quad traced
        .section __jump_table, "a"
        .long short - ., near - .
        .quad 0
        .long long - ., near - .
        .quad 0
        .section .static_call_sites, "a"
        .long static - ., 0, finish - ., 0
        .section .altinstructions, "a"
        .long alt - ., other - .
        .long 7
        .byte 7, 5
        .long alt - ., jump - .
        .long 7
        .byte 7, 5
        .long alt - ., inner - .
        .long 7
        .byte 7, 5
"""
# What runs at a label, each written in the assembler's words, which the assembler and not this project reads.
RUNS = [
    ("point", "call *%r11; xchg %ax, %ax"),
    ("prefix", "lfence; call *%r11"),
    ("prefix", "call *%r11; nopl (%rax)"),
    ("around", "jne 1f; jmp *%r11; int3; 1:"),
    ("tail", "jmp *%r11; int3; nop"),
    ("leave", "ret; int3; int3; int3; int3"),
    ("locked", ".byte 0x3e"),
    ("traced", ".byte 0x0f, 0x1f, 0x44, 0x00, 0x00"),
    ("traced", ".byte 0xe8; .long 0x12345678"),
    ("traced", "int3; .long 0x12345678"),
    ("short", "jmp near"),
    ("long", ".byte 0xe9; .long near - . - 4"),
    ("target", "nopw (%rax)"),
    ("virt", ".byte 0xe8; .long 0x12345678; xchg %ax, %ax"),
    ("virt", "cli; .byte 0x66, 0x0f, 0x1f, 0x44, 0x00, 0x00"),
    ("static", ".byte 0x0f, 0x1f, 0x44, 0x00, 0x00"),
    ("static", ".byte 0x2e, 0x2e, 0x2e; xor %eax, %eax"),
    ("finish", "ret; int3; int3; int3; int3"),
    ("counted", ".byte 0xe8; .long first - 10 - . - 4"),
    ("alt", ".byte 0xe8; .long first - . - 4; xchg %ax, %ax"),
    ("alt", ".byte 0x0f, 0x1f, 0x80; .long 0"),
    ("alt", "jmp near; int3; int3; int3; xchg %ax, %ax"),
    ("alt", "jmp near; nopl (%rax); xchg %ax, %ax"),
    ("alt", "call *%r11; .byte 0x0f, 0x1f, 0x40, 0x00"),
]
ODD = [
    ("point", "call *%r12; xchg %ax, %ax"),  # another register
    ("prefix", "call *%r11; int3; int3; int3"),
    ("around", "je 1f; jmp *%r11; int3; 1:"),  # not inverted
    ("leave", "ret; nop; nop; nop; nop"),
    ("locked", "nop"),
    ("traced", ".byte 0xe9; .long 0x12345678"),
    ("short", "jmp alt"),
    ("long", ".byte 0xe9; .long alt - . - 4"),
    ("target", "int3; nop; nop; nop"),
    ("static", "ret; int3; int3; int3; int3"),
    ("counted", ".byte 0xe8; .long first - 17 - . - 4"),
    ("alt", ".byte 0xe8; .long first - . - 4; int3; int3"),
    ("alt", "call *%r12; .byte 0x0f, 0x1f, 0x40, 0x00"),
]


def _linked(directory: Path, source: str, name: str) -> Path:
    (directory / f"{name}.s").write_text(source)
    subprocess.run(["as", "-o", f"{name}.o", f"{name}.s"], cwd=directory, check=True)
    link = ["ld", "-o", name, "-e", "first", "-Ttext-segment=0xffffffff81000000", f"{name}.o"]
    subprocess.run(link, cwd=directory, check=True)
    return directory / name


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("contents")
    _linked(directory, SOURCE, "vmlinux")
    return directory


def _labels(path: Path) -> dict[str, int]:
    said = subprocess.run(["nm", str(path)], capture_output=True, text=True, check=True).stdout
    return {name: int(value, 16) for value, _, name in (line.split() for line in said.splitlines())}


def _patched(path: Path) -> Patched:
    elf = read_elf(path)
    symbols = read_symbols(elf)
    return Patched(elf, symbols, read_patch_tables(elf, symbols))


def _assembled(folder: Path, label: str, code: str) -> bytes:
    """The bytes of this code as if it stood at the label: symbols are where the file has them."""
    labels = _labels(folder / "vmlinux")
    named = "".join(
        f".set {name}, {labels[name] - labels[label]} + start\n" for name in ("first", "near", "alt")
    )
    (folder / "run.s").write_text(f".text\nstart: {code}\nend:\n{named}")
    subprocess.run(["as", "-o", "run.o", "run.s"], cwd=folder, check=True)
    subprocess.run(["objcopy", "-O", "binary", "-j", ".text", "run.o", "run.bin"], cwd=folder, check=True)
    return (folder / "run.bin").read_bytes()


def _odd(folder: Path, label: str, data: bytes) -> set[str]:
    """The tables whose sites say nothing of these bytes, where they stand at the label."""
    patched = _patched(folder / "vmlinux")
    address = _labels(folder / "vmlinux")[label]
    file = bytes_at(patched.elf, patched.symbols, address - CONTEXT_BYTES, len(data) + 2 * CONTEXT_BYTES)
    sites = patch_sites(patched.patches, address - CONTEXT_BYTES, file, CONTEXT_BYTES)
    assert {site.address for site in sites} == {address}
    window = Window(address, data, file, frozenset(), memory_of(patched.elf, patched.symbols))
    return {site.table for site in unpredicted(patched, sites, window, 0).values()}


@pytest.mark.parametrize(("label", "code"), RUNS)
def test_what_the_kernel_writes_is_one_of_the_contents(label: str, code: str, folder: Path) -> None:
    assert _odd(folder, label, _assembled(folder, label, code)) == set()


@pytest.mark.parametrize(("label", "code"), ODD)
def test_what_it_never_writes_is_none(label: str, code: str, folder: Path) -> None:
    assert len(_odd(folder, label, _assembled(folder, label, code))) == 1


def test_a_site_of_control_flow_integrity_may_have_any_content(folder: Path) -> None:
    assert site_contents(_patched(folder / "vmlinux"), PatchSite(0, 20, ".cfi_sites", 0)) is None


def test_nops_are_runs_of_any_length() -> None:
    # The last two: a jump over twelve bytes of int3 (0x0c), and one that ends before them.
    assert is_nop_run(bytes.fromhex("90 6690 0f1f00 0f1f440000"))
    assert is_nop_run(b"\xeb\x0c" + b"\xcc" * 12)
    assert not is_nop_run(b"\xeb\x0b" + b"\xcc" * 12)
    assert list(nop_runs(b"\x55\x90\x90\x55\x0f\x1f\x00")) == [range(1, 3), range(4, 7)]


@given(st.binary(max_size=80))
def test_any_bytes_are_read_as_nops_or_not(code: bytes) -> None:
    covered = [code[run.start : run.stop] for run in nop_runs(code)]
    assert all(is_nop_run(part) for part in covered)
