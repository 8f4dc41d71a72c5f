# SPDX-License-Identifier: GPL-2.0-or-later
from pathlib import Path

import pytest

from keepsane.folders import cache_folder, config_folder, data_folder, debug_folder


@pytest.fixture(autouse=True)
def user(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("KEEPSANE_HOME", "XDG_CONFIG_HOME", "XDG_DATA_HOME", "XDG_CACHE_HOME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", "/home/dave")


def test_a_user_has_the_folders_of_the_specification() -> None:
    assert config_folder() == Path("/home/dave/.config/keepsane")
    assert data_folder() == Path("/home/dave/.local/share/keepsane")
    assert cache_folder() == Path("/home/dave/.cache/keepsane")
    assert debug_folder() == Path("/home/dave/.cache/keepsane/debug")


def test_a_variable_moves_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_DATA_HOME", "/srv/data")
    assert data_folder() == Path("/srv/data/keepsane")
    assert cache_folder() == Path("/home/dave/.cache/keepsane")


def test_what_is_not_absolute_counts_as_not_set(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", "cache")
    monkeypatch.setenv("KEEPSANE_HOME", "home")
    assert cache_folder() == Path("/home/dave/.cache/keepsane")


def test_one_variable_moves_all(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KEEPSANE_HOME", "/tmp/k")
    monkeypatch.setenv("XDG_CACHE_HOME", "/srv/cache")
    assert config_folder() == data_folder() == cache_folder() == Path("/tmp/k")
