# SPDX-License-Identifier: GPL-2.0-or-later
from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from keepsane.model import Frame, Role
from keepsane.symbols.binary.image import Image, open_image
from keepsane.symbols.binary.symtab import Symbol
from keepsane.symbols.lines.locate import decode_frames, kaslr_offset_bytes, looked_up

pytest.importorskip("drgn", reason="drgn has wheels for x86-64 only")


def _frame(symbol: Symbol, offset_bytes: int, role: Role = "return", size_bytes: int | None = None) -> Frame:
    return Frame(
        line=1,
        function=symbol.name,
        offset_bytes=offset_bytes,
        size_bytes=symbol.size_bytes if size_bytes is None else size_bytes,
        role=role,
    )


def _only(image: Image, name: str) -> Symbol:
    (symbol,) = image.symbols([name])[name]
    return symbol


@pytest.mark.parametrize(
    ("role", "offset_bytes", "expected"),
    [
        ("return", 5, 0x1004),
        ("return", 0, 0x1000),
        ("return", 0x20, 0x101F),
        ("ip", 5, 0x1005),
        ("ip", 0, 0x1000),
        ("ip", 0x20, 0x101F),
        ("pointer", 0, 0x1000),
        ("pointer", 0x20, 0x101F),
    ],
)
def test_which_address_a_frame_is_looked_up_at(role: Role, offset_bytes: int, expected: int) -> None:
    frame = _frame(Symbol("f", 0x1000, 0x20, True, ".text"), offset_bytes, role)
    assert looked_up(frame, 0x1000) == expected


def test_a_call_that_ends_its_function_is_found_in_that_function(build: Path) -> None:
    image = open_image(build / "vmlinux")
    symbol = _only(image, "ends_in_a_call")
    length = next(
        length
        for length in range(1, symbol.size_bytes + 1)
        if all(
            not chain or chain[-1].function != "ends_in_a_call" or chain[0].line != 26
            for chain in image.locate([symbol.address + length]).values()
        )
        or length == symbol.size_bytes
    )
    frame = _frame(symbol, length)
    locations = decode_frames(image, [frame], None)[frame].locations
    assert [(line.function, line.line) for line in locations] == [("ends_in_a_call", 26)]


def test_the_size_tells_functions_of_one_name_apart(build: Path) -> None:
    image = open_image(build / "vmlinux")
    small, *large = sorted(image.symbols(["twin"])["twin"], key=lambda symbol: symbol.size_bytes)
    assert small.size_bytes < large[0].size_bytes == large[1].size_bytes
    frame = _frame(small, 1)
    decoded = decode_frames(image, [frame], None)[frame]
    assert {Path(line.file or "").name for line in decoded.locations} == {"one.c"}
    assert not decoded.note


def test_functions_that_nothing_tells_apart_are_all_named_and_none_is_chosen(build: Path) -> None:
    image = open_image(build / "vmlinux")
    large = max(image.symbols(["twin"])["twin"], key=lambda symbol: symbol.size_bytes)
    frame = _frame(large, 1)
    decoded = decode_frames(image, [frame], None)[frame]
    assert not decoded.locations
    assert decoded.note.startswith("ambiguous: 2 functions of this name, at ")
    assert "two.c:" in decoded.note
    assert "three.c:" in decoded.note


def test_a_size_no_function_of_the_name_has_is_not_decoded(build: Path) -> None:
    image = open_image(build / "vmlinux")
    symbol = _only(image, "outer")
    frame = _frame(symbol, 1, size_bytes=symbol.size_bytes + 0x100)
    decoded = decode_frames(image, [frame], None)[frame]
    assert not decoded.locations
    assert f"in vmlinux it has {symbol.size_bytes:#x}" in decoded.note


def test_the_last_function_of_a_module_section_may_print_as_longer_but_not_shorter(build: Path) -> None:
    image = open_image(build / "tiny.ko")
    symbol = _only(image, "rare")
    longer = _frame(symbol, 1, size_bytes=symbol.size_bytes + 0x5E0)
    shorter = _frame(symbol, 1, size_bytes=symbol.size_bytes - 1)
    decoded = decode_frames(image, [longer, shorter], None)
    assert decoded[longer].locations
    assert not decoded[shorter].locations


def test_an_offset_outside_the_function_is_said(build: Path) -> None:
    image = open_image(build / "vmlinux")
    symbol = _only(image, "outer")
    frame = _frame(symbol, symbol.size_bytes + 1)
    assert "lies outside" in decode_frames(image, [frame], None)[frame].note


def test_a_name_the_file_does_not_have_is_said(build: Path) -> None:
    image = open_image(build / "vmlinux")
    frame = Frame(line=1, function="no_such", offset_bytes=1, size_bytes=2)
    assert decode_frames(image, [frame], None)[frame].note == "vmlinux has no function no_such"


@pytest.mark.parametrize("offset_bytes", [0, 0x1EA00000])
def test_a_bare_address_is_decoded_after_kaslr_is_undone(build: Path, offset_bytes: int) -> None:
    image = open_image(build / "vmlinux")
    symbol = _only(image, "outer")
    named = _frame(symbol, 3)
    bare = Frame(
        line=1, function=None, offset_bytes=None, size_bytes=None, address=symbol.address + offset_bytes + 3
    )
    decoded = decode_frames(image, [named, bare], offset_bytes)
    assert decoded[bare].locations == decoded[named].locations != ()
    assert decoded[bare].note == f"outer+0x3/{symbol.size_bytes:#x}"


def test_kaslr_is_undone_by_one_address_printed_with_its_symbol(build: Path) -> None:
    image = open_image(build / "vmlinux")
    symbol = _only(image, "outer")
    moved = symbol.address + 0x2000000
    named = replace(_frame(symbol, 3), address=moved + 3)
    bare = Frame(line=1, function=None, offset_bytes=None, size_bytes=None, address=moved + 3)
    assert kaslr_offset_bytes([named, bare], image.symbols(["outer"])) == 0x2000000
    decoded = decode_frames(image, [named, bare], None)
    assert decoded[bare].locations == decoded[named].locations != ()


def test_without_any_hint_to_kaslr_the_doubt_is_said(build: Path) -> None:
    image = open_image(build / "vmlinux")
    address = _only(image, "outer").address + 3
    bare = Frame(line=1, function=None, offset_bytes=None, size_bytes=None, address=address)
    assert "KASLR" in decode_frames(image, [bare], None)[bare].note


def test_an_address_in_no_function_is_said(build: Path) -> None:
    image = open_image(build / "vmlinux")
    bare = Frame(line=1, function=None, offset_bytes=None, size_bytes=None, address=0, role="ip")
    assert decode_frames(image, [bare], 0)[bare].note == "no function of vmlinux is at this address"
