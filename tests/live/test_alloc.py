# SPDX-License-Identifier: GPL-2.0-or-later
"""
Provoked allocation failures: the verdict, the zone and its numbers against the raw lines, and who asked.

The numbers differ at every boot, so the expectation is worked out here from the text, in pages of 4 kB and
without keepsane's own arithmetic (mm/page_alloc.c, __zone_watermark_ok(); both kernels have 6.3's rights):

    left   = free - (2**order - 1)               less reserved_highatomic where the caller may sleep
    mark   = min                                 less the boost for an atomic page
    floor  = mark - mark/2, of that less a quarter, for GFP_ATOMIC; mark for others
    served = left > floor + lowmem_reserve, and there is a block of the order in a list that has U, M or E,
             for an atomic block also H

Any zone that would serve: the memory came back before the lines were printed, a race. Else the largest
zone decides: left <= floor is a shortage (given up by policy where __GFP_NORETRY says so), left <= floor +
reserve is the reserve's, the rest is fragmentation.
"""

from __future__ import annotations

import re
from typing import NamedTuple

import pytest

from bench.alloc_variants import cuts, judge
from keepsane.kernel.events.alloc_failure.failure import AllocFailure
from keepsane.kernel.events.oom_kill.kill import OomKill
from keepsane.kernel.log.scan import Scanner
from tests.live.guests import Guest

pytestmark = pytest.mark.live


class Asked(NamedTuple):
    """What crashme.c asks for in a scenario."""

    order: int
    atomic: bool
    noretry: bool = False
    only_dma: bool = False


SCENARIOS = {
    "atomic0": Asked(0, atomic=True),
    "atomic4": Asked(4, atomic=True),
    "order9": Asked(9, atomic=False, noretry=True),
    "dma": Asked(0, atomic=True, only_dma=True),
    "thisnode": Asked(0, atomic=True),
}
ZONE = re.compile(
    r"Node 0 (DMA|DMA32) free:(\d+)kB boost:(\d+)kB min:(\d+)kB .* reserved_highatomic:(\d+)KB.*free_cma:0kB"
)


class Computed(NamedTuple):
    """One zone by hand."""

    name: str
    left: int
    floor: int
    reserve: int
    largest: int

    def served(self, order: int) -> bool:
        return self.left > self.floor + self.reserve and (order == 0 or self.largest >= 1 << order)


def computed(lines: list[str], asked: Asked) -> list[Computed]:
    """Read the zones of the report that ends these lines."""
    zones = []
    for at, line in enumerate(lines):
        found = ZONE.search(line)
        if found is None:
            continue
        free, boost, low, held = (int(number) // 4 for number in found.group(2, 3, 4, 5))
        mark = low - (boost if asked.atomic and asked.order == 0 else 0)
        floor = mark - mark // 2
        floor -= floor // 4
        reserve = int(lines[at + 1].split("lowmem_reserve[]:")[1].split()[2])
        own = asked.only_dma and found[1] == "DMA"
        letters = "UMEH" if asked.atomic else "UME"
        blocks = next(one for one in lines[at:] if f"Node 0 {found[1]}: " in one)
        sizes = [
            int(kibibytes) // 4
            for count, kibibytes, types in re.findall(r"(\d+)\*(\d+)kB(?: \((\w+)\))?", blocks)
            if int(count) and set(types) & set(letters)
        ]
        zones.append(
            Computed(
                found[1],
                free - (1 << asked.order) + 1 - (0 if asked.atomic else held),
                floor if asked.atomic else mark,
                0 if own else reserve,
                max(sizes, default=0),
            )
        )
    return zones


def expected(zones: list[Computed], asked: Asked) -> tuple[str, Computed]:
    passing = [zone for zone in zones if zone.served(asked.order)]
    if passing:
        return "race", max(passing, key=lambda zone: zone.left - zone.floor - zone.reserve)
    decides = zones[-1]  # DMA32 is the larger, where it is printed
    if decides.left <= decides.floor:
        return ("policy-gives-up" if asked.noretry else "shortage"), decides
    if decides.left <= decides.floor + decides.reserve:
        return "lowmem-reserve", decides
    return "fragmentation", decides


def reports(guest: Guest, scenario: str) -> tuple[list[str], list[AllocFailure | OomKill]]:
    lines = guest.log(scenario).read_text(errors="replace").splitlines()
    return lines, [one for one in Scanner().events(lines) if isinstance(one, AllocFailure | OomKill)]


@pytest.mark.parametrize("scenario", SCENARIOS)
def test_the_verdict_is_what_the_raw_lines_say(scenario: str, guest: Guest) -> None:
    asked = SCENARIOS[scenario]
    lines, found = reports(guest, scenario)
    event = next(one for one in found if one.memory is not None)
    assert isinstance(event, AllocFailure) and event.memory is not None and event.ledger is not None
    verdict, zone = expected(computed(lines[event.line - 1 : event.last_line], asked), asked)

    ledger = event.ledger
    assert (event.order, ledger.verdict) == (asked.order, verdict)
    assert ledger.zone is not None and ledger.zone.zone.name == zone.name
    if verdict == "fragmentation":
        assert (ledger.needed_pages, ledger.usable_pages) == (1 << asked.order, zone.largest)
    else:
        numbers = (ledger.needed_pages, ledger.usable_pages)
        assert numbers == (zone.floor + zone.reserve + 1, zone.left)


@pytest.mark.parametrize("scenario", SCENARIOS)
def test_the_requester_is_the_module_and_not_an_interrupt(scenario: str, guest: Guest) -> None:
    _, found = reports(guest, scenario)
    event = next(one for one in found if one.memory is not None)
    assert isinstance(event, AllocFailure) and event.requester is not None
    assert (event.requester.function, event.requester.module) == ("exhaust", "crashme")
    assert event.in_interrupt is False
    assert event.title == f"page allocation failure of order {event.order} in exhaust"


@pytest.mark.parametrize("scenario", SCENARIOS)
def test_one_failure_is_one_event(scenario: str, guest: Guest) -> None:
    """The console may glue two lines, or hold the head of a boot before: each head is one event, no more."""
    lines, found = reports(guest, scenario)
    heads = [number for number, line in enumerate(lines, 1) if "page allocation failure" in line]
    assert [one.line for one in found] == heads


def test_the_oom_killer_was_called_by_a_shortage_and_killed_whom_it_says(guest: Guest) -> None:
    """GFP_HIGHUSER_MOVABLE holds no right to the reserve: every zone is at min or below, boost included."""
    lines, found = reports(guest, "oom")
    whole = [one for one in found if isinstance(one, OomKill) and one.victims]
    assert whole
    for event in whole:
        text = "\n".join(lines[event.line - 1 : event.last_line])
        killed = re.search(r"Out of memory: Killed process (\d+) \((\w+)\)", text)
        assert killed is not None
        assert (event.victim_pid, event.victim) == (int(killed[1]), killed[2])
        dma32 = re.search(r"Node 0 DMA32 free:(\d+)kB boost:\d+kB min:(\d+)kB", text)
        assert dma32 is not None and event.ledger is not None and event.ledger.zone is not None
        free, low = int(dma32[1]) // 4, int(dma32[2]) // 4
        assert event.global_oom is True
        if free <= low:
            assert (event.ledger.verdict, event.ledger.zone.zone.name) == ("shortage", "DMA32")
            assert (event.ledger.needed_pages, event.ledger.usable_pages) == (low + 1, free)
        else:
            assert event.ledger.verdict in ("race", "contradiction")


@pytest.mark.parametrize("scenario", [*SCENARIOS, "oom"])
def test_no_damage_makes_a_verdict_that_the_whole_log_does_not_give(scenario: str, guest: Guest) -> None:
    """Cut after every line and inside lines, lines dropped, swapped, shortened, quoted, folded."""
    lines = guest.log(scenario).read_text(errors="replace").splitlines()
    first = next(at for at, line in enumerate(lines) if "allocation failure" in line or "invoked oom" in line)
    whole = judge(lines[first - 1 :])
    for name, cut in cuts(lines[first - 1 :]):
        assert judge(cut).contradicts(whole) == [], name
