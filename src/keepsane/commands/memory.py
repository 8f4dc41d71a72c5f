# SPDX-License-Identifier: GPL-2.0-or-later
"""
Which kind of memory is short, why, what to change, and what it is not.

    keepsane memory                            sample this machine for 30 seconds
    keepsane memory before.tar.gz              a capture, a directory, an sosreport, or two of one machine
    keepsane memory capture OUT.tar.gz         write a capture of this machine
    keepsane memory --script > capture.sh      for machines where nothing can be installed: sh capture.sh OUT
    keepsane memory --verify before.tar.gz     sample again after a change, and say what it changed
    keepsane memory --record FILE              keep a record, for days
    keepsane memory FILE --at 14:03:20         judge a record around a moment; --format html plots it
    keepsane memory --order 9 --node 0         would a request of 2 MB succeed now?
"""

from __future__ import annotations

import argparse
import platform
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from keepsane.api import diagnose, preflight
from keepsane.commands.answer import EXIT_CLEAR, EXIT_FOUND, exit_code, rendered
from keepsane.commands.inputs import require_no_input
from keepsane.commands.memory_input import Input, read_input, sampled, state_from
from keepsane.commands.output import open_output, require_output
from keepsane.errors import InputError
from keepsane.memory.capture.capture import read_capture, read_capture_script, write_capture
from keepsane.memory.capture.sample import read_sample
from keepsane.render.visible import escaped

if TYPE_CHECKING:
    from keepsane.render.html.element import Markup

CAPTURE = "capture"
MAX_SECONDS = 86_400


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare what `keepsane memory` takes."""
    parser.add_argument(
        "input",
        nargs="*",
        metavar="PATH",
        help="a capture, a directory, an sosreport or a record; two captures of one machine for rates; none: "
        "this machine. `capture OUT` writes one",
    )
    parser.add_argument("--seconds", type=int, default=30, metavar="N", help="how long to sample (30)")
    parser.add_argument("--pid", type=int, metavar="PID", help="look at this process's nodes and group too")
    parser.add_argument("--verify", metavar="BEFORE", help="a capture from before a change: what did it do?")
    parser.add_argument("--script", action="store_true", help="print the shell script that writes a capture")
    _add_record_arguments(parser)
    _add_preflight_arguments(parser)
    parser.add_argument("--format", choices=("text", "json", "html"), default="text")
    parser.add_argument("-o", "--output", metavar="FILE", help="write here instead of standard output")


def _add_record_arguments(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("a record of days")
    group.add_argument("--record", metavar="FILE", help="sample each second into FILE until interrupted")
    group.add_argument("--keep", metavar="TIME", default="7d", help="what a record keeps: 12h, 7d (7d)")
    group.add_argument(
        "--at", metavar="TIME", help="judge a record around this moment: 14:03:20, or --at=-2h"
    )
    group.add_argument("--latency", metavar="CSV", help="your own `time,value` lines, plotted beside it")


def _add_preflight_arguments(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("would a request succeed now?")
    group.add_argument("--order", type=int, metavar="K", help="a request for 2**K pages in one piece")
    group.add_argument("--node", type=int, metavar="N", help="from this node only")
    group.add_argument("--zone", metavar="Z", help="from at most this zone: DMA, DMA32, Normal")
    group.add_argument("--atomic", action="store_true", help="by a caller that cannot wait")


def run(arguments: argparse.Namespace) -> int:
    """Sample or read, judge, write; 0: nothing above info was found, 1: something was, 2: cannot tell."""
    _require_sense(arguments)
    if arguments.script:
        with open_output(arguments.output) as out:
            out.write(read_capture_script())
        return 0
    if arguments.input[:1] == [CAPTURE]:
        return _capture(arguments)
    if arguments.record:
        from keepsane.commands.memory_record import run_record

        return run_record(arguments)
    if arguments.order is not None:
        return _would_succeed(arguments)
    return _diagnose(arguments)


def _require_sense(arguments: argparse.Namespace) -> None:
    """Refuse what cannot be done before anything is sampled: a typing error must not cost half a minute."""
    if not 1 <= arguments.seconds <= MAX_SECONDS:
        raise InputError(f"--seconds {arguments.seconds} is not from 1 to {MAX_SECONDS}")
    if arguments.pid is not None and not Path(f"/proc/{arguments.pid}/status").exists():
        raise InputError(f"--pid {arguments.pid}: there is no such process on this machine")
    for is_so, words in _contradictions(arguments):
        if is_so:
            raise InputError(words)
    require_no_input(
        arguments.output, (*arguments.input, arguments.verify, arguments.latency, arguments.record)
    )
    require_output(arguments.output)


def _contradictions(arguments: argparse.Namespace) -> Iterator[tuple[bool, str]]:
    """Give what goes together with nothing else that was asked for, and what to write instead."""
    asks = arguments.order is not None
    narrowed = arguments.node is not None or arguments.zone is not None or arguments.atomic
    page = arguments.format == "html"
    yield (
        bool(arguments.latency) and not page,
        "--latency is plotted, and only a page has plots: add --format html -o PAGE.html",
    )
    yield (
        narrowed and not asks,
        "--node, --zone and --atomic are about one request: say its size by --order K",
    )
    yield asks and page, "--order is answered as text or JSON; leave --format html out"
    yield (
        bool(arguments.record) and bool(arguments.input),
        "--record samples this machine; leave the path out, or --record to read it",
    )


def _diagnose(arguments: argparse.Namespace) -> int:
    # What is named is read before anything is sampled.
    verify = arguments.verify
    before = state_from(read_capture(Path(verify)), verify) if verify else None
    source = read_input(arguments)
    name = " and ".join(arguments.input) or platform.node() or "-"
    report = diagnose(source.state, name=name, before=before)
    with open_output(arguments.output) as out:
        out.writelines(rendered(report, arguments.format, out, _plots(source, arguments)))
    return exit_code(report)


def _plots(source: Input, arguments: argparse.Namespace) -> Iterator[Markup]:
    # Imported where they are drawn: text and JSON need no plots.
    from keepsane.commands.memory_record import plots_of

    yield from plots_of(source, arguments)


def _would_succeed(arguments: argparse.Namespace) -> int:
    """Check once, and say it zone by zone; 0 where it would succeed, 1 where not, or it cannot be told."""
    paths, order = [Path(path) for path in arguments.input], arguments.order
    snapshots = read_capture(*paths) if paths else (read_sample(pid=arguments.pid),)
    state = state_from(snapshots, str(paths[0]) if paths else "this machine")
    try:
        found = preflight(state, order, arguments.node, arguments.zone, atomic=arguments.atomic)
    except ValueError as error:
        raise InputError(f"{error}; see keepsane memory --help") from error
    # Imported here: a diagnosis needs neither.
    from keepsane.render.answers import preflight_text
    from keepsane.render.json import value_json

    with open_output(arguments.output) as out:
        out.write(value_json(found) if arguments.format == "json" else preflight_text(found, order))
    return EXIT_CLEAR if found.outcome == "passes" else EXIT_FOUND


def _capture(arguments: argparse.Namespace) -> int:
    if len(arguments.input) != 2:
        raise InputError("capture takes the file to write: keepsane memory capture OUT.tar.gz")
    count = write_capture(Path(arguments.input[1]), sampled(arguments))
    with open_output(None) as out:
        out.write(f"{escaped(arguments.input[1])}: {count} samples\n")
    return 0
