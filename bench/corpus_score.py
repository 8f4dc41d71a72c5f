# SPDX-License-Identifier: GPL-2.0-or-later
"""
Score keepsane against syzkaller's labelled crash logs.

Usage: python -m bench.corpus_score [--tune] [--misses] [FOLDER]

FOLDER holds `syzkaller/report/N` (default: $KEEPSANE_CORPORA, else ../shared/corpora beside the checkout).
Parsers are tuned on the numbers divisible by 4 (`--tune`); the figures quoted are those of the rest.
Without the folder one line says so and the exit code is 0.
"""

from __future__ import annotations

import argparse
import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from bench.title_kinds import LEFT_OUT, TITLE_KINDS, kinds_of
from keepsane.api import explain
from keepsane.model import Event

BESIDE = Path(__file__).resolve().parents[2] / "shared" / "corpora"
# Compilers add these to clones of a function; syzkaller leaves them out of titles.
_CLONE = re.compile(r"\.(isra|constprop|part|cold|llvm|lto_priv|str|plt)\b.*")
# One system call has one name per ABI; syzkaller's titles say sys_ for all.
_SYSCALL = re.compile(r"^(__(ia32|x64|arm64|riscv|s390x?|do|se)_(compat_)?sys_|(compat_)?S[yY]S_|(__|k)sys_)")
# Allocation failures, out of memory, dumps on request: keepsane reports them, no title ever does.
KINDS_OF_TITLES = frozenset(kind for _, kinds in TITLE_KINDS for kind in kinds)
_IN = re.compile(r".*\bin (?P<function>\S+)(?: at addr ADDR)?$")


@dataclass(frozen=True, slots=True)
class Case:
    """One labelled log; `title` is None where nothing may be reported."""

    number: int
    title: str | None
    functions: frozenset[str]
    corrupted: bool
    log: str


@dataclass(frozen=True, slots=True)
class Miss:
    """One wrong answer."""

    row: str
    number: int
    wanted: str
    got: str


@dataclass(slots=True)
class Score:
    """Cases asked and answered right in one row of the table."""

    asked: int = 0
    right: int = 0

    def percent(self) -> float:
        """Right answers of 100; 100 where nothing was asked."""
        return 100 * self.right / self.asked if self.asked else 100.0


ROWS = ("detected", "quiet", "kind", "function")


def corpora_folder() -> Path | None:
    """The folder of labelled logs, None where it does not exist on this machine."""
    folder = Path(os.environ.get("KEEPSANE_CORPORA", BESIDE))
    return folder if (folder / "syzkaller" / "report").is_dir() else None


def read_case(path: Path) -> Case:
    """
    Read one labelled log: headers, an empty line, the log, and where it says so an expected report.

    Accepted format:
        TITLE: KASAN: use-after-free Read in consume_skb
        CORRUPTED: Y
    """
    head, _, log = path.read_bytes().decode("utf-8", "replace").partition("\n\n")
    if head.startswith(("\n", "\r")):  # it begins with the empty line: no headers
        head, log = "", f"{head}\n\n{log}"
    fields = [line.split(":", 1) for line in head.splitlines() if re.match(r"[A-Z]+:", line)]
    titles = [value.strip() for key, value in fields if key in ("TITLE", "ALT")]
    frames = [value.strip() for key, value in fields if key == "FRAME"]
    title = next((value.strip() for key, value in fields if key == "TITLE"), None)
    named = [match["function"] for text in titles if (match := _IN.match(text))]
    return Case(
        number=int(path.name),
        title=title,
        functions=frozenset(
            plain_name(part) for name in named + frames for part in name.split("/") if part != "corrupted"
        ),
        corrupted="CORRUPTED: Y" in head,
        log=re.split(r"\nREPORT:\r?\n", log, maxsplit=1)[0],
    )


def plain_name(function: str) -> str:
    """A function's name without clone suffix, and with one name for all ABIs of a system call."""
    return _SYSCALL.sub("sys_", _CLONE.sub("", function.removesuffix("()")))


def read_cases(folder: Path, *, tune: bool) -> Iterator[Case]:
    """The labelled logs of one half, in the order of their numbers."""
    paths = sorted((folder / "syzkaller" / "report").glob("[0-9]*"), key=lambda path: int(path.name))
    for path in paths:
        if (int(path.name) % 4 == 0) != tune:
            continue
        case = read_case(path)
        if case.title is None or not LEFT_OUT.match(case.title):
            yield case


def answers(case: Case, events: tuple[Event, ...]) -> Iterator[tuple[str, bool, str, str]]:
    """Judge one case: (row, right, wanted, got) for each row of the table that asks it something."""
    reported = [event for event in events if event.kind in KINDS_OF_TITLES] or list(events)
    first = reported[0] if reported else None
    said = f"{first.kind}: {first.title}" if first else "nothing"
    if case.title is None:
        yield "quiet", first is None, "nothing", said
        return
    yield "detected", first is not None, case.title, said
    kinds = kinds_of(case.title)
    yield "kind", first is not None and first.kind in kinds and first.kind != "other", "|".join(kinds), said
    if case.functions and not case.corrupted:
        match = _IN.match(first.title) if first else None
        named = plain_name(match["function"]) if match else None
        yield "function", named in case.functions, " | ".join(sorted(case.functions)), said


def score(folder: Path, *, tune: bool) -> tuple[dict[str, Score], list[Miss]]:
    """Explain every log of one half and compare: the table by row, and what was missed."""
    rows = {row: Score() for row in ROWS}
    misses = []
    for case in read_cases(folder, tune=tune):
        for row, right, wanted, got in answers(case, explain(case.log).events):
            rows[row].asked += 1
            rows[row].right += right
            if not right:
                misses.append(Miss(row, case.number, wanted, got))
    return rows, misses


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[1])
    parser.add_argument("folder", type=Path, nargs="?")
    parser.add_argument("--tune", action="store_true", help="the half that parsers are tuned on")
    parser.add_argument("--misses", action="store_true", help="list every wrong answer")
    options = parser.parse_args()
    folder = options.folder or corpora_folder()
    if folder is None:
        print("skipped: no corpora folder")
        return
    rows, misses = score(folder, tune=options.tune)
    for miss in misses if options.misses else ():
        print(f"{miss.row} {miss.number}: wanted {miss.wanted}; got {miss.got}")
    for row, counted in rows.items():
        print(f"{row:9} {counted.right:4} of {counted.asked:4}  {counted.percent():6.2f} %")


if __name__ == "__main__":
    main()
