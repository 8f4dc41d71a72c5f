# SPDX-License-Identifier: GPL-2.0-or-later
"""What a change is said to have done, of captures of real kernels before and behind it."""

from __future__ import annotations

from pathlib import Path

import pytest

from keepsane.judge import load
from keepsane.memory.capture.capture import read_capture
from keepsane.memory.rules.verify import doubts, verified
from keepsane.memory.snapshot import Snapshot
from keepsane.memory.state import MemoryState, state_of
from keepsane.report import Verified
from tests.live.conditions import rate, read_files

load()
FOLDER = Path(__file__).parents[2] / "cases" / "memory"
GROUP = "sys/fs/cgroup/lab/"


def read_state(path: Path) -> MemoryState:
    state = state_of(read_capture(path))
    assert state is not None
    return state


def of_rule(rule: str, found: tuple[Verified, ...]) -> Verified:
    return next(one for one in found if one.rule == rule)


def limited(*times: int, seconds: int = 10) -> MemoryState:
    """A machine with memory left, whose group /lab ran so many times into its limit, one number a sample."""
    files = {
        GROUP + "memory.max": "67108864\n",
        "proc/meminfo": "MemTotal:  8000000 kB\nMemAvailable:  3000000 kB\n",
    }
    made = state_of(
        Snapshot(
            files=files
            | {
                "proc/uptime": f"{100 + at * seconds}.00 1.00\n",
                GROUP + "memory.events": f"max {number}\noom_kill 0\n",
            }
        )
        for at, number in enumerate(times)
    )
    assert made is not None
    return made


@pytest.mark.parametrize("series", ["6.1", "6.12"])
@pytest.mark.parametrize(
    ("condition", "rule", "counter", "read"),
    [
        ("zone-reclaim-on", "zone-reclaim-biting", "pgscan_direct", "pgscan_direct"),
        ("thp-always", "thp-direct-compact", "compact_stall", "compact_stall"),
        ("late-kswapd", "kswapd-too-late", "allocstall_normal", "allocstall_normal"),
        ("cgroup-limit", "memcg-limit-not-host", "max of /lab", "cgroup.max"),
    ],
)
def test_a_counter_before_and_after_is_what_a_reader_calculates(
    series: str, condition: str, rule: str, counter: str, read: str
) -> None:
    before, after = (FOLDER / f"{name}-{series}.tar.gz" for name in (condition, f"{condition}-fixed"))
    found = of_rule(rule, verified(read_state(before), read_state(after)))
    assert found.outcome == "gone"
    change = next(one for one in found.counters if one.name == counter)
    assert change.before_per_second == pytest.approx(rate(read_files(before), read))
    assert change.after_per_second == pytest.approx(rate(read_files(after), read))


def test_what_did_not_change_is_still_there() -> None:
    state = read_state(FOLDER / "zone-reclaim-on-6.12.tar.gz")
    assert of_rule("zone-reclaim-biting", verified(state, state)).outcome == "still there"


def test_one_sample_after_a_change_is_not_called_a_cure() -> None:
    found = of_rule("memcg-limit-not-host", verified(limited(1, 901), limited(901)))
    assert found.outcome == "cannot tell"


def test_how_often_a_group_ran_into_its_limit_is_compared() -> None:
    # 900 times in 10 s are 90 per second, 20 times in 10 s are 2.
    found = of_rule("memcg-limit-not-host", verified(limited(1, 901), limited(901, 921)))
    assert found.outcome == "still there"
    assert found.counters == (("max of /lab", 90.0, 2.0),)
    found = of_rule("memcg-limit-not-host", verified(limited(1, 901), limited(901, 901)))
    assert found.outcome == "gone"
    assert found.counters == (("max of /lab", 90.0, 0.0),)


def working(release: str, total: int, allocated: int) -> MemoryState:
    """A machine that allocated so many pages in ten seconds."""
    made = state_of(
        Snapshot(
            files={
                "proc/uptime": f"{at}.00 1.00\n",
                "proc/sys/kernel/osrelease": f"{release}\n",
                "proc/meminfo": f"MemTotal: {total} kB\n",
                "proc/vmstat": f"pgalloc_normal {number}\n",
            }
        )
        for at, number in ((100, 0), (110, allocated))
    )
    assert made is not None
    return made


def test_another_machine_or_a_load_that_went_away_is_said() -> None:
    before = working("6.1", 1000, 10000)
    assert doubts(before, working("6.1", 1000, 9000)) == ()
    other, kernel = doubts(before, working("6.2", 2000, 9000))
    assert "1000 kB" in other and "2000 kB" in other and "6.2" in kernel
    (less,) = doubts(before, working("6.1", 1000, 100))
    assert "1000 pages were allocated per second before and 10 now" in less
