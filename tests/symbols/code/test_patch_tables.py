# SPDX-License-Identifier: GPL-2.0-or-later
from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from keepsane.symbols.binary.elf import Elf, read_elf
from keepsane.symbols.binary.symtab import SymbolTable, read_symbols
from keepsane.symbols.code.patch_tables import (
    PatchSite,
    PatchTables,
    bytes_at,
    patch_sites,
    read_patch_tables,
)

pytestmark = pytest.mark.skipif(
    shutil.which("as") is None or shutil.which("ld") is None,
    reason="binutils, which make the files, are missing",
)

CODE = """
        .text
        .globl first, thunk, traced
        .type first, @function
first:  call traced
locked: lock incl (%rdi)
alt:    .byte 0x90, 0x90, 0x90
short:  .byte 0x66, 0x90
long:   .byte 0x0f, 0x1f, 0x44, 0x00, 0x00
prefix: .byte 0x2e
        call thunk
around: .byte 0x0f, 0x85  # written out, or the assembler takes the short form
        .long thunk - . - 4
leave:  .byte 0xe9
        .long thunk - . - 4
calm:   movl $1, %eax
        movl $2, %eax
        movl $3, %eax
        movl $4, %eax
        .type thunk, @function
thunk:  int3
traced: int3
        .section .altinstr_replacement, "ax"
other:  .byte 0x0f, 0x01, 0xca
        .section .smp_locks, "a"
        .long locked - ., 0
        .section .retpoline_sites, "a"
        .long prefix - .
        .long around - .
        .section .return_sites, "a"
        .long leave - .
"""
ALTERNATIVES = """
        .section .altinstructions, "a"
        .long alt - ., other - .
        .{flags} 7
        .byte 3, 3{padlen}
"""
IN_SECTIONS = """
        .section __mcount_loc, "a"
        .quad first
        .section __jump_table, "a"
"""
IN_RODATA = """
        .section .rodata, "a"
        .globl __start_mcount_loc, __stop_mcount_loc, __start___jump_table, __stop___jump_table
        .quad 1
__start_mcount_loc: .quad 0, 0, first
__stop_mcount_loc:
__start___jump_table:
"""
JUMPS = """
        .long short - ., calm - .
        .quad 0
        .long long - ., calm - .
        .quad 0
__stop___jump_table:
"""
FLAGS = {"6.12": ("long", ""), "6.1": ("short", ""), "5.4": ("short", ", 0")}
MARKS = ("first", "locked", "alt", "short", "long", "prefix", "around", "leave")
SIZES_BYTES = (5, 1, 3, 2, 5, 6, 6, 5)
TABLES = (
    "__mcount_loc",
    ".smp_locks",
    ".altinstructions",
    "__jump_table",
    "__jump_table",
    ".retpoline_sites",
    ".retpoline_sites",
    ".return_sites",
)


def _source(version: str, tables: str) -> str:
    flags, padlen = FLAGS[version]
    return CODE + ALTERNATIVES.format(flags=flags, padlen=padlen) + tables + JUMPS


def _module(directory: Path, version: str = "6.12") -> Path:
    (directory / "m.s").write_text(_source(version, IN_SECTIONS))
    subprocess.run(["as", "-o", "m.ko", "m.s"], cwd=directory, check=True)
    return directory / "m.ko"


def _vmlinux(directory: Path, version: str) -> Path:
    (directory / "v.s").write_text(_source(version, IN_RODATA))
    subprocess.run(["as", "-o", "v.o", "v.s"], cwd=directory, check=True)
    link = ["ld", "-o", "vmlinux", "-e", "first", "-Ttext-segment=0xffffffff81000000", "v.o"]
    subprocess.run(link, cwd=directory, check=True)
    return directory / "vmlinux"


def _read(path: Path) -> tuple[Elf, SymbolTable, PatchTables]:
    elf = read_elf(path)
    symbols = read_symbols(elf)
    return elf, symbols, read_patch_tables(elf, symbols)


def _labels(path: Path) -> dict[str, int]:
    """Where nm says the labels are."""
    said = subprocess.run(["nm", str(path)], capture_output=True, text=True, check=True).stdout
    return {name: int(value, 16) for value, _, name in (line.split() for line in said.splitlines())}


def _sites_of_text(elf: Elf, symbols: SymbolTable, patches: PatchTables) -> tuple[PatchSite, ...]:
    index = next(i for i, section in enumerate(elf.sections) if section.name == ".text")
    start, size_bytes = symbols.section_addresses[index], elf.sections[index].size_bytes
    code = bytes_at(elf, symbols, start, size_bytes)
    return patch_sites(patches, start - 8, bytes(8) + code + bytes(8), 8)


@pytest.mark.parametrize("version", FLAGS)
def test_the_sites_of_a_vmlinux_are_where_its_labels_are(version: str, tmp_path: Path) -> None:
    path = _vmlinux(tmp_path, version)
    elf, symbols, patches = _read(path)
    labels = _labels(path)
    expected = [
        (labels[mark], size, table) for mark, size, table in zip(MARKS, SIZES_BYTES, TABLES, strict=True)
    ]
    assert [site[:3] for site in _sites_of_text(elf, symbols, patches)] == expected
    assert patches.unread == ()


def test_the_sites_of_a_module_are_read_through_its_relocations(tmp_path: Path) -> None:
    path = _module(tmp_path)
    elf, symbols, patches = _read(path)
    labels = _labels(path)
    start = symbols.section_addresses[1]
    sites = _sites_of_text(elf, symbols, patches)
    assert [site.address - start for site in sites] == [labels[mark] for mark in MARKS]
    assert [site.size_bytes for site in sites] == list(SIZES_BYTES)


def test_bytes_between_the_sites_may_not_differ(tmp_path: Path) -> None:
    path = _vmlinux(tmp_path, "6.12")
    elf, symbols, patches = _read(path)
    calm = _labels(path)["calm"]
    code = bytes_at(elf, symbols, calm - 8, 36)
    assert patch_sites(patches, calm - 8, code, 8) == ()


def test_a_site_that_begins_before_the_bytes_reaches_into_them(tmp_path: Path) -> None:
    path = _vmlinux(tmp_path, "6.12")
    elf, symbols, patches = _read(path)
    inside = _labels(path)["first"] + 4
    code = bytes(16) + bytes_at(elf, symbols, inside, 1 + 16)
    assert [site.table for site in patch_sites(patches, inside - 16, code, 16)] == ["__mcount_loc"]


def test_a_table_of_an_unknown_form_is_named(tmp_path: Path) -> None:
    source = _source("6.12", IN_SECTIONS) + '\n .section .call_sites, "a"\n .long 0x12345678\n'
    (tmp_path / "v.s").write_text(source)
    subprocess.run(["as", "-o", "v.o", "v.s"], cwd=tmp_path, check=True)
    subprocess.run(["ld", "-o", "vmlinux", "-e", "first", "v.o"], cwd=tmp_path, check=True)
    assert _read(tmp_path / "vmlinux")[2].unread == (".call_sites",)


def test_trampolines_and_padding_are_seen_by_shape() -> None:
    code = bytes(8) + b"\xe9\x00\x00\x00\x00\x0f\xb9\xcc" + b"\x55" * 4 + b"\x90" * 10 + b"\x55" + bytes(8)
    sites = patch_sites(PatchTables((), ()), 0x1000, code, 8)
    assert [(site.address, site.size_bytes, site.table) for site in sites] == [
        (0x1008, 5, "static call trampoline"),
        (0x1014, 10, "padding"),
    ]


def test_bytes_end_with_their_section(tmp_path: Path) -> None:
    elf, symbols, _ = _read(_module(tmp_path))
    text = elf.sections[1]
    assert len(bytes_at(elf, symbols, symbols.section_addresses[1] + text.size_bytes - 2, 64)) == 2
    assert bytes_at(elf, symbols, 0x1234, 64) == b""
