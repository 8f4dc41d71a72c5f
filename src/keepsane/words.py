# SPDX-License-Identifier: GPL-2.0-or-later
"""
Numbers as a reader would say them: how much, how often, what share, how many. The only place that does.

    1034240 kB      said as "1010 MB" wherever it stands
"""

from __future__ import annotations

import re


def rate_words(number: float) -> str:
    """
    Say a rate or a small number without digits that tell nothing.

    >>> rate_words(0.0), rate_words(0.004), rate_words(0.25), rate_words(4.0), rate_words(116.7)
    ('0', 'less than 0.01', '0.25', '4', '117')
    """
    if 0 < number < 0.01:
        return "less than 0.01"
    digits = 2 if number < 1 else 1 if number < 10 else 0
    said = f"{number:.{digits}f}"
    return said.rstrip("0").rstrip(".") if "." in said else said


def share_words(share: float) -> str:
    """
    Say a share in percent: one digit behind the point where that tells something.

    >>> share_words(0.0), share_words(0.02), share_words(4.6), share_words(27.8), share_words(100.0)
    ('0 %', 'less than 0.1 %', '4.6 %', '28 %', '100 %')
    """
    if 0 < share < 0.1:
        return "less than 0.1 %"
    return f"{share:.{1 if share < 10 else 0}f}".removesuffix(".0") + " %"


def percent_words(part: int, whole: int) -> str:
    """Say a part in a column of a table, as a whole percentage; less than half of one is "<1"."""
    share = round(100 * part / whole) if whole > 0 else 0
    return f"{share} %" if share or part <= 0 else "<1 %"


def counted(number: int, thing: str, things: str = "") -> str:
    """
    Put a number before its noun; `things` where more of them do not end in s.

    >>> counted(1, "node"), counted(0, "page"), counted(2, "process was", "processes were")
    ('1 node', '0 pages', '2 processes were')
    """
    return f"{number} {thing if number == 1 else things or thing + 's'}"


_EXACT_KIBIBYTES = 10 * 1024
_STEP = 1024


def size_words(kibibytes: float) -> str:
    """
    Say a size; each unit is 1024 of the one before, as in the kernel's words.

    Below 10 MB nothing is rounded, so that what adds up in the log adds up here. Above, a unit begins where
    ten of it are reached: two digits at the least stand before anything is left out.

    >>> size_words(1544), size_words(1_034_240), size_words(31_211_520), size_words(3 << 34)
    ('1544 kB', '1010 MB', '29.8 GB', '48.0 TB')
    """
    if abs(kibibytes) < _EXACT_KIBIBYTES:
        return f"{kibibytes:.0f} kB"
    if abs(kibibytes) < _EXACT_KIBIBYTES * _STEP:
        return f"{kibibytes / _STEP:.0f} MB"
    if abs(kibibytes) < _EXACT_KIBIBYTES * _STEP * _STEP:
        return f"{kibibytes / _STEP**2:.1f} GB"
    return f"{kibibytes / _STEP**3:.1f} TB"


_WHOLE_PATH = 40
_LONGEST_NAME = 60
_CONTAINER = re.compile(r"(?<![0-9a-f])([0-9a-f]{12})[0-9a-f]{52}(?![0-9a-f])")


def group_words(path: str) -> str:
    """
    Name a control group in a title: a long path by its last part, a container's id by its first 12 digits.

    >>> group_words("/system.slice/widget.service")
    '/system.slice/widget.service'
    >>> group_words("/kubepods.slice/kubepods-burstable.slice/cri-containerd-" + 8 * "01234567" + ".scope")
    'cri-containerd-012345670123.scope'
    """
    if len(path) <= _WHOLE_PATH:
        return path
    name = _CONTAINER.sub(r"\1", path.rstrip("/").rpartition("/")[2])
    return name if len(name) <= _LONGEST_NAME else f"{name[:_LONGEST_NAME]}..."
