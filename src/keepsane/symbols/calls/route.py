# SPDX-License-Identifier: GPL-2.0-or-later
"""How a call can reach a function through direct calls and jumps, in which files, and what was left out."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from keepsane.errors import InputError, KeepsaneError, SymbolError
from keepsane.symbols.binary.cache import Cache
from keepsane.symbols.binary.dwarf import Chain
from keepsane.symbols.binary.image import Image, open_image
from keepsane.symbols.binary.modules import ModuleIndex, index_modules
from keepsane.symbols.calls.graph import Graph, Hop
from keepsane.symbols.calls.paths import Reach, Way, joined, reach
from keepsane.symbols.calls.site import Call, Site, calls_at, functions_of, parse_site
from keepsane.symbols.code.text import Function, Place, Text, function_at, instructions

_MAX_MODULES = 5000
_CALLS_SHOWN = 6


class Located(NamedTuple):
    """One level of the inline chain at an instruction."""

    function: str
    file: str | None
    line: int | None
    column: int | None
    inlined: bool


class RouteHop(NamedTuple):
    """
    One call or jump of a way, named with its modules (None for the kernel itself).

    The instruction stands `offset_bytes` into `inside`, which is the caller or a part of it.
    """

    caller: str
    module: str | None
    kind: str
    callee: str
    callee_module: str | None
    instruction: str
    offset_bytes: int
    inside: str
    locations: tuple[Located, ...]


class Route(NamedTuple):
    """
    How `site` can reach `function`: the shortest ways, each from its first call on.

    `notes` are sentences about what was asked and what was left out.
    """

    site: str
    function: str
    found: bool
    paths: tuple[tuple[RouteHop, ...], ...]
    notes: tuple[str, ...]


@dataclass(slots=True)
class _Answer:
    """What was found so far."""

    site: str
    function: str
    ways: list[Way] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


def read_route(said_site: str, said_goal: str, vmlinux: Path, modules: Iterable[Path], cache: Cache) -> Route:
    """
    Say how the call at a site (`tty_read+0x96`), or a whole function, can reach a function.

    Raises InputError and SymbolError where a site, a function or a file is not what it should be.
    """
    site, goal = parse_site(said_site), parse_site(said_goal)
    if goal.offset_bytes is not None:
        raise InputError(f"{said_goal} is a place; the second word of --path is the name of a function")
    answer = _Answer(said_site, said_goal)
    try:
        text = _open(vmlinux, modules, cache, (site, goal))
        _answer(text, site, goal, answer)
        lines = _lines(answer, text)
    except MemoryError as problem:
        raise SymbolError("the search takes more memory than there is; free some") from problem
    paths = tuple(tuple(_hop(hop, lines.get(hop.place, ())) for hop in way) for way in answer.ways)
    notes = (*answer.notes, *(f"could not {failure.what}: {failure.why}" for failure in cache.failures))
    return Route(said_site, said_goal, bool(paths), paths, notes)


def _answer(text: Text, site: Site, goal: Site, answer: _Answer) -> None:
    starts, goals = _functions(text, site, answer), _functions(text, goal, answer, clones=True)
    first: dict[Function, Hop] = {}
    if site.offset_bytes is not None:
        first = _first_hops(text, _calls(text, starts, site.offset_bytes), answer)
        starts = tuple(first)
    if starts:
        found = reach(Graph(text, with_calls=True), starts, goals)
        answer.ways = [_whole(way, first, goals) for way in found.paths]
        answer.notes += _remarks(found)


def _open(vmlinux: Path, modules: Iterable[Path], cache: Cache, sites: Sequence[Site]) -> Text:
    """Open vmlinux, the modules that were named or have a function that vmlinux lacks, and what they need."""
    images: dict[str | None, Image] = {None: open_image(vmlinux, cache)}
    index: ModuleIndex = {}
    for directory in modules:
        index |= index_modules(directory)
    for site in sites:
        if site.module is not None:
            _open_module(images, index, site.module.replace("-", "_"), cache)
        elif not any(image.symbols([site.function])[site.function] for image in images.values()):
            for module in list(index)[:_MAX_MODULES]:
                image = _opened(index, module, cache)
                if image is not None and image.symbols([site.function])[site.function]:
                    _open_module(images, index, module, cache)
    return Text(images)


def _opened(index: ModuleIndex, module: str, cache: Cache) -> Image | None:
    for path in index.get(module, ()):
        try:
            return open_image(Path(path), cache)
        except SymbolError:
            continue  # another file of this name may be usable
    return None


def _open_module(images: dict[str | None, Image], index: ModuleIndex, module: str, cache: Cache) -> None:
    wanted = [module]
    while wanted:
        name = wanted.pop()
        image = None if name in images else _opened(index, name, cache)
        if image is not None:
            images[name] = image
            wanted += _needed_by(image)
    if module not in images:
        raise SymbolError(f"no {module}.ko at hand; give its directory with --modules DIR")


def _needed_by(image: Image) -> list[str]:
    section = image.elf.section(".modinfo")
    words = image.elf.content(section).split(b"\0") if section is not None else []
    found = next((word for word in words if word.startswith(b"depends=")), b"depends=")
    names = found.removeprefix(b"depends=").decode("ascii", "replace").split(",")
    return [name.replace("-", "_") for name in names if name]


def _functions(text: Text, site: Site, answer: _Answer, *, clones: bool = False) -> tuple[Function, ...]:
    found = functions_of(text, site, clones=clones)
    if not found:
        size = f" of {site.size_bytes:#x} bytes" if site.size_bytes is not None else ""
        raise SymbolError(
            f"no file at hand has a function {site.function}{size}: it may be inlined everywhere, "
            "or in a module; give the module's directory with --modules DIR"
        )
    if len(found) > 1:
        names = ", ".join(sorted({place.name for place in found}))
        answer.notes.append(f"{len(found)} functions are meant by {site.function}, any of them: {names}")
    return found


def _calls(text: Text, functions: Iterable[Function], offset_bytes: int) -> list[Call]:
    calls = [call for function in functions for call in calls_at(text, function, offset_bytes)]
    if not calls:
        names = {f"{function.name}+{offset_bytes:#x}": function for function in functions}
        name, function = next(iter(names.items()))
        returns = [
            insn.end - function.address for insn in instructions(text, function) if "call" in insn.flow
        ]
        returns.sort(key=lambda place: abs(place - offset_bytes))
        near = ", ".join(f"+{place:#x}" for place in sorted(returns[:_CALLS_SHOWN])) or "none"
        raise SymbolError(f"no call returns to {name}; its calls near there return to {near}")
    return calls


def _first_hops(text: Text, calls: Iterable[Call], answer: _Answer) -> dict[Function, Hop]:
    first: dict[Function, Hop] = {}
    for call in calls:
        target = function_at(text, call.branch.target) if call.branch.target is not None else None
        if target is not None:
            first[target] = Hop(call.caller, call.caller, call.branch, target)
        elif call.branch.target is not None:
            answer.notes.append(f"{answer.site} calls {call.branch.target.name or 'an address'}, not at hand")
        else:
            through = f"%{call.branch.register}" if call.branch.register else "memory"
            answer.notes.append(
                f"the call before {answer.site} goes through a pointer ({through}): "
                "where it leads is not in the code"
            )
    return first


def _whole(way: Way, first: Mapping[Function, Hop], goals: Sequence[Function]) -> Way:
    if not first:
        return way
    if way:
        return joined((first[way[0].caller], *way))
    return tuple(hop for function, hop in first.items() if _is_one_of(function, goals))[:1]


def _is_one_of(function: Function, goals: Iterable[Function]) -> bool:
    return any((goal.module, goal.address) == (function.module, function.address) for goal in goals)


def _remarks(found: Reach) -> list[str]:
    about = "" if found.pointers.is_exact else "about "
    remarks = []
    if found.more:
        remarks.append("more ways are as short as these")
    if found.through_reporting:
        remarks.append("no way was found that does without printing a message")
    if found.gave_up:
        remarks.append(f"the search gave up {found.gave_up}: there may be a way that is longer")
    remarks.append(
        f"left out: {about}{found.pointers.total} calls and jumps through pointers "
        f"in the {found.functions} functions searched"
    )
    if found.missing:
        remarks.append(f"left out: {len(found.missing)} functions called that no file at hand has")
    return remarks


def _lines(answer: _Answer, text: Text) -> dict[Place, Chain]:
    """Look up the source lines of every hop, each image once."""
    places = {hop.place for way in answer.ways for hop in way}
    found: dict[Place, Chain] = {}
    for module, image in text.images.items():
        asked = {
            place.address: place for place in places if place.module == module and place.address is not None
        }
        try:
            chains = image.locate(asked)
        except KeepsaneError as problem:
            if asked:
                answer.notes.append(f"no source lines: {problem}")
            continue
        found |= {asked[address]: chain for address, chain in chains.items() if chain}
    return found


def _hop(hop: Hop, chain: Chain) -> RouteHop:
    insn = hop.branch.insn
    return RouteHop(
        hop.caller.name,
        hop.caller.module,
        hop.kind,
        hop.callee.name,
        hop.callee.module,
        insn.text,
        insn.address - hop.inside.address,
        hop.inside.name,
        tuple(Located(at.function, at.file, at.line, at.column, at.inlined) for at in chain),
    )
