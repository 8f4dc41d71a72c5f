# SPDX-License-Identifier: GPL-2.0-or-later
"""The figures promised against syzkaller's labelled logs, where these are on the machine."""

from __future__ import annotations

import pytest

from bench.corpus_score import Miss, Score, corpora_folder, read_cases, score
from bench.title_kinds import kinds_of

FOLDER = corpora_folder()
pytestmark = pytest.mark.skipif(FOLDER is None, reason="no corpora folder (KEEPSANE_CORPORA)")
PROMISED_PERCENT = {"detected": 98, "quiet": 100, "kind": 95, "function": 85}


@pytest.fixture(scope="module")
def scored() -> tuple[dict[str, Score], list[Miss]]:
    """The half that no parser was tuned on."""
    assert FOLDER is not None
    return score(FOLDER, tune=False)


@pytest.mark.parametrize("row", PROMISED_PERCENT)
def test_figure_is_reached(row: str, scored: tuple[dict[str, Score], list[Miss]]) -> None:
    rows, misses = scored
    assert rows[row].asked > 0
    wrong = [f"{miss.number}: wanted {miss.wanted}; got {miss.got}" for miss in misses if miss.row == row]
    assert rows[row].percent() >= PROMISED_PERCENT[row], "\n".join(wrong)


@pytest.mark.parametrize("tune", [True, False])
def test_every_title_has_a_kind(tune: bool) -> None:
    assert FOLDER is not None
    titles = [case.title for case in read_cases(FOLDER, tune=tune) if case.title]
    assert [title for title in titles if not kinds_of(title)] == []
