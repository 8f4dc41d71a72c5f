# SPDX-License-Identifier: GPL-2.0-or-later
"""Where the pointer of a call was loaded from: the kernel's own code by hand, ours by its source."""

from __future__ import annotations

import pytest

from keepsane.symbols.binary.elf import EM_AARCH64
from keepsane.symbols.binary.image import Image
from keepsane.symbols.calls.calls import call_site
from keepsane.symbols.calls.pointer import UNKNOWN, Pointer, written_on_arm64
from keepsane.symbols.calls.pointer_origin import pointer_of
from keepsane.symbols.code.insn import decode, open_decoder
from keepsane.symbols.code.text import Text, functions_named
from tests.symbols.calling import build, returns

pytest.importorskip("capstone")


@pytest.fixture(scope="module")
def images(tmp_path_factory: pytest.TempPathFactory) -> dict[str | None, Image]:
    return build(tmp_path_factory.mktemp("calling"))


def _pointer(images: dict[str | None, Image], name: str) -> Pointer:
    text = Text(images)
    (function,) = functions_named(text, name)
    site = call_site(text, function, function.address + returns(images, name)[0])
    assert site is not None
    return pointer_of(text, function, site.branches[0].insn, site.branches[0].register)


def test_the_offset_of_the_member_is_read(images: dict[str | None, Image]) -> None:
    assert _pointer(images, "member").displacement == 8
    assert _pointer(images, "member_of_two").displacement == 16


def test_a_table_that_the_code_names_is_fixed(images: dict[str | None, Image]) -> None:
    pointer = _pointer(images, "indexed")
    assert pointer.indexed and pointer.fixed is not None


def test_a_parameter_is_known_as_one(images: dict[str | None, Image]) -> None:
    assert _pointer(images, "parameter").argument == "rdi"


@pytest.mark.parametrize(
    ("word", "register", "written"),
    [
        (0xF9401001, "x1", Pointer(displacement=0x20)),  # ldr x1, [x0, #0x20]
        (0xF9401001, "x2", "x2"),
        (0xA9418414, "x20", Pointer(displacement=0x18)),  # ldp x20, x1, [x0, #0x18]
        (0xA9418414, "x1", Pointer(displacement=0x20)),
        (0x294F8414, "x1", UNKNOWN),  # ldp w20, w1, [x0, #0x7c]
        (0xAA0003E1, "x1", "x0"),  # mov x1, x0
        (0x94000000, "x1", UNKNOWN),  # bl: a call may change it
        (0x94000000, "x19", "x19"),
        (0xF9001001, "x1", "x1"),  # str x1, [x0, #0x20]
        (0xF8408401, "x0", UNKNOWN),  # ldr x1, [x0], #8 moves x0
        (0x8B020021, "x1", UNKNOWN),  # add x1, x1, x2
    ],
)
def test_arm64_instructions_write_what_the_manual_says(
    word: int, register: str, written: Pointer | str
) -> None:
    (insn,) = decode(open_decoder(EM_AARCH64), word.to_bytes(4, "little"), 0)
    assert written_on_arm64(insn, register) == written
