# SPDX-License-Identifier: GPL-2.0-or-later
"""
Explain every report in a kernel log, down to the source line.

    keepsane explain console.log.gz --vmlinux vmlinux --modules /lib/modules/6.1.0-56-cloud-amd64
    dmesg | keepsane explain -
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from keepsane.api import Options, explain, explain_stream
from keepsane.commands.answer import EXIT_CLEAR, EXIT_UNUSABLE, exit_code, rendered
from keepsane.commands.inputs import require_no_input
from keepsane.commands.output import open_output, require_output
from keepsane.commands.progress import shown
from keepsane.errors import InputError, KeepsaneError
from keepsane.kernel.log.input import read_log
from keepsane.report import Fragment, Report
from keepsane.symbols.lines.git_tree import named_tree

if TYPE_CHECKING:
    from keepsane.kernel.events.alloc_failure.what_if_asked import Settings


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare what `keepsane explain` takes."""
    parser.add_argument(
        "log",
        nargs="?",
        default="-",
        metavar="LOG",
        help="a log file, plain or gzip, xz, zstd; - for standard input",
    )
    parser.add_argument("--vmlinux", metavar="FILE", help="the kernel's ELF file with debug information")
    parser.add_argument(
        "--modules",
        metavar="DIR",
        action="append",
        default=[],
        help="a directory with .ko files; may be repeated",
    )
    parser.add_argument(
        "--source", metavar="DIR", help="the source tree to quote from, or REPOSITORY:TREEISH of git"
    )
    parser.add_argument(
        "--debug-dir", metavar="DIR", action="append", default=[], help="look for debug files here too"
    )
    parser.add_argument(
        "--path",
        nargs=2,
        metavar=("SITE", "FUNCTION"),
        help="no log: how the call at SITE (tty_read+0x96) can reach FUNCTION by direct calls and jumps",
    )
    parser.add_argument(
        "--edges",
        action=argparse.BooleanOptionalAction,
        default=True,
        help="say of every frame why it is there, from the caller's bytes; --no-edges leaves that out",
    )
    _add_answer(parser)


def _add_answer(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--what-if",
        metavar="NAME=N",
        action="append",
        default=[],
        help="check failed allocations once more by other settings: min_free_kbytes=N (in kB) or "
        "watermark_scale_factor=N; may be repeated",
    )
    parser.add_argument("--no-cache", action="store_true", help="neither read nor write the symbol cache")
    parser.add_argument(
        "--format",
        choices=("text", "json", "jsonl", "html"),
        default="text",
        help="jsonl writes one line per event, as it happens",
    )
    parser.add_argument(
        "--all",
        action="store_true",
        help="text: every frame, register and repeat too; without it a crash has at most 48 lines",
    )
    parser.add_argument("-o", "--output", metavar="FILE", help="write here instead of standard output")


class _Damage:
    """Remembers that the input broke off, so that what was read before is still explained."""

    error: KeepsaneError | None = None

    def watch(self, lines: Iterable[str]) -> Iterator[str]:
        lines = iter(lines)
        first = next(lines, None)
        if first is None:
            return
        yield first
        try:
            yield from lines
        except InputError as error:
            self.error = error


def _require(arguments: argparse.Namespace) -> None:
    """Refuse at once what was named and is not there: a typing error must not look like an answer."""
    git = None if arguments.source is None else named_tree(Path(arguments.source))
    if git is not None and not git.open():
        raise InputError(f"--source {arguments.source}: {git.problem}")
    folders = [("--source", None if git is not None else arguments.source)]
    folders += [("--modules", path) for path in arguments.modules]
    folders += [("--debug-dir", path) for path in arguments.debug_dir]
    for option, path in [("--vmlinux", arguments.vmlinux), *folders]:
        if path is not None and not Path(path).exists():
            raise InputError(f"{option} {path} does not exist; give a path that does, or leave {option} out")
    for option, path in folders:
        if path is not None and not Path(path).is_dir():
            raise InputError(f"{option} {path} is no directory; give the one it lies in")
    if arguments.vmlinux is not None and not Path(arguments.vmlinux).is_file():
        raise InputError(f"--vmlinux {arguments.vmlinux} is no regular file; give the kernel's ELF file")
    require_no_input(arguments.output, (arguments.log, arguments.vmlinux))
    require_output(arguments.output)


def _settings(words: list[str]) -> Settings | None:
    if not words:
        return None
    from keepsane.kernel.events.alloc_failure.what_if_asked import parse_settings

    try:
        return parse_settings(words)
    except ValueError as error:
        raise InputError(f"--what-if: {error}") from error


def _unusable(part: Report | Fragment, vmlinux: str | None) -> bool:
    """Tell whether the vmlinux that was named could not be used; why is among the failures or checks."""
    if vmlinux is None:
        return False
    contradicts = any(check.outcome == "mismatch" and check.file == vmlinux for check in part.checks)
    return contradicts or any(failure.kind == "unusable-vmlinux" for failure in part.failures)


def run(arguments: argparse.Namespace) -> int:
    """Read, explain, write; 0 where nothing was found, 1 where something was, 2 where the input broke off."""
    _require(arguments)
    if arguments.path:
        from keepsane.commands.path import run_path

        return run_path(arguments)
    settings = _settings(arguments.what_if)
    damage = _Damage()
    log = read_log(arguments.log)
    lines = shown(replace(log, lines=damage.watch(log)), sys.stderr)
    options = Options(
        name=arguments.log,
        vmlinux=Path(arguments.vmlinux) if arguments.vmlinux else None,
        modules=tuple(map(Path, arguments.modules)),
        source=Path(arguments.source) if arguments.source else None,
        debug_dirs=tuple(map(Path, arguments.debug_dir)),
        edges=arguments.edges,
        cache=not arguments.no_cache,
        what_if=settings,
    )
    code, unusable = EXIT_CLEAR, False
    with open_output(arguments.output) as out:
        for part in _parts(arguments.format, lines, options):
            out.writelines(rendered(part, arguments.format, out, brief=not arguments.all))
            out.flush()
            code, unusable = max(code, exit_code(part)), unusable or _unusable(part, arguments.vmlinux)
    if damage.error is not None:
        raise damage.error
    return EXIT_UNUSABLE if unusable else code


def _parts(form: str, lines: Iterable[str], options: Options) -> Iterator[Report | Fragment]:
    if form == "jsonl":
        yield from explain_stream(lines, options)
    else:
        yield explain(lines, options)
