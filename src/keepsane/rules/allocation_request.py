# SPDX-License-Identifier: GPL-2.0-or-later
"""Why an allocation failed, where the request itself decides, or where the report cannot tell."""

from __future__ import annotations

from collections.abc import Iterator

from keepsane.kernel.alloc_failure import AllocFailure
from keepsane.model import Finding
from keepsane.rules import rule
from keepsane.rules.allocation_finding import judged
from keepsane.rules.memory_advice import ask_for_less, check_the_size, collect_more, raise_min_free


@rule("allocation-reserves-exhausted", on=AllocFailure)
def allocation_reserves_exhausted(event: AllocFailure) -> Iterator[Finding]:
    """
    Not even a request that may use all reserves was served.

    What it means: no watermark holds for this request, because its work frees memory (writing out pages,
    swap over the network). Even so nothing was left: the machine may not come out of this by itself.

    How we know: the mask has __GFP_MEMALLOC, so the watermark is 0 for it, and the zones had nothing free.

    What to do: larger reserves let reclaim go on: raise vm.min_free_kbytes.

    When it is wrong: a task that may use all reserves by itself (PF_MEMALLOC) is not shown in the report.
    """
    title = "all reserves were used up"
    yield from judged(event, "reserves-exhausted", title, raise_min_free)


@rule("allocation-policy-gives-up", on=AllocFailure)
def allocation_policy_gives_up(event: AllocFailure) -> Iterator[Finding]:
    """
    The request asked the kernel not to insist.

    What it means: memory was short, and the request (or its size) says to give up rather than reclaim for
    long or kill a process. Its caller should have another way.

    How we know: the zone is below its watermark, and the mask or the order is one for which the kernel stops
    early (__GFP_NORETRY, more than 8 pages at once, one node only, a dying task).

    What to do: see whether the caller copes; if it does, nothing. Else memory has to be kept free.

    When it is wrong: the same report comes from callers without another way. See what the caller is.
    """
    title = "memory was short, and the request does not insist"
    yield from judged(event, "policy-gives-up", title, ask_for_less, raise_min_free)


@rule("allocation-size-absurd", on=AllocFailure)
def allocation_size_absurd(event: AllocFailure) -> Iterator[Finding]:
    """
    More was asked for than this machine can ever give.

    What it means: the size is larger than all memory, or larger than the largest block there is. Such a size
    was often computed from something that a user or a file said, and was not checked.

    How we know: the size in the report against the pages of RAM, or the order against the largest order.

    What to do: find where the caller gets the size from. No setting helps.

    When it is wrong: a kernel built with larger blocks (ARCH_FORCE_MAX_ORDER) has a higher largest order;
    the longest list of free blocks that was printed is respected.
    """
    yield from judged(event, "size-absurd", "more was asked for than can ever be had", check_the_size)


@rule("allocation-race", on=AllocFailure)
def allocation_race(event: AllocFailure) -> Iterator[Finding]:
    """
    When the report was printed, the request would have been served: the cause is not in it.

    What it means: memory was freed between the failure and the report. Whatever stood in the way was gone.

    How we know: the kernel's own check passes with the numbers printed.

    What to do: once is noise. If it comes again and again, memory is short in bursts: keep more free.

    When it is wrong: what is not printed (another task's claim, a reserve) may still have barred it.
    """
    title = "memory was free again when this was printed: what was missing cannot be told"
    yield from judged(event, "race", title, raise_min_free)


@rule("allocation-contradiction", on=AllocFailure)
def allocation_contradiction(event: AllocFailure) -> Iterator[Finding]:
    """
    By its own numbers the request should not have failed.

    What it means: plenty is free, and the kernel does not give up on such a request. Something that the
    report does not print decided.

    How we know: the zone is above its high watermark, the request may sleep, and nothing lets it give up.

    What to do: collect more: /proc/zoneinfo, /proc/buddyinfo, the lines before. Suspect a fault that was
    injected for a test, a task that reclaims memory itself or is dying, or a bug of this kernel.

    When it is wrong: as a race, if a great deal was freed between the failure and the report.
    """
    title = "by the numbers printed this request should have been served"
    yield from judged(event, "contradiction", title, collect_more)


@rule("allocation-incomplete", on=AllocFailure)
def allocation_incomplete(event: AllocFailure) -> Iterator[Finding]:
    """
    The report lacks what would tell why the allocation failed.

    What it means: the part that says what was free, and in which blocks, is missing, cut off or mixed with
    others. Nothing is guessed from the rest.

    How we know: the lines that the account needs are not in the log.

    What to do: get the whole report: `dmesg`, the console or the journal, from the headline to `pages
    hwpoisoned`. Some kernels print no state of memory where it was printed a moment before.

    When it is wrong: where the missing part could not change the answer, the answer is given as a part.
    """
    title = "why it failed cannot be told from this report"
    yield from judged(event, "incomplete", title, collect_more)
