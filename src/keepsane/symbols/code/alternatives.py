# SPDX-License-Identifier: GPL-2.0-or-later
"""
What alternatives write to their sites, chosen at boot by the features of the CPU.

    struct alt_instr { s32 instr_offset; s32 repl_offset; u32 flags; u8 instrlen; u8 replacementlen; }

A replacement is code of the file that may itself be patched before it is copied. At its site its distances
are longer by as much as it moved, nops fill the rest, and a long jump may become a short one.

Source: arch/x86/include/asm/alternative.h, struct alt_instr; arch/x86/kernel/alternative.c,
apply_alternatives(), apply_relocation() and alt_replace_call() (as of 6.12), recompute_jump() (as of 6.1).
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterator
from itertools import islice, product
from typing import NamedTuple

from keepsane.symbols.code.branch_forms import form_contents
from keepsane.symbols.code.patch_tables import PatchSite, PatchTable, patch_sites, same_place, table_sites
from keepsane.symbols.code.patched import Content, Patched, file_content, pointed, table_of
from keepsane.symbols.code.text import Text, patches_of, references_of, symbols_of

_LONGEST_SITE_BYTES = 64
_ALTERNATIVES = ".altinstructions"
_REPLACEMENTS = ".altinstr_replacement"
_NOT_INSIDE = frozenset({_ALTERNATIVES, "padding"})
_MOST_SITES = 4
_MOST_CONTENTS = 256
_INDIRECT_CALL = b"\xff\x15"
_LONG_JUMP_BYTES = 5


class Replacement(NamedTuple):
    """Bytes that an alternative writes to `site`: `size_bytes` of the file from `origin` on."""

    site: int
    origin: int
    size_bytes: int


def replacements(text: Text, module: str | None, address: int) -> Iterator[Replacement]:
    """List the alternatives whose bytes may reach up to an address; one shorter than its site is padded."""
    image, patches = text.images[module], patches_of(text, module)
    references = {} if module is None else references_of(text, module)
    patched = Patched(image.elf, symbols_of(image), patches, references)
    for table in patches.tables:
        if table.name == _ALTERNATIVES:
            for site in table_sites(table, address - _LONGEST_SITE_BYTES, address):
                if site.address < address <= site.address + site.size_bytes:
                    yield _replacement(patched, table, site)


def alternative_contents(patched: Patched, site: PatchSite) -> Iterator[Content]:
    """Give the file's bytes of an alternative's site, then what may be written there."""
    file = file_content(patched, site.address, site.size_bytes)
    yield file
    table = table_of(patched, site)
    if table is None:
        return
    if file.data[:2] == _INDIRECT_CALL:
        # The pointer's value at boot says which function, or that there is nothing to call.
        yield Content(b"\xe8" + bytes(4) + b"\x90", frozenset(range(1, 5)))
        yield Content(b"\x90" * site.size_bytes)
    found = _replacement(patched, table, site)
    for size_bytes in _sizes_bytes(table, site):
        for content in _written(patched, found):
            yield _padded(content, size_bytes)
            for short in _shortened(content):
                yield _padded(short, size_bytes)


def _padded(content: Content, size_bytes: int) -> Content:
    return content._replace(data=content.data.ljust(size_bytes, b"\x90"))


def _replacement(patched: Patched, table: PatchTable, site: PatchSite) -> Replacement:
    start = site.entry * table.form.entry_bytes
    size_bytes = table.content[start + (table.form.size_at or 0) + 1]
    origin = pointed(patched, table, start + 4, 4)
    return Replacement(site.address, origin or 0, 0 if origin is None else size_bytes)


def _sizes_bytes(table: PatchTable, site: PatchSite) -> list[int]:
    """Its own size and, of the alternatives for one place, that of the longest: it pads all of them."""
    sizes = {choice.size_bytes for choice in same_place(table, site)}
    return sorted({site.size_bytes, max(sizes, default=site.size_bytes)})


def _written(patched: Patched, found: Replacement) -> Iterator[Content]:
    """The replacement as the file has it, then as it is where it was patched itself."""
    file = file_content(patched, found.origin, found.size_bytes)
    moved_bytes = found.origin - found.site
    yield file._replace(moved_bytes=moved_bytes)
    inside = [site for site in _inner_sites(patched, found) if site.table not in _NOT_INSIDE][:_MOST_SITES]
    known = [(site, one) for site in inside if (one := form_contents(patched, site)) is not None]
    for chosen in islice(product(*(choice for _, choice in known)), 1, _MOST_CONTENTS):
        content = file
        for (site, _), inner in zip(known, chosen, strict=True):
            content = _overlaid(content, site.address - found.origin, inner)
        yield content._replace(moved_bytes=moved_bytes)


def _overlaid(content: Content, at: int, inner: Content) -> Content:
    end = at + len(inner.data)
    kept = {position for position in content.free if not at <= position < end}
    free = frozenset(kept.union(at + position for position in inner.free))
    return Content(content.data[:at] + inner.data + content.data[end:], free)


def _inner_sites(patched: Patched, found: Replacement) -> list[PatchSite]:
    """The sites that lie in a replacement; those of all are read at once and kept."""
    if patched.inner is None:
        patched.inner = tuple(_replacement_sites(patched))
    first = bisect_left(patched.inner, (found.origin, 0, "", 0))
    last = bisect_left(patched.inner, (found.origin + found.size_bytes, 0, "", 0))
    end = found.origin + found.size_bytes
    return [site for site in patched.inner[first:last] if site.address + site.size_bytes <= end]


def _replacement_sites(patched: Patched) -> Iterator[PatchSite]:
    pad = bytes(_LONGEST_SITE_BYTES)
    for address, section in zip(patched.symbols.section_addresses, patched.elf.sections, strict=True):
        if section.name == _REPLACEMENTS and address:
            code = pad + patched.elf.content(section) + pad
            yield from patch_sites(patched.patches, address - len(pad), code, len(pad))


def _shortened(content: Content) -> Iterator[Content]:
    """A long jump that would lead near its site becomes a short one before int3, up to 6.1 before nops."""
    at = content.data.find(b"\xe9")
    while 0 <= at <= len(content.data) - _LONG_JUMP_BYTES:
        end = at + _LONG_JUMP_BYTES
        distance = int.from_bytes(content.data[at + 1 : end], "little", signed=True) + content.moved_bytes + 3
        if at + 1 in content.free or -128 <= distance < 128:
            for filling in (b"\xcc", b"\x90"):
                jump = b"\xeb" + (distance % 256).to_bytes(1, "little") + 3 * filling
                free = content.free - set(range(at + 2, end))
                yield content._replace(data=content.data[:at] + jump + content.data[end:], free=free)
        at = content.data.find(b"\xe9", at + 1)
