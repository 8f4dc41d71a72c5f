# SPDX-License-Identifier: GPL-2.0-or-later
"""What a log, a path or an argument says is data: it never drives a terminal, and it never hides."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from keepsane.render.visible import clean, escaped, escaped_json, written
from tests.render.unseen import UNSEEN, unseen_in

EVERY = "".join(sorted(UNSEEN))


@pytest.mark.parametrize("char", ["\x1b", "\x9b", "\x7f", "\u061c", "\u200e", "\u202e", "\u2069", "\u2028"])
def test_the_tables_of_the_test_have_what_is_known_to_be_dangerous(char: str) -> None:
    assert char in UNSEEN


def test_of_every_character_that_acts_or_hides_nothing_is_left() -> None:
    for char in UNSEEN - {"\t"}:
        assert not unseen_in(clean(f"a{char}b"))
        assert not unseen_in(written([f"a{char}b"]))
        assert not UNSEEN & set(escaped(f"a{char}b"))
    assert not unseen_in(clean(EVERY)) and "\n" not in clean(EVERY)


def test_what_hides_is_written_out_so_that_two_names_that_look_alike_do_not() -> None:
    assert clean("ker\u200bnel") == "ker\\u200bnel"
    assert clean("\U000e0041") == "\\U000e0041"


def test_json_reads_back_as_it_was() -> None:
    for char in UNSEEN:
        document = escaped_json(json.dumps(f"a{char}b", ensure_ascii=False))
        assert not unseen_in(document)
        assert json.loads(document) == f"a{char}b"


@given(st.text(st.characters()))
def test_any_text(text: str) -> None:
    assert not unseen_in(clean(text)) and "\n" not in clean(text)
    # Two halves that stand side by side are one character to JSON, written out or not.
    assert json.loads(escaped_json(json.dumps(text, ensure_ascii=False))) == json.loads(json.dumps(text))
    assert clean(clean(text)) == clean(text)


def test_letters_stay_letters() -> None:
    text = "\u00fcber \u6f22\u5b57 \u0440\u0443 na\u00efve \u2192 \U0001f600"
    assert clean(text) == escaped(text) == text
    assert escaped_json(text) == text


def test_sequences_go_whole_and_their_text_stays() -> None:
    assert clean("\x1b[31mred\x1b[0m \x1b]8;;http://x\x07link\x1b]8;;\x07") == "red link"


def test_a_path_that_the_locale_could_not_decode_keeps_its_letters() -> None:
    """Python holds the bytes of `gr\u00fcn` as halves of pairs where the locale is C."""
    assert clean("gr\udcc3\udcbcn") == escaped("gr\udcc3\udcbcn") == "gr\u00fcn"
    assert clean("gr\udcfcn") == "gr\\xfcn"


def test_paint_stays_and_what_stands_between_does_not() -> None:
    assert written(["\x1b[1;31mbad\u202e\x1b[0m", "\x1b]8;;file:///a\x1b\\a\x1b]8;;\x1b\\"]) == (
        "\x1b[1;31mbad\\u202e\x1b[0m\n\x1b]8;;file:///a\x1b\\a\x1b]8;;\x1b\\\n"
    )
