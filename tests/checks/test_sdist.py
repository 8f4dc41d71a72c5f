# SPDX-License-Identifier: GPL-2.0-or-later
"""The source archive holds the whole tree: who unpacks it can run these very tests, and the gates."""

from __future__ import annotations

import subprocess
import sys
import tarfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
MADE = {"__pycache__", "build", "dist"}


def files_of_the_tree() -> set[str]:
    """What a checkout holds: hidden folders are tools' own, but .ci is ours."""
    found = set()
    for folder in (path for path in ROOT.iterdir() if path.is_dir()):
        if folder.name not in MADE and (folder.name == ".ci" or not folder.name.startswith(".")):
            inside = (path for path in folder.rglob("*") if path.is_file())
            found |= {str(path.relative_to(ROOT)) for path in inside if not is_made(path)}
    return found | {
        path.name for path in ROOT.iterdir() if path.is_file() and not path.name.startswith((".", "PKG-INFO"))
    }


def is_made(path: Path) -> bool:
    return any(part in MADE or part.endswith(".egg-info") for part in path.relative_to(ROOT).parts)


def test_the_source_archive_holds_every_file(tmp_path: Path) -> None:
    build = [sys.executable, "-m", "hatchling", "build", "--target", "sdist", "--directory", str(tmp_path)]
    subprocess.run(build, cwd=ROOT, check=True, capture_output=True)
    (archive,) = tmp_path.iterdir()
    with tarfile.open(archive) as tar:
        held = {name.partition("/")[2] for name in tar.getnames()}

    assert files_of_the_tree() - held == set()
    assert not any(name.startswith((".venv/", ".git/")) for name in held)
