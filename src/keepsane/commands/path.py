# SPDX-License-Identifier: GPL-2.0-or-later
"""`keepsane explain --path SITE FUNCTION`: how a call can reach a function through direct calls and jumps."""

from __future__ import annotations

import argparse
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import Any

from keepsane.commands.output import open_output
from keepsane.errors import InputError, KeepsaneError, SymbolError
from keepsane.model import SourceLine
from keepsane.render.json import value_json
from keepsane.render.visible import clean, written
from keepsane.symbols.binary.cache import Cache, open_cache
from keepsane.symbols.binary.dwarf import Chain
from keepsane.symbols.binary.image import Image, open_image
from keepsane.symbols.binary.modules import ModuleIndex, index_modules
from keepsane.symbols.calls.graph import Graph, Hop
from keepsane.symbols.calls.paths import Reach, Way, joined, reach
from keepsane.symbols.calls.site import Call, Site, calls_at, functions_of, parse_site
from keepsane.symbols.code.text import Function, Place, Text, function_at, instructions

FOUND, NOT_FOUND = 0, 1
_MAX_MODULES = 5000
_CALLS_SHOWN = 6


@dataclass(slots=True)
class _Answer:
    """Everything that is said; `notes` are sentences about what was asked and what was left out."""

    site: str
    function: str
    ways: list[Way] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


def run_path(arguments: argparse.Namespace) -> int:
    """
    Search and write; 0 where a way was found, 1 where none was, 2 where it could not be done.

    Raises InputError and SymbolError where a site, a function or a file is not what it should be.
    """
    if arguments.vmlinux is None:
        raise InputError("--path reads the code of the kernel; give its file with --vmlinux FILE")
    if arguments.format not in ("text", "json"):
        raise InputError("--path gives one answer; ask for --format text or --format json")
    cache = Cache() if arguments.no_cache else open_cache()
    try:
        answer, text = _answer(arguments, cache)
        lines = _lines(answer, text)
    except MemoryError as problem:
        raise SymbolError("the search takes more memory than there is; free some") from problem
    finally:
        cache.close()
    answer.notes += [f"could not {failure.what}: {failure.why}" for failure in cache.failures]
    said = _json(answer, lines) if arguments.format == "json" else _text(answer, lines)
    with open_output(arguments.output) as out:
        out.write(said)
    return FOUND if answer.ways else NOT_FOUND


def _answer(arguments: argparse.Namespace, cache: Cache) -> tuple[_Answer, Text]:
    said_site, said_goal = arguments.path
    site, goal = parse_site(said_site), parse_site(said_goal)
    if goal.offset_bytes is not None:
        raise InputError(f"{said_goal} is a place; the second word of --path is the name of a function")
    text = _open(arguments, cache, (site, goal))
    answer = _Answer(said_site, said_goal)
    starts, goals = _functions(text, site, answer), _functions(text, goal, answer, clones=True)
    if site.offset_bytes is None:
        _search(Graph(text, with_calls=True), starts, goals, {}, answer)
    else:
        calls = _calls(text, starts, site.offset_bytes)
        first = _first_hops(text, calls, answer)
        if first:
            _search(Graph(text, with_calls=True), list(first), goals, first, answer)
    return answer, text


def _open(arguments: argparse.Namespace, cache: Cache, sites: Sequence[Site]) -> Text:
    """Open vmlinux, the modules that were named or have a function that vmlinux lacks, and what they need."""
    images: dict[str | None, Image] = {None: open_image(Path(arguments.vmlinux), cache)}
    index: ModuleIndex = {}
    for directory in arguments.modules:
        index |= index_modules(Path(directory))
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
        names = ", ".join(sorted({one.name for one in found}))
        answer.notes.append(f"{len(found)} functions are meant by {site.function}, any of them: {names}")
    return found


def _calls(text: Text, functions: Iterable[Function], offset_bytes: int) -> list[Call]:
    calls = [call for function in functions for call in calls_at(text, function, offset_bytes)]
    if not calls:
        names = {f"{one.name}+{offset_bytes:#x}": one for one in functions}
        name, function = next(iter(names.items()))
        returns = [
            insn.end - function.address for insn in instructions(text, function) if "call" in insn.flow
        ]
        returns.sort(key=lambda one: abs(one - offset_bytes))
        near = ", ".join(f"+{one:#x}" for one in sorted(returns[:_CALLS_SHOWN])) or "none"
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


def _search(
    graph: Graph,
    starts: Sequence[Function],
    goals: Sequence[Function],
    first: Mapping[Function, Hop],
    answer: _Answer,
) -> None:
    found = reach(graph, starts, goals)
    answer.ways = [_whole(way, first, goals) for way in found.paths]
    answer.notes += _remarks(found)


def _whole(way: Way, first: Mapping[Function, Hop], goals: Sequence[Function]) -> Way:
    if not first:
        return way
    if way:
        return joined((first[way[0].caller], *way))
    return tuple(hop for function, hop in first.items() if _is_one_of(function, goals))[:1]


def _is_one_of(function: Function, goals: Iterable[Function]) -> bool:
    return any((one.module, one.address) == (function.module, function.address) for one in goals)


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
        asked = {one.address: one for one in places if one.module == module and one.address is not None}
        try:
            chains = image.locate(asked)
        except KeepsaneError as problem:
            if asked:
                answer.notes.append(f"no source lines: {problem}")
            continue
        found |= {asked[address]: chain for address, chain in chains.items() if chain}
    return found


def _text(answer: _Answer, lines: Mapping[Place, Chain]) -> str:
    if answer.ways:
        said = [f"{answer.site} can reach {answer.function} (could, not did):"]
    else:
        said = [f"{answer.site} was not found to reach {answer.function} through direct calls and jumps"]
    for way in answer.ways:
        rows = [(_name(hop.caller), _where(lines.get(hop.place)), _what(hop)) for hop in way]
        caller_width = max((len(row[0]) for row in rows), default=0)
        where_width = max((len(row[1]) for row in rows), default=0)
        for hop, (caller, where, what) in zip(way, rows, strict=True):
            said.append(f"  {caller:<{caller_width}}  {where:<{where_width}}  {what}".rstrip())
            said += [f"  {'':<{caller_width}}  {inlined}" for inlined in _inlined(lines.get(hop.place, ()))]
        said.append("")
    said += answer.notes
    return written(map(clean, said))


def _name(function: Function) -> str:
    return f"{function.name} [{function.module}]" if function.module else function.name


def _where(chain: Sequence[SourceLine] | None) -> str:
    return f"{chain[0].file}:{chain[0].line}" if chain else "?"


def _what(hop: Hop) -> str:
    if hop.kind == "static call":
        return f"calls {_name(hop.callee)}, unless this static call was set to another"
    return f"{'calls' if hop.kind == 'call' else 'jumps to'} {_name(hop.callee)}"


def _inlined(chain: Sequence[SourceLine]) -> list[str]:
    return [
        f"in {inner.function}, inlined into {outer.function} at {outer.file}:{outer.line}"
        for inner, outer in pairwise(chain)
    ]


def _json(answer: _Answer, lines: Mapping[Place, Chain]) -> str:
    document = {
        "site": answer.site,
        "function": answer.function,
        "found": bool(answer.ways),
        "paths": [[_hop(hop, lines.get(hop.place, ())) for hop in way] for way in answer.ways],
        "notes": answer.notes,
    }
    return value_json(document)


def _hop(hop: Hop, chain: Sequence[SourceLine]) -> dict[str, Any]:
    return {
        "caller": hop.caller.name,
        "module": hop.caller.module,
        "kind": hop.kind,
        "callee": hop.callee.name,
        "callee_module": hop.callee.module,
        "instruction": hop.branch.insn.text,
        "offset_bytes": hop.branch.insn.address - hop.inside.address,
        "inside": hop.inside.name,
        "locations": [
            {
                "function": one.function,
                "file": one.file,
                "line": one.line,
                "column": one.column,
                "inlined": one.inlined,
            }
            for one in chain
        ],
    }
