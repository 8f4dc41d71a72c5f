#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""
The limits that no linter knows: sizes, licence lines, names, empty package files.

    limits.py [ROOT]    prints one line per breach as path:line: what; exit code 1 if there is one

Docstrings are ruff's business (rules D1), imports are import-linter's.
"""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator
from pathlib import Path

FILE_LINES = 400
FUNCTION_LINES = 40
FOLDER_FILES = 40
SPDX = "SPDX-License-Identifier: GPL-2.0-or-later"
SPDX_WITHIN_LINES = 3  # a shebang may come first
CODE_SUFFIXES = {".py", ".sh", ".c", ".h"}
CODE_NAMES = {"Makefile", "Kbuild", "pyproject.toml"}
VAGUE_NAMES = {"utils", "util", "helpers", "helper", "common", "misc"}
BUILT = {"build", "dist", "__pycache__"}


def main(root: Path) -> int:
    """Print every breach under `root`; 1 if there is any, else 0."""
    said = [*licence_breaches(root), *source_breaches(root)]
    for line in said:
        print(line)
    print(f"{len(said)} breaches" if said else "no breach")
    return 1 if said else 0


def licence_breaches(root: Path) -> Iterator[str]:
    """Code files anywhere in the tree that do not open with the SPDX line."""
    for path in _files(root):
        if _is_code(path) and not any(SPDX in line for line in _lines(path)[:SPDX_WITHIN_LINES]):
            yield f"{path.relative_to(root)}:1: no line {SPDX}"


def source_breaches(root: Path) -> Iterator[str]:
    """Folders and files under src/ that are too full, vaguely named, or hold a function that is too long."""
    yield from _full_folders(root)
    for path in sorted((root / "src").rglob("*.py")):
        name, lines = path.relative_to(root), _lines(path)
        if len(lines) > FILE_LINES:
            yield f"{name}:{FILE_LINES + 1}: {len(lines)} lines, the limit is {FILE_LINES}"
        for part in sorted({path.stem, path.parent.name} & VAGUE_NAMES):
            yield f"{name}:1: {part!r} does not say what is in it; name the thing"
        tree = ast.parse("\n".join(lines))
        yield from (f"{name}:{said}" for said in _long_functions(tree))
        if path.name == "__init__.py":
            yield from (f"{name}:{line}: code in a package file" for line in _code_lines(tree))


def _full_folders(root: Path) -> Iterator[str]:
    for folder in sorted({path.parent for path in (root / "src").rglob("*.py")}):
        files = sum(1 for path in folder.glob("*.py"))
        if files > FOLDER_FILES:
            yield f"{folder.relative_to(root)}:1: {files} files, the limit is {FOLDER_FILES}; cut it"


def _long_functions(tree: ast.Module) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            length = _length(node)
            if length > FUNCTION_LINES:
                yield f"{node.lineno}: {node.name} has {length} lines, the limit is {FUNCTION_LINES}"


def _length(node: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    # A docstring does not count: a rule's is a page for users, and nobody should be tempted to cut it.
    lines = _span(node)
    if ast.get_docstring(node) is not None:
        lines -= _span(node.body[0])
    return lines


def _span(node: ast.stmt) -> int:
    return (node.end_lineno or node.lineno) - node.lineno + 1


def _code_lines(tree: ast.Module) -> Iterator[int]:
    body = tree.body[1:] if ast.get_docstring(tree) is not None else tree.body
    return (node.lineno for node in body if not _may_stand_in_init(node))


def _may_stand_in_init(node: ast.stmt) -> bool:
    if isinstance(node, ast.Assign):
        return all(isinstance(t, ast.Name) and t.id in {"__version__", "__all__"} for t in node.targets)
    return isinstance(node, ast.Import | ast.ImportFrom)


def _files(root: Path) -> Iterator[Path]:
    for path in sorted(root.iterdir()):
        if path.is_dir():
            if path.name not in BUILT and (path.name == ".ci" or not path.name.startswith(".")):
                yield from _files(path)
        elif path.is_file():
            yield path


def _is_code(path: Path) -> bool:
    if path.suffix in CODE_SUFFIXES or path.name in CODE_NAMES:
        return True
    with path.open("rb") as file:
        return path.suffix == "" and file.read(2) == b"#!"


def _lines(path: Path) -> list[str]:
    return path.read_text(encoding="utf-8").splitlines()


if __name__ == "__main__":
    sys.exit(main(Path(*sys.argv[1:2]).resolve()))
