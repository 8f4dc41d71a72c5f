# SPDX-License-Identifier: GPL-2.0-or-later
"""Why the OOM killer was called: for the machine, by hand, or for a reason that does not show any more."""

from __future__ import annotations

from collections.abc import Iterator

from keepsane.judge import CannotTell, rule
from keepsane.kernel.events.oom_kill.cause import (
    cause,
    quote_asked,
    quote_constraint,
    quote_swap,
    quote_zone,
    swap_words,
    who_asked,
    zone_words,
)
from keepsane.kernel.events.oom_kill.kill import OomKill
from keepsane.kernel.events.show_mem.usage import PROGRAMS, SHARED, usage
from keepsane.kernel.log.quote import quote_head, some
from keepsane.kernel.pages.zone import zone_name
from keepsane.report import Advice, Finding
from keepsane.shell import command
from keepsane.words import size_words

_MEBIBYTE = 1024


@rule("oom-global", on=OomKill)
def oom_global(event: OomKill) -> Iterator[Finding]:
    """
    The whole machine ran out of memory.

    What it means: reclaim freed nothing more, and every zone that the request could use was below the mark
    that has to remain. A process was killed so that the rest can go on.

    How we know: the kernel says CONSTRAINT_NONE, and its own arithmetic, done again with the printed numbers,
    refuses the request in every zone. The zone named is the largest that the request could use. The task
    that asked is only the one that came last.

    What to do: read where the memory went. Either what holds it needs less or gets a limit of its own, or the
    machine needs more memory. Swap helps where programs or tmpfs hold it, not where the kernel does.

    When it is wrong: kernels before 5.0 do not print what limited the request. A cpuset or a memory policy
    may then have kept it from nodes that the report does not show.
    """
    if (why := cause(event)) != "global" or event.ledger is None or event.ledger.zone is None:
        if why is None:
            raise CannotTell(_missing(event))
        return
    zone = event.ledger.zone
    head = quote_asked(event)
    unsure = (
        "" if event.constraint else " Whether a cpuset or a policy limited it to some nodes is not printed."
    )
    yield Finding(
        severity="error",
        confidence="high" if event.constraint else "medium",
        title=f"memory ran out: {zone_name(zone.zone)} had {zone_words(event, zone)}",
        evidence=some(
            head, quote_zone(event, zone), *quote_swap(event), quote_constraint(event, "nothing limited it")
        )
        or (quote_head(event),),
        explanation=" ".join(filter(None, (who_asked(event), swap_words(event.memory)))) + unsure,
        advice=tuple(_more_swap(event)),
        references=("mm/oom_kill.c, out_of_memory()", "mm/page_alloc.c, __zone_watermark_ok()"),
    )


def _missing(event: OomKill) -> str:
    if event.memory is None or event.ledger is None:
        return "what memory was free is not in the report" + (f": {event.damage}" if event.damage else "")
    return event.ledger.why


def _more_swap(event: OomKill) -> Iterator[Advice]:
    """Advise swap where there is none and most of what there is can go there."""
    if event.memory is None or event.memory.swap_total_kibibytes != 0:
        return
    parts = usage(event.memory)
    movable = [part for part in parts if part.name in (PROGRAMS, SHARED)]
    if 2 * sum(part.kibibytes for part in movable) < sum(part.kibibytes for part in parts) or not movable:
        return
    most = max(movable, key=lambda part: part.kibibytes)
    size = -(-most.kibibytes // _MEBIBYTE)
    yield Advice(
        text=f"give it swap, at most for the {size_words(most.kibibytes)} that are {most.name}; to keep it, "
        "put a line '/swapfile none swap sw 0 0' into /etc/fstab",
        command=command(
            "sudo fallocate -l {}M /swapfile && sudo chmod 600 /swapfile && sudo mkswap /swapfile "
            "&& sudo swapon /swapfile",
            size,
        ),
        undo="sudo swapoff /swapfile && sudo rm /swapfile",
        verify="swapon --show lists it",
        risk="needs so much free disk; what is in constant use makes the machine slow instead",
    )


@rule("oom-by-hand", on=OomKill)
def oom_by_hand(event: OomKill) -> Iterator[Finding]:
    """
    Somebody asked for it: SysRq f calls the OOM killer by hand.

    What it means: nobody had to be killed for want of memory. A person at the keyboard or a program that
    wrote to /proc/sysrq-trigger had the largest process killed.

    How we know: the kernel prints order=-1, which no request for memory has.

    What to do: ask who did it and why: often a machine that hardly reacted. Where the report shows little
    free memory, look where it went.

    When it is wrong: it is not: no other caller of the OOM killer passes this order.
    """
    head = quote_asked(event, "order=-1: asked for by SysRq f")
    if event.sysrq is None and event.mode_text is not None:
        raise CannotTell("the line that says who asked is cut before the order")
    if event.sysrq and head:
        yield Finding(
            severity="note",
            confidence="high",
            title="the OOM killer was called by hand (SysRq f)",
            evidence=(head,),
            explanation="No request for memory had failed. The numbers are those of that moment.",
            references=("drivers/tty/sysrq.c, moom_callback()",),
        )


@rule("oom-memory-free-again", on=OomKill)
def oom_memory_free_again(event: OomKill) -> Iterator[Finding]:
    """
    By the time the report was printed the request would have been served again.

    What it means: the numbers do not show why it failed. Something freed memory between the last attempt and
    the report, or a rule that is not printed kept the request from it. Memory was short all the same: the
    kernel kills only after reclaim has failed many times in a row.

    How we know: the kernel's own arithmetic, done again with the printed numbers, serves the request from the
    zone shown.

    What to do: read where the memory went and whether swap was full. Do not change a setting for the sake of
    these zone numbers.

    When it is wrong: a kernel with changes of its own may do the arithmetic otherwise.
    """
    if cause(event) != "free-again" or event.ledger is None or event.ledger.zone is None:
        return
    zone = event.ledger.zone
    shown = quote_zone(event, zone)
    if shown is None:
        raise CannotTell("the line of the zone that decides is not in the report")
    yield Finding(
        severity="note",
        confidence="medium",
        title=f"when this was printed, {zone_name(zone.zone)} had enough free again: it does not show what "
        "ran out",
        evidence=some(quote_asked(event), shown, *quote_swap(event)),
        explanation=" ".join(filter(None, (who_asked(event), swap_words(event.memory)))),
        references=("mm/page_alloc.c, __alloc_pages_slowpath()",),
    )
