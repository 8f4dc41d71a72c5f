# SPDX-License-Identifier: GPL-2.0-or-later
"""
Which kind of memory is short, why, what to change, and what it is not.

    keepsane memory                            sample this machine for 30 seconds
    keepsane memory capture.tar.gz             a capture, a directory, an sosreport or two of them
    keepsane memory capture out.tar.gz         write a capture of this machine
    keepsane memory --script > capture.sh      for machines where nothing can be installed: sh capture.sh OUT
    keepsane memory --verify before.tar.gz     sample again after a change, and say what it changed
"""

from __future__ import annotations

import argparse
import os
import platform
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TextIO

from keepsane.api import diagnose
from keepsane.commands.output import open_output
from keepsane.errors import InputError
from keepsane.memory.capture import read_capture, read_capture_script, write_capture
from keepsane.memory.sample import read_samples
from keepsane.memory.snapshot import Snapshot
from keepsane.memory.state import MemoryState, state_of
from keepsane.model import Report
from keepsane.render.json import render_json

CAPTURE = "capture"
MAX_SECONDS = 86_400


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare what `keepsane memory` takes."""
    parser.add_argument(
        "input",
        nargs="*",
        metavar="PATH",
        help="a capture, a directory or an sosreport; two of one machine for rates; none: this machine; "
        "`capture OUT` writes one",
    )
    parser.add_argument("--seconds", type=int, default=30, metavar="N", help="how long to sample (30)")
    parser.add_argument(
        "--pid", type=int, metavar="PID", help="look at this process's nodes and control group"
    )
    parser.add_argument(
        "--verify",
        metavar="BEFORE",
        help="a capture from before a change: say whether what it showed is gone",
    )
    parser.add_argument(
        "--script", action="store_true", help="print the POSIX shell script that writes a capture"
    )
    parser.add_argument("--format", choices=("text", "json", "html"), default="text")
    parser.add_argument("-o", "--output", metavar="FILE", help="write here instead of standard output")


def run(arguments: argparse.Namespace) -> int:
    """Sample or read, judge, write; 0 where nothing above info was found, 1 where something was."""
    if not 1 <= arguments.seconds <= MAX_SECONDS:
        raise InputError(f"--seconds {arguments.seconds} is not from 1 to {MAX_SECONDS}")
    if arguments.script:
        sys.stdout.write(read_capture_script())
        return 0
    if arguments.input[:1] == [CAPTURE]:
        return _capture(arguments)
    report = _report(arguments)
    with open_output(arguments.output) as out:
        out.write(_render(report, arguments.format, out))
    return 1 if any(finding.severity != "info" for finding in report.findings) else 0


def _report(arguments: argparse.Namespace) -> Report:
    # What is named is read before anything is sampled: a typing error must not cost half a minute.
    before = _state(read_capture(Path(arguments.verify)), arguments.verify) if arguments.verify else None
    paths = [Path(path) for path in arguments.input]
    if paths:
        return diagnose(
            _state(read_capture(*paths), str(paths[0])), name=" and ".join(arguments.input), before=before
        )
    return diagnose(_state(_sampled(arguments), "this machine"), name=platform.node() or "-", before=before)


def _sampled(arguments: argparse.Namespace) -> Iterator[Snapshot]:
    seconds, out = arguments.seconds, sys.stderr
    for number, snapshot in enumerate(read_samples(seconds=seconds, pid=arguments.pid)):
        if out.isatty():
            out.write(f"\rsampling: {number} of {seconds} s")
            out.flush()
        yield snapshot
    if out.isatty():
        out.write("\r\x1b[K")


def _state(snapshots: Iterable[Snapshot], name: str) -> MemoryState:
    state = state_of(snapshots)
    if state is None:
        raise InputError(f"{name} holds no sample; give a capture, or a directory with proc/ in it")
    return state


def _capture(arguments: argparse.Namespace) -> int:
    if len(arguments.input) != 2:
        raise InputError("capture takes the file to write: keepsane memory capture OUT.tar.gz")
    count = write_capture(Path(arguments.input[1]), _sampled(arguments))
    sys.stdout.write(f"{arguments.input[1]}: {count} samples\n")
    return 0


def _render(report: Report, form: str, out: TextIO) -> str:
    if form == "json":
        return render_json(report)
    if form == "html":
        from keepsane.render.html_memory import render_memory_html

        return render_memory_html(report)
    from keepsane.render.paint import plain, terminal
    from keepsane.render.text_memory import render_memory_text

    colour = out.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"
    return render_memory_text(report, terminal if colour else plain)
