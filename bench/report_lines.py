# SPDX-License-Identifier: GPL-2.0-or-later
"""
Count the lines of text that a person gets of each log: the committed cases, the examples, and the corpora.

Usage: python -m bench.report_lines [--longest N]

Of logs with one report none may have more than 48 lines of 100 columns. Without the corpora
(bench.corpus_score says where they are looked for) the cases and examples alone are counted.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from bench.corpus_score import corpora_folder
from bench.corpus_score import read_case as read_labelled
from keepsane.api import explain
from keepsane.kernel.log.input import read_log
from keepsane.render.text.brief import ROOM
from keepsane.render.text.report import render_text
from keepsane.render.text.writer import WIDTH
from tests.golden import read_case

ROOT = Path(__file__).resolve().parents[1]
OTHERS = ("alloc", "dmesg")


class Counted(NamedTuple):
    """A log: its lines in short and in whole, the reports in it, the columns of its widest line."""

    lines: int
    whole: int
    reports: int
    widest: int
    name: str


def logs() -> Iterator[tuple[str, list[str]]]:
    """Give each log with its name."""
    for path in sorted((ROOT / "tests" / "cases").glob("*/*.case")):
        yield f"{path.parent.name}/{path.stem}", read_case(path).log.split("\n")
    for path in sorted((ROOT / "examples").glob("*/console.log.gz")):
        yield str(path.relative_to(ROOT)), list(read_log(str(path)))
    folder = corpora_folder()
    if folder is None:
        print("no corpora on this machine: cases and examples only")
        return
    for path in sorted((folder / "syzkaller" / "report").iterdir()):
        if path.name.isdigit():
            yield f"report/{path.name}", read_labelled(path).log.split("\n")
    for name in OTHERS:
        yield from ((f"{name}/{path.name}", list(read_log(str(path)))) for path in (folder / name).iterdir())


def count(name: str, lines: list[str]) -> Counted:
    """Explain a log and count."""
    report = explain(lines, cache=False)
    short, whole = render_text(report, brief=True).splitlines(), render_text(report).splitlines()
    rows = sum(max(1, -(-len(line) // WIDTH)) for line in short)
    return Counted(rows, len(whole), len(report.events), max(map(len, short)), name)


def shown(title: str, counts: list[Counted]) -> str:
    """Say how lines are spread."""
    short, whole = sorted(one.lines for one in counts), sorted(one.whole for one in counts)
    said = (
        f"{sizes[len(sizes) // 2]} / {sizes[len(sizes) * 9 // 10]} / {sizes[-1]}" for sizes in (short, whole)
    )
    return f"{title:<24}{len(counts):>5} logs   median / 90 % / most: {next(said)} (with --all {next(said)})"


def main() -> int:
    """Print the spread, and what has more lines than it may."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--longest", type=int, default=0, metavar="N", help="name the N longest texts too")
    longest = parser.parse_args().longest
    counts = [count(name, lines) for name, lines in logs()]
    one = [each for each in counts if each.reports == 1]
    print(shown("one report", one))
    print(shown("several reports", [each for each in counts if each.reports > 1]))
    print(f"wider than {WIDTH} columns: {sum(each.widest > WIDTH for each in counts)} logs")
    for each in sorted(counts, reverse=True)[:longest]:
        print(f"{each.lines:>6}  {each.reports} reports  {each.name}")
    over = [each for each in one if each.lines > ROOM]
    print(f"more than {ROOM} lines of one report: {', '.join(each.name for each in over) or 'none'}")
    return bool(over)


if __name__ == "__main__":
    raise SystemExit(main())
