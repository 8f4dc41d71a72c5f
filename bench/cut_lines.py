# SPDX-License-Identifier: GPL-2.0-or-later
"""
Cut every committed case, without its stamps, behind each line: no cause that the whole does not have.

Usage: python -m bench.cut_lines [NAME]

NAME is a part of a case's name. `tests/test_cut_cases.py` cuts a few cases by seed.
"""

from __future__ import annotations

import argparse
from collections import Counter

from tests.cutting import faults, findings_of
from tests.dressing import bare
from tests.golden import CASES, read_case

ABOUT_STAMPS = frozenset({"rules/two-boots"})
"""Cases that are others without their stamps: where a boot begins is told by the clock alone."""


def main() -> None:
    """Print each cut that says more than the whole, and how many were tried."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[1])
    parser.add_argument("name", nargs="?", default="", help="a part of a case's name")
    name = parser.parse_args().name
    counted: Counter[str] = Counter()
    for path in sorted(CASES.glob("*/*.case")):
        if f"{path.parent.name}/{path.stem}" in ABOUT_STAMPS or name not in f"{path.parent.name}/{path.stem}":
            continue
        lines = bare(read_case(path).log)
        whole = findings_of(lines)
        for kept in range(1, len(lines)):
            counted["cuts"] += 1
            for fault in faults(lines, kept, whole):
                counted["faults"] += 1
                print(f"{path.parent.name}/{path.stem} behind line {kept}: {fault}")
        counted["cases"] += 1
    print(f"{counted['cases']} cases, {counted['cuts']} cuts, {counted['faults']} say more than the whole")


if __name__ == "__main__":
    main()
