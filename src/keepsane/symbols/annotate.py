# SPDX-License-Identifier: GPL-2.0-or-later
"""
Events with bare frames in, events with source lines out.

All frames of all events are collected first and each binary is asked once, in address order: that is what
makes a sysrq-t dump of 650 frames cost little more than a trace of twelve.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import NamedTuple

from keepsane.errors import KeepsaneError, SymbolError
from keepsane.model import Check, Code, Event, Failure, Frame, Kernel, SourceLine
from keepsane.symbols.cache import Cache, open_cache
from keepsane.symbols.disassemble import disassemble
from keepsane.symbols.files import READ_VMLINUX, Files, open_kernel, open_module
from keepsane.symbols.image import Image
from keepsane.symbols.locate import Decoded, decode_frames
from keepsane.symbols.modules import ModuleIndex
from keepsane.symbols.names import made_at_run_time
from keepsane.symbols.not_judged import not_judged
from keepsane.symbols.repeats import Repeats, key_of, like
from keepsane.symbols.source import SourceTree, read_source


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """
    What the user asked for.

    `vmlinux` None lets it be found on this machine. `modules` and `debug_dirs` are directories, `source`
    a kernel or module tree. `edges` False leaves out why every frame is there. `cache` False keeps nothing
    and asks nothing kept.
    """

    vmlinux: Path | None = None
    modules: tuple[Path, ...] = ()
    source: Path | None = None
    debug_dirs: tuple[Path, ...] = ()
    edges: bool = True
    cache: bool = True


class Annotated(NamedTuple):
    """The events with what was decoded, which comparisons were made, and what could not be done."""

    events: tuple[Event, ...]
    checks: tuple[Check, ...]
    failures: tuple[Failure, ...]


@dataclass(frozen=True, slots=True)
class Symbols:
    """
    The binaries and sources of one kernel, as far as they are wanted and found.

    Which modules lie in a directory is read once: a stream asks for each of its events.
    """

    wanted: Wanted
    _indexes: dict[Path, ModuleIndex] = field(default_factory=dict)
    _repeats: Repeats[Annotated] = field(default_factory=Repeats)

    def annotate(self, events: Sequence[Event], kernel: Kernel) -> Annotated:
        """
        Decode every frame and `Code:` line that can be decoded.

        No frame is decoded from a binary that contradicts the log. A file that is missing or unusable is a
        Failure with the command that gets it; nothing is raised for it.
        """
        key = key_of(events[0], kernel) if len(events) == 1 else None
        known = self._repeats.find(key)
        if known is not None:
            return known._replace(events=(like(events[0], known.events[0]),))
        made = self._annotate(events, kernel)
        self._repeats.keep(key, made)
        return made

    def _annotate(self, events: Sequence[Event], kernel: Kernel) -> Annotated:
        cache = open_cache() if self.wanted.cache else Cache()
        run = _Run(self.wanted, tuple(events), kernel, cache, self._indexes)
        tree = SourceTree(self.wanted.source)
        try:
            decoded = _decode_all(run)
            annotated = tuple(_annotated(run, event, decoded, tree) for event in events)
            if self.wanted.edges:
                annotated = _judged(run, annotated)
        finally:
            cache.close()
        return Annotated(
            annotated,
            tuple(run.files.checks),
            tuple(dict.fromkeys([*run.files.failures, *run.failures, *cache.failures])),
        )


@dataclass(slots=True)
class _Run:
    """What one call of annotate() works with, and what went wrong on the way."""

    wanted: Wanted
    events: tuple[Event, ...]
    kernel: Kernel
    cache: Cache
    indexes: dict[Path, ModuleIndex]
    failures: list[Failure] = field(default_factory=list)
    files: Files = field(init=False)
    images: dict[str | None, Image] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.files = Files(
            self.wanted.vmlinux,
            self.wanted.modules,
            self.wanted.debug_dirs,
            self.events,
            self.kernel,
            self.cache,
            self.indexes,
        )


def _decode_all(run: _Run) -> dict[Frame, Decoded]:
    groups: dict[str | None, list[Frame]] = {}
    decoded: dict[Frame, Decoded] = {}
    for frame in dict.fromkeys(_asked(frame) for event in run.events for frame in _frames(event)):
        made = made_at_run_time(frame.function, frame.module)
        if made:
            decoded[frame] = Decoded((), made)
        else:
            groups.setdefault(frame.module, []).append(frame)
    for module, frames in groups.items():
        decoded |= _decode_group(run, module, frames)
    return decoded


def _decode_group(run: _Run, module: str | None, frames: Sequence[Frame]) -> dict[Frame, Decoded]:
    image, why = open_kernel(run.files) if module is None else open_module(run.files, module, frames)
    if image is None:
        return {frame: Decoded((), why) for frame in frames}
    run.images[module] = image
    try:
        return decode_frames(image, frames, run.kernel.offset_bytes)
    except KeepsaneError as problem:
        unusable = module is None and isinstance(problem, SymbolError)
        what = READ_VMLINUX if unusable else f"decode the frames of {module or 'the kernel'}"
        run.failures.append(Failure(what, str(problem)))
        return {frame: Decoded((), "not decoded") for frame in frames}


def _frames(event: Event) -> Iterator[Frame]:
    if event.ip is not None:
        yield event.ip
    for stack in event.stacks:
        yield from stack.frames


def _asked(frame: Frame) -> Frame:
    """Reduce a frame to what its decoding depends on, so that equal ones are decoded once."""
    return replace(frame, line=0, reliable=True, locations=(), note="", edge=None)


def _annotated(run: _Run, event: Event, decoded: Mapping[Frame, Decoded], tree: SourceTree) -> Event:
    return replace(
        event,
        ip=None if event.ip is None else _decoded(event.ip, decoded, tree),
        stacks=tuple(
            replace(stack, frames=tuple(_decoded(frame, decoded, tree) for frame in stack.frames))
            for stack in event.stacks
        ),
        code=_disassembled(run, event),
    )


def _decoded(frame: Frame, decoded: Mapping[Frame, Decoded], tree: SourceTree) -> Frame:
    found = decoded[_asked(frame)]
    if not found.locations and frame.locations:
        return frame  # the log itself says where it is
    return replace(frame, locations=_with_source(found.locations, tree), note=found.note)


def _with_source(locations: Iterable[SourceLine], tree: SourceTree) -> tuple[SourceLine, ...]:
    return tuple(read_source(tree, line) for line in locations)


def _judged(run: _Run, events: tuple[Event, ...]) -> tuple[Event, ...]:
    why = "no file with its code at hand"
    if run.images:
        # Reading calls takes a disassembler and more time than decoding: a log without symbols pays nothing.
        from keepsane.symbols.edges import judge_edges

        try:
            return judge_edges(events, run.images, run.kernel)
        except KeepsaneError as problem:
            why = str(problem)
        except Exception as problem:  # drgn raises Exception itself where a file's types are damaged
            why = f"{problem!r}; give undamaged files"
        run.failures.append(Failure("say why each frame is there", why))
    return tuple(not_judged(event, why) for event in events)


def _disassembled(run: _Run, event: Event) -> Code | None:
    if event.code is None:
        return None
    try:
        address = event.ip.address if event.ip is not None else None
        return replace(event.code, instructions=disassemble(event.code, address, run.kernel.arch))
    except KeepsaneError as problem:
        run.failures.append(Failure("disassemble the Code: line", str(problem)))
        return event.code
