# SPDX-License-Identifier: GPL-2.0-or-later
"""
How often the verdict on a provoked condition is the right one, and what is said of machines that are well.

Usage: python -m bench.memory_verdicts [FOLDER]

The captures of tests/cases/memory, or of FOLDER, are Debian kernels in QEMU; the name of each says what was
provoked. The verdict is the first finding of `keepsane memory`. Machines that are well are the healthy ones
and those with zone reclaim off or only armed. `-fixed` is the same load behind the command that mends it.
"""

from __future__ import annotations

import re
import sys
from pathlib import Path

from keepsane.api import diagnose
from keepsane.memory.capture.capture import read_capture
from keepsane.memory.state import state_of
from keepsane.report import Report
from tests.live.conditions import verdicts

CASES = Path(__file__).parents[1] / "tests" / "cases" / "memory"
WELL = re.compile(r"healthy-.+|zone-reclaim-(?:off|armed)")


def main() -> None:
    """Print the figures, and each capture that is against them."""
    folder = Path(sys.argv[1]) if len(sys.argv) > 1 else CASES
    provoked, well, mended = list[bool](), list[bool](), list[bool]()
    for path in sorted(folder.glob("*.tar.gz")):
        condition, series, report = judged(path)
        loud = [one.rule for one in report.findings if one.severity != "info"]
        before = condition.removesuffix("-fixed")
        wanted = verdicts(before, series)
        if before != condition:
            mended.append(not set(loud) & set(wanted))
        elif wanted:
            provoked.append(bool(report.findings) and report.findings[0].rule in wanted)
        if WELL.fullmatch(condition):
            well.append(not loud)
        if not all(one[-1] for one in (provoked, well, mended) if one):
            print(f"{path.name}: {', '.join(one.rule for one in report.findings) or 'nothing'}")
    print(f"provoked conditions: the verdict is right in {sum(provoked)} of {len(provoked)}")
    print(f"machines that are well: nothing above info in {sum(well)} of {len(well)}")
    print(f"behind the command that mends it: the verdict is gone in {sum(mended)} of {len(mended)}")


def judged(path: Path) -> tuple[str, str, Report]:
    """The condition and the kernel series, 6.12 of 6.12.117+deb12-cloud-amd64, and what is said of it."""
    state = state_of(read_capture(path))
    if state is None:
        raise SystemExit(f"{path} holds no sample")
    series = ".".join((state.machine.release or "").split(".")[:2])
    condition = path.name.removesuffix(".tar.gz").removesuffix(f"-{series}")
    return condition, series, diagnose(state, name=path.name)


if __name__ == "__main__":
    main()
