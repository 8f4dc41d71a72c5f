# SPDX-License-Identifier: GPL-2.0-or-later
"""What small reports without a kind of their own say: per-CPU data, what outlives its owner, bad pages."""

from __future__ import annotations

import re
from collections.abc import Iterator

from keepsane.judge import CannotTell, rule
from keepsane.kernel.events.other import CLOSED, DENTRY, INODES, NETDEVICE, PAGE_STATE, PREEMPTIBLE, USERCOPY
from keepsane.kernel.log.culprit import where
from keepsane.kernel.log.quote import matched, quote, quote_head, quote_match, some
from keepsane.model import Event, Kind
from keepsane.report import Advice, Finding
from keepsane.words import counted

_KINDS: frozenset[Kind] = frozenset({"bug", "other"})


@rule("per-cpu-data-while-preemptible", on=Event)
def per_cpu_data_while_preemptible(event: Event) -> Iterator[Finding]:
    """
    Code asked on which CPU it runs, or used this CPU's data, while it could be moved to another.

    What it means: between the question and the use the task may be moved; then two tasks use the data of one
    CPU, or half of each. Mostly nothing happens, and now and then a counter or a list is wrong.

    How we know: a kernel with CONFIG_DEBUG_PREEMPT checks at each such use that preemption is off or the task
    is bound to one CPU. `caller is` names who asked.

    What to do: switch preemption off around it (`get_cpu()`, `get_cpu_ptr()`), use a `this_cpu_` operation,
    which is one instruction; or `raw_smp_processor_id()` where any CPU's number does.

    When it is wrong: where the number is only a hint (for spreading load) the code is right and only has to
    say so.
    """
    found = matched(event, PREEMPTIBLE) if event.kind in _KINDS else None
    if found is None:
        return
    caller = quote_match(event, _CALLER, "what the kernel names as its caller")
    if caller is None and not event.stacks:
        raise CannotTell("the report does not show who asked")
    said = next((match["function"] for r in event.records if (match := _CALLER.match(r.text))), None)
    named = None if said in _ITS_CHECKS else said
    yield Finding(
        severity="warning",
        confidence="high",
        title=f"the task could be moved to another CPU behind {found['what']}"
        + (f", asked for in {named}" if named else where(event)),
        evidence=some(quote_head(event), caller),
        explanation="What follows may use another CPU's data than that of the CPU it runs on.",
        advice=(Advice(text="use get_cpu() and put_cpu() around it, or a this_cpu_ operation"),),
        references=("lib/smp_processor_id.c, check_preemption_disabled()",),
    )


_ITS_CHECKS = frozenset({"__this_cpu_preempt_check", "debug_smp_processor_id"})
"""Of a __this_cpu_ operation the kernel names only the check inside of it; the trace has who uses it."""
_CALLER = re.compile(r"caller is (?:debug_smp_processor_id\+\S{1,40} )?(?P<function>[A-Za-z_][\w.]{0,255})")


@rule("outlives-its-file-system", on=Event)
def outlives_its_file_system(event: Event) -> Iterator[Finding]:
    """
    A file or a name is still in use although its file system was unmounted.

    What it means: somebody holds a reference that was never given back. The file system's memory is freed
    now: the next use of that reference reads freed memory.

    How we know: at the end of an unmount no directory entry and no inode may be in use; the kernel names the
    entry, how often it is in use, and the file system.

    What to do: see which code uses such a name (the finding's line has it) without dput() or iput() on each
    path; overlayfs, network file systems and out-of-tree ones are the usual places.

    When it is wrong: a reference count that was overwritten looks the same.
    """
    if event.kind not in _KINDS:
        return
    dentry, inodes = matched(event, DENTRY), matched(event, INODES)
    found = dentry or inodes
    if found is None:
        return
    of = found["filesystem"] or ""
    name = matched(event, _NAMED)
    what = f"the name {name['name']!r} is" if name else "a directory entry is" if dentry else "inodes are"
    count = f" ({counted(int(name['count']), 'reference')})" if name and name["count"] else ""
    known = f" of {of}" if of and "%" not in of else ""
    yield Finding(
        severity="error",
        confidence="high",
        title=f"{what} still in use{count}: a reference was not given back before the unmount{known}",
        evidence=some(quote_match(event, DENTRY) or quote_match(event, INODES)),
        explanation="Who uses that reference next reads freed memory. The machine should be restarted soon.",
        advice=(
            Advice(text="see which code takes a reference to it and does not give it back on each path"),
        ),
        references=("fs/dcache.c, umount_check(); fs/super.c, generic_shutdown_super()",),
    )


_NAMED = re.compile(
    r"BUG: Dentry [0-9a-f]{8,16}\{i=[0-9a-f]{1,16},n=(?P<name>[^}]{1,120})\}\s{0,4}still in use "
    r"\((?P<count>\d{1,10})\)"
)


@rule("network-device-not-given-back", on=Event)
def network_device_not_given_back(event: Event) -> Iterator[Finding]:
    """
    A network device cannot go away: somebody holds a reference to it.

    What it means: the device was removed (a container ended, a module is unloaded) and the kernel waits,
    with the network's lock free, until all references are dropped. It says so every ten seconds. Further
    changes of that network namespace wait as well.

    How we know: the line names the device and how many references are left.

    What to do: a kernel with CONFIG_NET_DEV_REFCNT_TRACKER says below who holds them. Sockets, routes and
    neighbour entries that a container left are usual; `lo` of a namespace is often held by a TCP socket.

    When it is wrong: under load the references are dropped late, and the message stops by itself.
    """
    found = matched(event, NETDEVICE) if event.kind in _KINDS else None
    if found is None:
        return
    usage = next((match for r in event.records if (match := _USAGE.search(r.text))), None)
    left = f": its usage count is {usage['count']}" if usage else ""
    yield Finding(
        severity="warning",
        confidence="high",
        title=f"{found['device']} cannot go away, somebody holds it{left}",
        evidence=some(quote_match(event, NETDEVICE)),
        explanation="Who took a reference to it does not give it back; other changes may wait for this.",
        advice=(Advice(text="see whether it stops by itself; else look for what still uses the device"),),
        references=("net/core/dev.c, netdev_wait_allrefs_any()",),
    )


_USAGE = re.compile(r"[Uu]sage count = (?P<count>-?\d{1,10})")


@rule("page-in-impossible-state", on=Event)
def page_in_impossible_state(event: Event) -> Iterator[Finding]:
    """
    A page was freed or handed out with flags or counts that it cannot have there.

    What it means: somebody still uses a page that another gives back, or the page's own description was
    overwritten. One page of this sort may be a flipped bit; several are code that drops a reference too much.
    `page_pool leak` is a page that a network driver's pool still counts as its own, freed past the pool.

    How we know: the allocator checks each page and prints why: `nonzero mapcount`, `nonzero _refcount`,
    `PAGE_FLAGS_CHECK_AT_FREE flag(s) set`. With page_owner=on the stacks of its allocation follow.

    What to do: start once with `page_owner=on`, if it is not: with it the report shows who allocated the page
    and who freed it last. Where the reason is one flag or a single bit, test the memory.

    When it is wrong: the task named is only the one that met the page.
    """
    if event.kind not in _KINDS or matched(event, PAGE_STATE) is None:
        return
    found = next((match for r in event.records if (match := _REASON.search(r.text))), None)
    if found is None:
        raise CannotTell("the report is cut before it says what is wrong with the page")
    reason = (found["reason"] or found["flags"] or "").strip()
    owner = quote(event, _OWNED, "whose page it was")
    yield Finding(
        severity="error",
        confidence="high",
        title=f"what is wrong with the page: {reason}",
        evidence=some(quote_head(event), quote(event, _REASON, "why"), owner),
        explanation="The task named met it: whether it or another is to blame, this line does not say.",
        advice=(Advice(text=_TO_OWNER if owner is not None else _TO_START),),
        references=("mm/page_alloc.c, bad_page()",),
    )


_TO_START = "start with page_owner=on, so that the next report shows whose page it was"
_TO_OWNER = "compare who allocated the page, and who freed it last, with who frees or uses it here"
_OWNED = re.compile(r"page last allocated via order \d")
_REASON = re.compile(r"page dumped because: (?P<reason>.{1,120})|bad because of flags: (?P<flags>.{1,120})")


@rule("copy-beyond-object", on=Event)
def copy_beyond_object(event: Event) -> Iterator[Finding]:
    """
    A copy between the kernel and a program would have gone beyond its object, and was stopped.

    What it means: the length of the copy is larger than what is left of the object: either the length was not
    checked, or the pointer was moved. `exposure` would have shown the program foreign memory, `overwrite`
    would have let it write there.

    How we know: hardened user copies look up which object the address belongs to, and print its cache, the
    offset and the length.

    What to do: compare the length with what the function of the title copies. The task that asked is stopped.

    When it is wrong: a cache that was not made for copies (kmem_cache_create_usercopy()) refuses good ones
    too.
    """
    found = matched(event, USERCOPY) if event.kind in (*_KINDS, "warning") else None
    if found is None:
        return
    said = matched(event, _COPIED)
    if said is None:
        raise CannotTell("the report is cut before it says what would have been copied")
    yield Finding(
        severity="error",
        confidence="high",
        title=f"{said['size']} bytes at offset {said['offset']} of {said['object']} were to be copied",
        evidence=some(quote_match(event, USERCOPY)),
        explanation="Of this cache nothing, or not this part, may be copied: it was let through this time."
        if quote(event, _WHITELIST)
        else "That is more than the object has, or than may be copied of it: the copy was refused.",
        advice=(Advice(text="check the length before the copy, in the function of the title"),),
        references=("mm/usercopy.c, usercopy_abort()",),
    )


_WHITELIST = re.compile(r"Bad or missing usercopy whitelist\?")
"""From 4.16 to 5.15 a warning only: mm/usercopy.c, usercopy_warn()."""
_COPIED = re.compile(
    r".{0,40}[Kk]ernel memory (?:exposure|overwrite) attempt detected (?:from|to) (?P<object>[^(]{1,120}?)"
    r" ?\(offset (?P<offset>\d{1,20}), size (?P<size>\d{1,20})\)"
)


@rule("file-closed-too-often", on=Event)
def file_closed_too_often(event: Event) -> Iterator[Finding]:
    """
    A file was closed whose reference count was zero already.

    What it means: somebody gave back a reference that it did not have. The file may have been freed before,
    and what is closed now be another.

    How we know: close() finds a count of zero and says so.

    What to do: look for the code that drops references to files by itself: io_uring, epoll, BPF, drivers that
    call fput() on an error path.

    When it is wrong: a count that was overwritten looks the same.
    """
    if event.kind not in _KINDS or matched(event, CLOSED) is None:
        return
    yield Finding(
        severity="error",
        confidence="medium",
        title="the file's last reference was given back twice",
        evidence=some(quote_match(event, CLOSED)),
        explanation="Who closes it now is not the one that gave back too much.",
        references=("fs/open.c, filp_close()",),
    )
