# SPDX-License-Identifier: GPL-2.0-or-later
"""The edges of a stack, kept under the build-ids of the files they were read from."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from typing import Any

from keepsane import __version__
from keepsane.model import Edge, Event, Frame, Hop, SourceLine, Stack
from keepsane.symbols.image import Image

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


def recall_edges(images: Images, subjects: Sequence[str]) -> dict[str, tuple[Edge, ...]]:
    """Give the edges of those stacks that were judged before, with the same files."""
    key = _key(images)
    if key is None:
        return {}
    known = next(iter(images.values())).cache.recall(key, "edge", subjects)
    try:
        return {subject: tuple(_edge(row) for row in json.loads(answer)) for subject, answer in known.items()}
    except (ValueError, TypeError, KeyError):  # another program wrote there: all is judged anew
        return {}


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
        if image.key is None:
            return None
        said.append(f"{module or 'vmlinux'} {image.key}")
    return hashlib.sha256("\n".join(said).encode()).hexdigest() if said else None


def _row(edge: Edge) -> list[Any]:
    hops = [(hop.kind, hop.function, hop.name, hop.source and _line(hop.source)) for hop in edge.via]
    return [edge.verdict, edge.why, hops, edge.group, edge.instruction, edge.at, edge.form]


def _line(line: SourceLine) -> tuple[Any, ...]:
    return (line.function, line.file, line.line, line.column, line.inlined)


def _edge(row: Any) -> Edge:
    verdict, why, hops, group, instruction, at, form = row
    return Edge(
        verdict=verdict,
        via=tuple(_hop(*hop) for hop in hops),
        why=why,
        group=group,
        instruction=instruction,
        at=at,
        form=form,
    )


def _hop(kind: str, function: str | None, name: str | None, source: Any) -> Hop:
    return Hop(kind=kind, function=function, name=name, source=_source(*source) if source else None)


def _source(
    function: str, file: str | None, line: int | None, column: int | None, inlined: bool
) -> SourceLine:
    return SourceLine(function=function, file=file, line=line, column=column, inlined=inlined)
