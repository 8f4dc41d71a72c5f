# SPDX-License-Identifier: GPL-2.0-or-later
"""
What may stand at run time where symbols/patch.py says that bytes may change: the alternatives.

    struct alt_instr { s32 instr_offset; s32 repl_offset; u32 flags; u8 instrlen; u8 replacementlen; }

Source: arch/x86/include/asm/alternative.h, struct alt_instr; arch/x86/kernel/alternative.c,
apply_alternatives() (as of 6.12).
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import NamedTuple

from keepsane.symbols.patch import PatchSite, PatchTable, table_sites
from keepsane.symbols.text import Text, patches_of, references_of

_LONGEST_SITE_BYTES = 64
_DISTANCE = struct.Struct("<i")
_ALTERNATIVES = ".altinstructions"


class Replacement(NamedTuple):
    """Bytes that an alternative writes to `site`: `size_bytes` of the file from `origin` on."""

    site: int
    origin: int
    size_bytes: int


def replacements(text: Text, module: str | None, address: int) -> Iterator[Replacement]:
    """List the alternatives whose bytes may reach up to an address; one shorter than its site is padded."""
    for table in patches_of(text, module).tables:
        if table.name == _ALTERNATIVES:
            for site in table_sites(table, address - _LONGEST_SITE_BYTES, address):
                if site.address < address <= site.address + site.size_bytes:
                    yield _replacement(text, module, table, site)


def _replacement(text: Text, module: str | None, table: PatchTable, site: PatchSite) -> Replacement:
    start = site.entry * table.form.entry_bytes
    size_bytes = table.content[start + (table.form.size_at or 0) + 1]
    if module is None:
        (distance,) = _DISTANCE.unpack_from(table.content, start + 4)
        return Replacement(site.address, table.address + start + 4 + distance, size_bytes)
    reference = references_of(text, module).get(table.address + start + 4)
    if reference is None or reference.place.address is None:
        return Replacement(site.address, 0, 0)
    return Replacement(site.address, reference.place.address + reference.addend_bytes, size_bytes)
