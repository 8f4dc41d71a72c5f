# SPDX-License-Identifier: GPL-2.0-or-later
"""The machines' files as they are now; one that cannot be read keeps the last version that could."""

from __future__ import annotations

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
        self._kept: dict[Path, tuple[tuple[int, int], Machine | None]] = {}
        self._doubles: frozenset[str] = frozenset()

    def of_card(self, mac: str) -> Machine | None:
        """Give the machine with a network card, the first of two, None where there is none."""
        self._look()
        return next((found for _, found in self._kept.values() if found and mac in found.mac), None)

    def _look(self) -> None:
        paths = sorted(self.folder.glob("*.toml"))
        for gone in self._kept.keys() - set(paths):
            del self._kept[gone]
        for path in paths:
            try:
                status = path.stat()
            except OSError:
                continue
            version = status.st_mtime_ns, status.st_size
            known = self._kept.get(path)
            if known is None or known[0] != version:
                self._kept[path] = version, self._read(path, known[1] if known else None)
        doubles = frozenset(cards_of_two(found for _, found in self._kept.values() if found))
        for double in sorted(doubles - self._doubles):
            self._say(double)
        self._doubles = doubles

    def _read(self, path: Path, before: Machine | None) -> Machine | None:
        try:
            return read_machine(path)
        except InputError as error:
            self._say(f"{error}{'; what it said before holds' if before else ''}")
            return before
