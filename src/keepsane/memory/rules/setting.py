# SPDX-License-Identifier: GPL-2.0-or-later
"""Changing a setting: the command, how it stays, what undoes it, and who set the present value."""

from __future__ import annotations

from keepsane.memory.proc.sysctl import setter_of
from keepsane.memory.rules.amount import kibibytes
from keepsane.memory.state import MemoryState
from keepsane.report import Advice
from keepsane.shell import command

CONF = "/etc/sysctl.d/90-memory.conf"
SCALE_FACTOR, MIN_FREE = "vm.watermark_scale_factor", "vm.min_free_kbytes"
MOST_SCALE_FACTOR = 500
"""A twentieth of each zone is the most that is advised; the kernel took 1000 at the most until 5.18."""

BURST_KIBIBYTES = 65_536
"""How much the tasks of a machine may want at once, before kswapd has run."""


def is_without(state: MemoryState, name: str) -> bool:
    """Whether this kernel has no such setting: others of its folder were read, and nothing was lost."""
    path = "proc/sys/" + name.replace(".", "/")
    folder = path.rpartition("/")[0]
    for sample in state.samples:
        if sample.snapshot.damage or sample.snapshot.text(path) is not None:
            return False
        reasons = [one.reason for one in sample.missing if one.path == path]
        if reasons:
            return reasons == ["absent"]
    return any(True for sample in state.samples for _ in sample.snapshot.below(folder))


def change(state: MemoryState, name: str, value: int, *, text: str, verify: str, risk: str) -> Advice:
    """Advise to set `name` to `value`, in the file too that sets it at each boot."""
    # Only the first sample has the files that are read once.
    setter, now = setter_of(state.first.snapshot, name), state.sysctl_number(name)
    keep = f"put `{name} = {value}` into {CONF}"
    if setter is not None:
        keep += f"; {setter.by} sets it in /{setter.path} line {setter.line}: change it there too"
    elif now is not None:
        keep += (
            ". No sysctl file or TuneD profile that was read sets it: it is the kernel's own or set by hand"
        )
    before = None if now is None else command("sysctl -w {}={}", name, now)
    return Advice(
        text=f"{text}. To keep it, {keep}",
        command=command("sysctl -w {}={}", name, value),
        undo=before or f"remove the line from {CONF} and restart",
        verify=verify,
        risk=risk,
    )


def start_kswapd_earlier(state: MemoryState, *, text: str, verify: str) -> Advice | None:
    """
    Advise a larger gap between the watermarks, or a larger min_free_kbytes.

    The gap becomes five times the present one, and a hundredth of each zone or BURST_KIBIBYTES at the least:
    a burst is not smaller because the machine is, and a hundredth of 256 MB does not hold one of 4 MB.
    Kernels before 4.6 have no watermark_scale_factor. None where neither was read, or it is large already.
    """
    factor, least = state.sysctl_number(SCALE_FACTOR), state.sysctl_number(MIN_FREE)
    if factor is not None:
        name, now, wanted = SCALE_FACTOR, factor, _wider_gap(state, factor)
    elif least is not None:
        name, now, wanted = MIN_FREE, least, _more_free(state, least)
    else:
        return None
    if wanted <= now:
        return None
    said = f"{text}: raise {name} from {now} to {wanted}"
    risk = "as much less for programs and page cache as the watermarks rise"
    return change(state, name, wanted, text=said, verify=verify, risk=risk)


def _wider_gap(state: MemoryState, now: int) -> int:
    total = kibibytes(state, "MemTotal")
    burst = -(-BURST_KIBIBYTES * 10_000 // total) if total else 0
    return min(max(5 * now, 100, burst), MOST_SCALE_FACTOR)


def _more_free(state: MemoryState, now_kibibytes: int) -> int:
    # A hundredth of memory is the most that is worth keeping free for this.
    return min(2 * now_kibibytes, (kibibytes(state, "MemTotal") or 0) // 100)
