# SPDX-License-Identifier: GPL-2.0-or-later
"""Edges are read from code and data: damaged DWARF costs the names that it would have given, and no edge."""

from __future__ import annotations

import random
from dataclasses import replace
from pathlib import Path

import pytest

from keepsane.model import Edge
from keepsane.symbols.binary.image import Image, open_image
from keepsane.symbols.edges.edges import judge_edges
from tests.symbols.calling import KERNEL_OF_LOG, build, event, frame, returns

pytest.importorskip("capstone")
pytest.importorskip("drgn", reason="drgn has wheels for x86-64 only")

Images = dict[str | None, Image]
_PAIRS = (
    ("direct", "end", None),
    ("tail_two", "end", None),
    ("member", "run", None),
    ("own_table", "inside", "mod"),
)
_EVERY = 40
"""One byte of so many is another one."""


@pytest.fixture(scope="module")
def images(tmp_path_factory: pytest.TempPathFactory) -> Images:
    return build(tmp_path_factory.mktemp("calling"))


def _damaged(images: Images, folder: Path, section: str, seed: int) -> Images:
    chance, found = random.Random(seed), dict[str | None, Image]()
    for module, image in images.items():
        content = bytearray(image.path.read_bytes())
        part = image.elf.section(section)
        assert part is not None
        for _ in range(part.size_bytes // _EVERY):
            content[part.offset + chance.randrange(part.size_bytes)] ^= chance.randrange(1, 256)
        path = folder / image.path.name
        path.write_bytes(content)
        found[module] = open_image(path)
    return found


def _edges(images: Images, whole: Images) -> list[Edge]:
    found = []
    for caller, callee, module in _PAIRS:
        inner = replace(frame(whole, callee, 1, module if callee == "inside" else None), role="ip")
        outer = frame(whole, caller, returns(whole, caller, module)[0], module)
        (judged,) = judge_edges([event(inner, outer)], images, KERNEL_OF_LOG)
        edge = judged.stacks[0].frames[1].edge
        assert edge is not None
        found.append(edge)
    return found


@pytest.mark.parametrize("section", [".debug_info", ".debug_abbrev", ".debug_str", ".debug_line"])
@pytest.mark.parametrize("seed", range(5))
def test_damaged_debug_information_costs_no_verdict(
    images: Images, tmp_path: Path, section: str, seed: int
) -> None:
    whole, left = _edges(images, images), _edges(_damaged(images, tmp_path, section, seed), images)

    assert [edge.verdict for edge in left] == [edge.verdict for edge in whole]
    assert [edge.instruction for edge in left] == [edge.instruction for edge in whole]
    assert [hop.function for edge in left for hop in edge.via if "table" not in hop.kind] == [
        hop.function for edge in whole for hop in edge.via if "table" not in hop.kind
    ]
