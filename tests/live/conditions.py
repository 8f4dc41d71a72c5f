# SPDX-License-Identifier: GPL-2.0-or-later
"""
What shows in the kernel's own counters that a capture of the lab is what its name says.

A counter is a name of /proc/vmstat, where `allocstall` is the sum over the zones, or `cgroup.NAME` of the
memory.events of the lab's control group, or `stalled.io`, microseconds of /proc/pressure. `@6.12` is for that
series alone. Figures are per second, and far below what was measured: they tell a
condition from its absence, not a fast machine from a slow one.
"""

from __future__ import annotations

import re
import tarfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

Files = Mapping[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Condition:
    """`above` rose at least, `below` at most this much a second; `promised` falls when it is mended."""

    above: Mapping[str, float] = field(default_factory=dict)
    below: Mapping[str, float] = field(default_factory=dict)
    promised: str | None = None


_HEALTHY = {"allocstall": 1, "compact_stall": 1, "pswpout": 0, "oom_kill": 0, "zone_reclaim_failed": 0}
_ZONE_RECLAIM = Condition(above={"pgscan_direct": 500}, below={"allocstall": 1, "pswpout": 0})
# In 6.12 "lru_gen_shrink_node()" returns early unless pages may be written and unmapped; not in Debian's 6.1.
_MGLRU = Condition(
    above={"zone_reclaim_failed@6.12": 500, "pgscan_direct@6.1": 500},
    below={"pgscan_direct@6.12": 1, "zone_reclaim_success@6.12": 0, "allocstall": 1},
)

CONDITIONS: Mapping[str, Condition] = {
    "zone-reclaim-on": replace(_ZONE_RECLAIM, promised="pgscan_direct"),
    "zone-reclaim-off": Condition(
        above={"numa_miss": 500}, below={"pgscan_direct": 1, "zone_reclaim_failed": 0}
    ),
    "zone-reclaim-armed": Condition(below=_HEALTHY),
    "zone-reclaim-classic-3": _ZONE_RECLAIM,
    "zone-reclaim-classic-5": _ZONE_RECLAIM,
    "zone-reclaim-classic-7": _ZONE_RECLAIM,
    "zone-reclaim-mglru-1": replace(_MGLRU, promised="zone_reclaim_failed@6.12"),
    "zone-reclaim-mglru-3": _MGLRU,
    "zone-reclaim-mglru-5": _MGLRU,
    "zone-reclaim-mglru-7": _ZONE_RECLAIM,
    "node-hog": Condition(above={"numa_miss": 500}, below={"pgscan_direct": 1}),
    "bound": Condition(above={"pswpin": 50, "pswpout": 50}),
    "bound-policy": Condition(above={"pgscan_kswapd": 500}, below={"pswpout": 0}),
    "fragmentation": Condition(above={"compact_fail": 5, "allocstall": 5}, below={"oom_kill": 0}),
    "thp-always": Condition(above={"compact_stall": 20, "thp_fault_fallback": 20}, promised="compact_stall"),
    "swap-thrash": Condition(above={"pswpin": 50, "pswpout": 50}),
    "late-kswapd": Condition(above={"allocstall": 2, "pgscan_direct": 50}, promised="allocstall"),
    "real-shortage": Condition(
        above={"workingset_refault_file": 500, "allocstall": 2}, below={"oom_kill": 0}
    ),
    "hugepage-hoard": Condition(below={"oom_kill": 0}),
    "cgroup-limit": Condition(above={"cgroup.max": 10}, below={"allocstall": 1}, promised="cgroup.max"),
    "cgroup-oom": Condition(above={"cgroup.oom_kill": 0.1}, below={"allocstall": 1}),
    "dirty-writeback": Condition(above={"stalled.io": 100_000}, below={"pgscan_direct": 1}),
    "healthy-idle": Condition(below=_HEALTHY),
    "healthy-nopsi": Condition(below=_HEALTHY),
    "healthy-copy": Condition(above={"nr_dirtied": 500}, below=_HEALTHY),
    "healthy-compile": Condition(above={"pgfault": 500}, below=_HEALTHY),
    "healthy-cache": Condition(above={"pgpgin": 0}, below=_HEALTHY),
}


VERDICTS: Mapping[str, tuple[str, ...]] = {
    "zone-reclaim-on": ("zone-reclaim-biting",),
    "zone-reclaim-armed": ("zone-reclaim-armed",),
    "zone-reclaim-classic-3": ("zone-reclaim-biting",),
    "zone-reclaim-classic-5": ("zone-reclaim-biting",),
    "zone-reclaim-classic-7": ("zone-reclaim-biting",),
    "zone-reclaim-mglru-1@6.1": ("zone-reclaim-biting",),
    "zone-reclaim-mglru-3@6.1": ("zone-reclaim-biting",),
    "zone-reclaim-mglru-5@6.1": ("zone-reclaim-biting",),
    "zone-reclaim-mglru-1@6.12": ("zone-reclaim-in-vain",),
    "zone-reclaim-mglru-3@6.12": ("zone-reclaim-in-vain",),
    "zone-reclaim-mglru-5@6.12": ("zone-reclaim-in-vain",),
    "zone-reclaim-mglru-7": ("zone-reclaim-biting",),
    "node-hog": ("node-imbalance",),
    "bound": ("bind-starved",),
    "bound-policy": ("node-imbalance",),
    "fragmentation": ("fragmentation-high-order",),
    "thp-always": ("thp-direct-compact",),
    "swap-thrash": ("thrash-anon",),
    "late-kswapd": ("global-direct-reclaim", "kswapd-too-late"),
    "real-shortage": ("real-shortage",),
    "hugepage-hoard": ("hugepage-hoard",),
    "cgroup-limit": ("memcg-limit-not-host",),
    "cgroup-oom": ("memcg-limit-not-host",),
    "dirty-writeback": ("dirty-writeback-stall",),
}
"""The rule that comes first, one of these; of what is not here at most information is given."""


def verdicts(condition: str, series: str) -> tuple[str, ...]:
    """Which rules may come first for a kernel in this condition; none where at most info may be said."""
    return VERDICTS.get(condition, VERDICTS.get(f"{condition}@{series}", ()))


def breaches(condition: str, series: str, samples: tuple[Files, Files]) -> Iterator[str]:
    """What of the condition these samples of a kernel, "6.1", do not show."""
    expected = CONDITIONS[condition]
    for counter, least in _of_series(expected.above, series):
        if (found := rate(samples, counter)) < least:
            yield f"{counter} rose by {found:.1f}/s, not by {least}/s"
    for counter, most in _of_series(expected.below, series):
        if (found := rate(samples, counter)) > most:
            yield f"{counter} rose by {found:.1f}/s, more than {most}/s"


def mended(condition: str, series: str, before: tuple[Files, Files], after: tuple[Files, Files]) -> bool:
    """The promised counter rises half as fast at most."""
    promised = {CONDITIONS[condition].promised or "": 0.0}
    return all(rate(after, name) <= rate(before, name) / 2 for name, _ in _of_series(promised, series))


def _of_series(figures: Mapping[str, float], series: str) -> Iterator[tuple[str, float]]:
    for counter, figure in figures.items():
        name, _, only = counter.partition("@")
        if only in ("", series):
            yield name, figure


def read_files(capture: Path) -> tuple[Files, Files]:
    """The first and the last sample of a capture: text by path."""
    with tarfile.open(capture) as archive:
        files = {member.name: archive.extractfile(member) for member in archive if member.isfile()}
        texts = {name: opened.read().decode() for name, opened in files.items() if opened}
    last = max(int(name[1 : name.index("/")]) for name in texts)
    first, final = (
        {name.removeprefix(top): text for name, text in texts.items() if name.startswith(top)}
        for top in ("t0/", f"t{last}/")
    )
    return first, final


def rate(samples: tuple[Files, Files], counter: str) -> float:
    """How fast the counter rose from one sample to the other, per second."""
    first, last = samples
    seconds = float(last["proc/uptime"].split()[0]) - float(first["proc/uptime"].split()[0])
    return (_counter(last, counter) - _counter(first, counter)) / seconds


def _counter(files: Files, counter: str) -> int:
    kind, _, name = counter.rpartition(".")
    if kind == "stalled":
        return int(re.findall(r"^some .*total=(\d+)$", files[f"proc/pressure/{name}"], re.MULTILINE)[0])
    text = files["sys/fs/cgroup/lab/memory.events" if kind == "cgroup" else "proc/vmstat"]
    figures = [(word, int(figure)) for word, figure in map(str.split, text.splitlines())]
    return sum(
        figure
        for word, figure in figures
        if word == name or (name, word[:11]) == ("allocstall", "allocstall_")
    )
