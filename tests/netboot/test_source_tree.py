# SPDX-License-Identifier: GPL-2.0-or-later
from __future__ import annotations

import hashlib
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from keepsane.netboot import source_tree
from keepsane.netboot.source_tree import drop_tree, keep_tree, snapshot

BUILD = "20261130-181500-1f3a9c02"
WHO = ("-c", "user.name=dave", "-c", "user.email=dave@box")


def git(folder: Path, *words: str) -> str:
    ran = subprocess.run(("git", "-C", folder, *WHO, *words), capture_output=True, text=True, check=True)
    return ran.stdout.rstrip("\n")


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """A tree with a commit; one file is ignored."""
    tree = tmp_path / "linux"
    (tree / "mm").mkdir(parents=True)
    (tree / "Makefile").write_text("all:\n")
    (tree / "mm" / "slab.c").write_text("int slab;\n")
    (tree / ".gitignore").write_text("*.o\n")
    git(tmp_path, "init", "-q", "linux")
    git(tree, "add", "-A")
    git(tree, "commit", "-q", "-m", "first")
    return tree


def state(tree: Path) -> dict[str, str]:
    """Everything a user has: all files but the objects, which only become more."""
    return dict(_hashes(tree))


def _hashes(tree: Path) -> Iterator[tuple[str, str]]:
    for path in sorted(tree.rglob("*")):
        if path.is_file() and "objects" not in path.parts:
            yield str(path), hashlib.sha256(path.read_bytes()).hexdigest()


def files(tree: Path, of: str) -> list[str]:
    return git(tree, "ls-tree", "-r", "--name-only", of).splitlines()


def test_what_is_not_ignored_is_taken_as_it_is_on_the_disk(tree: Path) -> None:
    (tree / "mm" / "slab.c").write_text("int slab = 1;\n")
    (tree / "mm" / "new name.c").write_text("int new;\n")
    (tree / "mm" / "slab.o").write_text("object")
    taken = snapshot(tree)
    assert taken.problem == ""
    assert git(tree, "show", f"{taken.tree}:mm/slab.c") == "int slab = 1;"
    assert files(tree, taken.tree) == [".gitignore", "Makefile", "mm/new name.c", "mm/slab.c"]
    git(tree, "add", "-A")
    assert git(tree, "write-tree") == taken.tree, "git says the same"


def test_what_a_user_has_stays_byte_for_byte(tree: Path) -> None:
    (tree / "mm" / "slab.c").write_text("int stashed;\n")
    git(tree, "stash")
    (tree / "mm" / "slab.c").write_text("int staged;\n")
    git(tree, "add", "-A")
    (tree / "mm" / "slab.c").write_text("int edited;\n")
    before = state(tree)
    taken = snapshot(tree)
    assert git(tree, "show", f"{taken.tree}:mm/slab.c") == "int edited;"
    assert state(tree) == before


def test_files_that_went_or_became_folders_are_as_they_are(tree: Path) -> None:
    (tree / "Makefile").unlink()
    (tree / "mm" / "slab.c").unlink()
    (tree / "mm" / "slab.c").mkdir()
    (tree / "mm" / "slab.c" / "part.c").write_text("int part;\n")
    assert files(tree, snapshot(tree).tree) == [".gitignore", "mm/slab.c/part.c"]


def test_an_edit_of_the_same_size_in_the_same_moment_is_seen(tree: Path) -> None:
    for number in range(10):
        (tree / "mm" / "slab.c").write_text("int slaa;\n")
        git(tree, "add", "-A")
        (tree / "mm" / "slab.c").write_text(f"int sla{number};\n")
        assert git(tree, "show", f"{snapshot(tree).tree}:mm/slab.c") == f"int sla{number};"


@pytest.mark.parametrize("setting", ["core.splitIndex", "core.untrackedCache", "index.sparse"])
def test_each_form_of_the_index_is_read(tree: Path, setting: str) -> None:
    git(tree, "config", setting, "true")
    git(tree, "update-index", "--split-index" if setting == "core.splitIndex" else "--refresh")
    (tree / "new.c").write_text("int new;\n")
    before = state(tree)
    assert "new.c" in files(tree, snapshot(tree).tree)
    assert state(tree) == before


def test_a_worktree_and_a_folder_of_a_repository_are_taken(tree: Path, tmp_path: Path) -> None:
    git(tree, "worktree", "add", "-q", str(tmp_path / "second"))
    (tmp_path / "second" / "new.c").write_text("int new;\n")
    taken = snapshot(tmp_path / "second")
    assert "new.c" in files(tree, taken.tree)
    (tree / "mm" / "part.c").write_text("int part;\n")
    assert files(tree, snapshot(tree / "mm").tree) == [".gitignore", "Makefile", "mm/part.c", "mm/slab.c"]


def test_no_program_of_the_tree_is_run(tree: Path, tmp_path: Path) -> None:
    ran = tmp_path / "ran"
    program = tmp_path / "program"
    program.write_text(f"#!/bin/sh\necho $0 >> {ran}\ncat\n")
    program.chmod(0o755)
    (tree / ".gitattributes").write_text("*.c filter=evil\n*.h filter=a=b\n")
    for name in ("evil", "a=b"):
        for what in ("clean", "smudge", "process"):
            git(tree, "config", f"filter.{name}.{what}", str(program))
        git(tree, "config", f"filter.{name}.required", "true")
    git(tree, "config", "core.fsmonitor", str(program))
    for hook in ("post-index-change", "reference-transaction"):
        (tree / ".git" / "hooks" / hook).write_bytes(program.read_bytes())
        (tree / ".git" / "hooks" / hook).chmod(0o755)
    (tree / "mm" / "slab.c").write_text("int edited;\n")
    (tree / "mm" / "slab.h").write_text("int header;\n")
    taken = snapshot(tree)
    assert (taken.problem, keep_tree(tree, BUILD, taken.tree), drop_tree(tree, BUILD)) == ("", "", "")
    assert not ran.exists()
    assert git(tree, "cat-file", "blob", f"{taken.tree}:mm/slab.c") == "int edited;"
    subprocess.run(("git", "-C", tree, "status"), check=False, capture_output=True)
    assert ran.exists(), "git itself would have run it"


def test_a_large_file_is_left_out_also_where_a_small_one_was_committed(
    tree: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(source_tree, "MAX_FILE_BYTES", 20)
    (tree / "mm" / "slab.c").write_text("int slab = 1;\n" * 9)
    (tree / "core").write_text("memory" * 9)
    assert files(tree, snapshot(tree).tree) == [".gitignore", "Makefile"]


def test_what_cannot_be_kept_says_why(tree: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "plain").mkdir()
    assert snapshot(tmp_path / "plain").problem == "it is no git tree"
    assert snapshot(tmp_path / "gone").tree == ""
    assert "took too long" in snapshot(tree, 0.0).problem
    monkeypatch.setattr(source_tree, "MAX_CHANGED", 1)
    (tree / "a.c").write_text("")
    (tree / "b.c").write_text("")
    assert snapshot(tree).problem == "2 files are neither committed nor ignored"
    monkeypatch.setenv("PATH", "")
    assert snapshot(tree).problem == "git is not installed"


def test_a_gitignore_as_of_debians_linux_source_is_named(tmp_path: Path) -> None:
    git(tmp_path, "init", "-q")
    (tmp_path / ".gitignore").write_text("/*\n")
    (tmp_path / "Makefile").write_text("all:\n")
    assert "remove that" in snapshot(tmp_path).problem


def test_a_kept_tree_outlives_git_gc_until_it_is_dropped(tree: Path) -> None:
    (tree / "mm" / "slab.c").write_text("int edited;\n")
    taken = snapshot(tree).tree
    assert keep_tree(tree, BUILD, taken) == ""
    (tree / "mm" / "slab.c").write_text("int again;\n")
    git(tree, "gc", "-q", "--prune=now")
    assert git(tree, "show", f"{taken}:mm/slab.c") == "int edited;"
    assert git(tree, "log", "--all", "--format=%s") == "first"
    git(tree, "fsck", "--strict")
    assert drop_tree(tree, BUILD) == ""
    git(tree, "gc", "-q", "--prune=now")
    with pytest.raises(subprocess.CalledProcessError):
        git(tree, "show", f"{taken}:mm/slab.c")


@pytest.mark.parametrize("name", ["../../heads/main", "-d", "a b", ""])
def test_a_name_that_is_none_of_a_build_makes_no_ref(tree: Path, name: str) -> None:
    before = state(tree)
    assert keep_tree(tree, name, "4b825dc642cb6eb9a060e54bf8d69288fbee4904")
    assert state(tree) == before
