# SPDX-License-Identifier: GPL-2.0-or-later
"""A case that is cut shows no cause that the whole does not have; bench/cut_lines.py cuts them all."""

from __future__ import annotations

from zlib import crc32

import pytest

from tests.cutting import faults, findings_of
from tests.dressing import bare
from tests.golden import CASES, read_case

ONE_OF = 30
# Cuts that were once said with more confidence than the whole.
ONCE_WRONG = (
    "rules/sleep-on-way-to-user-space",
    "rules/object-initialised-elsewhere",
    "rules/list-poison-mips",
)


def drawn() -> list[str]:
    every = sorted(f"{path.parent.name}/{path.stem}" for path in CASES.glob("*/*.case"))
    return sorted({*ONCE_WRONG, *(name for name in every if crc32(name.encode()) % ONE_OF == 0)})


@pytest.mark.parametrize("name", drawn())
def test_no_cut_says_more_than_the_whole(name: str) -> None:
    lines = bare(read_case(CASES / f"{name}.case").log)
    whole = findings_of(lines)

    assert [
        (kept, faults(lines, kept, whole)) for kept in range(1, len(lines)) if faults(lines, kept, whole)
    ] == []
