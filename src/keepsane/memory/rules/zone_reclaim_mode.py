# SPDX-License-Identifier: GPL-2.0-or-later
"""What the bits of vm.zone_reclaim_mode mean, and whether zone reclaim can be at work at all."""

from __future__ import annotations

from keepsane.judge import Clear, need
from keepsane.kernel.pages.gfp import version_of
from keepsane.memory.rules.setting import is_without
from keepsane.memory.rules.zones import nodes_with_memory
from keepsane.memory.state import MemoryState

MODE = "vm.zone_reclaim_mode"
MODE_FILE = "proc/sys/vm/zone_reclaim_mode"

# Linux kernel commit 648b5cf368e0 ("mm/vmscan: remove unused RECLAIM_OFF/RECLAIM_ZONE") (in v5.8) moved the
# bits down by one; 519983645a9f ("mm/vmscan: restore zone_reclaim_mode ABI") (in v5.12) moved them back.
_MOVED_SINCE, _RESTORED = (5, 8), (5, 12)
_RESTORED_IN_STABLE = {(5, 10): 20, (5, 11): 3}


def mode_words(mode: int, release: str | None) -> str:
    """
    Say what a value of zone_reclaim_mode lets the kernel do on its way to a page of the near node.

    Source: Documentation/admin-guide/sysctl/vm.rst, zone_reclaim_mode; mm/vmscan.c, RECLAIM_WRITE.
    """
    said = f"drop page cache of its node{_further(bool(mode & 2), bool(mode & 4))}"
    if not _may_be_moved(release):
        return said
    moved = f"drop page cache of its node{_further(bool(mode & 1), bool(mode & 2))}"
    return (
        f"{moved}, since 5.8 to 5.11 read the bits one place lower. Only where {release} has the "
        f"correction (5.10.20, 5.11.3) it is: {said}"
    )


def why_not_armed(state: MemoryState) -> Clear | None:
    """Say why zone reclaim is not the cause; None where it is switched on."""
    mode = state.sysctl_number(MODE)
    if mode is None and is_without(state, MODE):
        return Clear(f"zone reclaim is not the cause: this kernel has no {MODE}")
    mode = need(mode, f"{MODE} was not read")
    if mode & 7 == 0:
        return Clear(f"zone reclaim is not the cause: {MODE} is {mode}, which is off. Do not set it")
    if len(nodes_with_memory(state)) == 1:
        return Clear(
            "zone reclaim is not the cause: the machine has one node with memory, and no other to take it "
            f"from; {MODE}, which is {mode}, does nothing there. Do not set it"
        )
    return None


def _further(write: bool, unmap: bool) -> str:
    if write and unmap:
        return ", write dirty pages, and unmap and swap out pages in use"
    return " and write dirty pages" if write else ", and unmap and swap out pages in use" if unmap else ""


def _may_be_moved(release: str | None) -> bool:
    # Distributions name 5.10.46 "5.10.0-8-amd64": the correction may be in without being seen.
    version = version_of(release) or ()
    if not _MOVED_SINCE <= version[:2] < _RESTORED:
        return False
    last = version[2] if len(version) > 2 else 0
    return last < _RESTORED_IN_STABLE.get((version[0], version[1]), last + 1)
