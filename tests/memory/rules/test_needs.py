# SPDX-License-Identifier: GPL-2.0-or-later
"""What a rule says that cannot tell: the one thing that is missing, not all that it reads."""

from __future__ import annotations

from keepsane.judge import run
from keepsane.memory.snapshot import Snapshot
from keepsane.memory.state import state_of
from keepsane.report import Failure
from tests.memory_case import CASES, read_memory_case

VMSTAT = "proc/vmstat"


def missing(rule: str, *samples: dict[str, str]) -> str:
    """Why the rule cannot tell, after files at 100 s, 110 s, ...; "" where it can."""
    state = state_of(
        Snapshot(files={"proc/uptime": f"{100 + 10 * at}.00 1.00\n", **files})
        for at, files in enumerate(samples)
    )
    failures = [one for one in run((state,)) if isinstance(one, Failure)]
    return next((one.why for one in failures if one.what == f"rule {rule}"), "")


def test_a_counter_that_this_kernel_lacks_is_told_from_a_sample_that_is_missing() -> None:
    files = {VMSTAT: "pswpout 5\n"}
    lacks = "cannot tell: /proc/vmstat does not count pswpin"
    assert missing("thrash-anon", files, files) == lacks
    files = {VMSTAT: "pswpin 5\npswpout 5\n"}
    assert missing("thrash-anon", files, files) == ""
    once = "cannot tell: two samples of pswpout in /proc/vmstat are needed"
    assert missing("thrash-anon", files) == once
    # A counter that fell was started anew, or is not to be trusted.
    assert missing("thrash-anon", {VMSTAT: "pswpin 5\npswpout 9\n"}, files) == once


def test_a_zoneinfo_without_a_zone_shows_no_node_that_is_not_full() -> None:
    files = read_memory_case(CASES / "node-full-and-quiet.capture").samples
    assert missing("node-imbalance", *files) == ""
    cut = [{**one, "proc/zoneinfo": "Node 0, zone   Nor"} for one in files]
    assert missing("node-imbalance", *cut) == "cannot tell: no zone was read from /proc/zoneinfo"


def test_what_is_off_is_ruled_out_before_anything_is_needed() -> None:
    assert missing("zone-reclaim-biting", {"proc/sys/vm/zone_reclaim_mode": "0\n"}) == ""
