# SPDX-License-Identifier: GPL-2.0-or-later
from __future__ import annotations

import os
import pwd
import sqlite3
import stat
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

from keepsane.symbols.cache import open_cache
from keepsane.symbols.image import open_image
from keepsane.symbols.pages import page_of, unpack_pages

ADDRESSES = range(0xFFFFFFFF81000000, 0xFFFFFFFF81000040)
NONSENSE = ("{nonsense", "7", "[]", "[[], [1], [], [], [], [], []]", "[[1], [-1], [], [], [], [], []]", "{}")


def test_what_is_kept_is_recalled_by_another_process(tmp_path: Path) -> None:
    cache = open_cache(tmp_path / "cache")
    cache.keep("ab", "lines", {"1": "[]", "2": "[1]"})
    cache.close()
    again = open_cache(tmp_path / "cache")
    assert again.recall("ab", "lines", ["1", "2", "3"]) == {"1": "[]", "2": "[1]"}
    assert again.recall("ab", "name", ["1"]) == {}
    assert again.recall("cd", "lines", ["1"]) == {}
    again.close()


def test_nothing_is_kept_for_a_file_without_build_id(tmp_path: Path) -> None:
    cache = open_cache(tmp_path)
    cache.keep(None, "lines", {"1": "[]"})
    assert cache.recall(None, "lines", ["1"]) == {}
    cache.close()


@pytest.mark.parametrize("given", ["", "relative"])
def test_a_cache_home_that_is_no_absolute_path_is_the_one_in_the_home(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, given: str
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("XDG_CACHE_HOME", given)
    open_cache().close()
    assert (tmp_path / ".cache" / "keepsane" / "symbols.sqlite").exists()


def test_a_user_without_a_home_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    def unknown(_user: int) -> None:
        raise KeyError

    monkeypatch.delenv("HOME")
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    monkeypatch.setattr(pwd, "getpwuid", unknown)
    assert [failure.what for failure in open_cache().failures] == ["use the cache in the home directory"]


def test_the_directory_is_the_users_alone(tmp_path: Path) -> None:
    open_cache(tmp_path / "cache").close()
    assert stat.S_IMODE((tmp_path / "cache").stat().st_mode) == 0o700


def test_a_corrupt_file_is_said_and_done_without(tmp_path: Path) -> None:
    (tmp_path / "symbols.sqlite").write_bytes(b"this is no database, and long enough to be sure of it" * 40)
    cache = open_cache(tmp_path)
    cache.keep("ab", "lines", {"1": "[]"})
    assert cache.recall("ab", "lines", ["1"]) == {}
    assert [failure.what for failure in cache.failures] == [f"use the cache {tmp_path / 'symbols.sqlite'}"]


def test_a_file_of_a_newer_keepsane_is_left_alone(tmp_path: Path) -> None:
    connection = sqlite3.connect(tmp_path / "symbols.sqlite")
    connection.execute("PRAGMA user_version = 999")
    connection.close()
    assert "newer" in open_cache(tmp_path).failures[0].why


def test_a_directory_that_cannot_be_made_is_said(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    assert open_cache(tmp_path / "file" / "cache").failures


def test_processes_that_open_a_new_cache_at_once_all_keep_their_answers(tmp_path: Path) -> None:
    program = (
        "import sys; from pathlib import Path; from keepsane.symbols.cache import open_cache\n"
        "cache = open_cache(Path(sys.argv[1]))\n"
        "for number in range(20): cache.keep('ab', 'lines', {f'{sys.argv[2]}-{number}': '[]'})\n"
        "for _ in range(20): cache.keep('ab', 'name', {'all': sys.argv[2]}, lambda old, new: old + new)\n"
        "assert not cache.failures, cache.failures\n"
        "cache.close()\n"
    )
    source = Path(__file__).resolve().parents[2] / "src"
    started = [
        subprocess.Popen(
            [sys.executable, "-c", program, tmp_path, str(number)],
            env={**os.environ, "PYTHONPATH": str(source)},
        )
        for number in range(4)
    ]
    assert [one.wait() for one in started] == [0] * 4
    cache = open_cache(tmp_path)
    wanted = [f"{process}-{number}" for process in range(4) for number in range(20)]
    assert len(cache.recall("ab", "lines", wanted)) == 80
    assert Counter(cache.recall("ab", "name", ["all"])["all"]) == dict.fromkeys("0123", 20)
    cache.close()


def test_a_second_run_gives_the_same_without_reading_the_binary(build: Path, tmp_path: Path) -> None:
    pytest.importorskip("drgn", reason="drgn has wheels for x86-64 only")
    cache = open_cache(tmp_path)
    image = open_image(build / "vmlinux", cache)
    first = (image.locate(ADDRESSES), image.symbols(["outer", "absent"]), image.containing(ADDRESSES))
    again = open_image(build / "vmlinux", cache)
    assert (again.locate(ADDRESSES), again.symbols(["outer", "absent"]), again.containing(ADDRESSES)) == first
    assert again.table is None
    cache.close()


def test_a_cache_that_holds_nonsense_is_one_sentence(build: Path, tmp_path: Path) -> None:
    pytest.importorskip("drgn", reason="drgn has wheels for x86-64 only")
    cache = open_cache(tmp_path)
    build_id = open_image(build / "vmlinux").elf.build_id
    fresh = open_image(build / "vmlinux")
    for nonsense in NONSENSE:
        cache.keep(build_id, "lines", {page_of(address): nonsense for address in ADDRESSES})
        image = open_image(build / "vmlinux", cache)
        assert image.locate(ADDRESSES) == fresh.locate(ADDRESSES)
        kept = cache.recall(build_id, "lines", {page_of(address) for address in ADDRESSES})
        assert unpack_pages(kept.values(), set(ADDRESSES)) == fresh.locate(ADDRESSES)
    cache.keep(build_id, "name", {"outer": '[["outer"]]'})
    assert open_image(build / "vmlinux", cache).symbols(["outer"]) == fresh.symbols(["outer"])
    assert not cache.failures
    cache.close()


def test_what_is_asked_later_joins_what_was_kept(build: Path, tmp_path: Path) -> None:
    pytest.importorskip("drgn", reason="drgn has wheels for x86-64 only")
    cache = open_cache(tmp_path)
    both = open_image(build / "vmlinux", cache), open_image(build / "vmlinux", cache)
    both[0].locate(ADDRESSES[:30])
    both[1].locate(ADDRESSES[20:])
    kept = cache.recall(both[0].elf.build_id, "lines", {page_of(address) for address in ADDRESSES})
    assert unpack_pages(kept.values(), set(ADDRESSES)) == open_image(build / "vmlinux").locate(ADDRESSES)
    assert unpack_pages(kept.values(), {ADDRESSES[0]}).keys() == {ADDRESSES[0]}
    cache.close()
