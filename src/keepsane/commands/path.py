# SPDX-License-Identifier: GPL-2.0-or-later
"""`keepsane explain --path SITE FUNCTION`: how a call can reach a function through direct calls and jumps."""

from __future__ import annotations

import argparse

from keepsane.api import find_route
from keepsane.commands.output import open_output
from keepsane.errors import InputError
from keepsane.render.answers import route_text
from keepsane.render.json import value_json

FOUND, NOT_FOUND = 0, 1


def run_path(arguments: argparse.Namespace) -> int:
    """
    Search and write; 0 where a way was found, 1 where none was, 2 where it could not be done.

    Raises InputError and SymbolError where a site, a function or a file is not what it should be.
    """
    if arguments.vmlinux is None:
        raise InputError("--path reads the code of the kernel; give its file with --vmlinux FILE")
    if arguments.format not in ("text", "json"):
        raise InputError("--path gives one answer; ask for --format text or --format json")
    site, function = arguments.path
    modules, cache = arguments.modules, not arguments.no_cache
    route = find_route(site, function, vmlinux=arguments.vmlinux, modules=modules, cache=cache)
    with open_output(arguments.output) as out:
        out.write(value_json(route) if arguments.format == "json" else route_text(route))
    return FOUND if route.found else NOT_FOUND
