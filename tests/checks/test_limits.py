# SPDX-License-Identifier: GPL-2.0-or-later
from __future__ import annotations

from pathlib import Path

import pytest

from checks.limits import FILE_LINES, FUNCTION_LINES, SPDX, main

HEAD = f"# {SPDX}\n"
PACKAGE_FILE = 'import os\n\n__version__ = "1"\n__all__ = ["os"]\n'


def function_of(lines: int) -> str:
    return "def f():\n" + "    x = 1\n" * (lines - 1)


QUIET = {
    "src/p/oops.py": HEAD + function_of(FUNCTION_LINES),
    "src/p/panic.py": HEAD + "x = 1\n" * (FILE_LINES - 1),
    "src/p/__init__.py": HEAD + '"""What it is."""\n' + PACKAGE_FILE,
    "src/p/kasan.py": HEAD + 'def f():\n    """' + "A page.\n" * FUNCTION_LINES + '    """\n    return 1\n',
    "tests/live/lab": f"#!/bin/sh\n# {SPDX}\n",
    "Makefile": HEAD,
    "README.md": "no code, no line\n",
    "examples/console.log": "no code either\n",
    ".venv/lib/other.py": "not ours\n",
    "build/made.py": "not ours\n",
}

FIRING = {
    "a function of one line too many": (
        "src/p/oops.py",
        HEAD + function_of(FUNCTION_LINES + 1),
        "f has 41 lines",
    ),
    "a method that is too long": (
        "src/p/oops.py",
        HEAD + "class C:\n    async def g(self):\n" + "        x = 1\n" * FUNCTION_LINES,
        "src/p/oops.py:3: g has 41 lines",
    ),
    "a file of one line too many": ("src/p/oops.py", HEAD + "x = 1\n" * FILE_LINES, "401 lines"),
    "a vague file name": ("src/p/utils.py", HEAD, "'utils' does not say"),
    "a vague folder name": ("src/p/common/oops.py", HEAD, "'common' does not say"),
    "code in a package file": (
        "src/p/__init__.py",
        HEAD + "import os\nx = os.sep\n",
        "src/p/__init__.py:3: code",
    ),
    "a function in a package file": ("src/p/__init__.py", HEAD + function_of(3), "code in a package file"),
    "no licence line in Python": ("tests/test_x.py", "x = 1\n", "tests/test_x.py:1: no line SPDX"),
    "no licence line in a script": (".ci/run", "#!/bin/sh\necho\n", ".ci/run:1: no line SPDX"),
    "no licence line in C": ("examples/crash.c", "int x;\n", "examples/crash.c:1: no line SPDX"),
    "the licence line too late": ("Makefile", "\n\n\n" + HEAD, "Makefile:1: no line SPDX"),
}


def write(root: Path, files: dict[str, str]) -> None:
    for name, text in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")


def test_a_tree_within_the_limits_passes(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write(tmp_path, QUIET)

    assert main(tmp_path) == 0
    assert capsys.readouterr().out == "no breach\n"


@pytest.mark.parametrize(("name", "text", "said"), FIRING.values(), ids=FIRING.keys())
def test_a_breach_is_named(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], name: str, text: str, said: str
) -> None:
    write(tmp_path, QUIET | {name: text})

    assert main(tmp_path) == 1
    assert said in capsys.readouterr().out
