# SPDX-License-Identifier: GPL-2.0-or-later
"""
What README.md, docs/ and docstrings show is run: console blocks with `$ keepsane`, Python blocks, doctests.

Output shown below a command must really come, in that order; a line `...` stands for anything, and so
does ` ...` at the end of a line.
A block after `<!-- not run: REASON -->` is left out.
"""

from __future__ import annotations

import doctest
import os
import pkgutil
import re
import subprocess
import sys
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from typing import NamedTuple

import pytest

import keepsane

ROOT = Path(__file__).resolve().parents[2]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
BLOCK = re.compile(
    r"(?P<skip><!-- not run: .+? -->\n+)?^```(?P<language>console|python)\n(?P<body>.*?)^```$", re.M | re.S
)
# Colour off, a fixed width, and the keepsane of this very Python.
ENVIRONMENT = {
    "NO_COLOR": "1",
    "COLUMNS": "110",
    "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
}


class Example(NamedTuple):
    """One thing a page shows: where, the command line or program, and the output shown."""

    page: str
    line: int
    language: str
    text: str
    output: list[str]


def examples(page: Path) -> Iterator[Example]:
    text = page.read_text(encoding="utf-8")
    for block in BLOCK.finditer(text):
        if block["skip"]:
            continue
        line = text.count("\n", 0, block.start("body")) + 1
        name = str(page.relative_to(ROOT))
        if block["language"] == "python":
            yield Example(name, line, "python", block["body"], [])
        else:
            yield from commands(name, line, block["body"].splitlines())


def commands(page: str, first_line: int, lines: list[str]) -> Iterator[Example]:
    starts = [number for number, line in enumerate(lines) if line.startswith("$ ")]
    for start, end in zip(starts, [*starts[1:], len(lines)], strict=True):
        if "keepsane" in lines[start]:
            yield Example(page, first_line + start, "console", lines[start][2:], lines[start + 1 : end])


def is_shown(line: str, real: str) -> bool:
    """Tell whether a page shows a real line, whole or with ` ...` for its end."""
    if line.endswith(" ..."):
        return real.startswith(line.removesuffix(" ...").rstrip())
    return line.rstrip() == real.rstrip()


EXAMPLES = [example for page in PAGES if page.exists() for example in examples(page)]


@pytest.mark.parametrize("example", EXAMPLES, ids=[f"{e.page}:{e.line}" for e in EXAMPLES])
def test_what_the_documentation_shows_is_true(example: Example, tmp_path: Path) -> None:
    run = (
        ["bash", "-o", "pipefail", "-c"]
        if example.language == "console"
        else [sys.executable, "-W", "error", "-c"]
    )
    environment = os.environ | ENVIRONMENT | {"XDG_CACHE_HOME": str(tmp_path)}
    done = subprocess.run(
        [*run, example.text],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )

    assert done.returncode in ((0, 1) if example.language == "console" else (0,)), done.stderr
    assert "Traceback" not in done.stderr
    real = iter(done.stdout.splitlines())
    for line in example.output:
        assert line == "..." or any(is_shown(line, other) for other in real), f"not printed: {line}"


def test_there_are_examples() -> None:
    assert {example.page for example in EXAMPLES} >= {"docs/tutorial.md", "docs/how-to.md"}


def test_the_examples_in_docstrings_are_true() -> None:
    modules = [
        name for _, name, _ in pkgutil.walk_packages(keepsane.__path__, "keepsane.") if "__main__" not in name
    ]
    results = [doctest.testmod(import_module(name)) for name in modules]

    assert sum(result.failed for result in results) == 0
    assert sum(result.attempted for result in results) > 0
