# SPDX-License-Identifier: GPL-2.0-or-later
"""Boots every kernel with every scenario once a session; logs that are still fresh are reused."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache, partial

import pytest

from tests.live.crashme import SERIES
from tests.live.guests import Guest, Json, explain, read_guests


@pytest.fixture(scope="session", autouse=True)
def cache_of_this_run() -> None:
    """The kernels lie in the user's cache; what is explained here gets one of its own (guests.py)."""


@pytest.fixture(scope="session")
def guests() -> tuple[Guest, ...]:
    return read_guests()


@pytest.fixture(params=SERIES)
def guest(request: pytest.FixtureRequest, guests: tuple[Guest, ...]) -> Guest:
    return next(one for one in guests if one.release.startswith(f"{request.param}."))


@pytest.fixture
def other_guest(guest: Guest, guests: tuple[Guest, ...]) -> Guest:
    return next(one for one in guests if one != guest)


@pytest.fixture(scope="session")
def explained(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Json]:
    """The command line's answer, asked once for the same files, with a symbol cache of this session."""
    return cache(partial(explain, tmp_path_factory.mktemp("cache")))
