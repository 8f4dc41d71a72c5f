# SPDX-License-Identifier: GPL-2.0-or-later
"""Watermarks that the kernel raises for a while because memory is fragmenting."""

from __future__ import annotations

import re
from collections.abc import Iterator

from keepsane.judge import CannotTell, Clear, rule
from keepsane.memory.rules.harm import harms
from keepsane.memory.rules.quote import quote_risen, quote_zone
from keepsane.memory.rules.setting import change
from keepsane.memory.rules.zones import newest_zones
from keepsane.memory.state import MemorySample, MemoryState
from keepsane.report import Advice, Evidence, Finding

BOOST = "vm.watermark_boost_factor"


@rule("boost-pressure", on=MemoryState)
def boost_pressure(
    state: MemoryState, *, share_percent: float = 25.0, samples: int = 3, refaults_per_second: float = 100.0
) -> Finding | Clear:
    """
    The kernel keeps raising its watermarks for a while, because memory is fragmenting.

    What it means: when a request takes a block of another type, the kernel adds a boost to the zone's
    watermarks and wakes kswapd, which then drops page cache that is still needed.

    How we know: zoneinfo shows a boost above 0 in a quarter of the samples or more (it prints it since
    5.12). Files that are read again at the same time (workingset_refault_file) say that it hurts.

    What to do: on machines where latency matters, set vm.watermark_boost_factor to 0.

    When it is wrong: the boost keeps blocks whole in the long run; without it requests of higher order may
    fail after days.
    """
    looked = [boosted for sample in state.samples if (boosted := _boosted(sample)) is not None]
    factor = state.sysctl_number(BOOST)
    if factor == 0:
        return Clear(f"{BOOST} is 0")
    if len(looked) < samples:
        wanted = f"{samples} samples of /proc/zoneinfo that print a boost (since 5.12)"
        raise CannotTell(f"{wanted} are needed, as 20 s give; there are {len(looked)}")
    said = f"{sum(map(bool, looked))} of {len(looked)} samples show a boost"
    if 100 * sum(map(bool, looked)) < share_percent * len(looked):
        return Clear(said)
    refaults, suffering = state.rate("workingset_refault_file"), harms(state)
    again = refaults is not None and refaults >= refaults_per_second
    zone = next((zone for zone in newest_zones(state) if zone.boost_pages), None)
    return Finding(
        severity="note" if again or suffering else "info",
        confidence="medium",
        title="watermarks are boosted, and kswapd drops page cache for it",
        evidence=(
            *(quote_zone(state, zone, "boost") if zone else _first_boost(state)),
            *quote_risen(state, "pgscan_kswapd", "workingset_refault_file"),
        ),
        explanation=f"{said}"
        + ("." if refaults is None else f"; {refaults:.0f} pages of files per second are read again."),
        advice=(_without_boost(state),),
        references=("mm/page_alloc.c, boost_watermark()", "Documentation/admin-guide/sysctl/vm.rst"),
    )


def _boosted(sample: MemorySample) -> bool | None:
    known = [zone.boost_pages for zone in sample.zoneinfo or () if zone.boost_pages is not None]
    return any(known) if known else None


def _first_boost(state: MemoryState) -> Iterator[Evidence]:
    """Quote a boost that is over by the newest sample."""
    for at, sample in enumerate(state.samples):
        for number, line in enumerate((sample.snapshot.text("proc/zoneinfo") or "").splitlines(), 1):
            if re.fullmatch(r"\s+boost\s+[1-9]\d*\s*", line):
                yield Evidence(number, line.strip(), "", f"t{at}/proc/zoneinfo")
                return


def _without_boost(state: MemoryState) -> Advice:
    return change(
        state,
        BOOST,
        0,
        text="do without the boost",
        verify="boost in /proc/zoneinfo stays 0, and pgscan_kswapd in /proc/vmstat rises more slowly",
        risk="memory fragments more over days",
    )
