# SPDX-License-Identifier: GPL-2.0-or-later
from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from keepsane.kernel.log.code import CodeReader, parse_code
from keepsane.model import Code


def test_x86_bytes_and_the_marked_one() -> None:
    code = parse_code("Code: cc cc b8 01 00 00 00 c3 <8b> 80 80 00", 17)
    assert code is not None
    assert code.line == 17
    assert code.data == bytes.fromhex("ccccb801000000c38b808000")
    assert (code.trap_bytes, code.word_bytes) == (8, 1)
    assert code.instructions == ()


def test_arm64_words_are_turned_into_memory_order() -> None:
    code = parse_code("Code: d503201f 52800000 (b9400000) d65f03c0", 1)
    assert code is not None
    assert code.data == bytes.fromhex("1f2003d5 00008052 000040b9 c0035fd6")
    assert (code.trap_bytes, code.word_bytes) == (8, 4)


def test_thumb_half_words() -> None:
    code = parse_code("Code: 4b1a 2b00 d1fb (681b) ", 1)
    assert code is not None
    assert code.data == bytes.fromhex("1a4b 002b fbd1 1b68")
    assert (code.trap_bytes, code.word_bytes) == (6, 2)


@pytest.mark.parametrize(
    "text",
    [
        "Code: Unable to access opcode bytes at 0xffffffffc02fcfe8.",
        "Code: Unable to access opcode bytes at RIP 0x7fe0ef0d0a76.",
        "Code:  Bad EIP value.",
        "Code: Bad RIP value.",
        "Code: bad PC value",
        "Code:",
        "Code: ",
        "Code: ???????? ???????? (????????)",
        "Code: 4",
        "Code: <",
        "Error Code: 00 01",
        "Exit Code: 12",
    ],
)
def test_a_line_without_bytes_is_none(text: str) -> None:
    assert parse_code(text, 1) is None


@pytest.mark.parametrize(
    ("text", "data", "trap_bytes"),
    [
        ("Code: 40 00 48 c", "400048", None),
        ("Code: 40 00 <48", "4000", None),
        ("Code: 40 00 <48> 3d f", "4000483d", 2),
        ("Code: 40 00 <48> 3d Bad RIP value.", "4000483d", 2),
        ("Code: 40 <48> <3d> 00", "4048", 1),
        ("Code: d503201f (b9400000) d65f", "1f2003d5000040b9", 4),
        ("Code: d503201f (b940", "1f2003d5", None),
    ],
)
def test_a_cut_line_keeps_what_is_whole(text: str, data: str, trap_bytes: int | None) -> None:
    code = parse_code(text, 1)
    assert code is not None
    assert (code.data.hex(), code.trap_bytes) == (data, trap_bytes)


def test_every_cut_of_a_line_is_a_prefix_of_the_whole() -> None:
    text = "Code: 48 89 d1 48 c7 c7 c0 b3 14 bc <0f> 0b 48 89 fe"
    whole = parse_code(text, 1)
    assert whole is not None
    for end in range(len(text)):
        part = parse_code(text[:end], 1)
        assert part is None or whole.data.startswith(part.data)
        assert part is None or part.trap_bytes in (None, whole.trap_bytes)


@given(st.text() | st.text("0123456789abcdef <>()").map("Code: {}".format))
def test_any_text_gives_words_of_one_size_and_a_mark_inside(text: str) -> None:
    code = parse_code(text, 1)
    if code is not None:
        assert code.data
        assert len(code.data) % code.word_bytes == 0
        assert code.trap_bytes is None or 0 <= code.trap_bytes < len(code.data)


def code_of(*lines: str) -> Code | None:
    reader = CodeReader()
    for number, line in enumerate(lines, 1):
        reader.take(line, number, wanted=True)
    return reader.finish()


def test_an_instruction_dump_of_powerpc_has_two_lines() -> None:
    code = code_of(
        "Instruction dump:",
        "e8030000 7c0802a6 f8010010 4bfffd89 60000000 38600000 e8010010 7c0803a6 ",
        "4e800020 60000000 60420000 7c0802a6 <e9230018> 7d234b78 4e800020 60000000 ",
    )
    assert code is not None and (code.line, code.trap_bytes, code.word_bytes) == (3, 48, 4)
    assert len(code.data) == 64 and code.data[48:52] == bytes.fromhex("180023e9")


def test_words_that_could_not_be_read_end_the_code_on_both_sides() -> None:
    code = code_of(
        "Instruction dump:",
        "XXXXXXXX XXXXXXXX 60000000 38600000 ",
        "7c0802a6 <e9230018> 7d234b78 XXXXXXXX XXXXXXXX ",
    )
    assert code is not None and (code.trap_bytes, len(code.data)) == (12, 20)


def test_a_dump_without_words_is_none() -> None:
    assert code_of("Instruction dump:", "XXXXXXXX XXXXXXXX XXXXXXXX XXXXXXXX ") is None
    assert code_of("Instruction dump:", "---[ end trace 0000000000000000 ]---") is None


def test_s390_decodes_its_code_itself() -> None:
    code = code_of(
        "Krnl Code: 000003ff8008c028: ebeff0880024\tstmg\t%r14,%r15,136(%r15)",
        "          #000003ff8008c02e: a7290001\t\tlghi\t%r2,1",
        "          >000003ff8008c032: e32010180024\tstg\t%r2,24(%r1)",
        "           000003ff8008c038: 07fe\t\tbcr\t15,%r14",
    )
    assert code is not None and (code.line, code.trap_bytes, code.data[10:16].hex()) == (
        3,
        10,
        "e32010180024",
    )
    assert [one.text for one in code.instructions if one.trapping] == ["stg %r2,24(%r1)"]
    assert [one.offset_bytes for one in code.instructions] == [-10, -4, 0, 6]


def test_mips_marks_half_words_too() -> None:
    code = code_of("Code: 6a00  65ee  e820 <9c40> 6500")
    assert code is not None and (code.trap_bytes, code.word_bytes) == (6, 2)
