# SPDX-License-Identifier: GPL-2.0-or-later
"""The edges of a stack, kept for the content of the files they were read from."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from types import NoneType
from typing import Any, get_args

from keepsane import __version__
from keepsane.model import Edge, Event, Frame, Hop, HopKind, SourceLine, Stack, Verdict
from keepsane.symbols.binary.answers import read_documents
from keepsane.symbols.binary.image import Image

_VERDICTS, _HOP_KINDS = frozenset(get_args(Verdict)), frozenset(get_args(HopKind))
_EDITION = 3
"""Raised with every change to what an edge is made of or how it is judged: no old answer is asked for."""

Images = Mapping[str | None, Image]
"""The files of a kernel: vmlinux under None, modules by their names."""


def subject_of(event: Event, stack: Stack, ip: Frame | None, offset_bytes: int | None) -> str:
    """Name what the edges of a stack depend on besides the files: the frames as printed, and the report."""
    frames = [_printed(frame) for frame in ((ip, *stack.frames) if ip is not None else stack.frames)]
    said = [
        __version__,
        _EDITION,
        event.kind,
        event.damage,
        getattr(event, "state", ""),
        offset_bytes,
        ip is None,
        frames,
    ]
    return hashlib.sha256(json.dumps(said).encode()).hexdigest()


def _printed(frame: Frame) -> tuple[Any, ...]:
    address = frame.address if frame.function is None else None
    place = (frame.function, frame.offset_bytes, frame.size_bytes, frame.module, address)
    return (*place, frame.reliable, frame.role, len(frame.locations) > 1, frame.note)


def recall_edges(images: Images, subjects: Mapping[str, int]) -> dict[str, tuple[Edge, ...]]:
    """Give the edges of stacks that were judged before with these files; `subjects` counts their frames."""
    key = _key(images)
    if key is None:
        return {}
    known = next(iter(images.values())).cache.recall(key, "edge", subjects)
    try:
        rows = read_documents(known.values())
        found = {subject: tuple(map(_edge, row)) for subject, row in zip(known, rows, strict=True)}
    except (ValueError, TypeError, LookupError):  # another program wrote there: all is judged anew
        return {}
    return {subject: edges for subject, edges in found.items() if len(edges) == subjects[subject]}


def keep_edges(images: Images, judged: Mapping[str, Sequence[Edge]]) -> None:
    """Keep the edges of stacks for the next run."""
    key = _key(images)
    if key is not None:
        answers = {subject: json.dumps([_row(edge) for edge in edges]) for subject, edges in judged.items()}
        next(iter(images.values())).cache.keep(key, "edge", answers)


def _key(images: Images) -> str | None:
    """Name all files together, None where one of them has nothing that names it."""
    said = []
    for module, image in sorted(images.items(), key=lambda item: item[0] or ""):
        key = image.key
        if key is None:
            return None
        said.append(f"{module or 'vmlinux'} {key}")
    return hashlib.sha256("\n".join(said).encode()).hexdigest() if said else None


def _row(edge: Edge) -> list[Any]:
    hops = [(hop.kind, hop.function, hop.name, hop.source and _line(hop.source)) for hop in edge.via]
    return [edge.verdict, edge.why, hops, edge.group, edge.instruction, edge.at, edge.form]


def _line(line: SourceLine) -> tuple[Any, ...]:
    return (line.function, line.file, line.line, line.column, line.inlined)


def _edge(row: Any) -> Edge:
    verdict, why, hops, group, instruction, at, form = row
    _require((str,), why, group, instruction, at, form)
    if verdict not in _VERDICTS:
        raise TypeError("no verdict")
    return Edge(
        verdict=verdict,
        via=tuple(_hop(*hop) for hop in hops),
        why=why,
        group=group,
        instruction=instruction,
        at=at,
        form=form,
    )


def _require(types: tuple[type, ...], *values: Any) -> None:
    if not all(type(value) in types for value in values):
        raise TypeError("a value of another type")


def _hop(kind: Any, function: str | None, name: str | None, source: Any) -> Hop:
    if kind not in _HOP_KINDS:
        raise TypeError("no kind of hop")
    _require((str, NoneType), function, name)
    return Hop(kind=kind, function=function, name=name, source=_source(*source) if source else None)


def _source(
    function: str, file: str | None, line: int | None, column: int | None, inlined: bool
) -> SourceLine:
    _require((str,), function)
    _require((str, NoneType), file)
    _require((int, NoneType), line, column)
    _require((bool,), inlined)
    return SourceLine(function=function, file=file, line=line, column=column, inlined=inlined)
