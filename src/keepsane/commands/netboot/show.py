# SPDX-License-Identifier: GPL-2.0-or-later
"""
Everything that is known of one boot, by the number that `history` shows, or of one build.

    keepsane netboot show 12
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Iterator
from contextlib import closing
from dataclasses import asdict

from keepsane.netboot.boot import Boot, BootFile, cause_words, outcome_words
from keepsane.netboot.folder import netboot_folder
from keepsane.netboot.history import History
from keepsane.netboot.named import named_boot, named_build
from keepsane.netboot.store import Build, Store
from keepsane.render.visible import escaped
from keepsane.services.posted import posted_path
from keepsane.shell import command
from keepsane.words import size_words


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare what `keepsane netboot show` takes."""
    parser.add_argument("what", metavar="N|BUILD", help="the number of a boot, or the id of a build")
    parser.add_argument("--format", choices=("text", "json"), default="text")


def run(arguments: argparse.Namespace) -> int:
    """Show it. Raises InputError where there is no such boot or build."""
    store = Store(netboot_folder())
    with closing(History(netboot_folder())) as history:
        boot = named_boot(arguments.what, history)
        files = history.files(boot.nonce) if boot else []
        build = store.find(boot.build) if boot else named_build(arguments.what, store, history)
        is_pinned = build is not None and build.id in history.pins()
    if arguments.format == "json":
        sys.stdout.write(_json(boot, files, build))
        return 0
    lines = [*(_boot(boot, files) if boot else ()), *_build(build, boot, store, pinned=is_pinned)]
    sys.stdout.writelines(f"{escaped(name):<14}{escaped(said)}\n" for name, said in lines if said)
    return 0


def _json(boot: Boot | None, files: list[BootFile], build: Build | None) -> str:
    said = {
        "schema": 1,
        "boot": boot._asdict() if boot else None,
        "files": [file._asdict() for file in files],
        "build": asdict(build) if build else None,
    }
    return json.dumps(said, indent=1) + "\n"


def _boot(boot: Boot, files: list[BootFile]) -> Iterator[tuple[str, str]]:
    yield "boot", f"{boot.number} of {boot.machine}, from {boot.address}"
    yield "outcome", outcome_words(boot)
    yield "booted for", cause_words(boot.cause)
    for name, seconds in _phases(boot, files):
        yield name, time.strftime("%H:%M:%S", time.localtime(seconds)) + _after(boot, seconds)
    yield "command line", boot.command_line
    yield "id", f"keepsane.boot={boot.nonce}"
    yield "log", boot.log
    yield "verdict", boot.verdict
    if boot.posted_bytes is not None:
        path = posted_path(netboot_folder(), boot.nonce)
        yield "posted log", f"{size_words(boot.posted_bytes >> 10)}, {path}"
        yield "explained by", command("keepsane explain {}", str(path)) or ""
    yield "", ""


def _phases(boot: Boot, files: list[BootFile]) -> Iterator[tuple[str, float]]:
    if boot.asked_seconds is not None:
        yield "asked", boot.asked_seconds
    if boot.script_seconds is not None:
        yield "script", boot.script_seconds
    for file in files:
        yield file.name, file.last_seconds
    if boot.marked_seconds is not None:
        yield "mark", boot.marked_seconds
    if boot.back_seconds is not None:
        yield "came back", boot.back_seconds


def _after(boot: Boot, seconds: float) -> str:
    began = boot.asked_seconds or boot.script_seconds
    return "" if began is None or began == seconds else f"  {seconds - began:+.1f} s"


def _build(
    build: Build | None, boot: Boot | None, store: Store, *, pinned: bool
) -> Iterator[tuple[str, str]]:
    if build is None:
        yield "build", f"{boot.build if boot else ''} was removed by prune"
        return
    yield "build", f"{build.id}{', pinned' if pinned else ''}"
    yield "kernel", f"{build.release} {build.number}"
    yield "tree", build.tree
    yield "commit", f"{build.commit[:12]} {build.subject}".strip()
    yield "build-id", build.build_id or ""
    for file in build.files:
        yield file.name, size_words(file.size_bytes >> 10)
    yield "kept in", str(store.path(build, "kernel").parent)
