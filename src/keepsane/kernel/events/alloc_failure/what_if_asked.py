# SPDX-License-Identifier: GPL-2.0-or-later
"""
A failed request under other settings: the question that `--what-if` puts to every report of a log.

    min_free_kbytes=8192    watermark_scale_factor=100    vm.min_free_kbytes=8192 is the same as the first
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import NamedTuple

from keepsane.judge import CannotTell, rule
from keepsane.kernel.events.alloc_failure.finding import MARKS
from keepsane.kernel.log.quote import quote_head, quote_line, some
from keepsane.kernel.pages.advice import MIN_FREE, SCALE_FACTOR
from keepsane.kernel.pages.failed_request import FailedRequest
from keepsane.kernel.pages.ledger import Ledger
from keepsane.kernel.pages.what_if import MAX_SCALE_FACTOR, SCALED_SINCE, WhatIf, what_if
from keepsane.kernel.pages.zone import Zone, zone_name
from keepsane.model import Event
from keepsane.report import Evidence, Finding
from keepsane.words import counted

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
        named = ((MIN_FREE, self.min_free_kibibytes), (SCALE_FACTOR, self.watermark_scale_factor))
        return " and ".join(f"{name}={value}" for name, value in named if value is not None)


class Supposed(NamedTuple):
    """A request that failed, and the settings to check it by once more."""

    event: FailedRequest
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
    asked = (event for event in events if isinstance(event, FailedRequest) and event.ledger is not None)
    return tuple(Supposed(event, settings) for event in asked)


_MAX_ZONES = 64


@rule("what-if", on=Supposed)
def supposed(fact: Supposed) -> Iterator[Finding]:
    """
    What the settings given with `--what-if` would have meant for this request.

    What it means: the watermarks are computed anew as the kernel does, and the request is checked by them
    twice: with the free memory as it was logged, and with as much more free in each zone as its min grew.

    How we know: by the arithmetic of __setup_per_zone_wmarks() and __zone_watermark_ok().
    watermark_scale_factor wakes kswapd earlier: it moves low and high, and never min, which decides.

    What to do: nothing follows by itself. Only a request that may use what lies below min gains by a larger
    min.

    When it is wrong: the second check is an estimate. It takes for granted that all others would have left
    the larger reserve alone, and that nothing else had changed; a boost of the watermarks stays as it was.
    """
    event, settings = fact
    if event.memory is None:
        raise CannotTell(f"what {settings} would have meant: the report has no memory state")
    request = event.request()
    changed = what_if(
        event.memory,
        request,
        min_free_kibibytes=settings.min_free_kibibytes,
        watermark_scale_factor=settings.watermark_scale_factor,
    )
    if changed.same_free is None or changed.kept_free is None:
        raise CannotTell(f"what {settings} would have meant: {changed.why}")
    scales = request.version is None or request.version >= SCALED_SINCE
    marks = _marks(fact, changed)
    yield Finding(
        severity="info",
        confidence="medium",
        title=f"with {settings}: {_title(changed.same_free, changed.kept_free)}",
        evidence=(quote_head(event, "the request that is checked again"), *marks[:_MAX_ZONES]),
        explanation=_explanation(settings, changed.same_free, changed.kept_free, scales),
        references=("mm/page_alloc.c, __setup_per_zone_wmarks()",),
    )


def _title(same: Ledger, kept: Ledger) -> str:
    if _served(same) or not _served(kept):
        return f"the request {_outcome(same)}"
    return f"the request {_outcome(kept)}, had the difference been free (an estimate)"


def _served(ledger: Ledger) -> bool:
    return ledger.verdict in ("race", "contradiction")


def _outcome(ledger: Ledger) -> str:
    if ledger.verdict == "incomplete":
        return "cannot be judged"
    if not _served(ledger):
        return "would have failed all the same"
    barely = ledger.zone is not None and ledger.zone.borderline
    return "would have been served" + (", barely" if barely else "")


def _why(ledger: Ledger) -> str:
    best = ledger.zone
    if not _served(ledger) or best is None or best.left_pages is None or best.needed_pages is None:
        return ledger.why
    free = f"{counted(best.left_pages, 'page')} left for it, {best.needed_pages} needed"
    return f"{zone_name(best.zone)} has {free}"


def _explanation(settings: Settings, same: Ledger, kept: Ledger, scales: bool) -> str:
    said = [f"With the free memory as it was logged, it {_outcome(same)}: {_why(same)}."]
    if settings.min_free_kibibytes is not None:
        said.append(
            "With as much more free as the min watermarks grew, an estimate, it "
            f"{_outcome(kept)}: {_why(kept)}."
        )
    if settings.watermark_scale_factor is not None:
        said.append(
            "The scale factor wakes kswapd earlier, by the marks low and high; min, which decides, stays."
            if scales
            else "This kernel has no watermark_scale_factor, which came with 4.6."
        )
    return " ".join(said)


def _marks(fact: Supposed, changed: WhatIf) -> tuple[Evidence, ...]:
    """Quote each zone's watermarks, with the new ones beside them."""
    page_kibibytes = fact.event.page_bytes // 1024
    quoted = (quote_line(fact.event, zone.line, _new(zone, page_kibibytes), MARKS) for zone in changed.zones)
    return some(*quoted)


def _new(zone: Zone, page_kibibytes: int) -> str:
    low, high = zone.low_pages * page_kibibytes, zone.high_pages * page_kibibytes
    return f"would be min:{zone.min_pages * page_kibibytes}kB low:{low}kB high:{high}kB"
