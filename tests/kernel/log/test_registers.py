# SPDX-License-Identifier: GPL-2.0-or-later
"""Addresses in words, against the constants of include/linux/poison.h."""

from __future__ import annotations

import pytest

from keepsane.kernel.log.registers import address_words, named_before, parse_registers, with_object


@pytest.mark.parametrize(
    ("address", "words"),
    [
        (0x0, "NULL"),
        (0x80, "NULL + 0x80: in the first page, where no object lies"),
        (0xFFFFFFFFFFFFFFFE, "an error pointer"),
        (0x6B6B6B6B6B6B6B6B, "freed slab memory"),
        (0x6B6B6B6B6B6B6BE3, "freed slab memory"),
        (0x5A5A5A5A5A5A5A5A, "never written"),
        (0xDEAD000000000100, "LIST_POISON1"),
        (0xDEAD000000000108, "LIST_POISON1"),
        (0xDEAD000000000122, "LIST_POISON2"),
        (0xDFFFFC0000000010, "NULL + 0x80"),
        (0xDEAD000000000040, "PP_SIGNATURE"),
        (0xDEAD000000000048, "PP_SIGNATURE"),
        (0xDEAD000000000400, "TAIL_MAPPING"),
        (0xDFFFFC0000000001 + 0x1000, "KASAN shadow of 0x8008"),
    ],
)
def test_words(address: int, words: str) -> None:
    assert words in (address_words(address) or "")


@pytest.mark.parametrize(
    "address",
    [
        *(0xFFFF888012345678, 0xFFFFFFFF81000000, 0x00007FFE943F7A78, 0x1000),
        0xFFFF0000C0A1E1C0,  # arm64, the linear map
        0xF5FF0000C0A1E1C0,  # arm64 with a tag in the top byte
        0xFF11000012345678,  # x86-64 with five-level page tables
        0x0012345678901234,
        0xDEAD000000000080,  # too far from every poison
    ],
)
def test_ordinary_addresses_have_no_words(address: int) -> None:
    assert address_words(address) is None


def test_five_level_paging_makes_more_addresses_canonical() -> None:
    """A user address above 47 bits is ordinary with LA57 and non-canonical without."""
    assert address_words(0x00FF123456789ABC, canonical_bits=57) is None
    assert "non-canonical" in (address_words(0x00FF123456789ABC, canonical_bits=48) or "")
    assert "non-canonical" in (address_words(0x0112345678901234, canonical_bits=57) or "")


def test_the_shadow_of_a_wild_pointer_is_said_only_of_a_kernel_with_kasan() -> None:
    """The shadow of 0x6b6b6b6b6b6b6b68, and any number as high."""
    shadow = 0xDFFFFC0000000000 + (0x6B6B6B6B6B6B6B6B >> 3)
    said = address_words(shadow, canonical_bits=57, kasan=True) or ""
    assert "KASAN shadow of 0x6b6b6b6b6b6b6b68: freed slab memory" in said
    assert "KASAN" not in (address_words(shadow, canonical_bits=57) or "")
    assert address_words(0xFFFFEC0000000000, canonical_bits=57, kasan=True) is None


def test_registers_of_one_line() -> None:
    line = "RSP: 0018:ff7a2e6bc0013bc0 EFLAGS: 00000246"

    found = [(register.name, register.value) for register in parse_registers(line)]

    assert found == [("RSP", 0xFF7A2E6BC0013BC0), ("EFLAGS", 0x246)]


def test_arm64_registers() -> None:
    line = "x29: ffff800012c3bc60 x28: ffff0000c0a1e1c0 x0 : 6b6b6b6b6b6b6b6b"

    assert [r.name for r in parse_registers(line)] == ["x29", "x28", "x0"]
    assert "freed slab" in (parse_registers(line)[2].meaning or "")


@pytest.mark.parametrize(
    ("line", "registers"),
    [
        ("r10: 00000000  r9 : c7a3a000  r8 : c0a0b0c0", {"r10": 0, "r9": 0xC7A3A000, "r8": 0xC0A0B0C0}),
        ("sp : c7a3bd10  ip : 00000000  fp : c7a3bd54", {"sp": 0xC7A3BD10, "ip": 0, "fp": 0xC7A3BD54}),
        ("$ 4   : 8f0c0000 00000001 8f0c1e40", {"$4": 0x8F0C0000, "$5": 1, "$6": 0x8F0C1E40}),
        ("GPR04: c7a3bd10 00000003", {"r4": 0xC7A3BD10, "r5": 3}),
        (" a0 : 0000000000000003 a1 : ff6000000203a000", {"a0": 3, "a1": 0xFF6000000203A000}),
    ],
)
def test_each_machine_names_its_registers_in_its_own_way(line: str, registers: dict[str, int]) -> None:
    assert {register.name: register.value for register in parse_registers(line)} == registers


def test_i386_of_2_6_writes_its_registers_small() -> None:
    read = parse_registers("eax: 00000000   ebx: f6a3c000   ecx: 00000000   edx: f6a3c0c0")
    assert [(one.name, one.value) for one in read][:2] == [("eax", 0), ("ebx", 0xF6A3C000)]


def test_arm_says_in_which_object_a_register_points() -> None:
    registers = parse_registers("r1 : c1d6a180  r0 : c1c0f0c8")
    one_line = "Register r0 information: slab inode_cache start c1c0f0c8 pointer offset 8 size 512"
    told = with_object(registers, one_line, None)
    assert told is not None
    assert [one.meaning for one in told] == [
        None,
        "in an object of the slab cache inode_cache, 8 bytes into it, which has 512",
    ]
    assert named_before("Register r0 information:") == "r0"
    behind = with_object(registers, " slab inode_cache start c1c0f0c8 pointer offset 8 size 512", "r0")
    assert behind == told
    assert with_object(registers, "Register r1 information: NULL pointer", None) == list(registers)
    assert with_object(registers, " slab inode_cache is what it may be", None) is None
