# SPDX-License-Identifier: GPL-2.0-or-later
"""Edges that were judged once are not judged again, and those of other files are not taken for them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from keepsane.model import Edge
from keepsane.symbols.binary.cache import open_cache
from keepsane.symbols.binary.image import Image, open_image
from keepsane.symbols.edges import edges
from keepsane.symbols.edges.edge_cache import recall_edges
from keepsane.symbols.edges.edges import judge_edges
from tests.symbols.calling import KERNEL_OF_LOG, build, event, frame, returns

pytest.importorskip("capstone")
pytest.importorskip("drgn", reason="drgn has wheels for x86-64 only")


@pytest.fixture
def images(tmp_path_factory: pytest.TempPathFactory, tmp_path: Path) -> Iterator[dict[str | None, Image]]:
    with closing(open_cache(tmp_path)) as cache:
        built = build(tmp_path_factory.mktemp("calling"))
        yield {module: open_image(image.path, cache) for module, image in built.items()}


def _edges(images: dict[str | None, Image]) -> list[Edge | None]:
    frames = [frame(images, "end", 1), frame(images, "tail_one", returns(images, "tail_one")[0])]
    (judged,) = judge_edges([event(*frames)], images, KERNEL_OF_LOG)
    return [one.edge for one in judged.stacks[0].frames]


def test_the_second_time_nothing_is_read(
    images: dict[str | None, Image], monkeypatch: pytest.MonkeyPatch
) -> None:
    first = _edges(images)
    monkeypatch.setattr(edges, "open_reader", None)
    assert _edges(images) == first


def test_with_other_files_all_is_judged_anew(
    images: dict[str | None, Image], monkeypatch: pytest.MonkeyPatch
) -> None:
    _edges(images)
    monkeypatch.setattr(edges, "open_reader", None)
    with pytest.raises(TypeError):
        _edges({None: images[None]})


@pytest.mark.parametrize(
    "answer",
    [
        "[" * 100_000,
        '[[1, "why", [], "", "", "", ""], ["direct", "why", [], "", "", "", ""]]',
        '[["direct", "", [["call", 1, null, null]], "", "", "", ""], ["direct", "", [], "", "", "", ""]]',
        '[["direct", "why", [], "", "", "", ""]]',
    ],
)
def test_kept_edges_that_are_none_are_judged_anew(images: dict[str | None, Image], answer: str) -> None:
    first = _edges(images)
    cache = next(iter(images.values())).cache
    connection = cache.connection
    assert connection is not None
    (subject, key) = connection.execute("SELECT subject, file FROM answer WHERE question = 'edge'").fetchone()
    cache.keep(key, "edge", {subject: answer})
    assert recall_edges(images, {subject: 2}) == {}
    assert _edges(images) == first
