# SPDX-License-Identifier: GPL-2.0-or-later
import pytest
from hypothesis import given
from hypothesis import strategies as st

from keepsane.errors import InputError
from keepsane.machine.command_line import parameter, split
from keepsane.machine.edits import as_word, difference, edited

printable = st.text(alphabet=st.characters(min_codepoint=0x20, max_codepoint=0x7E), min_size=1, max_size=60)


@pytest.mark.parametrize(
    ("before", "edits", "after"),
    [
        ("quiet loglevel=4", "+debug -quiet +loglevel=8", "loglevel=8 debug"),
        ("loglevel=4 a loglevel=5 b", "+loglevel=8", "a loglevel=8 b"),
        ("console=tty0 console=ttyS0,9600", "+console=ttyS0,115200", "console=tty0 console=ttyS0,115200"),
        ("console=ttyS0", "+console=tty0", "console=ttyS0 console=tty0"),
        ("console=ttyS0 console=tty0", "-console=tty0", "console=ttyS0"),
        ("console=ttyS0 a console=tty0", "-console", "a"),
        ("console=ttyS0", "+console=ttyS0", "console=ttyS0"),
        ("memmap=1M$0x8000000", "+memmap=2M$0x9000000", "memmap=1M$0x8000000 memmap=2M$0x9000000"),
        ("log-buf-len=1M", "+log_buf_len=4M", "log_buf_len=4M"),
        ('dyndbg="file a.c +p" b', "-dyndbg", "b"),
        ("a -- single quiet", "+b -quiet", "a b -- single quiet"),
        ("a", "-a", ""),
    ],
)
def test_changes_do_what_they_say(before: str, edits: str, after: str) -> None:
    words, _ = edited(split(before), edits.split(" "))
    assert " ".join(words) == after


def test_what_is_not_there_is_named() -> None:
    assert edited(["a"], ["-b", "-a"]) == ([], ["b"])


def test_a_value_with_a_blank_is_quoted_for_the_kernel() -> None:
    assert as_word("dyndbg=file a.c +p") == 'dyndbg="file a.c +p"'
    assert as_word('dyndbg="file a.c +p"') == 'dyndbg="file a.c +p"'


@given(printable)
def test_what_is_typed_becomes_one_word_that_says_it_or_none(typed: str) -> None:
    try:
        word = as_word(typed)
    except InputError:
        return
    assert split(word) == [word]
    if '"' not in typed and " " in typed and typed.find("=") > 0:
        assert parameter(word) == tuple(typed.split("=", 1))


@pytest.mark.parametrize("edit", ["debug", "+", "-", "", '+a"b c', '+a b="c d"'])
def test_what_is_no_change_is_refused(edit: str) -> None:
    with pytest.raises(InputError):
        edited(["a"], [edit])


def test_the_difference_is_word_by_word() -> None:
    assert list(difference(["a", "quiet", "b"], ["a", "b", "debug"])) == [("-", "quiet"), ("+", "debug")]
