# SPDX-License-Identifier: GPL-2.0-or-later
"""What a server remembers of those who ask, and how much of it: anybody may ask as often as he likes."""

from __future__ import annotations

from typing import Any


def make_room(kept: dict[Any, Any], most: int) -> None:
    """Forget what was put in first until one more is no more than `most`."""
    while len(kept) >= most:
        del kept[next(iter(kept))]
