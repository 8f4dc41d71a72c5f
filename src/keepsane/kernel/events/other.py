# SPDX-License-Identifier: GPL-2.0-or-later
"""
Reports with a line of their own and no other shape: page state, dentries, inodes, preemption, net devices.

    BUG: Bad page state in process insmod  pfn:12345
    BUG: Bad rss-counter state mm:ffff888012345000 type:MM_ANONPAGES val:2
    usercopy: Kernel memory exposure attempt detected from SLUB object 'kmalloc-64' (offset 0, size 100)!
    BUG: Dentry ffff888119d8a000{i=0,n=widget}  still in use (1) [unmount of ramfs ramfs]
    VFS: Busy inodes after unmount of sda1 (ext4)
    VFS: Close: file count is 0
    BUG: using smp_processor_id() in preemptible [00000000] code: insmod/101
    unregister_netdevice: waiting for veth0 to become free. Usage count = 2

Source: mm/page_alloc.c, bad_page(); kernel/fork.c, check_mm(); mm/usercopy.c, usercopy_abort();
fs/dcache.c, umount_check(); fs/super.c, generic_shutdown_super(); fs/open.c, filp_flush();
lib/smp_processor_id.c, check_preemption_disabled(); net/core/dev.c, netdev_wait_allrefs_any().
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from keepsane.kernel.events.kasan.report import PAGE
from keepsane.kernel.events.warning import warning
from keepsane.kernel.log.block import PRELUDE, Block, Opening, build, titled
from keepsane.kernel.log.culprit import culprit
from keepsane.kernel.log.groups import task_of
from keepsane.model import Event, Kind


@dataclass(frozen=True, slots=True, kw_only=True)
class Noticed(Event):
    """The kernel found its own data impossible; `message` is what it says about that."""

    message: str | None = None


PAGE_STATE = re.compile(
    r"BUG: Bad (?P<what>page state|page map|page cache)"
    r"(?: in process (?P<comm>.{1,32}?))?(?:\s+p(?:fn|te):.*|\s|$)"
)
COUNTERS = re.compile(
    r"BUG: (?P<message>(?P<what>Bad rss-counter state|non-zero pgtables_bytes on freeing) ?mm:.{0,100})"
)
USERCOPY = re.compile(
    r"(?:usercopy: |(?P<let_through>Bad or missing usercopy whitelist\? ))"
    r"(?P<message>(?P<what>[Kk]ernel memory (?:exposure|overwrite) attempt detected).{0,300})"
)
DENTRY = re.compile(
    r"BUG: Dentry .{1,200}?still in use \(-?\d{1,20}\)(?: \[unmount of "
    r"(?P<filesystem>[^\]]{1,80})\])?\s{0,8}+$"
)
INODES = re.compile(r"VFS: Busy inodes after unmount(?: of (?P<filesystem>[^.]{1,80}?))?(?:\.|\s*+$)")
CLOSED = re.compile(r"VFS: Close: file count is 0")
PREEMPTIBLE = re.compile(
    r"BUG: using (?P<what>\w{1,40}\(\)) in preemptible(?: \[[0-9a-f]{8}\])? code:? ?(?:(?P<comm>.{1,32})/"
    r"(?P<pid>\d{1,10}))?"
)
NETDEVICE = re.compile(r"unregister_netdevice: waiting for (?P<device>\S{1,32}) to become free")
_BECAUSE = re.compile(r"page dumped because: (?P<message>.{1,200})")
_STATE = re.compile(PAGE + r"|addr:|bad because of flags|vm_flags|Disabling lock debugging|swap_")


def parse_page_state(block: Block) -> Event | None:
    """
    Read a page whose flags or counts are impossible.

    Accepted format:
        BUG: Bad page state in process insmod  pfn:12345
    """
    return _bug(block, f"bad {block.head['what']}", block.find(_BECAUSE))


def _bug(block: Block, what: str, message: re.Match[str] | None = None) -> Noticed:
    task = block.body.task or task_of(block.head)
    return build(Noticed, block, "bug", titled(what, culprit(block.body)), message, task=task)


def parse_counters(block: Block) -> Event | None:
    """
    Read an address space that was given up with pages still counted; the kernel prints no stack.

    Accepted format:
        BUG: Bad rss-counter state mm:ffff888012345000 type:MM_ANONPAGES val:2
    """
    what = block.head["what"]
    return build(Noticed, block, "bug", what[0].lower() + what[1:], damage="")


def parse_usercopy(block: Block) -> Event | None:
    """
    Read a copy to or from user space that would leave the object; a BUG or WARNING follows.

    Accepted format:
        usercopy: Kernel memory exposure attempt detected from SLUB object 'kmalloc-64' (offset 0, size 100)!
        Bad or missing usercopy whitelist? Kernel memory exposure attempt detected from SLUB object 'a'...

    The second is a warning, and the copy is done: usercopy_warn() (4.16 to 5.15). Up to 5.2 it stands behind
    the WARNING line.
    """
    said = block.find(USERCOPY)
    if said is None:
        return warning.parse_warning(block)
    kind: Kind = "warning" if said["let_through"] else "bug"
    return build(Noticed, block, kind, titled(said["what"].lower(), culprit(block.body)), said)


def parse_dentry(block: Block) -> Event | None:
    """
    Read a directory entry that outlived its file system.

    Accepted format:
        BUG: Dentry ffff888119d8a000{i=0,n=widget}  still in use (1) [unmount of ramfs ramfs]
    """
    filesystem = block.head["filesystem"] or "a file system"
    return build(Event, block, "bug", f"dentry still in use at unmount of {filesystem}")


def parse_inodes(block: Block) -> Event | None:
    """Read inodes that outlived their file system: `VFS: Busy inodes after unmount of sda1 (ext4)`."""
    filesystem = block.head["filesystem"] or "a file system"
    return build(Event, block, "bug", f"busy inodes after unmount of {filesystem}", damage="")


def parse_closed(block: Block) -> Event | None:
    """Read a file that was closed once too often: `VFS: Close: file count is 0`; a BUG may follow."""
    function = culprit(block.body)
    return build(Event, block, "bug", titled("a file was closed whose count is 0", function), damage="")


def parse_preemptible(block: Block) -> Event | None:
    """
    Read a use of per-CPU data where the task may move to another CPU.

    Accepted format:
        BUG: using smp_processor_id() in preemptible [00000000] code: insmod/101
    """
    return _bug(block, f"{block.head['what']} in preemptible code")


def parse_netdevice(block: Block) -> Event | None:
    """
    Read a network device that somebody still holds.

    Accepted format:
        unregister_netdevice: waiting for veth0 to become free. Usage count = 2
    """
    return build(Event, block, "other", f"network device {block.head['device']} is still in use", damage="")


_CALLER = re.compile(r"caller is ")
_AGAIN = frozenset({"netdevice"})
_WARNED = re.compile(r"(?=.{0,120}mm/usercopy\.c:\d)" + warning.HEAD.pattern)

OPENINGS = (
    Opening("page-state", PAGE_STATE, parse_page_state, own=_STATE),
    Opening("counters", COUNTERS, parse_counters, rank=0),
    Opening("usercopy", USERCOPY, parse_usercopy, rank=PRELUDE, detail_of=frozenset({"usercopy-warning"})),
    Opening("usercopy-warning", _WARNED, parse_usercopy, own=USERCOPY),
    Opening("dentry", DENTRY, parse_dentry, rank=PRELUDE),
    Opening("busy-inodes", INODES, parse_inodes, rank=PRELUDE),
    Opening("closed", CLOSED, parse_closed, rank=PRELUDE),
    Opening("preemptible", PREEMPTIBLE, parse_preemptible, own=_CALLER),
    Opening("netdevice", NETDEVICE, parse_netdevice, rank=0, own=NETDEVICE, detail_of=_AGAIN),
)
