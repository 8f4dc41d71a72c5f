# SPDX-License-Identifier: GPL-2.0-or-later
"""How each kind of line and list is set in text: what stands before it, and where its further lines begin."""

from __future__ import annotations

from typing import NamedTuple

from keepsane.render.elements import FactsKind, Kind


class Form(NamedTuple):
    """
    How a line begins, and its further ones; whether one is left empty before it.

    In a list a name follows, then `mark`, up to `width`.
    """

    first: str = "  "
    rest: str | None = None
    apart: bool = False
    mark: str = ""
    width: int = 0


HIDDEN: frozenset[Kind | FactsKind] = frozenset({"more", "loose", "failures", "edge"})
"""What only those writers give that can fold it away."""
PLAIN = Form()
FORMS: dict[Kind | FactsKind, Form] = {
    "alarm": Form("", "  "),
    "file": Form(rest="    "),
    "absent": Form("    ", "      "),
    "finding": Form("  => ", apart=True),
    "explanation": Form("     "),
    "quote": Form("     ", " " * 9),
    "instruction": Form("    ", " " * 11),
    "advice": Form("     do: "),
    "reference": Form("     see "),
    "leftover": Form("    ?  "),
    "also": Form("  also: "),
    "verified": Form(apart=True),
    "list": Form(apart=True),
    "failure": Form("", "  "),
    "unread": Form("", apart=True),
    "outer": Form("       "),
    "folded-away": Form("", "  ", apart=True),
    "left-out": Form("  ", "    "),
    "boots": Form(mark=": ", rest="    "),
    "notes": Form(mark=": ", rest="    "),
    "compared": Form("    ", mark=":", width=16),
    "event": Form(width=11),
    "folded": Form(width=11),
    "machine": Form(width=12),
    "steps": Form("       ", mark=":", width=8),
    "counters": Form("     ", mark=": "),
    "because": Form("    ", mark=": ", rest="      "),
}
"""Those of lines and lists that do not merely stand two blanks in."""
