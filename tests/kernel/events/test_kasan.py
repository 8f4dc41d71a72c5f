# SPDX-License-Identifier: GPL-2.0-or-later
"""What a KASAN report says, read as fields."""

from __future__ import annotations

from keepsane.kernel.events.kasan.report import Kasan
from tests.golden import events_of, first_of


def test_the_access_and_the_object() -> None:
    event = first_of("kasan/slab-use-after-free")

    assert isinstance(event, Kasan)
    assert (event.bug, event.access, event.size_bytes) == ("slab-use-after-free", "read", 8)
    assert event.address == 0xFFFF8880123450C8
    assert (event.cache, event.object_bytes, event.object_address) == ("kmalloc-64", 64, 0xFFFF8880123450C0)
    assert (event.offset_bytes, event.relation) == (8, "inside of")
    assert event.release == "6.12.9-widget"
    assert event.task is not None
    assert (event.task.comm, event.task.pid, event.task.cpu) == ("insmod", 101, 1)


def test_every_stack_has_its_name() -> None:
    event = first_of("kasan/slab-use-after-free")

    assert [(stack.name, stack.frames[-1].function) for stack in event.stacks] == [
        ("Call Trace", "entry_SYSCALL_64_after_hwframe"),
        ("Allocated by task 101", "proc_reg_write"),
        ("Freed by task 101", "crash_write"),
        ("Last potentially related work creation", "retire_widget"),
    ]


def test_the_slab_tracks_of_old_kernels_are_stacks_too() -> None:
    event = first_of("kasan/address-in-the-headline")

    assert isinstance(event, Kasan)
    assert event.address == 0xFFFF8800123450C0
    assert [(stack.name.partition("+")[0], len(stack.frames)) for stack in event.stacks] == [
        ("INFO: Allocated in make_widget", 5),
        ("INFO: Freed in drop_widget", 3),
        ("Call Trace", 7),
    ]


def test_the_tags_of_arm64() -> None:
    event = first_of("kasan/memory-tags-arm64")

    assert isinstance(event, Kasan)
    assert (event.pointer_tag, event.memory_tag) == (0xF9, 0xFE)


def test_a_global_variable_is_no_stack() -> None:
    event = first_of("kasan/global-variable")

    assert isinstance(event, Kasan)
    assert event.variable == "widget_table"
    assert [stack.name for stack in event.stacks] == ["Call Trace"]


def test_the_headline_alone_is_damaged_and_names_its_function() -> None:
    (event,) = events_of("BUG: KASan: use after free in poke_freed+0x1b0/0x1d0 at addr ffff8800123450c0")

    assert event.title == "KASAN: use after free in poke_freed"
    assert (
        event.damage == "no line that says what was accessed; no call trace; the log ends inside this report"
    )


def test_the_range_below_an_oops_is_no_kasan_report() -> None:
    (event,) = events_of(
        "general protection fault, probably for non-canonical address 0xdffffc0000000002: 0000 [#1]\n"
        "KASAN: null-ptr-deref in range [0x0000000000000010-0x0000000000000017]\n"
    )

    assert event.kind == "general-protection"
