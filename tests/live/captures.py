# SPDX-License-Identifier: GPL-2.0-or-later
"""
The lab's captures of kernels whose memory is in trouble, and small copies of them for tests without a lab.

    python3 -m tests.live.captures      writes tests/cases/memory/CONDITION-SERIES.tar.gz

A copy has the first and the last sample as t0 and t1, without the files that DROPPED names.
"""

from __future__ import annotations

import gzip
import io
import re
import subprocess
import tarfile
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from tests.live.guests import LAB_COMMAND

CASES = Path(__file__).parent.parent / "cases" / "memory"
DROPPED = re.compile(
    r"dmesg|proc/slabinfo|sys/fs/cgroup/memory\.\w+|proc/sys/vm/(?:hugetlb|mmap_|legacy|unpriv)\w*"
)
FIXED = "-fixed"
"""What the name of a capture ends in that was made after the condition was mended."""

TELLING = (
    "zone-reclaim-on",
    "zone-reclaim-mglru-1",
    "thp-always",
    "late-kswapd",
    "cgroup-limit",
    "healthy-copy",
)
"""What the tests boot, twelve guests; the others are tested where `lab memory` has booted them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Capture:
    """A capture of one kernel in one condition; `condition` is without FIXED, `series` is "6.1"."""

    path: Path
    condition: str
    series: str
    fixed: bool

    @property
    def case(self) -> Path:
        """Where its small copy lies."""
        return CASES / f"{self.condition}{FIXED if self.fixed else ''}-{self.series}.tar.gz"


@cache
def boot_conditions() -> tuple[Capture, ...]:
    """Boot what of TELLING has no fresh capture yet, and give every capture that is fresh."""
    subprocess.run([LAB_COMMAND, "memory", *TELLING], check=True, stdin=subprocess.DEVNULL)
    return read_captures()


def boot_mended(capture: Capture, command: str) -> Path:
    """
    Run a command that is said to mend the condition, in a guest as it was captured; what it is like then.

    The guest is booted again, and both captures are replaced, unless it was this command that ran last time.
    """
    folder, condition = capture.path.parent, capture.condition
    boot: list[str | Path] = [LAB_COMMAND, "memory-verify", folder.name, condition, command, folder]
    subprocess.run(boot, check=True, stdin=subprocess.DEVNULL)
    return folder / f"{condition}{FIXED}.tar.gz"


def read_captures() -> tuple[Capture, ...]:
    """Every fresh capture of the lab, of the kernels and conditions that it has now."""
    conditions = set(_said("conditions"))
    found = (_capture(Path(path)) for path in _said("captures"))
    return tuple(one for one in found if one.condition in conditions)


def _capture(path: Path) -> Capture:
    name = path.name.removesuffix(".tar.gz")
    return Capture(
        path=path,
        condition=name.removesuffix(FIXED),
        series=".".join(path.parent.name.split(".")[:2]),
        fixed=name.endswith(FIXED),
    )


def reduced(capture: bytes) -> bytes:
    """
    The small copy of a capture, the same bytes for the same capture.

    Both samples of a file lie side by side, where gzip sees that they are nearly the same.
    """
    with tarfile.open(fileobj=io.BytesIO(capture)) as archive:
        files = {member.name: _content(archive, member) for member in archive if member.isfile()}
    last = max(int(name[1 : name.index("/")]) for name in files)
    kept = [
        (path, f"t{number}/{path}", files[name])
        for name in files
        for sample, path in [name.split("/", 1)]
        for number, of in enumerate(("t0", f"t{last}"))
        if sample == of and not DROPPED.fullmatch(path)
    ]
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w", format=tarfile.USTAR_FORMAT) as archive:
        for _, name, content in sorted(kept):
            member = tarfile.TarInfo(name)
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    return gzip.compress(packed.getvalue(), mtime=0)


def _content(archive: tarfile.TarFile, member: tarfile.TarInfo) -> bytes:
    opened = archive.extractfile(member)
    assert opened, member.name
    return opened.read()


def _said(what: str) -> Iterator[str]:
    said = subprocess.run(
        [LAB_COMMAND, what], check=True, capture_output=True, text=True, stdin=subprocess.DEVNULL
    )
    yield from said.stdout.split()


def write_cases() -> None:
    """Write the small copy of every capture that is there."""
    CASES.mkdir(parents=True, exist_ok=True)
    for capture in read_captures():
        small = reduced(capture.path.read_bytes())
        capture.case.write_bytes(small)
        print(f"{len(small):6} {capture.case.name}")


if __name__ == "__main__":
    write_cases()
