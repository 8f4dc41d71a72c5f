# SPDX-License-Identifier: GPL-2.0-or-later
"""
Parts of a whole as text: aligned rows, each with a bar.

     programs          99 MB  46 %  #########            what programs allocated
     shared memory     92 MB  44 %  #########            tmpfs, shared memory and the like
"""

from __future__ import annotations

from collections.abc import Iterator

from keepsane.kernel.sizes import size_words
from keepsane.model import Share
from keepsane.render.paint import Paint

BAR = 20
"""Characters of the bar that stands for the whole."""
WIDEST_NAME = 32


def percent_words(part: int, whole: int) -> str:
    """Say a part as a whole percentage; what is there but less than half of one as "<1"."""
    share = round(100 * part / whole) if whole > 0 else 0
    return f"{share} %" if share or part <= 0 else "<1 %"


def share_lines(shares: tuple[Share, ...], paint: Paint) -> Iterator[str]:
    """Write the parts as rows in which names, sizes and bars stand below each other."""
    whole = sum(share.kibibytes for share in shares)
    names = [share.name[:WIDEST_NAME] for share in shares]
    wide = max(map(len, names), default=0)
    for name, share in zip(names, shares, strict=True):
        bar = "#" * (round(BAR * share.kibibytes / whole) if whole > 0 else 0)
        numbers = f"{size_words(share.kibibytes):>9} {percent_words(share.kibibytes, whole):>5}"
        note = paint("dim", share.note) if share.note else ""
        yield f"     {name:<{wide}}{numbers}  {bar:<{BAR}}  {note}".rstrip()
