# SPDX-License-Identifier: GPL-2.0-or-later
"""
Boots that were handed out, until every byte of every file was taken: each under a random name of its own.

What a machine took is noted at once; where the history cannot be written, as soon as it can.
"""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from keepsane.errors import HistoryError
from keepsane.machine.machine import Machine
from keepsane.netboot.boot import Boot, BootFile
from keepsane.netboot.choice import Take
from keepsane.netboot.history import History
from keepsane.services.room import make_room
from keepsane.services.spans import Spans, with_span

MAX_FLIGHTS = 256
MAX_OF_ONE = 8
"""Boots that one machine at one address may have open: whoever asks on and on costs nobody else's."""
MAX_UNWRITTEN = 256


@dataclass(slots=True)
class Flight:
    """A boot script that was given, and what of its files is taken."""

    machine: Machine
    take: Take
    address: str
    files: Mapping[str, Path]
    asked_seconds: float
    script_seconds: float = field(default_factory=time.time)
    sent: dict[str, Spans] = field(default_factory=dict)
    first_seconds: dict[str, float] = field(default_factory=dict)
    done: dict[str, BootFile] = field(default_factory=dict)

    def boot(self, nonce: str) -> Boot:
        """Give what is noted of it."""
        return Boot(
            nonce=nonce,
            machine=self.machine.name,
            build=self.take.build,
            offer=self.take.offer,
            command_line=self.machine.command_line,
            address=self.address,
            taken_seconds=time.time(),
            cause=self.take.cause,
            asked_seconds=self.asked_seconds,
            script_seconds=self.script_seconds,
        )


class Flights:
    """All of them; `say` is told when a machine has taken everything, `tell` what goes wrong."""

    def __init__(self, history: History, say: Callable[[str], None], tell: Callable[[str], None]) -> None:
        """Take where boots are noted."""
        self._history = history
        self._say = say
        self._tell = tell
        self._open: dict[str, Flight] = {}
        self._unwritten: dict[str, Flight] = {}

    def begin(self, nonce: str, flight: Flight) -> None:
        """Hand out a boot; the machine's oldest give way, and of all the oldest."""
        mine = [known for known, other in self._open.items() if _is_same(other, flight)]
        for old in mine[: max(0, len(mine) - MAX_OF_ONE + 1)]:
            del self._open[old]
        make_room(self._open, MAX_FLIGHTS)
        self._open[nonce] = flight

    def of(self, nonce: str, address: str) -> Flight | None:
        """Give a boot to the address that asked for its script, None to any other."""
        flight = self._open.get(nonce)
        return flight if flight is not None and flight.address == address else None

    def is_taken(self, take: Take) -> bool:
        """Say whether a boot was taken that could not be noted yet."""
        return any(flight.take == take for flight in self._unwritten.values())

    def began(self, nonce: str, name: str) -> None:
        """Note that a file is being sent."""
        if (flight := self._open.get(nonce)) is not None:
            flight.first_seconds.setdefault(name, time.time())

    def sent(self, nonce: str, name: str, start: int, end: int, size: int) -> None:
        """Note which bytes of a file were taken; with the last of the last file the machine has booted."""
        flight = self._open.get(nonce)
        if flight is None:
            return
        flight.sent[name] = with_span(flight.sent.get(name, ()), start, end)
        if flight.sent[name] != ((0, size),) or name in flight.done:
            return
        now = time.time()
        flight.done[name] = BootFile(name, size, flight.first_seconds.get(name, now), now)
        if flight.done.keys() == flight.files.keys():
            if len(self._unwritten) < MAX_UNWRITTEN:
                self._unwritten[nonce] = flight
            self.write()
            self._say(f"{flight.machine.name} boots {flight.take.build}")

    def write(self) -> None:
        """Note what was taken and is not noted yet."""
        for nonce, flight in [*self._unwritten.items()]:
            try:
                self._history.booted(flight.boot(nonce), flight.done.values())
            except HistoryError as error:
                self._tell(str(error))
                return
            del self._unwritten[nonce]


def new_nonce() -> str:
    """Give a boot its id: 128 random bits."""
    return secrets.token_hex(16)


def _is_same(one: Flight, other: Flight) -> bool:
    return one.address == other.address and one.machine.name == other.machine.name
