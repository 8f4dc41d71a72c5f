# SPDX-License-Identifier: GPL-2.0-or-later
"""`keepsane memory --order K`: would such a request succeed now, by the kernel's own arithmetic?"""

from __future__ import annotations

import argparse
from pathlib import Path

from keepsane.api import preflight
from keepsane.commands.memory_input import state_from
from keepsane.commands.output import open_output
from keepsane.errors import InputError
from keepsane.memory.capture.capture import read_capture
from keepsane.memory.capture.sample import read_sample
from keepsane.render.answers import preflight_text
from keepsane.render.json import value_json


def run_preflight(arguments: argparse.Namespace) -> int:
    """Check once, and say it zone by zone; 0 where it would succeed, 1 where not, or it cannot be told."""
    paths, order = [Path(path) for path in arguments.input], arguments.order
    snapshots = read_capture(*paths) if paths else (read_sample(pid=arguments.pid),)
    state = state_from(snapshots, str(paths[0]) if paths else "this machine")
    try:
        found = preflight(state, order, arguments.node, arguments.zone, atomic=arguments.atomic)
    except ValueError as error:
        raise InputError(f"{error}; see keepsane memory --help") from error
    with open_output(arguments.output) as out:
        out.write(value_json(found) if arguments.format == "json" else preflight_text(found, order))
    return 0 if found.outcome == "passes" else 1
