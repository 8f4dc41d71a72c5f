# SPDX-License-Identifier: GPL-2.0-or-later
"""`keepsane memory --order K`: would such a request succeed now, by the kernel's own arithmetic?"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from pathlib import Path

from keepsane.commands.memory_input import state_from
from keepsane.commands.output import open_output
from keepsane.errors import InputError
from keepsane.kernel.pages.zone import zone_name
from keepsane.memory.capture.capture import read_capture
from keepsane.memory.capture.sample import read_sample
from keepsane.memory.preflight import Preflight, ZonePreflight, preflight
from keepsane.render.cleaned import cleaned
from keepsane.render.json import value_json
from keepsane.render.visible import written

_SAID = {"passes": "yes", "fails": "no", "unknown": "cannot tell"}


def run_preflight(arguments: argparse.Namespace) -> int:
    """Check once, and say it zone by zone; 0 where it would succeed, 1 where not, or it cannot be told."""
    paths = [Path(path) for path in arguments.input]
    snapshots = read_capture(*paths) if paths else (read_sample(pid=arguments.pid),)
    state = state_from(snapshots, str(paths[0]) if paths else "this machine")
    try:
        found = preflight(state, arguments.order, arguments.node, arguments.zone, atomic=arguments.atomic)
    except ValueError as error:
        raise InputError(f"{error}; see keepsane memory --help") from error
    with open_output(arguments.output) as out:
        text = value_json(found) if arguments.format == "json" else written(_lines(cleaned(found), arguments))
        out.write(text)
    return 0 if found.outcome == "passes" else 1


def _lines(found: Preflight, arguments: argparse.Namespace) -> Iterator[str]:
    gfp = found.request.gfp if found.request else None
    names = f" ({gfp.names})" if gfp else ""
    count = 1 << min(max(arguments.order, 0), 20)
    yield f"{count} page{'' if count == 1 else 's in one piece'}{names}: {_SAID[found.outcome]}"
    yield f"  {found.why}"
    for one in found.zones:
        yield f"  {zone_name(one.ledger.zone):<16}{one.ledger.outcome:<16}{_blocks(one)}"
        yield f"    {one.ledger.why}"


def _blocks(one: ZonePreflight) -> str:
    if one.blocks is None:
        return "its free blocks were not read"
    blocks = "1 free block" if one.blocks == 1 else f"{one.blocks} free blocks"
    return f"{blocks} of this size or more, room for {one.requests}"
