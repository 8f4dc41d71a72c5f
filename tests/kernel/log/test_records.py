# SPDX-License-Identifier: GPL-2.0-or-later
"""Prefixes come off, texts stay as they are."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from keepsane.kernel.log.records import is_of_program, record

TEXT = "BUG: something happened"


@pytest.mark.parametrize(
    ("prefix", "seconds", "level", "caller"),
    [
        ("", None, None, None),
        ("[    1.234567] ", 1.234567, None, None),
        ("[71818.339389] ", 71818.339389, None, None),
        ("<6>[   85.501187] ", 85.501187, 6, None),
        ("<4>", None, 4, None),
        ("[  492.198014][T24950] ", 492.198014, None, "T24950"),
        ("[  602.265237][   T31] ", 602.265237, None, "T31"),
        ("[223526.988952] [      C6] ", 223526.988952, None, "C6"),
        ("Jan 15 18:51:07 host kernel: [435222.428754] ", 435222.428754, None, None),
        ("Jun 09 11:11:21 host kernel: ", None, None, None),
        ("2026-01-15T18:51:07.123456+01:00 host kernel: [  2.000001] ", 2.000001, None, None),
        ("[Thu Nov  6 22:36:44 2025] ", None, None, None),
        ("> ", None, None, None),
        (">> ", None, None, None),
        ("box login: [   16.305150] ", 16.30515, None, None),
        ("** 2395 printk messages dropped ** [   96.027166] ", 96.027166, None, None),
    ],
)
def test_prefix(prefix: str, seconds: float | None, level: int | None, caller: str | None) -> None:
    got = record(7, prefix + TEXT)

    assert (got.line, got.seconds, got.level, got.caller, got.text) == (7, seconds, level, caller, TEXT)


@pytest.mark.parametrize(
    "text", ["[<ffffffff81542e45>] schedule+0x45/0x60", " <TASK>", "[drm] ready", "[ cut here ]", ""]
)
def test_text_that_looks_like_a_prefix_stays(text: str) -> None:
    assert record(1, text).text == text


def test_indented_text_keeps_its_indent() -> None:
    """One blank belongs to the prefix, the others to the kernel."""
    assert record(1, "[    2.1234]  schedule+0x45/0x60").text == " schedule+0x45/0x60"


@given(st.text(max_size=200))
def test_text_is_always_the_end_of_the_line(line: str) -> None:
    """Whatever the line is, nothing is invented and nothing behind the prefix is lost."""
    assert line.endswith(record(1, line).text)


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("Jan 15 18:51:07 host sshd[81]: Connection closed", True),
        ("2026-01-15T18:51:07.123456+01:00 host postfix/smtpd[7]: connect from x", True),
        ("Jan 15 18:51:07 host kernel: Call Trace:", False),
        ("Jan 15 18:51:07 host kernel[1]: Call Trace:", False),
        ("Jan 15 18:51:07 host kern: Call Trace:", False),
        ("Jan 15 18:51:07 host relay[12]: [   12.000001] Call Trace:", False),
        ("Jan 15 18:51:07 host relay[12]: <4>[   12.000001] Call Trace:", False),
        ("[   12.000001] sshd[81]: Connection closed", False),
        (" vfs_write+0xf8/0x450", False),
    ],
)
def test_a_line_of_another_program(line: str, expected: bool) -> None:
    assert is_of_program(line) is expected


@pytest.mark.parametrize(
    ("line", "host"),
    [
        ("Jan 15 18:51:07 web-1 kernel: [435222.428754] text", "web-1"),
        ("2026-01-15T18:51:07.123456+01:00 web-1 kernel: text", "web-1"),
        ("Jan 15 18:51:07 kernel: text", None),
        ("[435222.428754] text", None),
    ],
)
def test_the_host_of_a_syslog_is_kept(line: str, host: str | None) -> None:
    assert record(1, line).host == host
