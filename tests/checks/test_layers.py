# SPDX-License-Identifier: GPL-2.0-or-later
"""The contract of the rooms fails where it is broken, and says by which import."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PLANTED = {
    "an import upwards": ("kernel/log/code.py", "import keepsane.render.words", "keepsane.kernel.log.code"),
    "a neighbour": ("kernel/pages/zone.py", "import keepsane.kernel.log.code", "keepsane.kernel.pages.zone"),
    "a circle": ("kernel/log/trace.py", "import keepsane.kernel.log.body", ".trace -> .body"),
}


def linted(tree: Path) -> subprocess.CompletedProcess[str]:
    lint = [str(Path(sys.executable).with_name("lint-imports")), "--no-logo", "--no-cache"]
    return subprocess.run(
        lint, cwd=tree, capture_output=True, text=True, env={"PYTHONPATH": str(tree / "src")}
    )


@pytest.mark.parametrize("planted", PLANTED)
def test_a_planted_import_breaks_the_contract(planted: str, tmp_path: Path) -> None:
    file, line, named = PLANTED[planted]
    shutil.copytree(ROOT / "src", tmp_path / "src", ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    path = tmp_path / "src" / "keepsane" / file
    path.write_text(f"{path.read_text(encoding='utf-8')}\n{line}\n", encoding="utf-8")

    said = linted(tmp_path)

    assert said.returncode == 1
    assert named in said.stdout
