# SPDX-License-Identifier: GPL-2.0-or-later
from __future__ import annotations

import itertools
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from keepsane.errors import MissingExtraError
from keepsane.kernel.log.code import parse_code
from keepsane.model import Code
from keepsane.symbols.lines.disassemble import disassemble

pytest.importorskip("capstone")

# Both from a crash that the project's own test module provoked on a Debian 6.1 kernel.
BUG = (
    "Code: 83 c4 08 c3 cc cc cc cc 66 2e 0f 1f 84 00 00 00 00 00 0f 1f 44 00 00 83 c7 04 83 ff 03 7f 0b 01 "
    "3d 1d 22 00 00 c3 cc cc cc cc <0f> 0b 66 0f 1f 44 00 00 0f 1f 44 00 00 85 ff 7f 0c 83"
)
GPF = (
    "Code: cc cc b8 01 00 00 00 c3 cc cc cc cc 66 66 2e 0f 1f 84 00 00 00 00 00 0f 1f 40 00 0f 1f 44 00 00 "
    "48 b8 6b 6b 6b 6b 6b 6b 6b 6b <8b> 80 80 00 00 00 01 05 65 23 00 00 c3 cc cc cc cc 0f"
)


def _code(text: str) -> Code:
    code = parse_code(text, 1)
    assert code is not None
    return code


def test_the_trapping_instruction_starts_at_the_marked_byte() -> None:
    instructions = disassemble(_code(BUG), None, "x86_64")
    (trapping,) = [i for i in instructions if i.trapping]
    assert (trapping.offset_bytes, trapping.raw, trapping.text) == (0, b"\x0f\x0b", "ud2")


def test_an_instruction_that_hides_the_start_of_another_does_not_win() -> None:
    instructions = {i.offset_bytes: i.text for i in disassemble(_code(GPF), None, "x86_64")}
    assert instructions[-10] == "movabsq $0x6b6b6b6b6b6b6b6b, %rax"
    assert instructions[0] == "movl 0x80(%rax), %eax"
    assert instructions[12] == "retq"


def test_pieces_are_adjacent_and_cover_the_line_to_its_end() -> None:
    code = _code(BUG)
    instructions = disassemble(code, 0xFFFFFFFFC0001010, "x86_64")
    assert code.data.endswith(b"".join(i.raw for i in instructions))
    for one, following in itertools.pairwise(instructions):
        assert one.offset_bytes + len(one.raw) == following.offset_bytes


def test_a_jump_says_where_it_goes() -> None:
    with_ip = {i.offset_bytes: i.text for i in disassemble(_code(BUG), 0xFFFFFFFFC0001010, "x86_64")}
    without = {i.offset_bytes: i.text for i in disassemble(_code(BUG), None, "x86_64")}
    assert with_ip[-13] == "jg 0xffffffffc0001010"
    assert without[-13] == "jg ip+0x0"


def test_a_cut_instruction_at_the_end_is_bytes() -> None:
    assert disassemble(_code(BUG), None, "x86_64")[-1].text == ".byte 0x83"
    assert (
        disassemble(_code("Code: <90> 48 c7 c7 c0"), None, "x86_64")[-1].text
        == ".byte 0x48, 0xc7, 0xc7, 0xc0"
    )


def test_int3_and_brk_have_their_names() -> None:
    assert [i.text for i in disassemble(_code("Code: <cc> 90"), None, "x86_64")] == ["int3", "nop"]
    arm64 = _code("Code: 54000ee1 34000eeb b9402a69 91002103 (d4210000)")
    texts = [(i.offset_bytes, i.text, i.trapping) for i in disassemble(arm64, 0xFFFF800008001000, "arm64")]
    assert texts[0] == (-16, "b.ne #0xffff8000080011cc", False)
    assert texts[-1] == (0, "brk #0x800", True)


def test_an_arm64_word_that_is_no_instruction_is_shown_as_one() -> None:
    code = _code("Code: ffffffff (d65f03c0)")
    assert [i.text for i in disassemble(code, None, "arm64")] == [".inst 0xffffffff", "ret"]


def test_nothing_is_said_of_bytes_that_do_not_lead_to_the_mark() -> None:
    # 0x06 is no instruction in 64-bit mode, wherever one starts.
    code = _code("Code: " + "06 " * 20 + "<0f> 0b")
    assert [(i.offset_bytes, i.text) for i in disassemble(code, None, "x86_64")] == [(0, "ud2")]


def test_without_a_mark_or_on_another_machine_nothing_is_said() -> None:
    assert disassemble(_code("Code: 90 90 90"), None, "x86_64") == ()
    assert disassemble(_code("Code: <90> 90"), None, "s390x") == ()
    assert disassemble(_code("Code: 4b1a (681b)"), None, "arm64") == ()


def test_a_missing_capstone_is_one_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "capstone", None)
    with pytest.raises(MissingExtraError, match=r"pip install 'keepsane\[symbols\]'"):
        disassemble(_code(BUG), None, "x86_64")


@pytest.mark.skipif(shutil.which("objdump") is None, reason="objdump, the second opinion, is not installed")
@pytest.mark.parametrize("text", [BUG, GPF])
def test_objdump_cuts_the_same_instructions(text: str, tmp_path: Path) -> None:
    instructions = [i for i in disassemble(_code(text), None, "x86_64") if not i.text.startswith(".byte")]
    raw = tmp_path / "code.bin"
    raw.write_bytes(b"".join(i.raw for i in instructions))
    command = ["objdump", "-D", "-b", "binary", "-m", "i386:x86-64", "--insn-width=16", str(raw)]
    said = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    theirs = re.findall(r"^\s+[0-9a-f]+:\t((?:[0-9a-f]{2} )+)", said, re.MULTILINE)
    assert [bytes.fromhex(part) for part in theirs] == [i.raw for i in instructions]


@settings(max_examples=50)
@given(st.binary(min_size=1, max_size=80), st.integers(0, 79), st.none() | st.integers(0, 2**64 - 1))
def test_any_bytes_decode_to_pieces_that_are_theirs(data: bytes, trap: int, ip: int | None) -> None:
    code = Code(line=1, data=data, trap_bytes=trap % len(data), word_bytes=1)
    instructions = disassemble(code, ip, "x86_64")
    assert data.endswith(b"".join(i.raw for i in instructions))
    assert [i.offset_bytes for i in instructions if i.trapping] == [0]
