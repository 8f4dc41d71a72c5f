# SPDX-License-Identifier: GPL-2.0-or-later
"""Advice about memory is sized from the machine's numbers: each value here is worked out by hand."""

from __future__ import annotations

import pytest

from keepsane.judge import run
from keepsane.memory.snapshot import Snapshot
from keepsane.memory.state import MemoryState, state_of
from keepsane.report import Finding
from tests.memory_case import CASES, MemoryCase, read_memory_case

THP = "/sys/kernel/mm/transparent_hugepage"


def case(slug: str) -> MemoryCase:
    return read_memory_case(CASES / f"{slug}.capture")


def finding(state: MemoryState | None, rule: str) -> Finding:
    assert state is not None
    return next(one for one in run((state,)) if isinstance(one, Finding) and one.rule == rule)


@pytest.mark.parametrize(
    ("slug", "rule", "command", "undo"),
    [
        (
            "thp-direct-compact",
            "thp-direct-compact",
            f"echo defer+madvise > {THP}/defrag",
            f"echo always > {THP}/defrag",
        ),
        # RHEL 6 has neither defer nor defer+madvise.
        (
            "thp-direct-compact-rhel6",
            "thp-direct-compact",
            "echo madvise > /sys/kernel/mm/redhat_transparent_hugepage/defrag",
            "echo always > /sys/kernel/mm/redhat_transparent_hugepage/defrag",
        ),
        (
            "thp-split-storm",
            "thp-split-storm",
            f"echo madvise > {THP}/enabled",
            f"echo always > {THP}/enabled",
        ),
        (
            "khugepaged-scan",
            "khugepaged-scan",
            f"echo 0 > {THP}/khugepaged/defrag",
            f"echo 1 > {THP}/khugepaged/defrag",
        ),
        # 20, the kernel's own, doubled.
        (
            "fragmentation-high-order",
            "fragmentation-high-order",
            "sysctl -w vm.compaction_proactiveness=40",
            "sysctl -w vm.compaction_proactiveness=20",
        ),
        # 5.4 has no such setting: 2 * 20000, which is a hundredth of 4000000.
        (
            "fragmentation-by-the-log",
            "fragmentation-high-order",
            "sysctl -w vm.min_free_kbytes=40000",
            "sysctl -w vm.min_free_kbytes=20000",
        ),
        (
            "boost-pressure",
            "boost-pressure",
            "sysctl -w vm.watermark_boost_factor=0",
            "sysctl -w vm.watermark_boost_factor=15000",
        ),
        # The second number is DMA32's where there is a zone DMA: 256 / 2.
        (
            "dma32-exhausted",
            "dma32-exhausted",
            "sysctl -w vm.lowmem_reserve_ratio='256 128 32 0'",
            "sysctl -w vm.lowmem_reserve_ratio='256 256 32 0'",
        ),
        # max(2 * 8000, 4 * sqrt(4000000) = 8000, 4000000 / 1000 = 4000)
        (
            "min-free-too-small",
            "min-free-too-small",
            "sysctl -w vm.min_free_kbytes=16000",
            "sysctl -w vm.min_free_kbytes=8000",
        ),
        # Nothing failed, so the kernel's own value: 4 * sqrt(4000000).
        (
            "min-free-lowered",
            "min-free-too-small",
            "sysctl -w vm.min_free_kbytes=8000",
            "sysctl -w vm.min_free_kbytes=3000",
        ),
        # 4 * sqrt(2000000) = 5656.8
        (
            "min-free-too-large",
            "min-free-too-large",
            "sysctl -w vm.min_free_kbytes=5656",
            "sysctl -w vm.min_free_kbytes=524288",
        ),
        # A value below 100 is put back first.
        (
            "dentry-inode-hoard",
            "dentry-inode-hoard",
            "sysctl -w vm.vfs_cache_pressure=100",
            "sysctl -w vm.vfs_cache_pressure=50",
        ),
        # 2000 - (1500 free - 100 promised)
        (
            "hugepage-hoard",
            "hugepage-hoard",
            "sysctl -w vm.nr_hugepages=600",
            "sysctl -w vm.nr_hugepages=2000",
        ),
    ],
)
def test_the_command_and_its_undo_have_the_numbers_of_the_machine(
    slug: str, rule: str, command: str, undo: str
) -> None:
    advice = finding(case(slug).state(), rule).advice
    assert (command, undo) in [(one.command, one.undo) for one in advice]


@pytest.mark.parametrize(
    ("slug", "rule", "words"),
    [
        # 2 * (524288 - 400000) = 248576, to the next 4096: 249856 kB.
        ("cma-hoard", "cma-hoard", "cma=244M instead of 512 MB"),
        ("cma-hoard", "cma-hoard", "cma=512M"),
        # 2000000 / 2048 = 976.6
        ("pgtable-bloat", "pgtable-bloat", "977 pages for vm.nr_hugepages"),
        ("min-free-lowered", "min-free-too-small", "sysctl.d sets it in /etc/sysctl.d/10-min.conf line 1"),
        ("thp-direct-compact", "thp-direct-compact", "/etc/tmpfiles.d/thp.conf"),
    ],
)
def test_the_text_says_how_much_and_where(slug: str, rule: str, words: str) -> None:
    assert any(words in one.text for one in finding(case(slug).state(), rule).advice)


@pytest.mark.parametrize(
    ("slug", "rule", "severity"),
    [
        ("thp-direct-compact", "thp-direct-compact", "warning"),
        ("fragmentation-high-order", "fragmentation-high-order", "warning"),
        ("fragmentation-by-the-log", "fragmentation-high-order", "warning"),
        ("dma32-exhausted", "dma32-exhausted", "warning"),
        ("dma-zone-gone", "dma-zone-gone", "info"),
        ("lowmem-32bit", "lowmem-32bit", "warning"),
        ("min-free-too-small", "min-free-too-small", "warning"),
        ("min-free-lowered", "min-free-too-small", "info"),
        ("min-free-too-large", "min-free-too-large", "warning"),
        ("highatomic-hoard", "highatomic-hoard", "warning"),
        ("hugepage-hoard", "hugepage-hoard", "warning"),
        ("slab-growth", "slab-growth", "warning"),
        ("pgtable-bloat", "pgtable-bloat", "info"),
    ],
)
def test_what_hurts_now_is_a_warning_and_what_only_lies_there_is_not(
    slug: str, rule: str, severity: str
) -> None:
    assert finding(case(slug).state(), rule).severity == severity


@pytest.mark.parametrize(
    "slug", ["highatomic-hoard", "hugepage-hoard", "dentry-inode-hoard", "min-free-too-large"]
)
def test_a_hoard_that_nobody_suffers_from_is_no_warning(slug: str) -> None:
    # Without the pressure files nobody is seen to wait.
    assert finding(case(slug).state(without="proc/pressure/memory"), slug).severity == "info"


def test_an_old_failure_in_the_log_is_not_of_now() -> None:
    recent = case("min-free-too-small")
    files = dict(recent.samples[0])
    files["dmesg"] = files["dmesg"].replace("995.000000", "  3.000000")
    old = finding(recent._replace(samples=(files,)).state(), "min-free-too-small")
    assert old.severity == "note"
    assert "none of them lately" in old.explanation


def test_a_reserve_from_which_nothing_failed_is_not_blamed_for_what_tasks_wait_for() -> None:
    low = case("min-free-lowered")
    files = low.samples[0]
    later = files | {
        "proc/uptime": "1010.00 1.00\n",
        "proc/meminfo": "MemTotal: 4000000 kB\nMemAvailable: 40000 kB\n",
    }
    found = finding(low._replace(samples=(files, later)).state(), "min-free-too-small")
    assert found.severity == "info"
    assert found.title == "little is kept free for requests that cannot wait: 3000 kB"
    assert "The kernel log was not read" in found.explanation


def test_the_caches_that_grow_are_named() -> None:
    # 96000 objects of 256 bytes are 6000 pages of 16.
    found = finding(case("slab-growth").state(), "slab-growth")
    assert "kmalloc-256" in found.explanation
    assert "dentry" not in found.explanation


def test_the_strictest_reserve_of_low_memory_is_not_loosened() -> None:
    """lowmem_reserve_ratio 1 keeps as much as there is above; 256 would keep a 256th of it."""
    exhausted = case("dma32-exhausted")
    path = "proc/sys/vm/lowmem_reserve_ratio"
    samples = [Snapshot(files={**files, path: "256 1 32 0 0\n"}) for files in exhausted.samples]
    advice = finding(state_of(samples), "dma32-exhausted").advice
    assert [one.command for one in advice] == [None]


@pytest.mark.parametrize("slug", ["cma-hoard", "hugepage-hoard", "pgtable-bloat", "slab-growth"])
def test_a_containers_total_is_not_set_against_the_hosts_amounts(slug: str) -> None:
    mounts = "lxcfs /proc/meminfo fuse.lxcfs rw,nosuid,nodev,relatime 0 0\n"
    state = state_of([Snapshot(files={**files, "proc/mounts": mounts}) for files in case(slug).samples])
    assert state is not None
    assert slug not in {one.rule for one in run((state,)) if isinstance(one, Finding)}


def test_where_much_is_available_it_is_not_told_to_keep_less_free() -> None:
    """MemAvailable leaves out what is kept free: who waits with half of memory available lacks no page."""
    available = "MemAvailable:    1000000 kB"
    large = case("min-free-too-large")
    samples = [
        {
            path: text.replace("MemAvailable:     200000 kB", available) if path == "proc/meminfo" else text
            for path, text in files.items()
        }
        for files in large.samples
    ]
    assert available in samples[-1]["proc/meminfo"]
    state = state_of([Snapshot(files=files) for files in samples])
    assert state is not None
    assert "min-free-too-large" not in {one.rule for one in run((state,)) if isinstance(one, Finding)}
