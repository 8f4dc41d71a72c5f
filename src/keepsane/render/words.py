# SPDX-License-Identifier: GPL-2.0-or-later
"""What every renderer says in the same words: an event's facts, a task, a kernel, a file's agreement."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from keepsane.kernel.events.history import DIED
from keepsane.kernel.log.registers import address_words
from keepsane.model import Event, Kernel, Task
from keepsane.render.cleaned import COMMON, names_of
from keepsane.render.value_words import named_words, value_words
from keepsane.report import Report
from keepsane.words import counted

_SAID_TOGETHER = frozenset({"address", "address_means", "access", "file", "source_line", "column"})
_OF_OBJECT = ("object_address", "object_bytes", "offset_bytes", "cache", "relation")
_IN_TITLES = frozenset({"problem", "flavor", "bug", "function"})
"""Fields that their kinds' titles say."""
MOST_LINES, MOST_TASKS = 8, 4
"""Lines of repeats named one by one, of more the first and the last; and tasks."""
_ABOUT_MEMORY = frozenset({"alloc-failure", "oom-kill"})


def task_words(task: Task) -> str:
    """Say who was running: `init, pid 1, CPU 0`."""
    parts = (
        task.comm or None,
        f"pid {task.pid}" if task.pid is not None else None,
        f"CPU {task.cpu}" if task.cpu is not None else None,
    )
    return ", ".join(part for part in parts if part)


def kernel_words(kernel: Kernel) -> str:
    """Say which kernel wrote the log, as far as it tells."""
    if kernel.release is None:
        return "which kernel wrote it is not said"
    version = f" {kernel.version}" if kernel.version else ""
    arch = f", {kernel.arch}" if kernel.arch else ""
    offset = f", KASLR offset {kernel.offset_bytes:#x}" if kernel.offset_bytes else ""
    build_id = f", build-id {kernel.build_id}" if kernel.build_id else ""
    return f"Linux {kernel.release}{version}{arch}{offset}{build_id}"


def count_words(report: Report) -> str:
    """Say how many reports the log holds, equal ones counted each."""
    count = len(report.events) + sum(len(event.again) for event in report.events)
    return counted(count, "report") if count else "nothing found"


def verdict_words(report: Report) -> str:
    """Say the verdict on a machine's memory: the gravest finding, or that nothing suffers from it."""
    first = next(iter(report.findings), None)
    doubt = next((failure.why for failure in report.failures if failure.kind == "no-verdict"), None)
    if doubt is not None and (first is None or first.severity == "info"):
        return f"{doubt}; so whether something is wrong with its memory is not known"
    if first is None:
        return "nothing is wrong with its memory, as far as was measured"
    return first.title if first.severity != "info" else f"nothing suffers; {first.title}"


def unread_words(report: Report) -> str:
    """Say how many lines nobody understood."""
    inside = f"{counted(report.unread_lines, 'line')} inside the reports"
    return f"{inside} could not be read; {report.skipped_lines} outside belong to none"


def event_facts(event: Event, alike: Sequence[Event] = ()) -> Iterator[tuple[str, str]]:
    """
    Give an event's facts as name and words; what an own field says may have several lines.

    `alike` are later events of which it says all.
    """
    if again := again_words(event, alike):
        yield "again", again
    if event.damage:
        yield "damaged", event.damage
    yield "kind", event.kind
    if event.task is not None:
        yield "task", task_words(event.task)
    if event.release is not None:
        yield "kernel", event.release + (f", build-id {event.build_id}" if event.build_id else "")
    if event.taint:
        yield "tainted", "; ".join(f"{flag.letter} {flag.meaning}" for flag in event.taint)
    yield from _address(event)
    if event.kind in _ABOUT_MEMORY:
        # Imported for these alone: most reports are of other kinds.
        from keepsane.kernel.events.alloc_failure.words import SAID_HERE, memory_facts

        yield from memory_facts(event)
        yield from _own_facts(event, SAID_HERE)
    else:
        yield from _own_facts(event)


def again_words(event: Event, alike: Sequence[Event] = ()) -> str:
    """Say how often the same was reported again, in which lines, and from when to when."""
    lines = sorted((*event.again, *(line for other in alike for line in (other.line, *other.again))))
    if not lines:
        return ""
    named = ", ".join(map(str, lines)) if len(lines) <= MOST_LINES else f"{lines[0]} to {lines[-1]}"
    times = [event.records[0].seconds if event.records else None, event.again_until_seconds]
    times += [time for other in alike for time in (other.records[0].seconds, other.again_until_seconds)]
    known = [seconds for seconds in times if seconds is not None]
    when = f", {_seconds(min(known))} to {_seconds(max(known))} after boot" if len(known) > 1 else ""
    tasks = sorted({other.task.comm for other in (event, *alike) if other.task and other.task.comm})
    more = ", ..." if len(tasks) > MOST_TASKS else ""
    who = f", in {', '.join(tasks[:MOST_TASKS])}{more}" if len(tasks) > 1 else _cpus_words((event, *alike))
    return f"{len(lines)} more like it, {'line' if len(lines) == 1 else 'lines'} {named}{when}{who}"


def _cpus_words(events: Iterable[Event]) -> str:
    """Say on which CPUs the same was reported, where that is all that tells the reports apart."""
    cpus = sorted({event.task.cpu for event in events if event.task and event.task.cpu is not None})
    more = ", ..." if len(cpus) > MOST_LINES else ""
    return f", on CPUs {', '.join(map(str, cpus[:MOST_LINES]))}{more}" if len(cpus) > 1 else ""


def _seconds(seconds: float) -> str:
    return f"{seconds:.6f}".rstrip("0").rstrip(".") + " s"


def _address(event: Event) -> Iterator[tuple[str, str]]:
    address = getattr(event, "address", None)
    if isinstance(address, int):
        access, size = _access(event)
        means = getattr(event, "address_means", None) or address_words(address)
        did = (f", {access}" if access else "") + (f" of {counted(size, 'byte')}" if size else "")
        yield "address", f"{address:#x}{did}" + (f": {means}" if means else "")
    elif access := getattr(event, "access", None):
        yield "access", access


def _access(event: Event) -> tuple[str | None, int | None]:
    """Give what was done at the address and how much it touched; a size without that is something else's."""
    access = getattr(event, "access", None)
    return access, getattr(event, "size_bytes", None) if access else None


def _own_facts(event: Event, said: frozenset[str] = frozenset()) -> Iterator[tuple[str, str]]:
    """Give what only this kind says; what belongs together stands on one line."""
    file, source_line = getattr(event, "file", None), getattr(event, "source_line", None)
    if file:
        column = getattr(event, "column", None)
        yield (
            "at",
            ":".join(str(part) for part in (file, source_line, column if source_line else None) if part),
        )
    said = said.union(COMMON, _SAID_TOGETHER, _IN_TITLES)
    if isinstance(getattr(event, "address", None), int) and _access(event)[1]:
        said = said | {"size_bytes"}
    if (relation := getattr(event, "relation", None)) and (near := _object(event, relation)):
        said = said.union(_OF_OBJECT)
        yield "object", near
    names = names_of(type(event)) or ()
    said = said.union(f"{name}_means" for name in names if getattr(event, name) is not None)
    for name in names:
        value = getattr(event, name)
        if name not in said and value not in (None, "", ()):
            named, words = _own_fact(name, value, event)
            means = getattr(event, f"{name}_means", None)
            yield named, f"{words}: {value_words(means)}" if means else words


def _object(event: Event, relation: str) -> str | None:
    """Say which slab object a sanitizer means, and where the access was: inside of it, to the right of it."""
    address, size, offset, cache = (getattr(event, name, None) for name in _OF_OBJECT[:4])
    if address is None or size is None or offset is None:
        return None
    of = f" of {cache}" if cache else ""
    return (
        f"{counted(size, 'byte')} at {address:#x}{of}; the address is {counted(offset, 'byte')} {relation} it"
    )


def _own_fact(name: str, value: object, event: Event) -> tuple[str, str]:
    if name == "count" and event.kind in DIED:
        return "crash", f"number {value} since boot"
    return named_words(name, value)
