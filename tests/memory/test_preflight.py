# SPDX-License-Identifier: GPL-2.0-or-later
"""Whether a request would succeed, against the kernel's arithmetic done by hand."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from keepsane.memory.preflight import Preflight, preflight
from keepsane.memory.snapshot import Snapshot
from keepsane.memory.state import MemoryState, state_of

# 200 * 1 + 100 * 2 + 50 * 4 + 50 * 8 = 1000 pages are free.
BUDDYINFO = (
    "Node 0, zone   Normal    200    100     50     50      0      0      0      0      0      0      0\n"
)
TYPES = """Page block order: 9
Node    0, zone   Normal, type    Unmovable    200    100     50     50      0      0      0      0
Node    0, zone   Normal, type   HighAtomic      0      0      0 {free:>6}      0      0      0      0

Number of blocks type     Unmovable      Movable  Reclaimable   HighAtomic
Node 0, zone   Normal           90          104            0            {held}
"""


def zone(
    name: str, node: int = 0, *, free: int, low: int, managed: int, protection: str = "0, 0, 0, 0"
) -> str:
    return (
        f"Node {node}, zone   {name}\n  pages free     {free}\n        boost    0\n        min      {low}\n"
        f"        low      {low * 5 // 4}\n        high     {low * 3 // 2}\n        spanned  {managed}\n"
        f"        present  {managed}\n        managed  {managed}\n        protection: ({protection})\n"
        "      nr_free_cma  0\n"
    )


NORMAL = zone("Normal", free=1000, low=600, managed=100000)


def state(zoneinfo: str = NORMAL, release: str = "6.1.0-56-amd64", **files: str | None) -> MemoryState:
    said = {
        "proc/version": f"Linux version {release} (builder@host) #1 SMP\n",
        "proc/zoneinfo": zoneinfo,
        "sys/devices/system/cpu/online": "0\n",
    }
    said |= {f"proc/{name}": text for name, text in files.items() if text is not None}
    made = state_of([Snapshot(files=said)])
    assert made is not None
    return made


def types(held: int) -> str:
    return TYPES.format(held=held, free=10 * held)


def whole(held: int = 0) -> MemoryState:
    return state(buddyinfo=BUDDYINFO, pagetypeinfo=types(held))


def outcomes(answer: Preflight) -> list[str]:
    return [one.ledger.outcome for one in answer.zones]


def test_a_page_passes_above_min() -> None:
    answer = preflight(whole(), 0)
    # 1000 free - 600 min = 400 above.
    assert answer.outcome == "passes"
    assert answer.why == "node 0 Normal: 400 pages above the watermark"


def test_a_reserve_for_atomic_blocks_is_taken_away_from_who_may_sleep() -> None:
    # One pageblock of 2**9 = 512 pages: 1000 - 512 = 488, which is not above 600.
    answer = preflight(whole(held=1), 0)
    assert answer.outcome == "fails"
    assert outcomes(answer) == ["highatomic-held"]
    assert "reclaim and compact first" in answer.why


def test_an_atomic_request_goes_below_min() -> None:
    # 600 - 600 / 2 = 300, 300 - 300 / 4 = 225: 1000 - 225 = 775 above; the reserve is its own.
    assert preflight(whole(held=1), 0, atomic=True).why == "node 0 Normal: 775 pages above the watermark"


def test_without_root_the_reserve_may_decide_and_then_nobody_can_tell() -> None:
    # The reserve is at most 100000 / 100 + 512 = 1512 pages: between 0 and that the answer changes.
    answer = preflight(state(buddyinfo=BUDDYINFO), 0)
    assert answer.outcome == "unknown"
    assert "pagetypeinfo" in answer.why


def test_without_root_plenty_is_plenty() -> None:
    # 3000 - 1512 = 1488, which is 888 above 600, whatever the reserve.
    answer = preflight(state(zone("Normal", free=3000, low=600, managed=100000)), 0)
    assert answer.outcome == "passes"
    assert answer.why == "node 0 Normal: at least 888 pages above the watermark"
    assert answer.zones[0].ledger.missing == ("reserved_highatomic",)


def test_an_atomic_block_may_take_the_reserve_so_nothing_is_missing() -> None:
    answer = preflight(
        state(zone("Normal", free=3000, low=600, managed=100000), buddyinfo=BUDDYINFO), 2, atomic=True
    )
    # 3000 - 3 - 225
    assert answer.why == "node 0 Normal: 2772 pages above the watermark, and there is a block of order 2"


def test_blocks_of_at_least_the_order_are_counted() -> None:
    (only,) = preflight(whole(), 2).zones
    # 50 of order 2 and 50 of order 3; each of the latter holds two of order 2.
    assert (only.blocks, only.requests) == (100, 150)


def test_free_pages_in_small_blocks_are_no_large_block() -> None:
    answer = preflight(whole(), 4)
    assert answer.outcome == "fails"
    assert outcomes(answer) == ["fragmentation"]
    assert answer.zones[0].blocks == 0


def test_a_block_that_is_held_for_atomic_requests_is_theirs() -> None:
    held = "Page block order: 9\n" + "".join(
        f"Node    0, zone   Normal, type {kind:>12} {counts}\n"
        for kind, counts in (("Unmovable", "200 100 50 0 0 0 0 0"), ("HighAtomic", "0 0 0 50 0 0 0 0"))
    )
    blocks = state(buddyinfo=BUDDYINFO, pagetypeinfo=held)
    assert preflight(blocks, 3).outcome == "fails"
    assert preflight(blocks, 3, atomic=True).outcome == "passes"


def test_few_blocks_of_unknown_type_leave_a_doubt() -> None:
    # 50 blocks of 8 pages are 400: all of them may lie within the 1512 pages of a reserve.
    few = state(zone("Normal", free=3000, low=600, managed=100000), buddyinfo=BUDDYINFO)
    answer = preflight(few, 3)
    assert answer.outcome == "unknown"
    assert "pagetypeinfo" in answer.why


def test_a_low_zone_keeps_its_pages_from_who_may_go_higher() -> None:
    # DMA: 900 free; a request for Normal must leave 10 + 1000, one for DMA 10.
    # The reserve for atomic blocks is at most 4000 / 100 + 512 = 552: 900 - 552 = 348 > 10.
    dma = zone("DMA", free=900, low=10, managed=4000, protection="0, 0, 1000, 1000")
    both = state(dma + zone("Normal", free=500, low=600, managed=100000))
    assert outcomes(preflight(both, 0)) == ["lowmem-reserve", "short"]
    assert preflight(both, 0, zone="DMA").outcome == "passes"
    assert outcomes(preflight(both, 0, zone="DMA")) == ["passes", "out-of-reach"]


def test_one_node_is_asked_alone() -> None:
    two = state(
        zone("Normal", free=500, low=600, managed=100000)
        + zone("Normal", 1, free=50000, low=600, managed=100000)
    )
    assert preflight(two, 0).outcome == "passes"
    assert preflight(two, 0, node=0).outcome == "fails"
    assert preflight(two, 0, node=1).why.startswith("node 1 Normal: ")
    assert preflight(two, 0, node=2).why == "node 2 has no zone that it may use"


def test_before_4_4_there_is_no_reserve_to_doubt() -> None:
    old = state(NORMAL.replace("        boost    0\n", ""), release="3.16.0-4-amd64")
    # 1000 - 600 = 400 above, and nothing that only root could read.
    assert preflight(old, 0).outcome == "passes"


def test_an_order_that_the_kernel_does_not_have_fails() -> None:
    answer = preflight(whole(), 11)
    assert (answer.outcome, answer.why) == (
        "fails",
        "this kernel has no blocks of order 11: the largest is 10",
    )


def test_without_zoneinfo_nothing_is_said() -> None:
    nothing = state_of([Snapshot(files={})])
    assert nothing is not None
    answer = preflight(nothing, 0)
    assert (answer.outcome, answer.why) == ("unknown", "/proc/zoneinfo was not read")


def test_without_buddyinfo_no_block_is_promised() -> None:
    answer = preflight(state(pagetypeinfo=types(0)), 3)
    assert answer.outcome == "unknown"
    assert answer.zones[0].blocks is None


@pytest.mark.parametrize(("order", "name"), [(-1, None), (21, None), (0, "Device"), (0, "normal")])
def test_what_cannot_be_asked_is_refused(order: int, name: str | None) -> None:
    with pytest.raises(ValueError, match=r"order|zone"):
        preflight(whole(), order, zone=name)


@given(st.text(), st.text(), st.text(), st.integers(0, 20), st.booleans())
def test_any_text_gives_an_answer(zones: str, blocks: str, more: str, order: int, atomic: bool) -> None:
    any_state = state(NORMAL + zones, buddyinfo=BUDDYINFO + blocks, pagetypeinfo=types(0) + more)
    assert preflight(any_state, order, atomic=atomic).outcome in {"passes", "fails", "unknown"}
