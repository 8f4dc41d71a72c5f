# SPDX-License-Identifier: GPL-2.0-or-later
"""What a log says is data: it never drives a terminal."""

from __future__ import annotations

import gzip
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from keepsane.api import explain
from keepsane.render.paint import clean, link, plain, terminal
from keepsane.render.text import render_text


@given(st.text())
def test_clean_text_has_no_control_character(text: str) -> None:
    assert not [char for char in clean(text) if (char < " " and char != "\t") or "\x7f" <= char <= "\x9f"]


def test_sequences_go_whole_and_their_text_stays() -> None:
    assert clean("\x1b[31mred\x1b[0m \x1b]8;;http://x\x07link\x1b]8;;\x07") == "red link"


def test_plain_has_no_escape_and_terminal_has() -> None:
    assert plain("error", "x") == "x"
    assert "\x1b[" in terminal("error", "x")


def test_a_link_is_a_link_only_on_a_terminal() -> None:
    assert link(plain, "a.c:1", "/src/a.c") == "a.c:1"
    assert "file:///src/a.c" in link(terminal, "a.c:1", "/src/a.c")


def test_places_in_a_source_tree_are_links_on_a_terminal() -> None:
    """The example's source lies beside it: its lines lead there, and plain text has no escape at all."""
    example = Path(__file__).parents[2] / "examples" / "null-deref"
    log = gzip.decompress((example / "console.log.gz").read_bytes()).decode()

    report = explain(log, modules=example, source=example, cache=False)

    assert f"\x1b]8;;{(example / 'crashme.c').as_uri()}\x1b\\" in render_text(report, terminal)
    assert "\x1b" not in render_text(report)
