# SPDX-License-Identifier: GPL-2.0-or-later
"""What is asked of code and of free memory, in text: how a call gets somewhere, would a request succeed."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import pairwise

from keepsane.kernel.pages.zone import zone_name
from keepsane.memory.preflight import Preflight, ZonePreflight
from keepsane.render.cleaned import cleaned
from keepsane.render.visible import written
from keepsane.symbols.calls.route import Located, Route, RouteHop
from keepsane.words import counted

_SAID = {"passes": "yes", "fails": "no", "unknown": "cannot tell"}


def route_text(route: Route) -> str:
    """Write how a site can reach a function, a row for each call or jump."""
    return written(_route(cleaned(route)))


def _route(route: Route) -> Iterator[str]:
    if route.found:
        yield f"{route.site} can reach {route.function} (could, not did):"
    else:
        yield f"{route.site} was not found to reach {route.function} through direct calls and jumps"
    for path in route.paths:
        rows = [(_name(hop.caller, hop.module), _where(hop.locations), _what(hop)) for hop in path]
        wide, wide_where = (max((len(row[at]) for row in rows), default=0) for at in (0, 1))
        for hop, (caller, where, what) in zip(path, rows, strict=True):
            yield f"  {caller:<{wide}}  {where:<{wide_where}}  {what}".rstrip()
            yield from (f"  {'':<{wide}}  {inlined}" for inlined in _inlined(hop.locations))
        yield ""
    yield from route.notes


def _name(function: str, module: str | None) -> str:
    return f"{function} [{module}]" if module else function


def _where(chain: tuple[Located, ...]) -> str:
    return f"{chain[0].file}:{chain[0].line}" if chain else "?"


def _what(hop: RouteHop) -> str:
    callee = _name(hop.callee, hop.callee_module)
    if hop.kind == "static call":
        return f"calls {callee}, unless this static call was set to another"
    return f"{'calls' if hop.kind == 'call' else 'jumps to'} {callee}"


def _inlined(chain: Iterable[Located]) -> Iterator[str]:
    for inner, outer in pairwise(chain):
        yield f"in {inner.function}, inlined into {outer.function} at {outer.file}:{outer.line}"


def preflight_text(found: Preflight, order: int) -> str:
    """Write whether a request for 2**`order` pages would succeed, zone by zone."""
    return written(_preflight(cleaned(found), order))


def _preflight(found: Preflight, order: int) -> Iterator[str]:
    gfp = found.request.gfp if found.request else None
    names = f" ({gfp.names})" if gfp else ""
    pages = "1 page" if order == 0 else f"{1 << order} pages in one piece"
    yield f"{pages}{names}: {_SAID[found.outcome]}"
    yield f"  {found.why}"
    for zone in found.zones:
        yield f"  {zone_name(zone.ledger.zone):<16}{zone.ledger.outcome:<16}{_blocks(zone)}"
        yield f"    {zone.ledger.why}"


def _blocks(zone: ZonePreflight) -> str:
    if zone.blocks is None:
        return "its free blocks were not read"
    blocks = counted(zone.blocks, "free block")
    return f"{blocks} of this size or more, room for {zone.requests}"
