# SPDX-License-Identifier: GPL-2.0-or-later
"""Remove old builds; each machine's good one and the one it may still boot stay whatever is asked."""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path

from keepsane.errors import InputError
from keepsane.netboot.folder import netboot_folder
from keepsane.netboot.history import History
from keepsane.netboot.prune import KEEP, MAX_KEPT_BYTES, to_remove
from keepsane.netboot.source_tree import drop_tree
from keepsane.netboot.store import Build, Store
from keepsane.render.visible import escaped
from keepsane.words import size_words

_ON_ITS_WAY_SECONDS = 600.0


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare what `keepsane netboot prune` takes."""
    parser.add_argument("--keep", type=int, default=KEEP, help="how many stay (default: %(default)s)")
    parser.add_argument(
        "--gigabytes",
        type=int,
        default=MAX_KEPT_BYTES >> 30,
        help="if they fit into so many (default: %(default)s)",
    )


def run(arguments: argparse.Namespace) -> int:
    """Remove what may go, and say what went. Raises InputError for a number below 0."""
    if arguments.keep < 0 or arguments.gigabytes < 0:
        raise InputError("--keep and --gigabytes are numbers from 0 on")
    store = Store(netboot_folder())
    with closing(History(netboot_folder())) as history:
        builds = store.builds()
        wanted = history.wanted() | _on_their_way(builds, history)
    sizes = [store.size_bytes(build) for build in builds]
    gone = to_remove(builds, wanted, sizes, arguments.keep, arguments.gigabytes << 30)
    store.sweep()
    for build in gone:
        store.remove(build)
        if build.source_tree:
            drop_tree(Path(build.tree), build.id)  # a tree that is gone needs none
        size = sizes[builds.index(build)]
        name = f"{build.id}  {escaped(build.release)} {build.number}"
        sys.stdout.write(f"removed {name}  {size_words(size >> 10)}\n")
    if not gone:
        sys.stdout.write("nothing to remove\n")
    return 0


def _on_their_way(builds: Sequence[Build], history: History) -> set[str]:
    """Give the builds that are for a machine and not offered yet: another process is at it."""
    since = time.time() - _ON_ITS_WAY_SECONDS
    young = [build for build in builds if build.machine and build.published_seconds > since]
    return {build.id for build in young if not history.was_offered(build.id)}
