# SPDX-License-Identifier: GPL-2.0-or-later
"""
What to set, and how: the command, what undoes it, how it stays, and how large a value is worth trying.

    sysctl -w vm.min_free_kbytes=135168         undone by: sysctl -w vm.min_free_kbytes=67584
    vm.min_free_kbytes = 135168                 in /etc/sysctl.d/90-memory.conf

The rules of a log and those of a running machine ask here, so that a setting has one piece of advice. This
file reads neither of the two: it gets numbers, names, or a failed request with its account.
"""

from __future__ import annotations

from typing import LiteralString

from keepsane.kernel.pages.failed_request import FailedRequest
from keepsane.kernel.pages.gfp import version_of
from keepsane.report import Advice
from keepsane.shell import UNIT, command
from keepsane.words import size_words

CONF = "/etc/sysctl.d/90-memory.conf"
"""Of the numbers that sysctl.d(5) leaves to the administrator the last one: it holds against older files."""
MIN_FREE, SCALE_FACTOR = "vm.min_free_kbytes", "vm.watermark_scale_factor"
PROACTIVENESS = "vm.compaction_proactiveness"
MOST_OF_MEMORY = 50
"""One fiftieth of memory is the most that is kept free; what is more than that is called too large."""
LEAST_OF_MEMORY = 1000
"""One thousandth is the least, since the kernel's own choice grows by the root of memory only."""
LEAST_SCALE_FACTOR, MOST_SCALE_FACTOR = 100, 500
"""A hundredth to a twentieth of each zone; the kernel took 1000 at the most until 5.18."""
BURST_KIBIBYTES = 65_536
"""How much the tasks of a machine may want at once, before kswapd has run."""
ONLY_READS = "nothing is changed"
LESS_CACHE = "as much less for programs and page cache as the watermarks rise"
FARTHER = "memory of another node is slower to reach"
_PROACTIVE_SINCE = (5, 9)
_PROACTIVENESS_AT_FIRST = 20


def more_min_free(now_kibibytes: int, memory_kibibytes: int, own_kibibytes: int = 0) -> int:
    """
    Size vm.min_free_kbytes: twice the present value, the kernel's own choice, or a thousandth of memory.

    The largest of them, and a fiftieth of memory at the most.

    >>> more_min_free(67_584, 16_000_000), more_min_free(67_584, 4_000_000), more_min_free(8192, 256_000_000)
    (135168, 80000, 256000)
    """
    wanted = max(2 * now_kibibytes, own_kibibytes, memory_kibibytes // LEAST_OF_MEMORY)
    return min(wanted, memory_kibibytes // MOST_OF_MEMORY)


def wider_gap(now: int, memory_kibibytes: int) -> int:
    """
    Size vm.watermark_scale_factor: five times the present value, and room for a burst at the least.

    A burst is not smaller because the machine is: a hundredth of 256 MB does not hold one of 4 MB.

    >>> wider_gap(10, 16_777_216), wider_gap(10, 2_097_152), wider_gap(10, 262_144), wider_gap(90, 16_777_216)
    (100, 313, 500, 450)
    """
    burst = -(-BURST_KIBIBYTES * 10_000 // memory_kibibytes) if memory_kibibytes else 0
    return min(max(5 * now, LEAST_SCALE_FACTOR, burst), MOST_SCALE_FACTOR)


def more_proactive(now: int) -> int:
    """Size vm.compaction_proactiveness, which goes to 100."""
    return min(max(2 * now, _PROACTIVENESS_AT_FIRST), 100)


def less_memory(kibibytes: int) -> str:
    """Say what a larger vm.min_free_kbytes costs."""
    size = size_words(kibibytes)
    return f"{size} less for programs and page cache; far too large a value makes the OOM killer come early"


def set_now(*settings: tuple[str, int | str]) -> str | None:
    """Give the command that sets one or more settings until the next start."""
    return command(
        "sysctl -w" + " {}={}" * len(settings), *(word for setting in settings for word in setting)
    )


def keep(*settings: tuple[str, int | str]) -> str:
    """Say how settings stay over a restart."""
    lines = " and ".join(f"`{name} = {value}`" for name, value in settings)
    return f"To keep it, put {lines} into {CONF}"


def change(
    name: str, value: int | str, now: int | str | None, *, text: str, verify: str, risk: str, set_by: str = ""
) -> Advice:
    """Advise to set `name` to `value`; `now` is what undoes it, `set_by` says who sets that at each start."""
    return Advice(
        text=f"{text}. {keep((name, value))}{set_by}",
        as_root=True,
        command=set_now((name, value)),
        undo=f"remove the line from {CONF} and restart" if now is None else set_now((name, now)),
        verify=verify,
        risk=risk,
    )


def write(file: str, value: int | str, now: int | str, *, text: str, verify: str, risk: str) -> Advice:
    """Advise to write `value` into a file of /proc or /sys that now holds `now`; "" where none is known."""
    return Advice(
        text=text,
        as_root=True,
        command=command("echo {} > {}", value, file),
        undo=command("echo {} > {}", now, file),
        verify=verify,
        risk=risk,
    )


def in_unit(group: str, name: LiteralString, value: int | str) -> str | None:
    """Give the command that has systemd set it at each start; None where no unit that stays has the group."""
    unit = UNIT.search(group)
    if unit is None or unit[0].endswith(".scope"):  # a scope is made anew by whoever starts it
        return None
    return command("systemctl set-property {} " + name + "={}", unit[0], value)


def keep_limit(group: str, name: LiteralString, value_bytes: int) -> str:
    """Say how the limit of a control group stays: by its unit, or where else the group comes from."""
    return in_unit(group, name, value_bytes) or (
        f"set it where the group comes from: {name}= of its unit, --memory of its container, "
        "resources.limits.memory of its pod"
    )


def compact(order: int, more: str = "") -> Advice:
    """Advise compaction, which moves pages together."""
    return Advice(
        text=f"compact all of memory once{more}",
        as_root=True,
        command=set_now(("vm.compact_memory", 1)),
        undo="pages are only moved: nothing is left behind that could be undone",
        verify=f"/proc/buddyinfo shows blocks of order {order} and more (the column counts from order 0); if "
        "not, unmovable pages lie between",
        risk="takes a CPU for seconds, and pages are locked while they are moved",
    )


def compact_for(event: FailedRequest) -> Advice | None:
    """Advise compaction where a block was wanted; since 5.9 the kernel can do it ahead of time."""
    version, first = version_of(event.release), _PROACTIVENESS_AT_FIRST
    ahead = f"; to have it done ahead of time, raise {PROACTIVENESS} ({first} at first) to "
    by_itself = version is not None and version >= _PROACTIVE_SINCE
    return (
        compact(event.order, f"{ahead}{more_proactive(first)}" if by_itself else "") if event.order else None
    )


def less_cma(text: str) -> Advice:
    """Advise a smaller area for devices."""
    return Advice(
        text=text,
        verify="CmaTotal in /proc/meminfo is smaller after the restart; camera, video and display still work",
        risk="a device that needs more of it at once than is left fails",
    )


def shrink_cma(event: FailedRequest) -> Advice | None:
    """Say how much CMA holds, where the size of the area is not known to be too large."""
    if event.memory is None:
        return None
    free, whole = event.memory.total("free_cma"), event.memory.cma_pages
    held = f" of {event.size_of(whole)}" if whole else ""
    said = f"{event.size_of(free)}{held} of CMA are free; " if free else ""
    return less_cma(
        f"{said}reserve no more than the devices need: `cma=` on the kernel's command line, or the size in "
        "the device tree"
    )


def allow_more_nodes(event: FailedRequest) -> Advice:
    """Say where a binding to nodes is widened."""
    now = f" (now {', '.join(map(str, event.mems_allowed[:16]))})" if event.mems_allowed else ""
    return Advice(
        text=f"allow a further node, one with a Normal zone{now}: cpuset.mems of its group, --cpuset-mems of "
        "its container, or numactl --preferred in place of --membind. Of memory that is all in zone Movable "
        "(boot option movable_node, memory put online as online_movable) some must be online_kernel",
        verify="Mems_allowed_list in /proc/PID/status names the node",
        risk=FARTHER,
    )


def interleave(why: str, verify: str) -> Advice:
    """Advise to spread a process over the nodes; `why` says which one."""
    return Advice(
        text=f"{why}: start it with numactl --interleave=all, or NUMAPolicy=interleave in its systemd unit "
        "(innodb_numa_interleave in MySQL)",
        verify=verify,
        risk="half of its memory is then on the other node, which is slower to reach",
    )


COUNT_FREE_HIGHATOMIC = Advice(
    text="use a kernel of 6.12 or later: it subtracts only what is free of the reserve for atomic blocks "
    '(c928807f6f6b, "mm/page_alloc: keep track of free highatomic")',
    verify="the next report has free_highatomic, or does not come",
)
