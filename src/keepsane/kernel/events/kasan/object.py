# SPDX-License-Identifier: GPL-2.0-or-later
"""What KASAN says of a slab object: who freed it, and how far beyond it the access was."""

from __future__ import annotations

import re
from collections.abc import Iterator

from keepsane.judge import CannotTell, rule
from keepsane.kernel.events.kasan.report import Kasan
from keepsane.kernel.events.who import ALLOCATED, FREED, QUEUED, Doer, doer, lines, named_stack, put_off
from keepsane.kernel.log.culprit import plain_name
from keepsane.kernel.log.machinery import ALLOCATORS, ENTRIES, HELPERS, REPORTING
from keepsane.kernel.log.quote import first_stack, quote, quote_head, some
from keepsane.model import Stack
from keepsane.report import Advice, Confidence, Finding
from keepsane.words import counted

ACCESS = re.compile(r"(?:Read|Write|Free) (?:of size|at addr|of addr)")
LOCATED = re.compile(r"The buggy address is located")
_DOCUMENTED = ("Documentation/dev-tools/kasan.rst",)


@rule("object-used-after-release", on=Kasan)
def object_used_after_release(event: Kasan) -> Iterator[Finding]:
    """
    Freed memory was used, and KASAN kept the stack of who freed it.

    What it means: somebody still had a pointer to the object when it was released. The access shown is only
    where that became visible: what is missing is a reference, a lock, or the cancelling of a timer or work
    item, and it is missing between the release and the access.

    How we know: KASAN records a stack when an object is allocated and another when it is freed. For an object
    that is free at the moment of the access, the second is that of the release the access came too late for.
    Where the release was put off (`call_rcu()`, a work item), `Last potentially related work creation` is the
    stack of who ordered something of the kind.

    What to do: ask why the function that frees may run while the one that uses it still holds the pointer:
    who takes a reference for it, and which lock keeps the two apart. Where both are the same task, the
    pointer was kept beyond the release.

    When it is wrong: where the memory had been given out again in between, its last owner is named, who has
    nothing to do with the pointer: a cache and an allocation of another part of the kernel show that. `Last
    potentially related work creation` is the last one of the object, not always the one that released it.
    """
    if "use-after-free" not in event.bug:
        return
    freed = doer(event, FREED, "who freed it")
    if freed is None:
        raise CannotTell("the report does not show who freed the object")
    made = doer(event, ALLOCATED, "who had allocated it")
    queued = doer(event, QUEUED, "who may have ordered it") if put_off(event, FREED) else None
    ordered = f" {queued.function} may have ordered the release." if queued else ""
    yield Finding(
        severity="error",
        confidence="high",
        title=f"the memory was freed before, last by {freed}",
        evidence=some(quote(event, ACCESS) or quote_head(event), *lines(freed, made, queued)),
        explanation=f"{_object(event, made)}{_same_task(event, freed)}{ordered}",
        advice=(Advice(text=_step(event, freed)),),
        references=_DOCUMENTED,
    )


def _step(event: Kasan, freed: Doer) -> str:
    if _strangers(event):
        return (
            f"see whether what {freed.function} frees is used here at all: no name of the two stacks begins"
            " alike, so the memory may have had another owner before"
        )
    return f"find what should have kept {freed.function} from freeing it meanwhile"


def _strangers(event: Kasan) -> bool:
    """Tell whether who used the memory seems to be of another part of the kernel than who had it."""
    used = _parts(first_stack(event))
    had = _parts(named_stack(event, ALLOCATED)) | _parts(named_stack(event, FREED))
    return bool(used and had) and used.isdisjoint(had)


def _parts(stack: Stack | None) -> frozenset[str]:
    """Give the first words of a stack's functions, as `tcp` of tcp_drop(), without those that serve all."""
    frames = stack.frames if stack is not None else ()
    named = [plain_name(frame.function) for frame in frames if frame.reliable and frame.function]
    own = (name for name in named if not any(name in known for known in _SERVE_ALL))
    return frozenset(name.lstrip("_").partition("_")[0] for name in own) - _OF_SYSTEM_CALLS


_OF_SYSTEM_CALLS = frozenset({"SyS", "SYSC", "sys", "se", "ksys", "do", "vfs", "compat", "x64", "arm64"})
_SERVE_ALL = (REPORTING, HELPERS, ALLOCATORS, ENTRIES)


def _object(event: Kasan, made: Doer | None) -> str:
    size = f" of {event.object_bytes} bytes" if event.object_bytes is not None else ""
    cache = f" from {event.cache}" if event.cache else ""
    by = f", allocated by {made}" if made is not None else ""
    return f"It was an object{size}{cache}{by}. " if size or cache or by else ""


def _same_task(event: Kasan, freed: Doer) -> str:
    user = event.task.pid if event.task is not None else None
    if user is None or freed.pid is None:
        return "Somebody used it afterwards."
    if user == freed.pid:
        return "The same task used it afterwards."
    return f"Task {user}, another one, used it afterwards."


@rule("access-outside-object", on=Kasan)
def access_outside_object(event: Kasan, *, far_bytes: int = 128) -> Iterator[Finding]:
    """
    Memory beside an allocated object was touched, and KASAN says how far beside it.

    What it means: the code counted wrong: an index, a length or a type is larger than what was allocated. The
    distance and the object's size mostly show which: 0 bytes behind the end is a loop that runs once too
    often, a distance of many objects an index that nobody checked.

    How we know: KASAN looks for the object nearest to the address and prints its size, its cache and the
    distance; the stack of the allocation shows who decided on the size.

    What to do: compare the size that the allocating function asks for with what the accessing one assumes.

    When it is wrong: an access that jumps far goes over whole objects: then the nearest one has nothing to do
    with it, and neither has who allocated it. At 128 bytes and more the confidence is low for that.
    """
    if "slab-out-of-bounds" not in event.bug:
        return
    if event.offset_bytes is None or event.relation is None:
        raise CannotTell("the report does not show which object is near the address")
    made = doer(event, ALLOCATED, "who had allocated the object")
    far = event.relation != "inside of" and event.offset_bytes >= far_bytes
    yield Finding(
        severity="error",
        confidence="low" if far else "medium",
        title=_beside(event, event.offset_bytes, event.relation),
        evidence=some(quote(event, ACCESS) or quote_head(event), quote(event, LOCATED), *lines(made)),
        explanation=_FAR if far else _counted_wrong(event.relation, made),
        advice=(Advice(text=f"compare the size that {made.function} asks for with what is assumed here"),)
        if made and not far
        else (),
        references=_DOCUMENTED,
    )


_FAR = "So far from it the object may have nothing to do with the access: a wrong index, or a stale pointer."


def _beside(event: Kasan, offset_bytes: int, relation: str) -> str:
    size = f"the {event.object_bytes}-byte object" if event.object_bytes is not None else "an object"
    thing = size + (f" from {event.cache}" if event.cache else "")
    width = counted(event.size_bytes, "byte") if event.size_bytes is not None else "an access"
    if relation == "inside of":
        return f"{width} at offset {offset_bytes} of {thing}: beyond what was asked for"
    side = "behind the end" if relation.endswith("right of") else "before the beginning"
    return f"{width}, {counted(offset_bytes, 'byte')} {side} of {thing}"


def _counted_wrong(relation: str, made: Doer | None) -> str:
    by = f"The object was allocated by {made}. " if made is not None else ""
    if relation.endswith("left of"):
        return (
            f"{by}The index or the pointer went below the object's beginning, or belongs to another object."
        )
    return f"{by}The size asked for there and the size assumed here do not agree."


@rule("freed-what-is-not-allocated", on=Kasan)
def freed_what_is_not_allocated(event: Kasan) -> Iterator[Finding]:
    """
    Something was freed that was free already, or that is no beginning of an object.

    What it means: two owners each freed the object, or the same one did twice (mostly on an error path and
    again in the general cleanup); or a pointer was freed that points into an object, or to no object at all.

    How we know: KASAN checks each kfree(). Where the pointer is the beginning of an object and the report has
    the stack of a release, that is who freed it the first time. A distance from the beginning that is not 0
    means a pointer into the object.

    What to do: see which of the two functions owns the object, and set the pointer to NULL where it is freed
    first. For a pointer into an object find where it was advanced.

    When it is wrong: kernels before 6.0 do not tell the two apart, and the stack of a release may be left
    from an earlier life of the memory. This is given less confidence.
    """
    if "double-free" not in event.bug and "invalid-free" not in event.bug:
        return
    if event.offset_bytes:
        yield _free_inside(event, event.offset_bytes)
        return
    freed = doer(event, FREED, "who freed it the first time")
    if freed is None:
        raise CannotTell("the report does not show who freed the object the first time")
    made = doer(event, ALLOCATED, "who had allocated it")
    sure: Confidence = "high" if event.bug == "double-free" else "medium"
    yield Finding(
        severity="error",
        confidence=sure,
        title=f"it was {'' if sure == 'high' else 'probably '}free already: freed before by {freed}",
        evidence=some(quote_head(event, "the second time"), *lines(freed, made)),
        explanation=f"{_object(event, made)}It has two owners, or one freed it twice.",
        advice=(Advice(text=f"decide who owns it, and clear the pointer where {freed.function} frees it"),),
        references=_DOCUMENTED,
    )


def _free_inside(event: Kasan, offset_bytes: int) -> Finding:
    made = doer(event, ALLOCATED, "who had allocated the object")
    beside = "into" if event.relation == "inside of" else f"{event.relation or 'from'}"
    return Finding(
        severity="error",
        confidence="high",
        title=f"freed by a pointer {counted(offset_bytes, 'byte')} {beside} an object, not by its beginning",
        evidence=some(quote_head(event), quote(event, LOCATED, "where the pointer led"), *lines(made)),
        explanation=f"{_object(event, made)}Only its beginning may be freed: the pointer was moved.",
        references=_DOCUMENTED,
    )
