# SPDX-License-Identifier: GPL-2.0-or-later
"""
Messages that a log says it does not have.

    ** 2395 printk messages dropped **                      a console that was too slow
    systemd-journald[231]: Missed 12 kernel messages        journald did not read fast enough
    6,1235,26813123456,-;...                                /dev/kmsg and extended netconsole number messages

Source: kernel/printk/printk.c, console_emit_next_record() and info_print_ext_header();
systemd, src/journal/journald-kmsg.c.
"""

from __future__ import annotations

import re
from collections import deque
from dataclasses import replace

from keepsane.model import Event

MAX_LOSSES = 1_000
"""The last so many gaps are remembered."""

_SAID = re.compile(
    r"\*\* {0,4}(?P<dropped>\d{1,15}) printk messages dropped \*\*"
    r"|Missed (?P<missed>\d{1,15}) kernel messages"
)
_NUMBERED = re.compile(r"\d{1,4},(?P<number>\d{1,18}),\d{1,18},[-cC+]")
MAX_FRONT_CHARACTERS = 300


class Losses:
    """Remembers before which lines messages are missing, and how many."""

    def __init__(self) -> None:
        """Know of no gap yet."""
        self._gaps: deque[tuple[int, int]] = deque(maxlen=MAX_LOSSES)
        self._last = (0, 0)

    def look(self, line: int, text: str) -> None:
        """Look at a line as it stands in the log."""
        if "messages" in text and (said := _SAID.search(text, 0, MAX_FRONT_CHARACTERS)):
            self._gaps.append((line, int(said["dropped"] or said["missed"])))
        if text[:1].isdigit() and (found := _NUMBERED.match(text)):
            self._number(line, int(found["number"]))

    def _number(self, line: int, number: int) -> None:
        """Compare the number of a message with the line before; fragments of one have the same."""
        last_line, last = self._last
        self._last = line, number
        if last_line == line - 1 and number > last + 1:
            self._gaps.append((line, number - last - 1))

    def between(self, first: int, last: int) -> int:
        """Count what is missing behind line `first`, up to line `last`."""
        return sum(count for line, count in self._gaps if first < line <= last)


def with_losses(event: Event, lost: int) -> Event:
    """Say in a report that messages were lost while it was printed."""
    if not lost:
        return event
    said = f"{lost} message{'s were' if lost > 1 else ' was'} lost here, so lines of it may be missing"
    return replace(event, damage="; ".join(filter(None, (event.damage, said))))
