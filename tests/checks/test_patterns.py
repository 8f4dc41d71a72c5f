# SPDX-License-Identifier: GPL-2.0-or-later
"""Patterns that took seconds or years on a line are refused; the quick ones that look like them are not."""

from __future__ import annotations

import re
import sys
from pathlib import Path

import pytest

from checks.patterns import judge, main

HEX = r"0x[0-9a-f]{1,16}"
SYMBOL = r"(?P<function>[A-Za-z_.$<][\w.$<>:&*@,'-]{0,510})\+0x[0-9a-f]{1,16}/0x[0-9a-f]{1,16}"
MODULE = r"(?: \[[\w-]{1,64}(?:\([A-Z+-]*\))?(?: [0-9a-f]{8,40})?\])?"
ADDRESS = r"\[<\s*(?P<address>[0-9a-f]{8,16}|\(null\))?>\]"

ONCE_OURS = {
    "a module line": (
        r"\s+(?:[a-z][\w-]{1,63}(?:\([A-Z+-]{0,12}\))? ?){1,200}(?:\[last unloaded: .*\])?\s*$",
        False,
    ),
    "a continued module list": (
        r"\s*(?:[\w-]{1,64}(?:\([A-Z+-]{1,12}\))? ?)+(?:\[last unloaded: .*\])?$",
        False,
    ),
    "a frame": (
        r"\s*(?:#\d+:? )?(?:" + ADDRESS + r"\s*)?(?P<unreliable>\? )?\s*" + SYMBOL + MODULE + r"\s*$",
        False,
    ),
    "a release": (
        r"(?:Not tainted|Tainted: (?P<taint>[A-Z\s-]{1,60}?)) +(?P<release>[0-9a-z][\w.+~-]{1,80})"
        r"(?P<version> +#\S.*?)?(?: +(?P<build_id>[0-9a-f]{40}))?\s*$",
        True,
    ),
    "the head of a task table": (r"\[\s*pid\s*\]\s+uid\s+(?P<columns>[a-z_ ]{10,200}?)\s+name$", False),
    "work in flight": (r"\d+(?:\([\w ]+\))?:(?P<function>[A-Za-z_][\w.]{0,255})", True),
    "what lockdep said": (r"[\[\s]*(?:INFO|WARNING|BUG): (?P<what>.*?)[\s!.\]]*$", False),
    "the number of a copy": (r"(\.\d+)+\Z", True),
}
SLOW = {
    "a repeat inside a repeat": (r"(?:a+)+b", False),
    "the same through a group": (r"(?:(a+)b?)+c", False),
    "branches that begin alike under a repeat": (r"(?:a|ab|b){1,100}c", False),
    "a repeat of what may be empty": (r"(?:a?b?)+c", False),
    "neighbours over one set": (r"a*a*b", False),
    "neighbours over sets that overlap": (r"\w*[a-f]*:", False),
    "something optional between neighbours": (r"\s*(?:x)?(?:y:)?\s*z", False),
    "an optional end between neighbours": (r".*,?.*;", False),
    "a repeat before a tail, searched": (r"\s*x", True),
    "a repeat behind a letter, searched": (r"=\s*\d", True),
    "bounds too wide together": (r".{0,200}a.{0,200}b.{0,200}c", False),
    "a repeat in a look ahead, searched": (r"(?=.*x)y", True),
    "lines searched for their beginning": (r"(?m)^\s*x", True),
    "a reference back": (r"(a+)\1+b", False),
    "a condition": (r"(a)?(?(1)b*b*|c)d", False),
    "letters of either case": (r"(?i)[a-f]*[A-F]*x", False),
    "letters beyond Latin": ("\u4e2d*[^a]*x", False),
    "a search that an end does not save": (r"a*$", True),
    "a kept repeat of more than a letter: wrong before Python 3.11.5": (r"(?:ab?)?+c", False),
}
QUICK = {
    "the same, kept": (r"(?:a{1,8}+b){1,500}c", False),
    "neighbours that share nothing": (r"\s*\d+\s*x", False),
    "neighbours, one of them kept": (r"\s*+(?:x)?+y\s*z", False),
    "an atomic group": (r"(?>a+)a?b", False),
    "a repeat that the next letter ends": (r"(?:\.\d{1,20}){1,100}x", False),
    "small bounds": (r".{0,40}a.{0,40}b", False),
    "a repeat that ends the pattern, searched": (r"x.*", True),
    "searched, but only at the beginning": (r"\A\s*x", True),
    "long words, searched": (r"out of memory: \w{1,64} killed", True),
}


@pytest.mark.parametrize(("text", "searched"), (ONCE_OURS | SLOW).values(), ids=(ONCE_OURS | SLOW).keys())
def test_a_slow_pattern_is_refused(text: str, searched: bool) -> None:
    assert judge(re.compile(text), searched=searched) is not None


@pytest.mark.parametrize(("text", "searched"), QUICK.values(), ids=QUICK.keys())
def test_a_quick_pattern_passes(text: str, searched: bool) -> None:
    assert judge(re.compile(text), searched=searched) is None


def package(root: Path, name: str, text: str) -> Path:
    """Write a package of one module, named as no other test's: imported modules stay."""
    folder = root / "src" / name
    folder.mkdir(parents=True)
    (folder / "__init__.py").write_text("")
    (folder / "one.py").write_text("import re\n" + text)
    return root


FOUND = {
    "in a table": ('TABLE = {"x": (1, [re.compile(r"a*a*b")])}\n', "TABLE"),
    "as a bound method": ('search = re.compile(r"a*b").search\n', "search"),
    "in a class": ('class C:\n    slow = re.compile(r"a*a*b")\n', "C"),
    "as a default": ('def f(x=re.compile(r"a*a*b")):\n    return x\n', "f"),
    "behind a closure": (
        'def f():\n    slow = TABLE[0]\n    return lambda: slow\nTABLE = [re.compile(r"a*a*b")]\ng = f()\n',
        "TABLE",
    ),
    "inside a function": ('def f(x):\n    return re.search(r"=\\s*x", x)\n', "one.py:3"),
    "made when it runs": ("def f(x, y):\n    return re.search(x, y)\n", "only known when it runs"),
    "searched in one place": (
        '_X = re.compile(r"\\s*x")\ndef f(t):\n    return _X.match(t) or _X.search(t)\n',
        "one._X",
    ),
    "passed on": ('_X = re.compile(r"\\s*x")\ndef f(t):\n    return map(_X, t)\n', "one._X"),
}


@pytest.mark.parametrize(("text", "said"), FOUND.values(), ids=FOUND.keys())
def test_a_pattern_is_found_wherever_it_is(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    text: str,
    said: str,
) -> None:
    monkeypatch.setattr("sys.path", [*sys.path])
    name = f"keepsane_made_up_{sorted(FOUND.values()).index((text, said))}"

    assert main(package(tmp_path, name, text)) == 1
    assert said in capsys.readouterr().out


def test_a_pattern_that_only_matches_passes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("sys.path", [*sys.path])
    text = '_X = re.compile(r"\\s*x")\ndef f(t):\n    return _X.match(t) or _X.fullmatch(t)\n'

    assert main(package(tmp_path, "keepsane_made_up_quick", text)) == 0
    assert capsys.readouterr().out == "no breach\n"
