# SPDX-License-Identifier: GPL-2.0-or-later
"""Sizes in words: as many digits as a reader can check against the kernel's kB and pages."""

from __future__ import annotations

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
