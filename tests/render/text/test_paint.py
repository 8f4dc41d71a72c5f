# SPDX-License-Identifier: GPL-2.0-or-later
"""Colour and links are for terminals alone."""

from __future__ import annotations

import gzip
from pathlib import Path

from keepsane.api import explain
from keepsane.render.text.paint import link, plain, terminal
from keepsane.render.text.report import render_text


def test_plain_has_no_escape_and_terminal_has() -> None:
    assert plain("error", "x") == "x"
    assert "\x1b[" in terminal("error", "x")


def test_a_link_is_a_link_only_on_a_terminal() -> None:
    assert link(plain, "a.c:1", "/src/a.c") == "a.c:1"
    assert "file:///src/a.c" in link(terminal, "a.c:1", "/src/a.c")


def test_only_a_whole_path_is_a_link_and_nothing_in_it_ends_the_link() -> None:
    assert "\x1b]8" not in link(terminal, "a.c:1", "src/a.c")
    assert "file:///src/%1B%5C%C3%BC.c\x1b" in link(terminal, "a.c:1", "/src/\x1b\\\u00fc.c")


def test_places_in_a_source_tree_are_links_on_a_terminal() -> None:
    """The example's source lies beside it: its lines lead there, and plain text has no escape at all."""
    example = Path(__file__).parents[3] / "examples" / "null-deref"
    log = gzip.decompress((example / "console.log.gz").read_bytes()).decode()

    report = explain(log, modules=example, source=example, cache=False)

    assert f"\x1b]8;;{(example / 'crashme.c').as_uri()}\x1b\\" in render_text(report, terminal)
    assert "\x1b" not in render_text(report)
