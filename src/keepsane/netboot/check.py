# SPDX-License-Identifier: GPL-2.0-or-later
"""What the doctor says of one thing."""

from __future__ import annotations

from typing import NamedTuple


class Check(NamedTuple):
    """One thing that was looked at; `ok` is None for what is worth knowing and no fault."""

    ok: bool | None
    what: str

    @property
    def word(self) -> str:
        """Give the word that stands in front of it."""
        return "note" if self.ok is None else "ok" if self.ok else "red"

    def line(self) -> str:
        """Write it as the doctor shows it."""
        return f"{self.word:<6}{self.what}"
