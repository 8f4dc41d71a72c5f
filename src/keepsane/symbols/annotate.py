# SPDX-License-Identifier: GPL-2.0-or-later
"""
Events with bare frames in, events with source lines out.

All frames of all events are collected first and each binary is asked once, in address order: that is what
makes a sysrq-t dump of 650 frames cost little more than a trace of twelve.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from keepsane.errors import KeepsaneError, SymbolError
from keepsane.model import Code, Event, Frame, Kernel, Member, SourceLine, Trap
from keepsane.report import Failure
from keepsane.symbols.binary.image import Image
from keepsane.symbols.code.text import Place, Text
from keepsane.symbols.edges.not_judged import not_judged
from keepsane.symbols.identity.binaries import Binaries
from keepsane.symbols.identity.files import Files, open_kernel, open_module, unusable_vmlinux
from keepsane.symbols.lines.disassemble import disassemble
from keepsane.symbols.lines.locate import Decoded, decode_frames, names_asked, place
from keepsane.symbols.lines.machines import UNDECODED
from keepsane.symbols.lines.names import made_at_run_time
from keepsane.symbols.lines.repeats import Annotated, Repeats, key_of
from keepsane.symbols.lines.source import read_source
from keepsane.symbols.lines.trap import read_trap


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """
    What the user asked for.

    `vmlinux` and `modules` (directories with `.ko` files) decode frames; without them the files are looked
    for where distributions put them and below `debug_dirs`. `source` is a kernel or module tree to quote
    from, or `REPOSITORY:TREEISH` of git. `edges` says of every frame why it is there, read from the caller's
    bytes. `cache` False keeps nothing and asks nothing kept.
    """

    vmlinux: Path | None = None
    modules: tuple[Path, ...] = ()
    source: Path | None = None
    debug_dirs: tuple[Path, ...] = ()
    edges: bool = True
    cache: bool = True


@dataclass(frozen=True, slots=True)
class Symbols:
    """
    The binaries and sources of one kernel, as far as they are wanted and found.

    They stay open from one call to the next, since a stream asks for each of its events; close() lets go.
    """

    wanted: Wanted
    _binaries: Binaries = field(init=False)
    _repeats: Repeats = field(default_factory=Repeats)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_binaries", Binaries(self.wanted.cache, self.wanted.source))

    def annotate(self, events: Sequence[Event], kernel: Kernel) -> Annotated:
        """
        Decode every frame and `Code:` line that can be decoded.

        No frame is decoded from a binary that contradicts the log. A file that is missing or unusable is a
        Failure with the command that gets it; nothing is raised for it.
        """
        key = key_of(events[0], kernel) if len(events) == 1 else None
        known = self._repeats.find(key, events[0]) if key is not None else None
        if known is not None:
            return known
        made = self._annotate(events, kernel)
        self._repeats.keep(key, made)
        return made

    def close(self) -> None:
        """Close the cache and the files; they are opened anew where something more is asked."""
        self._binaries.close()

    def _annotate(self, events: Sequence[Event], kernel: Kernel) -> Annotated:
        run = _Run(self.wanted, tuple(events), kernel, self._binaries)
        decoded = _decode_all(run)
        annotated = tuple(_annotated(run, event, decoded) for event in events)
        if self.wanted.edges:
            annotated = _judged(run, annotated)
        failures = [*run.files.failures, *run.failures, *self._binaries.cache.failures]
        return Annotated(annotated, tuple(run.files.checks), tuple(dict.fromkeys(failures)))


@dataclass(slots=True)
class _Run:
    """What one call of annotate() works with, and what went wrong on the way."""

    wanted: Wanted
    events: tuple[Event, ...]
    kernel: Kernel
    binaries: Binaries
    failures: list[Failure] = field(default_factory=list)
    files: Files = field(init=False)
    images: dict[str | None, Image] = field(default_factory=dict)
    members: dict[tuple[Place, Trap], tuple[Member, ...]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        wanted = self.wanted
        self.files = Files(
            wanted.vmlinux, wanted.modules, wanted.debug_dirs, self.events, self.kernel, self.binaries
        )


def _decode_all(run: _Run) -> dict[Frame, Decoded]:
    # A vmlinux that was named is looked at in any case: that it cannot be used must be said.
    groups: dict[str | None, list[Frame]] = {None: []} if run.wanted.vmlinux and run.events else {}
    decoded: dict[Frame, Decoded] = {}
    asked = (frame for event in run.events for frame in _frames(event) if not _is_told(run, frame))
    for frame in dict.fromkeys(map(_asked, asked)):
        made = made_at_run_time(frame.function, frame.module)
        if made:
            decoded[frame] = Decoded((), made)
        else:
            groups.setdefault(frame.module, []).append(frame)
    # The kernel first: which builds' modules are its own is told by its file.
    for module, frames in sorted(groups.items(), key=lambda group: group[0] is not None):
        decoded |= _decode_group(run, module, frames)
    return decoded


def _is_told(run: _Run, frame: Frame) -> bool:
    """Tell whether the log says where a frame is, and nobody named a file that may say more."""
    unnamed = frame.function is not None and frame.offset_bytes is None
    return unnamed or bool(frame.locations and not run.wanted.vmlinux)


def _decode_group(run: _Run, module: str | None, frames: Sequence[Frame]) -> dict[Frame, Decoded]:
    what = f"decode the frames of {module or 'the kernel'}"
    try:
        image, why = open_kernel(run.files) if module is None else open_module(run.files, module, frames)
        if image is None:
            return {frame: Decoded((), why, file_unused=True) for frame in frames}
        run.images[module] = image
        return decode_frames(image, frames, run.kernel.offset_bytes)
    except KeepsaneError as problem:
        unusable = module is None and isinstance(problem, SymbolError)
        run.failures.append(unusable_vmlinux(problem) if unusable else Failure(what, str(problem)))
    except MemoryError:
        run.failures.append(Failure(what, "it takes more memory than there is; free some"))
    return {frame: Decoded((), "not decoded", file_unused=True) for frame in frames}


def _frames(event: Event) -> Iterator[Frame]:
    if event.ip is not None:
        yield event.ip
    if event.link is not None:
        yield event.link
    for stack in event.stacks:
        yield from stack.frames


def _asked(frame: Frame) -> Frame:
    """Reduce a frame to what its decoding depends on, so that equal ones are decoded once."""
    return replace(frame, line=0, reliable=True, locations=(), note="", edge=None)


def _annotated(run: _Run, event: Event, decoded: Mapping[Frame, Decoded]) -> Event:
    return replace(
        event,
        ip=None if event.ip is None else _decoded(run, event.ip, decoded),
        link=None if event.link is None else _decoded(run, event.link, decoded),
        stacks=tuple(
            replace(stack, frames=tuple(_decoded(run, frame, decoded) for frame in stack.frames))
            for stack in event.stacks
        ),
        code=_with_members(run, event, _disassembled(run, event)),
    )


def _decoded(run: _Run, frame: Frame, decoded: Mapping[Frame, Decoded]) -> Frame:
    found = decoded.get(_asked(frame))
    if found is None or (not found.locations and frame.locations):
        return frame  # the log itself says where it is
    locations = _with_source(run, frame, found.locations)
    return replace(frame, locations=locations, note=found.note, file_unused=found.file_unused)


def _with_source(run: _Run, frame: Frame, locations: tuple[SourceLine, ...]) -> tuple[SourceLine, ...]:
    image = run.images.get(frame.module)
    if image is None:
        return locations
    tree = run.binaries.tree(image)
    quoted = tuple(read_source(tree, line) for line in locations)
    if tree.git is not None and tree.git.problem:
        why = f"{tree.git.problem}; name a tree with --source"
        run.failures.append(Failure("quote the source as it was built", why))
    return quoted


def _judged(run: _Run, events: tuple[Event, ...]) -> tuple[Event, ...]:
    why = "no file with its code at hand"
    if run.images:
        # Reading calls takes a disassembler and more time than decoding: a log without symbols pays nothing.
        from keepsane.symbols.edges.edges import judge_edges

        try:
            return judge_edges(events, run.images, run.kernel)
        except KeepsaneError as problem:
            why = str(problem)
        except Exception as problem:  # drgn raises Exception itself where a file's types are damaged
            why = f"{problem!r}; give undamaged files"
        run.failures.append(Failure("say why each frame is there", why))
    return tuple(not_judged(event, why) for event in events)


def _place_of_ip(run: _Run, event: Event) -> Place | None:
    """Give where the ip is in its file; None where the file is not at hand or there is no such place."""
    ip = event.ip
    image = run.images.get(ip.module) if ip is not None else None
    if ip is None or ip.function is None or image is None:
        return None
    address = place(ip, image.symbols(names_asked((ip,))), image.path.name).address
    return None if address is None else Place(ip.module, address)


def _with_members(run: _Run, event: Event, code: Code | None) -> Code | None:
    """Name the member that the instruction wanted, where debug information is at hand."""
    at = _place_of_ip(run, event) if code is not None and code.trap is not None else None
    if at is None or code is None or code.trap is None:
        return code
    asked = (at, code.trap)
    if asked not in run.members:
        from keepsane.symbols.calls.trap_member import members_of

        run.members[asked] = members_of(Text(run.images), *asked)
    return replace(code, members=run.members[asked])


def _code_of(run: _Run, event: Event) -> Code | None:
    """Give the code of a report, from its file where the log has none but prints the registers."""
    at = _place_of_ip(run, event) if event.code is None and event.registers else None
    if at is None or event.ip is None or not isinstance(getattr(event, "address", None), int):
        return event.code
    from keepsane.symbols.calls.trap_member import code_at

    return code_at(Text(run.images), at, event.ip.line)


def _disassembled(run: _Run, event: Event) -> Code | None:
    try:
        event = replace(event, code=_code_of(run, event))
    except KeepsaneError:
        return event.code  # the frames' own failures say why
    if event.code is None:
        return None
    arch = event.arch or run.kernel.arch
    if arch in UNDECODED:
        run.failures.append(Failure("disassemble the Code: line", f"capstone 5 does not know {arch}"))
        return event.code
    try:
        address = event.ip.address if event.ip is not None else None
        faulted = getattr(event, "address", None)
        return replace(
            event.code,
            instructions=disassemble(event.code, address, arch),
            trap=read_trap(event.code, arch, event.registers, faulted),
        )
    except KeepsaneError as problem:
        run.failures.append(Failure("disassemble the Code: line", str(problem)))
        return event.code
