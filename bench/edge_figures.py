# SPDX-License-Identifier: GPL-2.0-or-later
"""
How many frames of the lab's logs get an edge, and of what kind.

    python bench/edge_figures.py ~/.cache/keepsane-lab [RELEASE...]

Prints, over every log of every kernel of the lab: the reliable frames with a verdict other than `unknown`
("could be" counts as unknown), the `?` frames with a reason, the indirect edges with a table and member
named, and what is left over.
"""

from __future__ import annotations

import argparse
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from keepsane.api import explain
from keepsane.model import Edge, Event, Frame
from keepsane.symbols.binary.image import Image, open_image
from keepsane.symbols.edges.edges import judge_edges

_SHOWN = 25


def main() -> None:
    """Print the figures."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[1])
    parser.add_argument("lab", type=Path)
    parser.add_argument("releases", nargs="*")
    asked = parser.parse_args()
    releases = asked.releases or sorted(path.name for path in (asked.lab / "logs").iterdir() if path.is_dir())
    for release in releases:
        frames = [
            pair
            for log in sorted((asked.lab / "logs" / release).rglob("*.log"))
            for pair in _frames(asked.lab, release, log)
        ]
        print(f"{release}: {len(frames)} frames")
        _print_reliable([edge for frame, edge in frames if frame.reliable])
        _print_marked([edge for frame, edge in frames if not frame.reliable])
        _print_indirect([edge for frame, edge in frames if frame.reliable and edge.verdict == "indirect"])
        _print_open([(frame, edge) for frame, edge in frames if frame.reliable and not _is_sure(edge)])


def _frames(lab: Path, release: str, log: Path) -> Iterator[tuple[Frame, Edge]]:
    files = {"vmlinux": lab / "debug" / release / "vmlinux", "modules": lab / "module" / release}
    report = explain(
        log.read_text(errors="replace"), vmlinux=files["vmlinux"], modules=[files["modules"]], edges=False
    )
    images: dict[str | None, Image] = {None: open_image(files["vmlinux"])}
    images |= {path.stem: open_image(path) for path in files["modules"].glob("*.ko")}
    for event in judge_edges(report.events, images, report.kernel):
        yield from _judged(event)


def _judged(event: Event) -> Iterator[tuple[Frame, Edge]]:
    for stack in event.stacks:
        for frame in stack.frames:
            yield frame, frame.edge or Edge(verdict="unknown", via=(), why="no edge")


def _is_sure(edge: Edge) -> bool:
    """Whether a verdict was reached: what could be, or is one of several, is none."""
    return edge.verdict != "unknown" and "could be" not in edge.why and "one of" not in edge.why


def _names_one_table(edge: Edge) -> bool:
    return _is_sure(edge) and not any(hop.kind == "possible table" for hop in edge.via)


def _print_reliable(edges: list[Edge]) -> None:
    sure, strict = sum(map(_is_sure, edges)), sum(map(_names_one_table, edges))
    print(f"  reliable: {sure} of {len(edges)} judged, {100 * sure / max(len(edges), 1):.1f} %;", end=" ")
    print(
        f"{100 * strict / max(len(edges), 1):.1f} % where a member of one of several tables counts as unknown"
    )
    print("   ", dict(Counter(edge.verdict for edge in edges).most_common()))


def _print_marked(edges: list[Edge]) -> None:
    reasoned = sum(bool(edge.why) for edge in edges)
    print(f"  marked ?: {reasoned} of {len(edges)} with a reason")
    print("   ", dict(Counter(edge.verdict for edge in edges).most_common()))


def _print_indirect(edges: list[Edge]) -> None:
    named = sum(any("table" in hop.kind for hop in edge.via) for edge in edges)
    used = sum(any(hop.kind == "table" for hop in edge.via) for edge in edges)
    members = sum(
        "through a pointer" not in edge.why or any("table" in hop.kind for hop in edge.via) for edge in edges
    )
    handed = sum("no table holds" in edge.why for edge in edges)
    print(f"  indirect: {named} of {len(edges)} with a table, {used} of them as the one used;", end=" ")
    print(f"{members} with a table or the member that was called;", end=" ")
    print(f"{handed} to a function that no table holds")


def _print_open(frames: list[tuple[Frame, Edge]]) -> None:
    said = Counter(
        f"{frame.function}+{frame.offset_bytes or 0:#x}: {edge.verdict}: {edge.why}" for frame, edge in frames
    )
    for why, times in said.most_common(_SHOWN):
        print(f"    {times:4} {why}")


if __name__ == "__main__":
    main()
