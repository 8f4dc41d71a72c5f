# SPDX-License-Identifier: GPL-2.0-or-later
"""Whatever happens inside a verb ends as one sentence and the exit code that says whose matter it is."""

from __future__ import annotations

import errno
from dataclasses import replace
from pathlib import Path

import pytest

from keepsane import __version__
from keepsane.cli import main
from keepsane.errors import InputError
from keepsane.judge import RULES, load


@pytest.mark.parametrize(
    ("error", "code", "words"),
    [
        (InputError("it is so"), 2, "it is so"),
        (MemoryError(), 2, "there is not enough memory for this input"),
        (RecursionError("maximum"), 2, "the input is nested too deeply"),
        (OSError(errno.EIO, "Input/output error", "/dev/a\x1b"), 2, "/dev/a\\x1b: Input/output error"),
        (OSError("of its own"), 2, "of its own"),
        (PermissionError(errno.EACCES, "Permission denied", b"/b"), 2, "/b: Permission denied"),
        (KeyboardInterrupt(), 2, "interrupted"),
        (ValueError("\x1b[31mtext"), 3, f"a defect of keepsane {__version__} (ValueError)"),
        (UnicodeEncodeError("ascii", "\u00fc", 0, 1, "no"), 3, "(UnicodeEncodeError)"),
        (AssertionError(), 3, "(AssertionError)"),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, BaseException) else "",
)
@pytest.mark.parametrize("debug", [[], ["--debug"]])
def test_one_sentence(
    error: BaseException,
    code: int,
    words: str,
    debug: list[str],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
) -> None:
    def fail(*_: object) -> None:
        raise error

    out = tmp_path / "out"
    out.write_text("old\n")
    monkeypatch.setattr("keepsane.commands.gfp._text", fail)
    assert main(["gfp", "0xcc0", "-o", str(out), *debug]) == code
    said = capsys.readouterr()
    first, _, rest = said.err.partition("\n")
    assert words in first and said.out == ""
    assert ("Traceback" in rest) == (code == 3 and bool(debug))
    assert rest == "" or rest.startswith("Traceback")
    assert "\x1b" not in said.err
    assert [one.read_text() for one in tmp_path.iterdir()] == ["old\n"]


def test_too_little_memory_for_a_rule_is_no_fault_of_the_rule(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def judge(_: object) -> None:
        raise MemoryError

    log = tmp_path / "log"
    log.write_text("[    2.364413] BUG: kernel NULL pointer dereference, address: 0000000000000080\n")
    known = load()["null-member-access"]
    monkeypatch.setattr(judge, "__module__", known.judge.__module__)
    monkeypatch.setitem(RULES, known.name, replace(known, judge=judge))
    assert main(["explain", str(log), "--no-cache"]) == 2
    said = capsys.readouterr()
    assert (said.out, said.err.count("\n")) == ("", 1) and "not enough memory" in said.err


def test_help_names_every_exit_code(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--help"]) == 0
    said = " ".join(capsys.readouterr().out.split())
    assert "0 nothing found, 1 something found, 2 it could not be done, 3 a defect" in said


def test_words_that_mean_nothing_are_exit_2(capsys: pytest.CaptureFixture[str]) -> None:
    for words in ([], ["made-up"], ["gfp"], ["gfp", "0xcc0", "more"], ["memory", "--seconds", "x"]):
        assert main(words) == 2
        assert capsys.readouterr().err.startswith("usage: keepsane")
