# SPDX-License-Identifier: GPL-2.0-or-later
"""The machines' files as they are now; one that cannot be read keeps the last version that could."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from keepsane.errors import InputError
from keepsane.machine.machine import Machine, cards_of_two, read_machine


class _Version(NamedTuple):
    """What is another number when a file was written anew, or another one took its place."""

    inode: int
    changed_ns: int
    size_bytes: int


class MachinesKept:
    """Reads a file again where it changed; what is wrong with one is said once."""

    def __init__(self, folder: Path, say: Callable[[str], None]) -> None:
        """Take the folder of the files."""
        self.folder = folder
        self._say = say
        self._kept: dict[str, tuple[_Version | None, Machine | None]] = {}
        self._doubles: frozenset[str] = frozenset()

    def of_card(self, mac: str) -> Machine | None:
        """Give the machine with a network card, the first of two, None where there is none."""
        self._look()
        return next((found for _, found in self._kept.values() if found and mac in found.mac), None)

    def _look(self) -> None:
        versions = self._versions()
        for gone in self._kept.keys() - versions.keys():
            del self._kept[gone]
        for name, version in versions.items():
            known = self._kept.get(name)
            if known is None or known[0] != version:
                self._kept[name] = version, self._read(self.folder / name, known[1] if known else None)
        doubles = frozenset(cards_of_two(found for _, found in self._kept.values() if found))
        for double in sorted(doubles - self._doubles):
            self._say(double)
        self._doubles = doubles

    def _versions(self) -> dict[str, _Version | None]:
        """Give the version of each file: looked at for each poll, so without Path objects."""
        try:
            with os.scandir(self.folder) as entries:
                names = (entry for entry in entries if entry.name.endswith(".toml") and entry.name[0] != ".")
                found = {entry.name: _version(entry) for entry in names}
        except OSError:  # no folder yet, or it goes at this moment: the next poll looks again
            return {name: version for name, (version, _) in self._kept.items()}
        return dict(sorted(found.items()))

    def _read(self, path: Path, before: Machine | None) -> Machine | None:
        try:
            return read_machine(path)
        except InputError as error:
            self._say(f"{error}{'; what it said before holds' if before else ''}")
            return before


def _version(entry: os.DirEntry[str]) -> _Version | None:
    """Give the version of a file, None for a link to nothing: that is one file's fault and no other's."""
    try:
        status = entry.stat()
    except OSError:
        return None
    return _Version(status.st_ino, status.st_mtime_ns, status.st_size)
