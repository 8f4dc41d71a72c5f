# SPDX-License-Identifier: GPL-2.0-or-later
"""
The map of a kernel's patched text: for each site every content it may have at run time.

Source: arch/x86/kernel/alternative.c, alternative_instructions() (as of 6.12).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from keepsane.symbols.binary.elf import EM_X86_64
from keepsane.symbols.code.alternatives import alternative_contents
from keepsane.symbols.code.branch_forms import form_contents
from keepsane.symbols.code.patch_tables import PatchSite
from keepsane.symbols.code.patched import Content, Patched
from keepsane.symbols.identity.kaslr import CONTEXT_BYTES, Window, differences
from keepsane.symbols.identity.nops import is_nop_run, nop_runs

_OUTSIDE = b"\xcc" * CONTEXT_BYTES


def site_contents(patched: Patched, site: PatchSite) -> Iterator[Content] | None:
    """
    Give every content that a site may have at run time, the file's own first; None where it may be any.

    One may be longer than the site, where an alternative for the same place has a longer one.
    """
    if patched.elf.machine != EM_X86_64 or not site.size_bytes:
        return None
    if site.table == ".altinstructions":
        return alternative_contents(patched, site)
    return form_contents(patched, site)


def unpredicted(
    patched: Patched, sites: Sequence[PatchSite], window: Window, offset_bytes: int
) -> dict[int, PatchSite]:
    """
    Find the positions of a window that lie in sites and hold none of the contents these may have.

    Where sites overlap, one is written over another: of the first only the rest needs to fit. A site that
    the window cuts off, or that may have any content, is not judged. Of the window `log`, `address` and
    `memory` are read; the file's bytes come from the file.
    """
    judged = [site for site in sites if _is_inside(window, site) and site_contents(patched, site) is not None]
    # Function tracing begins with a call too, and a call has many contents.
    judged.sort(key=lambda site: site.table == ".call_sites")
    # Padding is seen by its shape alone, and many a site of the tables is nothing but nops.
    others = [site for site in sites if site not in judged and site.table != "padding"]
    seen = window._replace(free=frozenset(at for site in others for at in _span(window, site)))
    while found := next(
        ((site, span) for site in judged if (span := _fit(patched, site, seen, offset_bytes))), None
    ):
        judged.remove(found[0])
        seen = seen._replace(free=seen.free.union(found[1]))
    return {at: site for site in reversed(judged) for at in _span(window, site) if at not in seen.free}


def _is_inside(window: Window, site: PatchSite) -> bool:
    span = _span(window, site)
    return span.start >= 0 and span.stop <= len(window.log)


def _span(window: Window, site: PatchSite) -> range:
    start = site.address - window.address
    return range(start, start + site.size_bytes)


def _fit(patched: Patched, site: PatchSite, seen: Window, offset_bytes: int) -> range | None:
    """The positions of the first content of a site that the window shows, None where it shows none."""
    start = site.address - seen.address
    for content in site_contents(patched, site) or ():
        span = range(start, start + len(content.data))
        if shows(seen, span, content, offset_bytes):
            return span
    return None


def shows(seen: Window, span: range, content: Content, offset_bytes: int) -> bool:
    """Say whether a window shows a content there, as far as its positions are not free."""
    log = seen.log[span.start : span.stop]
    if log == content.data or len(log) != len(content.data):
        return log == content.data
    nops = {at for run in nop_runs(content.data) if is_nop_run(log[run.start : run.stop]) for at in run}
    hidden = {at - span.start for at in span if at in seen.free}
    part = Window(
        address=seen.address + span.start,
        log=log,
        file=_OUTSIDE + content.data + _OUTSIDE,
        free=content.free.union(nops, hidden),
        memory=seen.memory,
        moved_bytes=content.moved_bytes,
    )
    return next(differences(part, offset_bytes), None) is None
