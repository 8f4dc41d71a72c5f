# SPDX-License-Identifier: GPL-2.0-or-later
"""Changing a setting of this machine: from its present value, and where that is set at each start."""

from __future__ import annotations

from keepsane.kernel.pages import advice
from keepsane.kernel.pages.advice import LESS_CACHE, MIN_FREE, SCALE_FACTOR
from keepsane.memory.proc.sysctl import setter_of
from keepsane.memory.rules.amount import kibibytes
from keepsane.memory.state import MemoryState
from keepsane.report import Advice


def is_without(state: MemoryState, name: str) -> bool:
    """Whether this kernel has no such setting: others of its folder were read, and nothing was lost."""
    path = "proc/sys/" + name.replace(".", "/")
    folder = path.rpartition("/")[0]
    for sample in state.samples:
        if sample.snapshot.damage or sample.snapshot.text(path) is not None:
            return False
        reasons = [missing.reason for missing in sample.missing if missing.path == path]
        if reasons:
            return reasons == ["absent"]
    return any(True for sample in state.samples for _ in sample.snapshot.below(folder))


def change(
    state: MemoryState,
    name: str,
    value: int | str,
    *,
    text: str,
    verify: str,
    risk: str,
    now: int | str | None = None,
) -> Advice:
    """Advise to set `name` to `value`; `now` is the present value where it is no number."""
    now = state.sysctl_number(name) if now is None else now
    return advice.change(
        name, value, now, text=text, verify=verify, risk=risk, set_by=_set_by(state, name, now)
    )


def _set_by(state: MemoryState, name: str, now: int | str | None) -> str:
    # Only the first sample has the files that are read once.
    setter = setter_of(state.first.snapshot, name)
    if setter is not None:
        return f"; {setter.by} sets it in /{setter.path} line {setter.line}: change it there too"
    if now is None:
        return ""
    return ". No sysctl file or TuneD profile that was read sets it: it is the kernel's own or set by hand"


def keep_more_free(state: MemoryState, value: int, *, text: str, verify: str) -> Advice | None:
    """Advise a larger vm.min_free_kbytes; None where it was not read or is as large already."""
    now = state.sysctl_number(MIN_FREE)
    if now is None or value <= now:
        return None
    text, risk = f"{text}: {MIN_FREE} from {now} to {value}", advice.less_memory(value - now)
    return change(state, MIN_FREE, value, text=text, verify=verify, risk=risk)


def double_min_free(state: MemoryState, *, text: str, verify: str) -> Advice | None:
    """The same, to twice its value or a thousandth of memory, within a fiftieth of it."""
    value = advice.more_min_free(state.sysctl_number(MIN_FREE) or 0, kibibytes(state, "MemTotal") or 0)
    return keep_more_free(state, value, text=text, verify=verify)


def start_kswapd_earlier(state: MemoryState, *, text: str, verify: str) -> Advice | None:
    """
    Advise a larger gap between the watermarks, or a larger min_free_kbytes.

    Kernels before 4.6 have no watermark_scale_factor. None where neither was read, or it is large already.
    """
    now = state.sysctl_number(SCALE_FACTOR)
    if now is None:
        return double_min_free(state, text=text, verify=verify)
    wanted = advice.wider_gap(now, kibibytes(state, "MemTotal") or 0)
    if wanted <= now:
        return None
    text = f"{text}: {SCALE_FACTOR} from {now} to {wanted}"
    return change(state, SCALE_FACTOR, wanted, text=text, verify=verify, risk=LESS_CACHE)
