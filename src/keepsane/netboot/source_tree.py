# SPDX-License-Identifier: GPL-2.0-or-later
"""
The sources of a build, as a git tree in the repository they lie in.

    refs/keepsane/20261130-181500-1f3a9c02 -> tree 4b825dc642cb6eb9a060e54bf8d69288fbee4904

What is tracked or neither tracked nor ignored, as it is on the disk, written through a copy of the index:
the index itself, HEAD, the stash and the files stay as they are. The ref names the tree and no commit:
`git log --all` has nothing new, and a user without a name can make it. No program that the tree's settings
name is run: no hook, no file system monitor, no filter. A submodule is not entered.
"""

from __future__ import annotations

import os
import re
import shutil
import stat
import subprocess
import time
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory, TemporaryFile

from keepsane.words import size_words

LIMIT_SECONDS = 30.0
MAX_FILE_BYTES = 16 << 20
"""A larger file is left out: `keepsane explain` quotes none."""
MAX_TOTAL_BYTES = 512 << 20
MAX_CHANGED = 100_000
_MAX_ANSWER_BYTES = 16 << 20
_REFS = "refs/keepsane"
_TREE = re.compile(r"[0-9a-f]{40}(?:[0-9a-f]{24})?", re.ASCII)
_BUILD = re.compile(r"[0-9A-Za-z][0-9A-Za-z-]{0,63}", re.ASCII)
_SETTINGS = (
    ("core.hooksPath", "/dev/null"),
    ("core.fsmonitor", "false"),
    ("core.splitIndex", "false"),  # a part of the index beside the user's own would be written
    ("core.safecrlf", "false"),
)


@dataclass(frozen=True, slots=True)
class Snapshot:
    """The tree that was written, "" where there is none; then `problem` says why."""

    tree: str
    problem: str = ""


class _NotKept(Exception):
    """Why the sources are not kept."""


def snapshot(folder: Path, limit_seconds: float = LIMIT_SECONDS) -> Snapshot:
    """Write what lies in a folder and its repository as a git tree; a failure is said, never raised."""
    try:
        with TemporaryDirectory(prefix="keepsane-") as scratch:
            return Snapshot(_written(_Git(folder, limit_seconds), Path(scratch) / "index"))
    except _NotKept as problem:
        return Snapshot("", str(problem))
    except OSError as error:
        return Snapshot("", error.strerror or str(error))


def keep_tree(folder: Path, build: str, tree: str) -> str:
    """Keep a tree under the name of a build; gives "" or why that failed."""
    if not _TREE.fullmatch(tree) or not _BUILD.fullmatch(build):
        return "the name of the tree is no git object"
    return _update_ref(folder, f"{_REFS}/{build}", tree)


def drop_tree(folder: Path, build: str) -> str:
    """Let go of the tree of a build, which git removes when it cleans up; gives "" or why that failed."""
    if not _BUILD.fullmatch(build):
        return "the build has no such name"
    return _update_ref(folder, "-d", f"{_REFS}/{build}")


def _update_ref(folder: Path, *words: str) -> str:
    try:
        _Git(folder, LIMIT_SECONDS).ask("update-ref", *words)
    except _NotKept as problem:
        return str(problem)
    except OSError as error:
        return error.strerror or str(error)
    return ""


class _Git:
    """git in a folder, with settings that run no program, until the time is up."""

    def __init__(self, folder: Path, limit_seconds: float) -> None:
        self.folder = folder
        self._end = time.monotonic() + limit_seconds
        own = {name: text for name, text in os.environ.items() if not name.startswith("GIT_")}
        # No fetch for an object that a partial clone lacks: a protocol can be a program.
        self.environment = own | {"LC_ALL": "C", "GIT_ALLOW_PROTOCOL": "none", "GIT_NO_LAZY_FETCH": "1"}
        self.set(_SETTINGS)

    def set(self, settings: Iterable[tuple[str, str]]) -> None:
        """Add settings, which count before the repository's; a name may have any character."""
        for name, value in settings:
            number = int(self.environment.get("GIT_CONFIG_COUNT", "0"))
            self.environment |= {
                f"GIT_CONFIG_KEY_{number}": name,
                f"GIT_CONFIG_VALUE_{number}": value,
                "GIT_CONFIG_COUNT": str(number + 1),
            }

    def ask(self, *words: str, told: bytes = b"", fine: tuple[int, ...] = (0,)) -> bytes:
        """Run git and give what it writes. Raises _NotKept with the last line of its errors."""
        left_seconds = self._end - time.monotonic()
        if left_seconds <= 0:
            raise _NotKept(f"git {words[0]} took too long")
        with TemporaryFile() as given, TemporaryFile() as out, TemporaryFile() as errors:
            given.write(told)
            given.seek(0)
            try:
                ran = subprocess.run(
                    ("git", "-C", str(self.folder), *words),  # noqa: S607
                    stdin=given,
                    stdout=out,
                    stderr=errors,
                    env=self.environment,
                    timeout=left_seconds,
                )
            except FileNotFoundError:
                raise _NotKept("git is not installed") from None
            except subprocess.TimeoutExpired:
                raise _NotKept(f"git {words[0]} took too long") from None
            if ran.returncode not in fine:
                errors.seek(0)
                raise _NotKept(f"git {words[0]}: {_last_line(errors.read(4096))}")
            if out.seek(0, os.SEEK_END) > _MAX_ANSWER_BYTES:
                raise _NotKept("too many files are neither committed nor ignored")
            out.seek(0)
            return out.read()


def _last_line(said: bytes) -> str:
    lines = said.decode("utf-8", "replace").strip().splitlines()
    return lines[-1][:300] if lines else "it failed"


def _written(git: _Git, index: Path) -> str:
    git.set(_no_filters(git))
    _copy_index(git, index)
    taken, left_out = _changed(git)
    if left_out:
        git.ask("update-index", "-z", "--force-remove", "--stdin", told=left_out)
    if taken:
        git.ask("update-index", "-z", "--add", "--remove", "--replace", "--stdin", told=taken)
    if (git.folder / "Makefile").is_file() and not git.ask("ls-files", "--", "Makefile"):
        raise _NotKept("a .gitignore leaves out its Makefile (Debian's linux-source has `/*`: remove that)")
    return git.ask("write-tree").decode("ascii").strip()


def _no_filters(git: _Git) -> Iterator[tuple[str, str]]:
    """Switch off each filter that some setting names: an empty program is none."""
    named = git.ask("config", "-z", "--name-only", "--get-regexp", r"^filter\.", fine=(0, 1))
    for name in sorted({os.fsdecode(key).rpartition(".")[0] for key in named.split(b"\0") if key}):
        yield from ((f"{name}.clean", ""), (f"{name}.process", ""), (f"{name}.required", "false"))


def _copy_index(git: _Git, index: Path) -> None:
    if git.ask("rev-parse", "--is-inside-work-tree", fine=(0, 128)).strip() != b"true":
        raise _NotKept("it is no git tree")
    # git answers by a path that is relative to the folder, or absolute.
    found = git.folder / os.fsdecode(git.ask("rev-parse", "--git-path", "index").removesuffix(b"\n"))
    if found.exists():
        # With its time: by it git sees which files may have changed in the moment they were listed.
        shutil.copy2(found, index)
    git.environment["GIT_INDEX_FILE"] = str(index)


def _changed(git: _Git) -> tuple[bytes, bytes]:
    """Give the files that are not as the index says: those to take, and those to leave out."""
    with ThreadPoolExecutor(2) as side_by_side:  # one reads every file's state, the other every folder
        asked = [
            side_by_side.submit(git.ask, "ls-files", "-z", *words)
            for words in (("-m",), ("-o", "--exclude-standard"))
        ]
        listed = [name for answer in asked for name in answer.result().split(b"\0")]
    names = dict.fromkeys(name for name in listed if name and not name.endswith(b"/"))
    if len(names) > MAX_CHANGED:
        raise _NotKept(f"{len(names)} files are neither committed nor ignored")
    taken, left_out = [], []
    total_bytes = 0
    for name in names:
        size_bytes = _size_bytes(git.folder, name)
        if size_bytes is None or size_bytes > MAX_FILE_BYTES:
            left_out.append(name + b"\0")
        else:
            taken.append(name + b"\0")
            total_bytes += size_bytes
    if total_bytes > MAX_TOTAL_BYTES:
        raise _NotKept(f"{size_words(total_bytes >> 10)} are neither committed nor ignored")
    return b"".join(taken), b"".join(left_out)


def _size_bytes(folder: Path, name: bytes) -> int | None:
    """Give the size of a file, 0 of one that went and of a submodule, None of what is no file any more."""
    path = folder / os.fsdecode(name)
    try:
        found = path.lstat()
    except OSError:
        return 0
    if stat.S_ISDIR(found.st_mode) and (path / ".git").exists():
        return 0
    return found.st_size if stat.S_ISREG(found.st_mode) or stat.S_ISLNK(found.st_mode) else None
