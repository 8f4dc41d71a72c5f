# SPDX-License-Identifier: GPL-2.0-or-later
"""
The files that one run has open: a stream asks for each of its reports, and opens none twice.

A file that was written anew since then, as a kernel that is built while its console is read, is opened anew.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from keepsane.symbols.binary.cache import Cache, open_cache
from keepsane.symbols.binary.elf import identity_of
from keepsane.symbols.binary.image import Image, open_image
from keepsane.symbols.binary.modules import ModuleIndex, index_modules
from keepsane.symbols.binary.unnamed import Room
from keepsane.symbols.lines.git_tree import GitTree, named_tree, noted_tree
from keepsane.symbols.lines.source import SourceTree, tree_of

_MAX_OPEN = 200


@dataclass(slots=True)
class Binaries:
    """
    The open files by their paths, the cache that they share, and the source trees beside them.

    `keeps` False asks no cache; `source` is the tree that the user named.
    """

    keeps: bool
    source: Path | None = None
    room: Room = field(default_factory=Room)
    _cache: Cache | None = None
    _images: dict[Path, Image] = field(default_factory=dict)
    _trees: dict[Path | None, SourceTree] = field(default_factory=dict)
    _gits: dict[tuple[Path, str], SourceTree] = field(default_factory=dict)
    _indexes: dict[Path, ModuleIndex] = field(default_factory=dict)

    @property
    def cache(self) -> Cache:
        """Give the cache, opened when it is first asked for."""
        if self._cache is None:
            self._cache = open_cache() if self.keeps else Cache()
        return self._cache

    def open(self, path: Path) -> Image:
        """Give the image of a file; raises SymbolError where it cannot be used."""
        known = self._images.get(path)
        if known is not None and _is_same(known):
            return known
        oldest = next(iter(self._images)) if len(self._images) >= _MAX_OPEN else path
        for gone in {path, oldest}:
            self._images.pop(gone, None)
            self._trees.pop(gone, None)
        self._images[path] = open_image(path, self.cache, self.room)
        return self._images[path]

    def tree(self, image: Image) -> SourceTree:
        """Give the sources to quote from for what a file says: the tree that was named, or its own."""
        path = None if self.source is not None else image.path
        if path not in self._trees:
            git = noted_tree(path) if path is not None else named_tree(self.source or Path())
            if git is not None:
                self._trees[path] = self._git(git)
            else:
                self._trees[path] = SourceTree(self.source) if path is None else tree_of(image.elf)
        return self._trees[path]

    def _git(self, git: GitTree) -> SourceTree:
        """Give a git tree with the files read so far: a kernel and its modules have one."""
        return self._gits.setdefault((git.repository, git.treeish), SourceTree(None, git=git))

    def index(self, directory: Path) -> ModuleIndex:
        """Give the modules below a directory, which is walked once."""
        if directory not in self._indexes:
            self._indexes[directory] = index_modules(directory)
        return self._indexes[directory]

    def close(self) -> None:
        """Close the cache and let go of all files."""
        if self._cache is not None:
            self._cache.close()
        for tree in self._gits.values():
            if tree.git is not None:
                tree.git.close()
        for known in (self._images, self._trees, self._gits):
            known.clear()


def _is_same(image: Image) -> bool:
    try:
        return identity_of(image.path.stat()) == image.elf.identity
    except OSError:
        return False
