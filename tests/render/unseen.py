# SPDX-License-Identifier: GPL-2.0-or-later
"""
The characters that no reader may be given as they are, by Unicode's own tables and not by keepsane's.

Python knows categories and directions; the list of what is default ignorable (DerivedCoreProperties.txt)
it does not know, so that one stands here.
"""

from __future__ import annotations

import sys
import unicodedata

_IGNORABLE = (
    *(0x00AD, 0x034F, 0x061C, 0x115F, 0x1160, 0x17B4, 0x17B5, 0x3164, 0xFEFF, 0xFFA0),
    *range(0x180B, 0x1810),
    *range(0x200B, 0x2010),
    *range(0x202A, 0x202F),
    *range(0x2060, 0x2070),
    *range(0xFE00, 0xFE10),
    *range(0xFFF0, 0xFFF9),
    *range(0x1BCA0, 0x1BCA4),
    *range(0x1D173, 0x1D17B),
    *range(0xE0000, 0xE1000),
)
_CATEGORIES = frozenset({"Cc", "Cf", "Cs", "Zl", "Zp"})
UNSEEN = frozenset(
    char for char in map(chr, range(sys.maxunicode + 1)) if unicodedata.category(char) in _CATEGORIES
) | frozenset(map(chr, _IGNORABLE))
LAYOUT = frozenset("\n\t")
"""What every renderer may write itself."""
HOSTILE = (
    "<script>alert('1')</script>\"& --> ]]> \x1b[31mred\x1b]8;;file:///x\x07\x1b\x9b2J\r\nforged: line\n"
    # Of long runs that are of one kind some are enough in every field; test_visible has them all.
    + "".join(sorted(char for char in UNSEEN if not ("\ud800" <= char <= "\udfff" or char > "\U000e0002")))
    + "\udfff.\ud800.\udc9b\udce2\udc80\udcae\U000e0041\U000e01ef"
)
"""A text with everything that a terminal or a page could take for more than text."""
SHORT = (
    HOSTILE.partition("forged: line")[0]
    + "forged: line\n\x00\x7f\x85\u061c\u202e\u2028\ufeff\U000e0041\udcff"
)
"""A text with one of each sort."""


def unseen_in(text: str) -> set[str]:
    """Give what may not be in an output as it is."""
    return (set(text) - LAYOUT) & UNSEEN
