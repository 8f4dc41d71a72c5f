# SPDX-License-Identifier: GPL-2.0-or-later
"""A crash is the same crash however a tool, a logger, a console or a page has written it."""

from __future__ import annotations

from pathlib import Path
from random import Random
from zlib import crc32

import pytest

from keepsane.api import explain
from keepsane.kernel.log.dress.anchors import ANCHOR
from tests.dressing import FRONTS, QUOTES, any_dress, bare, dressed, told
from tests.golden import CASES, read_case

CRASHES = ("kasan/slab-use-after-free", "null-deref/arm64-6.1", "oom-kill/lab-oom-6.1")
ABOUT_DRESS = frozenset(
    {
        # Their subject is how a log is written.
        *("null-deref/behind-a-prompt", "null-deref/messages-dropped", "kmemleak/two-objects"),
        *("quiet/words-of-user-space", "page-fault/three-consoles", "soft-lockup/after-a-year"),
        *("null-deref/flat-x86", "null-deref/flat-arm"),
        # Prose is prose no more where the kernel's time stands before it.
        *("backtrace/behind-a-quoted-place", "quiet/place-in-prose"),
        "page-fault/oops-line-in-a-document",
        "null-deref/gap-in-netconsole",
    }
)


def lines_of(name: str) -> list[str]:
    return bare(read_case(CASES / f"{name}.case").log)


@pytest.mark.parametrize("name", CRASHES)
@pytest.mark.parametrize("front", FRONTS)
def test_a_front_changes_nothing(front: str, name: str) -> None:
    lines = lines_of(name)
    assert told(explain(dressed(lines, front, "as it is"))) == told(explain("\n".join(lines)))


@pytest.mark.parametrize("name", CRASHES)
@pytest.mark.parametrize("quote", QUOTES)
def test_a_quotation_changes_nothing(quote: str, name: str) -> None:
    lines = lines_of(name)
    for front in ("printk", "dmesg -x -T", "journalctl -o short-unix"):
        assert told(explain(dressed(lines, front, quote))) == told(explain("\n".join(lines)))


@pytest.mark.parametrize(
    "path", sorted(CASES.rglob("*.case")), ids=lambda path: f"{path.parent.name}/{path.stem}"
)
def test_every_case_in_a_front_of_its_own(path: Path) -> None:
    """Each case draws its fronts by its name: the same on each machine and in each order."""
    name = f"{path.parent.name}/{path.stem}"
    if name in ABOUT_DRESS:
        return
    log = read_case(path).log
    if not ANCHOR.search(log):
        return  # frames alone have no words that show how the kernel's lines are dressed
    lines = bare(log)
    expected = told(explain("\n".join(lines)))
    for number in range(5):
        front, quote, _ = any_dress(Random(crc32(name.encode()) + number))
        assert told(explain(dressed(lines, front, quote))) == expected, (front, quote)


@pytest.mark.parametrize(
    "name",
    [
        *("rules/null-call", "null-deref/jump-without-headline", "rules/access-beside-local-variable"),
        *("rust-panic/overflow", "ubsan/array-index"),
    ],
)
def test_messages_that_share_a_line_stand_behind_each_other_all_the_same(name: str) -> None:
    """A form made one line of a log: what stands behind a line is not told by its number."""
    lines = lines_of(name)
    flat = " ".join(FRONTS["printk"](number, line) for number, line in enumerate(lines))
    assert told(explain(flat)) == told(explain("\n".join(lines)))
