# SPDX-License-Identifier: GPL-2.0-or-later
from __future__ import annotations

import json
import os
import pwd
import random
import sqlite3
import stat
import subprocess
import sys
from collections import Counter
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest

from keepsane.symbols.binary.cache import open_cache
from keepsane.symbols.binary.image import open_image
from keepsane.symbols.binary.pages import page_of, unpack_pages

ADDRESSES = range(0xFFFFFFFF81000000, 0xFFFFFFFF81000040)
NONSENSE = (
    "{nonsense",
    "[" * 100_000,
    "[" * 100_000 + "]" * 100_000,
    "7",
    "[]",
    "[[], [1], [], [], [], [], []]",
    "[[1], [-1], [], [], [], [], []]",
    "{}",
)


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

    monkeypatch.delenv("HOME", raising=False)
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    monkeypatch.setattr(pwd, "getpwuid", unknown)
    assert [failure.what for failure in open_cache().failures] == ["use the cache in the home directory"]


def test_the_directory_is_the_users_alone(tmp_path: Path) -> None:
    open_cache(tmp_path / "cache").close()
    assert stat.S_IMODE((tmp_path / "cache").stat().st_mode) == 0o700


def test_a_corrupt_file_is_said_and_thrown_away(tmp_path: Path) -> None:
    file = tmp_path / "symbols.sqlite"
    file.write_bytes(b"this is no database, and long enough to be sure of it" * 40)
    cache = open_cache(tmp_path)
    cache.keep("ab", "lines", {"1": "[]"})
    assert cache.recall("ab", "lines", ["1"]) == {}
    assert [failure.what for failure in cache.failures] == [f"use the cache {file}"]
    assert "was damaged" in cache.failures[0].why
    again = open_cache(tmp_path)
    again.keep("ab", "lines", {"1": "[]"})
    assert (again.recall("ab", "lines", ["1"]), again.failures) == ({"1": "[]"}, [])
    again.close()


def test_no_damage_changes_an_answer_or_is_more_than_one_sentence(tmp_path: Path) -> None:
    said = {f"{number:x}": json.dumps([f"function_{number}", number]) for number in range(300)}
    cache = open_cache(tmp_path / "good")
    cache.keep("ab", "lines", said)
    cache.close()
    good = (tmp_path / "good" / "symbols.sqlite").read_bytes()
    sentences = Counter[int]()
    for seed in range(250):
        chance, changed = random.Random(seed), bytearray(good)
        for _ in range(chance.choice([1, 20, 400])):
            changed[chance.randrange(len(changed))] = chance.randrange(256)
        folder = tmp_path / str(seed)
        folder.mkdir(mode=0o700)
        (folder / "symbols.sqlite").write_bytes(changed)
        cache = open_cache(folder)
        found = cache.recall("ab", "lines", said)
        cache.keep("ab", "name", {"one": "[]"})
        cache.close()
        assert found.items() <= said.items()
        sentences[len(cache.failures)] += 1
    assert sentences.keys() == {0, 1}
    assert sentences[1] > 100


def test_an_answer_that_was_changed_is_said(tmp_path: Path) -> None:
    cache = open_cache(tmp_path)
    cache.keep("ab", "lines", {"1": "[1]", "2": "[2]"})
    cache.close()
    with closing(sqlite3.connect(tmp_path / "symbols.sqlite")) as connection, connection:
        connection.execute("UPDATE answer SET answer = '[7]' WHERE subject = '1'")
    cache = open_cache(tmp_path)
    assert cache.recall("ab", "lines", ["1", "2"]) == {}
    assert len(cache.failures) == 1
    assert "an answer in it is not the one that was kept" in cache.failures[0].why
    assert not (tmp_path / "symbols.sqlite").exists()


def test_a_cache_folder_that_is_a_link_is_not_used(tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere").chmod(0o755)
    (tmp_path / "cache").symlink_to("elsewhere")
    cache = open_cache(tmp_path / "cache")
    cache.keep("ab", "lines", {"1": "[]"})
    assert [failure.what for failure in cache.failures] == [
        f"use the cache {tmp_path / 'cache' / 'symbols.sqlite'}"
    ]
    assert not list((tmp_path / "elsewhere").iterdir())
    assert stat.S_IMODE((tmp_path / "elsewhere").stat().st_mode) == 0o755


def test_a_cache_folder_of_another_user_is_not_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "cache").mkdir(mode=0o777)
    own = os.geteuid()
    monkeypatch.setattr(os, "geteuid", lambda: own + 1)
    cache = open_cache(tmp_path / "cache")
    assert "its folder belongs to another user" in cache.failures[0].why
    assert not list((tmp_path / "cache").iterdir())


def test_a_cache_file_that_is_a_link_is_not_used(tmp_path: Path) -> None:
    for suffix in ("", "-wal"):
        folder = tmp_path / f"cache{suffix}"
        folder.mkdir(mode=0o700)
        (tmp_path / "victim").write_text("mine")
        (folder / f"symbols.sqlite{suffix}").symlink_to(tmp_path / "victim")
        assert "is a link" in open_cache(folder).failures[0].why
        assert (tmp_path / "victim").read_text() == "mine"


def test_a_folder_that_others_can_enter_is_closed(tmp_path: Path) -> None:
    (tmp_path / "cache").mkdir()
    (tmp_path / "cache").chmod(0o777)
    open_cache(tmp_path / "cache").close()
    assert stat.S_IMODE((tmp_path / "cache").stat().st_mode) == 0o700


@pytest.mark.parametrize("change", ["patched", "touched"])
def test_another_content_of_a_file_has_answers_of_its_own(build: Path, tmp_path: Path, change: str) -> None:
    path, honest = tmp_path / "tiny.ko", (build / "tiny.ko").read_bytes()
    path.write_bytes(honest.replace(b"outer\0", b"0uter\0"))
    patched = open_image(path).key
    path.write_bytes(honest) if change == "patched" else path.touch()
    assert open_image(path).key != patched
    assert open_image(build / "tiny.ko").key not in (patched, open_image(path).key)


def test_a_file_system_that_counts_in_seconds_is_not_trusted(build: Path) -> None:
    image = open_image(build / "tiny.ko")
    assert image.key is not None
    identity = image.elf.identity._replace(changed_ns=1_700_000_000_000_000_000)
    assert replace(image, elf=replace(image.elf, identity=identity)).key is None


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
        "import sys; from pathlib import Path; from keepsane.symbols.binary.cache import open_cache\n"
        "cache = open_cache(Path(sys.argv[1]))\n"
        "for number in range(20): cache.keep('ab', 'lines', {f'{sys.argv[2]}-{number}': '[]'})\n"
        "for _ in range(20): cache.keep('ab', 'name', {'all': sys.argv[2]}, lambda old, new: old + new)\n"
        "assert not cache.failures, cache.failures\n"
        "cache.close()\n"
    )
    source = Path(__file__).resolve().parents[3] / "src"
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
    key = open_image(build / "vmlinux").key
    fresh = open_image(build / "vmlinux")
    for nonsense in NONSENSE:
        cache.keep(key, "lines", {page_of(address): nonsense for address in ADDRESSES})
        image = open_image(build / "vmlinux", cache)
        assert image.locate(ADDRESSES) == fresh.locate(ADDRESSES)
        kept = cache.recall(key, "lines", {page_of(address) for address in ADDRESSES})
        assert unpack_pages(kept.values(), set(ADDRESSES)) == fresh.locate(ADDRESSES)
    cache.keep(key, "name", {"outer": '[["outer"]]'})
    assert open_image(build / "vmlinux", cache).symbols(["outer"]) == fresh.symbols(["outer"])
    assert not cache.failures
    cache.close()


def test_what_is_asked_later_joins_what_was_kept(build: Path, tmp_path: Path) -> None:
    pytest.importorskip("drgn", reason="drgn has wheels for x86-64 only")
    cache = open_cache(tmp_path)
    both = open_image(build / "vmlinux", cache), open_image(build / "vmlinux", cache)
    both[0].locate(ADDRESSES[:30])
    both[1].locate(ADDRESSES[20:])
    kept = cache.recall(both[0].key, "lines", {page_of(address) for address in ADDRESSES})
    assert unpack_pages(kept.values(), set(ADDRESSES)) == open_image(build / "vmlinux").locate(ADDRESSES)
    assert unpack_pages(kept.values(), {ADDRESSES[0]}).keys() == {ADDRESSES[0]}
    cache.close()


@pytest.mark.parametrize(
    "answer",
    ['[["outer", "1", 16, true, ".text"]]', '[["outer", 1, 16, true, null]]', '[[7, 1, 16, true, ".text"]]'],
)
def test_a_kept_function_of_wrong_types_is_asked_anew(build: Path, tmp_path: Path, answer: str) -> None:
    cache = open_cache(tmp_path)
    cache.keep(open_image(build / "vmlinux", cache).key, "name", {"outer": answer})
    fresh = open_image(build / "vmlinux").symbols(["outer"])
    assert open_image(build / "vmlinux", cache).symbols(["outer"]) == fresh
    cache.close()


@pytest.mark.parametrize("column", range(2, 7))
def test_a_kept_line_of_wrong_types_is_asked_anew(build: Path, tmp_path: Path, column: int) -> None:
    pytest.importorskip("drgn", reason="drgn has wheels for x86-64 only")
    cache = open_cache(tmp_path)
    columns: list[list[object]] = [[ADDRESSES[0]], [1], ["outer"], ["tiny.c"], [15], [1], [False]]
    columns[column] = [[]]
    key = open_image(build / "vmlinux", cache).key
    cache.keep(key, "lines", {page_of(ADDRESSES[0]): json.dumps(columns)})
    fresh = open_image(build / "vmlinux").locate(ADDRESSES[:1])
    assert open_image(build / "vmlinux", cache).locate(ADDRESSES[:1]) == fresh
    cache.close()


def test_a_file_with_a_copied_build_id_has_answers_of_its_own(build: Path, tmp_path: Path) -> None:
    for name, size_bytes in (("real", 64), ("copy", 48)):
        (tmp_path / f"{name}.s").write_text(
            ".text\n.globl f, g\n.type f, @function\n.type g, @function\n"
            f"f: .fill {size_bytes}, 1, 0x90\ng: ret\n"
            ".section .debug_info\n.byte 0\n"
            '.section .note.gnu.build-id, "a", @note\n.long 4, 8, 3\n.asciz "GNU"\n.quad 7\n'
        )
        subprocess.run(["as", "-o", f"{name}.ko", f"{name}.s"], cwd=tmp_path, check=True)
    cache = open_cache(tmp_path)
    real, copy = (open_image(tmp_path / f"{name}.ko", cache) for name in ("real", "copy"))
    assert real.elf.build_id == copy.elf.build_id
    assert [one.symbols(["f"])["f"][0].size_bytes for one in (copy, real)] == [48, 64]
    cache.close()
