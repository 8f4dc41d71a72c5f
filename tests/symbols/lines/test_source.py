# SPDX-License-Identifier: GPL-2.0-or-later
from __future__ import annotations

import os
from pathlib import Path

import pytest

from keepsane.model import SourceLine, SourceText
from keepsane.symbols.lines.source import SourceTree, read_source


def _read(directory: Path | None, file: str, line: int = 5) -> SourceText | None:
    place = SourceLine(function="f", file=file, line=line, column=None, inlined=False)
    return read_source(SourceTree(directory), place).text


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    (tmp_path / "outside.c").write_text("secret\n" * 9)
    directory = tmp_path / "linux"
    (directory / "mm").mkdir(parents=True)
    (directory / "mm" / "slub.c").write_text("".join(f"line {number}\n" for number in range(1, 21)))
    (directory / "crashme.c").write_text("one\ntwo\r\nthree\n")
    (directory / "link.c").symlink_to(tmp_path / "outside.c")
    return directory


def test_three_lines_before_and_after_are_shown(tree: Path) -> None:
    lines = tuple(f"line {number}" for number in range(2, 9))

    assert _read(tree, "mm/slub.c", 5) == SourceText(2, lines, str(tree / "mm" / "slub.c"))


def test_at_the_edges_of_a_file_there_are_fewer(tree: Path) -> None:
    assert _read(tree, "crashme.c", 1) == SourceText(1, ("one", "two", "three", ""), str(tree / "crashme.c"))


@pytest.mark.parametrize(
    "file", ["mm/slub.c", "./mm/slub.c", "/build/linux-6.1/mm/slub.c", "fs/../mm/slub.c", "../../mm/slub.c"]
)
def test_a_path_is_matched_by_its_longest_end(tree: Path, file: str) -> None:
    assert _read(tree, file) is not None


def test_the_directory_may_be_a_part_of_the_tree(tree: Path) -> None:
    assert _read(tree / "mm", "mm/slub.c") is not None


@pytest.mark.parametrize(
    "file",
    [
        "../outside.c",
        "/../outside.c",
        "link.c",
        "fs/crashme.c",
        "mm",
        "mm/absent.c",
        "mm/slub.c\0",
        "",
        "/",
        "/etc/passwd",
    ],
)
def test_nothing_else_is_read(tree: Path, file: str) -> None:
    assert _read(tree, file) is None


def test_a_line_behind_the_end_of_the_file_shows_nothing(tree: Path) -> None:
    assert _read(tree, "mm/slub.c", 5000) is None


def test_without_a_directory_nothing_is_read(tree: Path) -> None:
    for file in (str(tree / "mm" / "slub.c"), "mm/slub.c", "/dev/zero"):
        assert _read(None, file) is None


def test_links_in_a_circle_are_no_source(tree: Path) -> None:
    (tree / "round.c").symlink_to("back.c")
    (tree / "back.c").symlink_to("round.c")
    assert _read(tree, "round.c", 2) is None
    assert _read(None, str(tree / "round.c"), 2) is None


@pytest.mark.parametrize("is_below_source", [True, False])
def test_a_fifo_is_not_waited_for(tree: Path, is_below_source: bool) -> None:
    os.mkfifo(tree / "fifo.c")
    assert _read(tree if is_below_source else None, str(tree / "fifo.c"), 1) is None


def test_a_huge_file_is_not_read(tree: Path) -> None:
    with (tree / "huge.c").open("wb") as file:
        file.truncate(1 << 33)
    assert _read(tree, "huge.c", 1) is None
