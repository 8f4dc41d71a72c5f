# SPDX-License-Identifier: GPL-2.0-or-later
"""
Files of a git tree, asked of one `git cat-file --batch`: as they were committed, through no filter.

    ~/linux:v6.12
    ~/linux:4b825dc642cb6eb9a060e54bf8d69288fbee4904

A file is asked for by its name in the tree, so nothing outside of it can be named. Links are followed inside
of the tree alone. Nothing is fetched, and no program but git is run.
Source: Documentation/git-cat-file.txt.
"""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from threading import Timer
from typing import IO

from keepsane.folders import SOURCE_NOTE, debug_folder

MAX_FILE_BYTES = 16 << 20
_LIMIT_SECONDS = 10.0
_MAX_NOTE_BYTES = 8192
_MAX_HEAD_BYTES = 8192
_MAX_TREEISH = 200
_ID = re.compile(r"[0-9a-f]{40}(?:[0-9a-f]{24})?", re.ASCII)
_UNPRINTED = re.compile(r"[\x00-\x1f\x7f]")
_FOUND = re.compile(rb"[0-9a-f]{40,64} blob (\d{1,12})\n")
_ELSEWHERE = re.compile(rb"(?:symlink|dangling|loop|notdir) (\d{1,5})\n")
_OTHER = re.compile(rb"[0-9a-f]{40,64} (?:tree|commit|tag) (\d{1,12})\n")


@dataclass(slots=True)
class GitTree:
    """A tree of a repository; `problem` says why nothing can be read of it, "" as long as something can."""

    repository: Path
    treeish: str
    tree: str = ""
    problem: str = ""
    _ran: subprocess.Popen[bytes] | None = field(default=None, repr=False)

    def open(self) -> bool:
        """Find the tree; false where there is none, which `problem` then says."""
        if not self.tree and not self.problem:
            self.tree, self.problem = _resolved(self.repository, self.treeish)
        return not self.problem

    def content(self, parts: Sequence[str]) -> bytes | None:
        """Read a file by the parts of its name; None where there is none, or it is too large."""
        name = "/".join(parts)
        if _UNPRINTED.search(name) or not self.open():
            return None
        try:
            return self._asked(os.fsencode(f"{self.tree}:{name}\n"))
        except (OSError, ValueError) as error:
            self.problem = f"git cat-file: {error}"
            self.close()
            return None

    def close(self) -> None:
        """End git."""
        ran, self._ran = self._ran, None
        if ran is not None:
            ran.kill()
            with suppress(BrokenPipeError):
                ran.communicate()

    def _asked(self, question: bytes) -> bytes | None:
        if self._ran is None:
            self._ran = _started(self.repository)
        ran = self._ran
        assert ran.stdin is not None and ran.stdout is not None  # noqa: S101
        late = Timer(_LIMIT_SECONDS, ran.kill)
        late.daemon = True
        late.start()
        try:
            ran.stdin.write(question)
            ran.stdin.flush()
            return self._answer(ran.stdout)
        finally:
            late.cancel()

    def _answer(self, out: IO[bytes]) -> bytes | None:
        head = out.readline(_MAX_HEAD_BYTES)
        if head.endswith((b" missing\n", b" ambiguous\n")):
            return None
        found = _FOUND.fullmatch(head)
        sized = found or _ELSEWHERE.fullmatch(head) or _OTHER.fullmatch(head)
        if sized is None:
            raise ValueError("it ended")
        size_bytes = int(sized[1])
        if size_bytes > MAX_FILE_BYTES:
            self.close()  # and starts again with the next: nobody waits for what is not used
            return None
        content = out.read(size_bytes + 1)
        if len(content) != size_bytes + 1:
            raise ValueError("it ended")
        return content[:-1] if found else None


def named_tree(source: Path) -> GitTree | None:
    """
    Read `REPOSITORY:TREEISH`; None where it is not that form.

    What exists under the whole name is a folder, not this. Else the first colon behind a folder parts them.
    """
    whole = str(source)
    if source.exists():
        return None
    for colon in re.finditer(":", whole):
        repository, treeish = whole[: colon.start()], whole[colon.end() :]
        if repository and treeish and Path(repository).is_dir():
            return GitTree(Path(repository), treeish)
    return None


def noted_tree(binary: Path) -> GitTree | None:
    """
    Give the tree of the build that a binary is of, as `keepsane netboot` noted it; None where it did not.

    Only in the folder of kept builds: a note beside a stranger's file could name any repository.
    """
    try:
        if not binary.is_relative_to(debug_folder()):
            return None
        beside = binary.with_suffix(SOURCE_NOTE) if binary.suffix == ".debug" else binary.parent / SOURCE_NOTE
        with beside.open("rb") as note:
            tree, _, repository = os.fsdecode(note.read(_MAX_NOTE_BYTES)).partition("\n")
    except (OSError, RuntimeError):
        return None
    repository = repository.removesuffix("\n")
    return GitTree(Path(repository), tree) if _ID.fullmatch(tree) and repository.startswith("/") else None


def _resolved(repository: Path, treeish: str) -> tuple[str, str]:
    """Give the id of a tree and "", or "" and what is wrong."""
    if treeish.startswith("-") or _UNPRINTED.search(treeish) or len(treeish) > _MAX_TREEISH:
        return "", "that is no name of a git tree"
    if not repository.is_dir():
        return "", f"{repository} is gone"
    try:
        ran = subprocess.run(
            (*_git(repository), "rev-parse", "--verify", "--quiet", f"{treeish}^{{tree}}"),
            capture_output=True,
            stdin=subprocess.DEVNULL,
            env=_environment(),
            timeout=_LIMIT_SECONDS,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        return "", f"git cannot be asked: {getattr(error, 'strerror', None) or 'it took too long'}"
    tree = ran.stdout.decode("ascii", "replace").strip()
    return (tree, "") if _ID.fullmatch(tree) else ("", f"{repository} has no git tree {treeish}")


def _started(repository: Path) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        (*_git(repository), "cat-file", "--batch", "--follow-symlinks"),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        env=_environment(),
    )


def _git(repository: Path) -> tuple[str, ...]:
    quiet = ("-c", "core.fsmonitor=false", "-c", "core.hooksPath=/dev/null")
    return ("git", "--no-replace-objects", *quiet, "-C", str(repository))


def _environment() -> dict[str, str]:
    own = {name: text for name, text in os.environ.items() if not name.startswith("GIT_")}
    # No fetch for an object that a partial clone lacks: a protocol can be a program.
    return own | {"LC_ALL": "C", "GIT_ALLOW_PROTOCOL": "none", "GIT_NO_LAZY_FETCH": "1"}
