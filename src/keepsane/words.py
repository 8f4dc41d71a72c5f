# SPDX-License-Identifier: GPL-2.0-or-later
"""How often something happens, and what share of the time it takes, as a reader would say it."""

from __future__ import annotations


def said_rate(number: float) -> str:
    """
    Say a rate or a small number without digits that tell nothing.

    >>> said_rate(0.0), said_rate(0.004), said_rate(0.25), said_rate(4.0), said_rate(116.7)
    ('0', 'less than 0.01', '0.25', '4', '117')
    """
    if 0 < number < 0.01:
        return "less than 0.01"
    digits = 2 if number < 1 else 1 if number < 10 else 0
    said = f"{number:.{digits}f}"
    return said.rstrip("0").rstrip(".") if "." in said else said


def said_percent(share: float) -> str:
    """
    Say a share in percent: one digit behind the point where that tells something.

    >>> said_percent(0.0), said_percent(0.02), said_percent(4.6), said_percent(100.0)
    ('0 %', 'less than 0.1 %', '4.6 %', '100 %')
    """
    if 0 < share < 0.1:
        return "less than 0.1 %"
    return f"{share:.1f}".removesuffix(".0") + " %"


def counted(number: int, one: str, many: str) -> str:
    """
    Put a number before its noun.

    >>> counted(1, "node", "nodes"), counted(0, "page", "pages")
    ('1 node', '0 pages')
    """
    return f"{number} {one if number == 1 else many}"


_EXACT_KIBIBYTES = 10 * 1024
_STEP = 1024


def size_words(kibibytes: int) -> str:
    """
    Say a size: "1544 kB", "97 MB", "29.8 GB"; each unit is 1024 of the one before, as in the kernel's words.

    Below 10 MB nothing is rounded.
    """
    if abs(kibibytes) < _EXACT_KIBIBYTES:
        return f"{kibibytes} kB"
    if abs(kibibytes) < _EXACT_KIBIBYTES * _STEP:
        return f"{kibibytes / _STEP:.0f} MB"
    if abs(kibibytes) < _EXACT_KIBIBYTES * _STEP * _STEP:
        return f"{kibibytes / _STEP**2:.1f} GB"
    return f"{kibibytes / _STEP**3:.1f} TB"
