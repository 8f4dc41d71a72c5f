# SPDX-License-Identifier: GPL-2.0-or-later
"""
The slab allocator found an object damaged: poison or red zone overwritten, freed twice.

    BUG kmalloc-64 (Tainted: G           OE     ): Poison overwritten
    0xffff8880123450c0-0xffff8880123450c7 @offset=192. First byte 0x41 instead of 0x6b
    Allocated in make_widget+0x29/0x90 [crashme] age=1 cpu=1 pid=101             with INFO: before 5.14
    Freed in drop_widget+0x14/0x20 [crashme] age=57 cpu=0 pid=101
    BUG crashme_widget (Not tainted): Objects remaining in crashme_widget on __kmem_cache_shutdown()
    BUG kmalloc-8: Redzone overwritten                                           mm/slub.c up to 2.6.27
    Slab corruption (Not tainted): kmalloc-64 start=ffff8880123450c0, len=64     mm/slab.c, until 6.7
    slab error in verify_redzone_free(): cache `kmalloc-64': double free detected

Source: mm/slub.c, slab_bug(), print_trailer() and print_track(); mm/slab.c, check_poison_obj().
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from keepsane.judge import CannotTell, rule
from keepsane.kernel.events.kasan.report import PAGE
from keepsane.kernel.log.block import Block, Opening, build, damage_of, titled
from keepsane.kernel.log.culprit import culprit, plain_name
from keepsane.kernel.log.quote import matched, quote_head, quote_match, some
from keepsane.kernel.log.trace import SYMBOL
from keepsane.model import Event
from keepsane.report import Advice, Finding


@dataclass(frozen=True, slots=True, kw_only=True)
class SlabCorruption(Event):
    """
    A slab object is not as the allocator left it.

    `what` is the kernel's sentence, `cache` the slab cache; `allocated_in` and `freed_in` are the functions
    that last did so, where the cache tracks its users.
    """

    what: str
    cache: str | None = None
    allocated_in: str | None = None
    freed_in: str | None = None


HEAD = re.compile(
    r"BUG (?P<cache>\S.{0,63}?) \((?:Not tainted|Tainted:? [^)]{1,60})\)(?: \S{1,64})?: (?P<what>\S.{0,200})"
)
BARE_HEAD = re.compile(
    r"BUG (?P<cache>[\w.-]{1,64}): (?P<what>(?:(?:Left |Right )?Redzone|Poison|(?:Object )?[Pp]adding)"
    r" overwritten|Object already free)\s*+$"
)
OLD_HEAD = re.compile(
    r"Slab corruption(?: \((?:Not tainted|Tainted: [^)]{1,60})\))?: (?:(?P<cache>\S{1,64}) )?start="
    r"|slab error in (?P<function>\w{1,64})\(\): "
    r"cache [`'](?P<cache_>[^']{1,64})': (?P<what>.{1,200})"
)
TRACK = re.compile(
    r"(?P<stack>(?:INFO: )?(?P<did>Allocated|Freed) in " + SYMBOL + r"(?: \[[\w-]{1,64}\])? age=\d{1,20})"
)
_OWN = re.compile(
    r"(?:INFO: )?(?:Slab|Object) 0x|(?:INFO: )?0x[0-9a-f]{8,16}-0x[0-9a-f]{8,16}|(?:Bytes b4|Object|Redzone"
    r"|Padding|Redzone  ?left)\s+[0-9a-f]{8,16}: "
    r"|(?:Bytes b4|Object|Redzone|Padding)\s+:?[0-9a-f]{8,16}|FIX |Slab 0x|Disabling lock debugging"
    r"|(?:Last user|Prev obj|Next obj|Redzone): "
    r"|[0-9a-f]{3}: (?:[0-9a-f]{2} ){4}|Single bit error|Object \d{1,20}: " + "|" + PAGE
)
_REPORTED = frozenset({"slub", "slab", "kasan", "warning", "bug"})


def _users(block: Block) -> dict[str, str]:
    """Give who allocated and who freed the object, the last said of each."""
    return {found["did"]: plain_name(found["function"]) for found in block.find_all(TRACK)}


def _freed_in(block: Block) -> str | None:
    """
    Name who freed a free object that was written to.

    Who finds it is only the next to allocate, and who wrote is not known.
    """
    freed = [stack for stack in block.body.stacks if "Freed in " in stack.name]
    return culprit(block.body, stacks=freed[-1:], ip=False) if freed else _users(block).get("Freed")


def _corruption(block: Block, what: str, cache: str | None) -> SlabCorruption:
    users = _users(block)
    # The stacks of allocation and release are older work: only the report's own trace names the event.
    function = culprit(block.body, stacks=[stack for stack in block.body.stacks if " in " not in stack.name])
    subject = f"slab {cache}" if cache else "slab object"
    freed_in = _freed_in(block) if what.startswith("Poison overwritten") else None
    return build(
        SlabCorruption,
        block,
        "other" if what.startswith("Objects remaining") else "slab-corruption",
        f"{subject}: {what} after it was freed in {freed_in}"
        if freed_in
        else titled(f"{subject}: {what}", function if block.body.stacks else None),
        what=what,
        cache=cache,
        allocated_in=users.get("Allocated"),
        freed_in=users.get("Freed"),
    )


def parse_slub(block: Block) -> SlabCorruption | None:
    """
    Read what mm/slub.c prints about a damaged object.

    Accepted format:
        BUG kmalloc-64 (Tainted: G    B   W        ): Redzone overwritten

    Objects left in a cache that is destroyed are a leak and no damage: their kind is `other`.
    """
    return _corruption(block, block.head["what"].strip(), block.head["cache"])


def parse_slab(block: Block) -> SlabCorruption | None:
    """Read what mm/slab.c printed until 6.7: `Slab corruption (Not tainted): kmalloc-64 start=...`."""
    cache = block.head["cache"] or block.head["cache_"]
    return _corruption(block, block.head["what"] or "Slab corruption", cache)


def parse_track(block: Block) -> SlabCorruption | None:
    """
    Read a report of which only the object's users are left.

    Accepted format:
        INFO: Freed in drop_widget+0x14/0x20 age=57 cpu=0 pid=101
    """
    if block.body.task is None and not block.body.stacks:
        return None
    what = f"{block.head['did']} in {plain_name(block.head['function'])}"
    return build(
        SlabCorruption,
        block,
        "slab-corruption",
        f"slab object: {what}",
        damage="; ".join(filter(None, ["the line that says what is wrong is missing", damage_of(block)])),
        what=what,
        allocated_in=_users(block).get("Allocated"),
        freed_in=_users(block).get("Freed"),
    )


OPENINGS = (
    Opening("slub", HEAD, parse_slub, own=_OWN, detail_of=frozenset({"kasan"})),
    Opening("slub", BARE_HEAD, parse_slub, own=_OWN),
    Opening("slab", OLD_HEAD, parse_slab, own=_OWN),
    Opening("slab-track", TRACK, parse_track, own=_OWN, joins=_REPORTED),
)


_FIRST_BYTE = re.compile(
    r"(?:INFO: )?0x[0-9a-f]{8,16}-0x[0-9a-f]{8,16}.{0,40} "
    r"First byte 0x(?P<is>[0-9a-f]{1,2}) instead of 0x(?P<was>[0-9a-f]{1,2})"
)
_SORTS = (
    (re.compile(r"Poison overwritten"), "was written to after it had been freed"),
    (
        re.compile(r"(?:Left |Right )?Redzone overwritten"),
        "was written to beyond its end or before its beginning",
    ),
    (re.compile(r"Object already free|double free"), "was freed a second time"),
    (re.compile(r"Freechain corrupt|Freepointer corrupt"), "was written to while it was free"),
    (re.compile(r"Invalid object pointer|Wrong object|Object pointer"), "is none: a wrong pointer was freed"),
    (re.compile(r"Objects remaining"), "was still in use when its cache was destroyed"),
)


@rule("slab-object-history", on=SlabCorruption)
def slab_object_history(event: SlabCorruption) -> Iterator[Finding]:
    """
    The slab allocator found an object damaged, and knows who allocated and who freed it last.

    What it means: poison is written into an object when it is freed, and red zones stand around it. Damaged
    poison is a write after the release; a damaged red zone a write beyond the object; `Object already free` a
    second release. Who wrote is not known, only whose object it was.

    How we know: the kernel prints its sentence, the first byte that differs, and with `slub_debug=U` the last
    allocation and release with their functions; without them the confidence is medium.

    What to do: for a write after the release ask who else had a pointer to the object; for one beyond it
    compare the size. Run the same with KASAN: it stops at the write itself.

    When it is wrong: the neighbour of the damaged object may be the one that wrote too far. A single flipped
    bit may be the memory's own fault.
    """
    done = next((words for pattern, words in _SORTS if pattern.search(event.what)), None)
    by = [f"allocated by {event.allocated_in}"] if event.allocated_in else []
    by += [f"freed by {event.freed_in}"] if event.freed_in else []
    whose = f", last {' and '.join(by)}," if by else ""
    if done is None and not by:
        raise CannotTell("the report does not show who allocated or freed the object")
    yield Finding(
        severity="error",
        confidence="high" if done and by else "medium",
        title=f"the object{whose} {done or 'was damaged or used wrongly'}",
        evidence=some(quote_head(event), quote_match(event, _FIRST_BYTE), quote_match(event, TRACK, "whose")),
        explanation=_byte(event),
        advice=()
        if by
        else (Advice(text=f"start with slub_debug=FZPU{_cache(event)}: it shows whose it was"),),
        references=("Documentation/mm/slub.rst",),
    )


def _cache(event: SlabCorruption) -> str:
    return f",{event.cache}" if event.cache else ""


_WRITTEN = re.compile(r"overwritten|corrupt")
_TRACKS = "With slub_debug=U the report shows who allocated it and who freed it before."


def _byte(event: SlabCorruption) -> str:
    found = matched(event, _FIRST_BYTE)
    if found is None:
        written = _WRITTEN.search(event.what) is not None
        return "Who wrote is not known; KASAN would stop at the write itself." if written else _TRACKS
    flipped = (int(found["is"], 16) ^ int(found["was"], 16)).bit_count() == 1
    bit = " A single bit differs: the memory itself may be at fault." if flipped else ""
    return f"The first damaged byte is 0x{found['is']} and should be 0x{found['was']}.{bit}"
