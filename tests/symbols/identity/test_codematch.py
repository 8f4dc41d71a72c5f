# SPDX-License-Identifier: GPL-2.0-or-later
from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from keepsane.model import Code
from keepsane.symbols.binary.elf import Elf, read_elf
from keepsane.symbols.binary.symtab import read_symbols
from keepsane.symbols.code.patch_tables import bytes_at, read_patch_tables
from keepsane.symbols.identity.codematch import CodeMatch, match_code

pytestmark = pytest.mark.skipif(
    shutil.which("as") is None or shutil.which("ld") is None,
    reason="binutils, which make the files, are missing",
)

# The trap is at `trap`; the bytes around it hold what a kernel changes: a return thunk, addresses, a per-CPU
# distance, a recorded call.
SOURCE = """
        .text
        .globl first, trap, thunk
first:  .fill 64, 1, 0x55
leave:  .byte 0xe9
        .long thunk - . - 4
move:   movq $message, %rdi
trap:   ud2
count:  incl %gs:counter(%rip)
address: movabsq $message, %rax
called: .byte 0xe8
        .long thunk - . - 4
        .fill 64, 1, 0x56
thunk:  ret
        .fill 64, 1, 0x57
        .section .return_sites, "a"
        .long leave - .
        .section .call_sites, "a"
        .long called - .
        .section .data..percpu, "aw"
        .quad 0
counter: .quad 0
        .section .rodata, "a"
message: .asciz "hello"
"""
SCRIPT = """
SECTIONS {
        .data..percpu 0x0 : { *(.data..percpu) }
        . = 0xffffffff81000000;
        .text : { *(.text) }
        .rodata : { *(.rodata) }
        .return_sites : { *(.return_sites) }
        .call_sites : { *(.call_sites) }
}
"""
OFFSET_BYTES = 0x13200000


def _vmlinux(directory: Path) -> Path:
    (directory / "v.s").write_text(SOURCE)
    (directory / "v.lds").write_text(SCRIPT)
    subprocess.run(["as", "-o", "v.o", "v.s"], cwd=directory, check=True)
    subprocess.run(["ld", "-o", "vmlinux", "-T", "v.lds", "v.o"], cwd=directory, check=True)
    return directory / "vmlinux"


def _module(directory: Path) -> Path:
    (directory / "v.s").write_text(SOURCE)
    subprocess.run(["as", "-o", "m.ko", "v.s"], cwd=directory, check=True)
    return directory / "m.ko"


def _labels(path: Path) -> dict[str, int]:
    said = subprocess.run(["nm", str(path)], capture_output=True, text=True, check=True).stdout
    return {name: int(value, 16) for value, _, name in (line.split() for line in said.splitlines())}


class _Running:
    """The text of a file as if it ran, 42 bytes before the trap and 22 from it on."""

    def __init__(self, path: Path) -> None:
        self.elf: Elf = read_elf(path)
        self.symbols = read_symbols(self.elf)
        self.labels = _labels(path)
        base = self.symbols.section_addresses[1] if self.symbols.relocatable else 0
        self.trap = base + self.labels["trap"]
        self.bytes = bytearray(bytes_at(self.elf, self.symbols, self.trap - 42, 64))

    def write(self, label: str, after: int, data: bytes) -> None:
        at = 42 + self.labels[label] - self.labels["trap"] + after
        assert self.bytes[at : at + len(data)] != data
        self.bytes[at : at + len(data)] = data

    def add(self, label: str, after: int, size: int, number: int) -> None:
        at = 42 + self.labels[label] - self.labels["trap"] + after
        value = int.from_bytes(self.bytes[at : at + size], "little") + number
        self.write(label, after, (value % (1 << 8 * size)).to_bytes(size, "little"))

    def match(self, offset_bytes: int | None) -> CodeMatch:
        code = Code(line=1, data=bytes(self.bytes), trap_bytes=42, word_bytes=1)
        patches = read_patch_tables(self.elf, self.symbols)
        assert patches.unread == ()
        found = match_code(self.elf, self.symbols, patches, code, self.trap, offset_bytes)
        assert found is not None
        return found


@pytest.fixture
def moved(tmp_path: Path) -> _Running:
    """What KASLR does: addresses move by the offset, a distance to a per-CPU variable by as much back."""
    running = _Running(_vmlinux(tmp_path))
    running.add("move", 3, 4, OFFSET_BYTES)
    running.add("count", 3, 4, -OFFSET_BYTES)
    running.add("address", 2, 8, OFFSET_BYTES)
    return running


@pytest.fixture(scope="module")
def module(tmp_path_factory: pytest.TempPathFactory) -> _Running:
    return _Running(_module(tmp_path_factory.mktemp("module")))


def test_the_files_own_bytes_are_equal(tmp_path: Path) -> None:
    found = _Running(_vmlinux(tmp_path)).match(0)
    assert (found.equal_bytes, found.changed_bytes, found.different) == (64, 0, ())


def test_a_patched_return_is_no_difference(tmp_path: Path) -> None:
    running = _Running(_vmlinux(tmp_path))
    running.write("leave", 0, b"\xc3\xcc\xcc\xcc\xcc")
    found = running.match(0)
    assert (found.equal_bytes, found.changed_bytes, found.different) == (59, 5, ())


@pytest.mark.parametrize("offset_bytes", [0, None])
def test_a_return_that_became_what_no_kernel_writes_is_told_apart(
    tmp_path: Path, offset_bytes: int | None
) -> None:
    running = _Running(_vmlinux(tmp_path))
    running.write("leave", 0, b"\xc3\x90\x90\x90\x90")
    found = running.match(offset_bytes)
    leave = running.labels["leave"] - running.labels["trap"]
    assert found.unpredicted == tuple(range(leave, leave + 5))
    assert (found.equal_bytes, found.changed_bytes, found.different) == (59, 0, ())


@pytest.mark.parametrize("offset_bytes", [OFFSET_BYTES, None])
def test_what_kaslr_moved_is_no_difference(moved: _Running, offset_bytes: int | None) -> None:
    assert moved.match(offset_bytes).different == ()


def test_another_offset_than_the_logs_is_a_difference(moved: _Running) -> None:
    assert moved.match(OFFSET_BYTES + 0x200000).different != ()


def test_an_address_that_moved_by_no_offset_of_kaslr_is_a_difference(tmp_path: Path) -> None:
    running = _Running(_vmlinux(tmp_path))
    running.add("move", 3, 4, 0x1230)
    assert running.match(None).different != ()


def test_a_call_may_move_to_the_padding_before_its_target_and_not_further(tmp_path: Path) -> None:
    running = _Running(_vmlinux(tmp_path))
    running.bytes = running.bytes[:42] + bytearray(bytes_at(running.elf, running.symbols, running.trap, 64))
    running.add("called", 1, 4, -10)
    assert running.match(0).different == ()
    running.add("called", 1, 4, -10)
    assert running.match(0).different != ()


def test_a_difference_is_shown_from_both_sides(tmp_path: Path) -> None:
    running = _Running(_vmlinux(tmp_path))
    running.write("trap", -30, b"\x11\x22")
    found = running.match(0)
    assert found.different == (-30, -29)
    assert found.log_bytes[:3] == b"\x11\x22\x55"
    assert found.file_bytes[:3] == b"\x55\x55\x55"


def test_what_a_modules_relocations_fill_is_no_difference(tmp_path: Path) -> None:
    running = _Running(_module(tmp_path))
    running.write("move", 3, b"\x78\x56\x34\xc0")
    running.write("address", 2, b"\x78\x56\x34\xc0\xff\xff\xff\xff")
    assert running.match(OFFSET_BYTES).different == ()
    running.write("move", 0, b"\x49")
    assert running.match(OFFSET_BYTES).different == (-7,)


@pytest.mark.parametrize("first", range(30, 42))
@pytest.mark.parametrize("last", range(43, 64))
def test_a_line_may_end_inside_a_relocation(module: _Running, first: int, last: int) -> None:
    data = bytes(module.bytes[first:last])
    code = Code(line=1, data=data, trap_bytes=42 - first, word_bytes=1)
    patches = read_patch_tables(module.elf, module.symbols)
    found = match_code(module.elf, module.symbols, patches, code, module.trap, 0)
    assert found is not None
    assert (found.equal_bytes, found.different) == (len(data), ())


def test_a_place_outside_the_files_text_has_no_bytes(tmp_path: Path) -> None:
    running = _Running(_vmlinux(tmp_path))
    running.trap += 0x100000
    code = Code(line=1, data=bytes(running.bytes), trap_bytes=42, word_bytes=1)
    patches = read_patch_tables(running.elf, running.symbols)
    assert match_code(running.elf, running.symbols, patches, code, running.trap, 0) is None


def test_bytes_before_the_text_are_nobodys(tmp_path: Path) -> None:
    running = _Running(_vmlinux(tmp_path))
    start = running.labels["first"]
    data = b"\x99" * 42 + bytes_at(running.elf, running.symbols, start, 22)
    code = Code(line=1, data=data, trap_bytes=42, word_bytes=1)
    patches = read_patch_tables(running.elf, running.symbols)
    found = match_code(running.elf, running.symbols, patches, code, start, 0)
    assert found is not None
    assert (found.changed_bytes, found.different) == (42, ())
