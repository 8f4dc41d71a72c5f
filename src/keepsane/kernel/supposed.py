# SPDX-License-Identifier: GPL-2.0-or-later
"""
A failed request under other settings: the question that `--what-if` puts to every report of a log.

    min_free_kbytes=8192    watermark_scale_factor=100    vm.min_free_kbytes=8192 is the same as the first
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from keepsane.kernel.what_if import MAX_SCALE_FACTOR

if TYPE_CHECKING:
    from keepsane.kernel.alloc_failure import AllocFailure
    from keepsane.kernel.oom import OomKill
    from keepsane.model import Event

MAX_MIN_FREE_KIBIBYTES = (1 << 31) - 1
"""The kernel holds it in an int."""
_SETTING = re.compile(r"(?:vm\.)?(?P<name>min_free_kbytes|watermark_scale_factor)=(?P<value>\d{1,12})")
_RANGES = {
    "min_free_kbytes": (0, MAX_MIN_FREE_KIBIBYTES),
    "watermark_scale_factor": (1, MAX_SCALE_FACTOR),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """Settings to suppose; None leaves one as it is. `watermark_scale_factor` is in ten-thousandths."""

    min_free_kibibytes: int | None = None
    watermark_scale_factor: int | None = None

    def __str__(self) -> str:
        """Name the settings as sysctl does: "vm.min_free_kbytes=8192"."""
        named = (
            ("vm.min_free_kbytes", self.min_free_kibibytes),
            ("vm.watermark_scale_factor", self.watermark_scale_factor),
        )
        return " and ".join(f"{name}={value}" for name, value in named if value is not None)


class Supposed(NamedTuple):
    """A request that failed, and the settings to check it by once more."""

    event: AllocFailure | OomKill
    settings: Settings


def parse_settings(words: Iterable[str]) -> Settings:
    """
    Read settings as sysctl writes them.

    Accepted format:
        min_free_kbytes=8192
        vm.watermark_scale_factor=100

    Raises ValueError where one is not known, out of the kernel's range or given twice.
    """
    values: dict[str, int] = {}
    for word in words:
        found = _SETTING.fullmatch(word)
        if found is None:
            raise ValueError(f"{word!r} is neither min_free_kbytes=KIBIBYTES nor watermark_scale_factor=N")
        name, value = found["name"], int(found["value"])
        least, most = _RANGES[name]
        if not least <= value <= most:
            raise ValueError(f"{name} goes from {least} to {most}, and {value} does not lie there")
        if name in values:
            raise ValueError(f"{name} is given twice")
        values[name] = value
    return Settings(
        min_free_kibibytes=values.get("min_free_kbytes"),
        watermark_scale_factor=values.get("watermark_scale_factor"),
    )


def suppose(events: Iterable[Event], settings: Settings) -> tuple[Supposed, ...]:
    """Put the question to every event that has an account of what its request could use."""
    asked = (event for event in events if getattr(event, "ledger", None) is not None)
    return tuple(Supposed(event, settings) for event in asked)  # type: ignore[arg-type]
