# SPDX-License-Identifier: GPL-2.0-or-later
"""The machines' files as they are now; one that cannot be read keeps the last version that could."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

from keepsane.errors import InputError
from keepsane.machine.machine import Machine, cards_of_two, read_machine


class MachinesKept:
    """Reads a file again where it changed; what is wrong with one is said once."""

    def __init__(self, folder: Path, say: Callable[[str], None]) -> None:
        """Take the folder of the files."""
        self.folder = folder
        self._say = say
        self._kept: dict[str, tuple[tuple[int, int], Machine | None]] = {}
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

    def _versions(self) -> dict[str, tuple[int, int]]:
        """Give when each file was written, and its size: looked at for each poll, so without Path objects."""
        try:
            with os.scandir(self.folder) as entries:
                found = {entry.name: entry.stat() for entry in entries if entry.name.endswith(".toml")}
        except OSError:  # no folder yet, or a file that goes at this moment: the next poll looks again
            return {name: version for name, (version, _) in self._kept.items()}
        return {name: (found[name].st_mtime_ns, found[name].st_size) for name in sorted(found)}

    def _read(self, path: Path, before: Machine | None) -> Machine | None:
        try:
            return read_machine(path)
        except InputError as error:
            self._say(f"{error}{'; what it said before holds' if before else ''}")
            return before
