# SPDX-License-Identifier: GPL-2.0-or-later
"""
Does keepsane name gfp masks as the kernels that printed them did?

    python -m bench.gfp_names FOLDER...

Reads every file below the folders for masks with their names printed beside them (`0xcc0(GFP_KERNEL)`),
decodes each without the names, by the release the same file shows or as the likeliest kernel, and prints how
many are named letter for letter alike.
"""

from __future__ import annotations

import re
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from keepsane.kernel.pages.gfp import decode

_PRINTED = re.compile(
    r"(?:mode|gfp_mask|gfp|gfp_flags|flags)[:=] ?(0x[0-9a-f]+)\(((?:GFP_|__GFP_)[A-Z0-9_|x]+)\)"
)
_RELEASE = re.compile(r"(?:ainted:? [^\n]{0,60}?|Linux version )(\d+\.\d+[^\s,]*)")


class Printed(NamedTuple):
    """A mask as a log prints it, and the release that the log shows before it."""

    mask: int
    names: str
    release: str | None


def main() -> None:
    """Print the figure and what was named otherwise."""
    every = {printed for folder in sys.argv[1:] for printed in _found(Path(folder))}
    wrong = [one for one in every if decode(one.mask, release=one.release).names != one.names]
    spelt = [one for one in every if decode(one.mask, names=one.names, release=one.release).doubt]
    print(f"{len(every) - len(wrong)} of {len(every)} distinct masks with their release named as printed")
    print(f"{len(spelt)} whose printed names fit no table of their release")
    print(dict(Counter(one.release is None for one in every)), "without a release: True")
    for one in sorted(wrong, key=str):
        print(
            f"  {one.release}: {one.mask:#x}({one.names}) named {decode(one.mask, release=one.release).names}"
        )


def _found(folder: Path) -> Iterator[Printed]:
    for path in sorted(folder.rglob("*")):
        if path.is_file():
            text = path.read_text(errors="replace")
            releases = [(match.start(), match[1]) for match in _RELEASE.finditer(text)]
            for match in _PRINTED.finditer(text):
                # The stack with its release follows the header; the last one before it is as good.
                near = min(releases, key=lambda one: abs(one[0] - match.start()), default=(0, None))
                yield Printed(int(match[1], 16), match[2], near[1])


if __name__ == "__main__":
    main()
